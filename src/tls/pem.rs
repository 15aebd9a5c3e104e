//! Certificates and keys as PEM text ([RFC 7468](https://www.rfc-editor.org/rfc/rfc7468)).

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;
use super::error::What;

/// The largest file of PEM text: some 20 times the authorities of a Linux distribution. Reading a device or a pipe must end.
const MAX_FILE_LEN: u64 = 4 << 20;

/// PEM text, and the file that it was read from.
#[derive(Clone)]
pub(super) struct Source {
    text: Vec<u8>,
    path: Option<PathBuf>,
}

/// Two sources are equal if their texts are, whatever their files.
impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Source {}

impl Source {
    pub(super) fn new(text: impl Into<Vec<u8>>) -> Self {
        Self {
            text: text.into(),
            path: None,
        }
    }

    pub(super) fn read(path: &Path) -> Result<Self, TlsError> {
        let text = read(path).map_err(|error| TlsError::read(path.to_owned(), error))?;
        let path = Some(path.to_owned());
        Ok(Self { text, path })
    }

    /// How an error names this source; `name` is such as "the private key".
    pub(super) fn what(&self, name: &str) -> What {
        What::new(name, self.path.as_deref())
    }

    /// All certificates; an error without any.
    pub(super) fn certificates(
        &self,
        name: &str,
    ) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.text).collect();
        match found {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) | Err(Error::NoItemsFound) => Err(self.without(name, "certificate")),
            Err(error) => Err(TlsError::pem(self.what(name), &error)),
        }
    }

    /// The first private key, in PKCS #8, PKCS #1 or SEC 1.
    pub(super) fn private_key(&self, name: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|error| match error {
            Error::NoItemsFound => self.without(name, "private key"),
            error => TlsError::pem(self.what(name), &error),
        })
    }

    /// The certificates as roots to trust.
    pub(super) fn roots(&self, name: &str) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates(name)? {
            roots
                .add(certificate)
                .map_err(|error| TlsError::refused(self.what(name), error))?;
        }
        Ok(roots)
    }

    /// The error for a text without an `item`. Tells the commonest mistakes apart.
    fn without(&self, name: &str, item: &str) -> TlsError {
        let has = |text: &str| {
            let text = text.as_bytes();
            self.text.windows(text.len()).any(|found| found == text)
        };
        let swapped = "are certificate and key swapped?";
        let why = if has("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            "the private key is encrypted with a passphrase, and none can be given".to_owned()
        } else if has("PRIVATE KEY-----") {
            format!("the text holds a private key and no {item}: {swapped}")
        } else if has("-----BEGIN CERTIFICATE-----") {
            format!("the text holds a certificate and no {item}: {swapped}")
        } else if self.text.first() == Some(&0x30) && !has("-----BEGIN") {
            let command = if item == "certificate" {
                "x509"
            } else {
                "pkey"
            };
            format!(
                "the contents are binary (DER), where PEM is expected, a text that begins with \"-----BEGIN\": \
                 convert the file with \"openssl {command} -inform der\""
            )
        } else {
            format!("the text holds no {item}")
        };
        TlsError::text(self.what(name), why)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = File::open(path)?
        .take(MAX_FILE_LEN + 1)
        .read_to_end(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_FILE_LEN) {
        Ok(text)
    } else {
        let why = "the file is longer than 4 MiB, the limit for PEM text";
        Err(io::Error::new(ErrorKind::FileTooLarge, why))
    }
}
