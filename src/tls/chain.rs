//! Limits on the certificates that a client shows. They are checked before any signature is.
//!
//! rustls-webpki tries every order in which the certificates could form a chain. A client that sends many certificates with one subject
//! makes the server check a hundred signatures, for which a client needs no certificate that the server trusts.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use webpki::EndEntityCert;

/// How many certificates a client may show, its own included. Chains of public authorities have two or three, and rustls-webpki follows a
/// chain over six intermediates at most.
const MAX_CERTIFICATES: usize = 10;

/// How many of the intermediates may have the subject of another. An authority that changes its key may have certificates for both keys.
const MAX_NAMESAKES: usize = 2;

/// How many names (DNS names and URIs) each certificate may have.
const MAX_NAMES: usize = 256;

/// Why a client's certificates are refused before they are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excess {
    Certificates,
    Namesakes,
    Names,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificates => write!(f, "more than {MAX_CERTIFICATES} certificates"),
            Self::Namesakes => write!(
                f,
                "more than {MAX_NAMESAKES} intermediates with the subject of another"
            ),
            Self::Names => write!(f, "a certificate with more than {MAX_NAMES} names"),
        }
    }
}

impl std::error::Error for Excess {}

/// Checks the limits.
fn check(leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Result<(), Excess> {
    if intermediates.len() >= MAX_CERTIFICATES {
        return Err(Excess::Certificates);
    }
    let mut namesakes = 0;
    let mut subjects: Vec<Vec<u8>> = Vec::with_capacity(intermediates.len());
    for (at, der) in std::iter::once(leaf).chain(intermediates).enumerate() {
        // rustls-webpki skips an intermediate that cannot be parsed, and refuses such a leaf.
        let Ok(certificate) = EndEntityCert::try_from(der) else {
            continue;
        };
        let names = certificate
            .valid_dns_names()
            .chain(certificate.valid_uri_names());
        if names.take(MAX_NAMES + 1).count() > MAX_NAMES {
            return Err(Excess::Names);
        }
        if at > 0 {
            let subject = certificate.subject();
            namesakes += usize::from(subjects.iter().any(|other| other == subject));
            subjects.push(subject.to_vec());
        }
    }
    if namesakes > MAX_NAMESAKES {
        return Err(Excess::Namesakes);
    }
    Ok(())
}

/// Verifies a client's certificates if they are within the limits.
#[derive(Debug)]
pub(super) struct Bounded(pub(super) Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Bounded {
    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        check(leaf, intermediates)
            .map_err(|excess| CertificateError::Other(OtherError(Arc::new(excess))))?;
        self.0.verify_client_cert(leaf, intermediates, now)
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
