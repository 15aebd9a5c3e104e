//! Certificates and keys as PEM text ([RFC 7468](https://www.rfc-editor.org/rfc/rfc7468)).

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// All certificates of `pem`, which must hold one at least.
pub(super) fn certificates(
    what: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| TlsError::pem(what, error))?;
    if found.is_empty() {
        return Err(TlsError::missing(what));
    }
    Ok(found)
}

/// The first private key of `pem`: PKCS #8, PKCS #1 or SEC 1.
pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| TlsError::pem("the private key", error))
}

/// The certificates of `pem`, to be trusted.
pub(super) fn roots(what: &'static str, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(what, pem)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError::refused(what, error))?;
    }
    Ok(roots)
}
