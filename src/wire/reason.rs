//! The trailing metadata of `Check` that says why a service has its status, and since when. It is an extension of this crate, not of gRPC.

/// The trailing metadata of `Check` that says why the service has its status, percent-encoded as `grpc-message` is; see
/// [`HealthService::reasons`](crate::HealthService::reasons).
pub const REASON: &str = "health-reason";

/// The trailing metadata of `Check` that says since when the service has its status, in milliseconds since 1970 (UTC); see
/// [`HealthService::reasons`](crate::HealthService::reasons).
pub const SINCE: &str = "health-since-ms";
