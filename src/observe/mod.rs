//! What an operator sees of a server: events for `tracing`, and numbers for `metrics`. Without the features `tracing` and `metrics` the
//! module is empty, and observing costs nothing.
//!
//! # Events (feature `tracing`)
//!
//! | target | event | level |
//! |---|---|---|
//! | `grpc_health::connection` | a connection is opened, or its client closes it between calls | `TRACE` |
//! | `grpc_health::connection` | a connection is closed for another reason | `DEBUG` |
//! | `grpc_health::limits` | a connection or a call is refused or ended because of a limit, with the limit's name | `WARN` |
//! | `grpc_health::drain` | a step of a shutdown | `INFO` |
//! | `grpc_health::status` | the status of a service changes, with the reason if there is one | `INFO` |
//!
//! No event and no span belongs to a call that is answered: a healthy probe writes nothing at `DEBUG` and above. Of the events `DEBUG` and `WARN` of
//! one reason, a server writes at most five in ten seconds. The field `suppressed` of the next event counts the events left out. Names and
//! reasons are escaped as in Rust's string literals, so no text contains a line break or an escape sequence of a terminal.
//!
//! The events `grpc_health::status` come from the health service's background work. The work begins with a server's first connection
//! or [`serve`](crate::Server::serve), and reports statuses only if `INFO` of the target `grpc_health::status` is enabled at that time. While
//! statuses are reported, every `set` takes a short lock.
//!
//! # Metrics (feature `metrics`)
//!
//! The application installs a recorder of the `metrics` crate *before* the server is built. A server keeps its handles, so a recorder that
//! is installed later sees nothing. With the feature, every `set` takes a short lock once the background work of a health service has begun.
//!
//! | name | kind | labels | counts |
//! |---|---|---|---|
//! | `rpc.server.call.duration` | histogram, seconds | `rpc.system.name`, `rpc.method`, `rpc.response.status_code` | calls, from the request's arrival to the end of the answer |
//! | `grpc_health.checks` | counter | `result`, `prober` | `Check` and `Watch` calls by the status they are answered with first |
//! | `grpc_health.watches` | gauge | | open `Watch` calls |
//! | `grpc_health.status` | gauge | `service`, `status` | 1 for the status that a service has, 0 for a status that the service had before |
//! | `grpc_health.lease.age` | gauge, seconds | `service` | the time for which the oldest lease of a service has not been beaten, as the plane saw when the plane last looked |
//! | `grpc_health.connections` | gauge | | open connections whose handshake is complete |
//! | `grpc_health.connections.opened` | counter | | connections whose handshake was completed |
//! | `grpc_health.connections.closed` | counter | `reason` | connections that were closed, by the names of [reasons](#reasons) |
//! | `grpc_health.connections.refused` | counter | `reason` | connections that were closed before they were served |
//! | `grpc_health.calls.refused` | counter | `reason` | calls that a limit refused or ended |
//!
//! The first name and its labels are [OpenTelemetry's](https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/). An `rpc.method` is a
//! method of a service that the server has, such as `grpc.health.v1.Health/Check`. Every other path is `_OTHER`, and so is every method after
//! the first 1,024. The label `service` has registered names only. No client can therefore add labels without end.
//!
//! A `prober` is found by the start of the request's `user-agent`: `kube-probe`, `grpc_health_probe`, `envoy`, `elb`, `google`,
//! or else `other`. Every `Watch` counts as `grpc_watch`.
//!
//! # Reasons
//!
//! | of a closed connection | |
//! |---|---|
//! | `client` | the client closed the connection between calls |
//! | `client_in_call` | the client closed or lost the connection within a call |
//! | `protocol_error` | the client violated HTTP/2 |
//! | `flood` | the client sent too many useless frames |
//! | `timeout` | the client sent nothing or read nothing for too long |
//! | `age` | the connection was too old or idle |
//! | `evicted` | the connection made room for another |
//! | `shutdown` | the server shut down |
//! | `dropped` | the task of the connection was dropped |
//!
//! | of a refused connection | |
//! |---|---|
//! | `max_connections` | there was no place |
//! | `flood_wait` | the address waits after a flood |
//! | `handshake` | the handshake was invalid |
//! | `handshake_timeout` | the handshake took too long |
//!
//! | of a refused call | |
//! |---|---|
//! | `max_long_lived_streams` | too many long-lived calls of one connection |
//! | `max_watches` | too many `Watch` calls of all connections |
//! | `receive_budget` | no memory for the request |
//! | `send_budget` | the reply made room for other replies |
//! | `send_stall_timeout` | the client did not read the reply |

#[cfg(feature = "metrics")]
mod durations;
#[cfg(feature = "metrics")]
mod measured;
mod meter;
mod observer;
mod observers;
#[cfg(feature = "metrics")]
mod prober;
#[cfg(feature = "tracing")]
mod throttle;
#[cfg(feature = "tracing")]
mod traced;

pub(crate) use meter::{CallMeter, Metering, Meters, WatchMeter};
pub(crate) use observer::{Change, Checked, Close, Limit, Observer, Refused, Step};
pub(crate) use observers::Observers;
