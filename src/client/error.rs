//! What can go wrong below gRPC, and which status it becomes.

use std::{error::Error, fmt, io};

use crate::wire::{code::Code, envelope::EnvelopeError, status::Status};

/// No connection was made.
#[derive(Debug)]
pub struct ConnectError(Kind);

#[derive(Debug)]
enum Kind {
    Socket(io::Error),
    #[cfg(feature = "tls")]
    Tls(io::Error),
    Handshake(h2::Error),
}

impl ConnectError {
    pub(super) const fn socket(error: io::Error) -> Self {
        Self(Kind::Socket(error))
    }

    #[cfg(feature = "tls")]
    pub(super) const fn tls(error: io::Error) -> Self {
        Self(Kind::Tls(error))
    }

    pub(super) const fn handshake(error: h2::Error) -> Self {
        Self(Kind::Handshake(error))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Socket(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Kind::Tls(error) => write!(f, "TLS handshake: {error}"),
            Kind::Handshake(error) => write!(f, "HTTP/2 handshake: {error}"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Socket(error) => Some(error),
            #[cfg(feature = "tls")]
            Kind::Tls(error) => Some(error),
            Kind::Handshake(error) => Some(error),
        }
    }
}

/// The status of a call that HTTP/2 failed.
///
/// Only a reset of the call's own stream says something of the call; a connection that went away
/// is UNAVAILABLE whatever its GOAWAY said, and what the peer got wrong is INTERNAL.
pub(super) fn from_h2(error: &h2::Error) -> Status {
    let code = match error.reason() {
        Some(reason) if error.is_reset() && error.is_remote() => {
            Code::from_h2_reason(u32::from(reason))
        }
        Some(_) if error.is_library() => Code::INTERNAL,
        _ => Code::UNAVAILABLE,
    };
    Status::new(code, error.to_string())
}

/// The status of a call whose reply is not a sequence of envelopes.
pub(super) fn from_envelope(error: &EnvelopeError) -> Status {
    Status::new(error.code(), error.to_string())
}
