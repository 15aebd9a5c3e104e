//! Health probes over HTTP/1.1 ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)) as pure functions: bytes of requests in, bytes of
//! answers out. The host does the reading, the writing and the waiting.
//!
//! Only `GET` and `HEAD` without a body are served. Whatever could mean one thing here and another to a proxy in front of the server is
//! refused, and the connection is closed.

mod answer;
mod heads;
mod request;

pub(crate) use answer::{Answer, Outcome, answer, timed_out};
pub(crate) use heads::{Found, Heads};
