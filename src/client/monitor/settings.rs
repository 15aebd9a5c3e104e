//! The settings of a monitor, and their defaults.

use std::time::Duration;

use super::backoff::Spacing;

/// The shortest poll period, and the shortest first backoff: a wrong setting must not make a client flood servers.
pub(super) const SHORTEST: Duration = Duration::from_millis(100);

#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The largest number of pairs. A pair with an endpoint of its own takes 28 kB without TLS, so the default is some 280 MB.
    pub(super) max_pairs: usize,
    /// gRPC's standard values.
    pub(super) spacing: Spacing,
    /// The kubelet's default period of a probe.
    pub(super) poll_period: Duration,
    /// As in the client.
    pub(super) first_answer: Duration,
    /// grpc-go and C-core close a connection with more than two PINGs that come less than 5 minutes apart. Ten seconds more, so that the
    /// network cannot bring two PINGs too close together.
    pub(super) keepalive: Duration,
    /// gRPC's default.
    pub(super) keepalive_timeout: Duration,
}

impl Settings {
    pub(super) const DEFAULT: Self = Self {
        max_pairs: 10_000,
        spacing: Spacing {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(120),
        },
        poll_period: Duration::from_secs(10),
        first_answer: Duration::from_secs(20),
        keepalive: Duration::from_secs(310),
        keepalive_timeout: Duration::from_secs(20),
    };
}
