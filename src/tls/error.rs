//! Why certificates cannot be used.

use std::path::{Path, PathBuf};
use std::{error::Error, fmt, io};

use rustls::pki_types::pem;
use rustls::server::VerifierBuilderError;

use super::words;

/// The certificates or keys cannot be used. The error's text says why, and names the file if the PEM text was read from one.
#[derive(Debug)]
pub struct TlsError(Kind);

#[derive(Debug)]
enum Kind {
    Read(PathBuf, io::Error),
    Text(What, String),
    Refused(What, rustls::Error),
    Verifier(VerifierBuilderError),
}

/// The subject of an error, such as "the private key", with the file that it was read from.
#[derive(Clone, Debug)]
pub(super) struct What(String);

impl What {
    pub(super) fn new(name: &str, path: Option<&Path>) -> Self {
        Self(match path {
            None => name.to_owned(),
            Some(path) => format!("{name} ({})", path.display()),
        })
    }

    pub(super) fn and(self, other: &Self) -> Self {
        Self(format!("{} and {}", self.0, other.0))
    }
}

impl TlsError {
    pub(super) const fn read(path: PathBuf, error: io::Error) -> Self {
        Self(Kind::Read(path, error))
    }

    /// The PEM text cannot be read.
    pub(super) fn pem(what: What, error: &pem::Error) -> Self {
        let why = match error {
            pem::Error::MissingSectionEnd { .. } => {
                "the text is cut off: a line with END is missing"
            }
            pem::Error::IllegalSectionStart { .. } => "a line with BEGIN is malformed",
            pem::Error::Base64Decode(_) => "the text is damaged: its base64 cannot be decoded",
            _ => "the text is no PEM",
        };
        Self::text(what, why)
    }

    pub(super) fn text(what: What, why: impl Into<String>) -> Self {
        Self(Kind::Text(what, why.into()))
    }

    pub(super) const fn refused(what: What, error: rustls::Error) -> Self {
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
            Kind::Text(What(what), why) => write!(f, "{what}: {why}"),
            Kind::Refused(What(what), error) => write!(f, "{what}: {}", words::of_file(error)),
            Kind::Verifier(VerifierBuilderError::NoRootAnchors) => {
                f.write_str("the client CA: the text holds no certificate")
            }
            Kind::Verifier(_) => f.write_str("the client CA: its certificates cannot be used"),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Read(_, error) => Some(error),
            Kind::Text(..) => None,
            Kind::Refused(_, error) => Some(error),
            Kind::Verifier(error) => Some(error),
        }
    }
}
