//! Errors below gRPC, and the status of a call that such an error ends.

use std::{convert::Infallible, error::Error, fmt, io, time::Duration};

use h2::Reason;

use super::InvalidTarget;
use super::watched::Processed;
use crate::wire::{code::Code, envelope::EnvelopeError, status::Status};

/// The client could not connect. The text says why, for the user of a program.
#[derive(Debug)]
pub struct ConnectError(Kind);

#[derive(Debug)]
enum Kind {
    Target(InvalidTarget),
    Socket(io::Error),
    #[cfg(feature = "tls")]
    Tls(String, io::Error),
    Handshake(h2::Error),
    Refused(String),
    /// What the server has not done, the time limit, and the likely cause.
    Timeout(&'static str, Duration, &'static str),
}

impl ConnectError {
    pub(super) const fn target(error: InvalidTarget) -> Self {
        Self(Kind::Target(error))
    }

    pub(super) const fn socket(error: io::Error) -> Self {
        Self(Kind::Socket(error))
    }

    #[cfg(feature = "tls")]
    pub(super) const fn tls(words: String, error: io::Error) -> Self {
        Self(Kind::Tls(words, error))
    }

    pub(super) const fn handshake(error: h2::Error) -> Self {
        Self(Kind::Handshake(error))
    }

    /// The peer is not the expected server.
    pub(super) const fn refused(why: String) -> Self {
        Self(Kind::Refused(why))
    }

    pub(super) const fn timeout(what: &'static str, limit: Duration, why: &'static str) -> Self {
        Self(Kind::Timeout(what, limit, why))
    }
}

impl From<InvalidTarget> for ConnectError {
    fn from(error: InvalidTarget) -> Self {
        Self::target(error)
    }
}

/// A value that is already a `Target` always converts.
impl From<Infallible> for ConnectError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Target(error) => error.fmt(f),
            Kind::Socket(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Kind::Tls(words, _) => words.fmt(f),
            Kind::Handshake(error) => write!(f, "HTTP/2 handshake: {}", words(error, None)),
            Kind::Refused(why) => why.fmt(f),
            Kind::Timeout(what, limit, why) => write!(f, "{what} within {limit:?}{why}"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Target(error) => Some(error),
            Kind::Socket(error) => Some(error),
            #[cfg(feature = "tls")]
            Kind::Tls(_, error) => Some(error),
            Kind::Handshake(error) => Some(error),
            Kind::Refused(_) | Kind::Timeout(..) => None,
        }
    }
}

/// Words for an h2 error, for people who do not know h2. `goaway` is the reason of the GOAWAY that the server has sent before, if any.
pub(super) fn words(error: &h2::Error, goaway: Option<Reason>) -> String {
    let by_server = error.is_remote();
    match (error.reason(), error.get_io(), goaway) {
        (Some(reason), ..) if by_server && error.is_go_away() => going_away(reason),
        (Some(reason), ..) if by_server => format!("the server reset the call ({})", name(reason)),
        (Some(reason), ..) if error.is_library() => {
            format!("the server does not keep to HTTP/2 ({})", name(reason))
        }
        (_, Some(_), Some(reason)) => going_away(reason),
        // h2's error for a connection that ended, and TLS's.
        (_, Some(error), _)
            if matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof
            ) =>
        {
            "the server closed the connection".to_owned()
        }
        (_, Some(error), _) => format!("the connection broke: {error}"),
        _ => "the connection is closed".to_owned(),
    }
}

pub(super) fn going_away(reason: Reason) -> String {
    match reason {
        Reason::NO_ERROR => "the server is going away".to_owned(),
        reason => format!("the server closed the connection ({})", name(reason)),
    }
}

/// The name of a reason in HTTP/2, or the reason's number.
fn name(reason: Reason) -> String {
    let known = (0..=13).contains(&u32::from(reason));
    if known {
        format!("{reason:?}")
    } else {
        format!("error {}", u32::from(reason))
    }
}

/// The status of a call that an h2 error ended.
///
/// A reset of the call's own stream has the code of gRPC's table. A connection that the server closed is UNAVAILABLE, whatever its GOAWAY
/// said. A peer that breaks the protocol is INTERNAL.
pub(super) fn from_h2(error: &h2::Error, processed: &Processed) -> Status {
    let code = match error.reason() {
        Some(reason) if error.is_reset() && error.is_remote() => {
            Code::from_h2_reason(u32::from(reason))
        }
        Some(_) if error.is_library() => Code::INTERNAL,
        _ => Code::UNAVAILABLE,
    };
    Status::new(code, words(error, processed.goaway()))
}

/// The status of a call whose reply is not a sequence of envelopes.
pub(super) fn from_envelope(error: &EnvelopeError) -> Status {
    Status::new(error.code(), error.to_string())
}
