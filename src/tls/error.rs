//! Why certificates cannot be used.

use std::{error::Error, fmt, io, path::PathBuf};

use rustls::pki_types::pem;
use rustls::server::VerifierBuilderError;

/// Certificates or keys that cannot be used.
#[derive(Debug)]
pub struct TlsError(Kind);

#[derive(Debug)]
enum Kind {
    Read(PathBuf, io::Error),
    Pem(&'static str, pem::Error),
    Missing(&'static str),
    Refused(&'static str, rustls::Error),
    Verifier(VerifierBuilderError),
}

impl TlsError {
    pub(super) const fn read(path: PathBuf, error: io::Error) -> Self {
        Self(Kind::Read(path, error))
    }

    /// `what` is named as in "the private key".
    pub(super) fn pem(what: &'static str, error: pem::Error) -> Self {
        match error {
            pem::Error::NoItemsFound => Self::missing(what),
            error => Self(Kind::Pem(what, error)),
        }
    }

    pub(super) const fn missing(what: &'static str) -> Self {
        Self(Kind::Missing(what))
    }

    pub(super) const fn refused(what: &'static str, error: rustls::Error) -> Self {
        Self(Kind::Refused(what, error))
    }

    pub(super) const fn verifier(error: VerifierBuilderError) -> Self {
        Self(Kind::Verifier(error))
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Read(path, error) => write!(f, "{}: {error}", path.display()),
            Kind::Pem(what, error) => write!(f, "{what}: {error}"),
            Kind::Missing(what) => write!(f, "{what}: none in the PEM text"),
            Kind::Refused(what, error) => write!(f, "{what}: {error}"),
            Kind::Verifier(error) => write!(f, "the client CA: {error}"),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Read(_, error) => Some(error),
            Kind::Pem(_, error) => Some(error),
            Kind::Missing(_) => None,
            Kind::Refused(_, error) => Some(error),
            Kind::Verifier(error) => Some(error),
        }
    }
}
