//! The health service, `grpc.health.v1.Health`: `Check`, `List` and `Watch` over a [`Registry`](crate::registry::Registry).
//!
//! [health-checking.md](https://github.com/grpc/grpc/blob/master/doc/health-checking.md) specifies `Check` and `Watch`; [gRFC
//! A90](https://github.com/grpc/proposal/blob/master/A90-health-service-list-method.md) specifies `List`.

mod list;
mod probe;
mod reasons;
pub(crate) mod reply;
pub(crate) mod request;
mod seen;
mod service;
mod shares;
mod watch;

pub use crate::wire::reason::{REASON, SINCE};
pub use list::LIST_LIMIT;
pub use service::{HealthService, MAX_REQUEST, MAX_WATCHES};
pub use watch::WatchStream;
