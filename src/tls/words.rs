//! rustls' errors in words for people who do not know rustls.

use std::fmt::Debug;
use std::net::IpAddr;

use rustls::pki_types::UnixTime;
#[cfg(feature = "client")]
use rustls::{AlertDescription, PeerIncompatible};
use rustls::{CertificateError, Error, InconsistentKeys};

/// What is wrong in a file of ours, after its name and a colon.
pub(super) fn of_file(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => format!("the certificate {}", of_certificate(error)),
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the key is not that of the certificate".to_owned()
        }
        Error::General(text) => text.clone(),
        other => plain(other),
    }
}

/// Why a handshake with a server failed.
#[cfg(feature = "client")]
pub(super) fn of_handshake(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => {
            format!("the server's certificate {}", of_certificate(error))
        }
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::NoApplicationProtocol => NO_HTTP2.to_owned(),
        Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => {
            "the server speaks neither TLS 1.2 nor TLS 1.3".to_owned()
        }
        Error::PeerIncompatible(why) => {
            format!(
                "the server's TLS has too little in common with this client's ({})",
                plain(why)
            )
        }
        Error::NoCertificatesPresented => "the server shows no certificate".to_owned(),
        Error::General(text) => text.clone(),
        other => format!("the server does not keep to TLS ({})", plain(other)),
    }
}

/// What a server without HTTP/2 is told to be.
#[cfg(feature = "client")]
pub(super) const NO_HTTP2: &str = "the server speaks TLS, and no HTTP/2 in it (ALPN h2)";

/// What the server has told us in its last message.
#[cfg(feature = "client")]
fn of_alert(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired => "the server asks for a client certificate (mutual TLS)",
        Alert::UnknownCA => {
            "the server does not trust the client certificate: it knows no authority that has signed it"
        }
        Alert::CertificateExpired => {
            "the server does not take the client certificate: it is expired, or not valid yet"
        }
        Alert::CertificateRevoked => {
            "the server does not take the client certificate: it is revoked"
        }
        Alert::BadCertificate | Alert::UnsupportedCertificate | Alert::CertificateUnknown => {
            "the server does not take the client certificate, or asks for one (mutual TLS)"
        }
        Alert::DecryptError => {
            "the server does not take the client certificate: a signature is not that of the authority it names"
        }
        Alert::AccessDenied => "the server does not let this client in",
        Alert::UnrecognisedName => "the server has no certificate for the name it is called by",
        Alert::ProtocolVersion => "the server speaks neither TLS 1.2 nor TLS 1.3",
        Alert::NoApplicationProtocol => NO_HTTP2,
        Alert::HandshakeFailure | Alert::InsufficientSecurity => {
            "the server's TLS has too little in common with this client's, or it asks for a client certificate"
        }
        other => return format!("the server gave the TLS handshake up ({})", plain(&other)),
    }
    .to_owned()
}

/// What is wrong with a certificate, after the words "the certificate".
fn of_certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::UnknownIssuer => {
            "is signed by no authority that is trusted here".to_owned()
        }
        E::BadSignature => {
            "has a signature that is not its authority's: is this the authority of an older certificate?".to_owned()
        }
        // Of all authorities only those with the name that the certificate says are tried.
        E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed with another kind of key than that of the trusted authority of this name: is it another authority of the same name?"
                .to_owned()
        }
        E::BadEncoding => "is malformed".to_owned(),
        E::Expired => "has expired".to_owned(),
        E::ExpiredContext { time, not_after } => {
            format!("has expired {} ago", between(*not_after, *time))
        }
        E::NotValidYet => "is not valid yet".to_owned(),
        E::NotValidYetContext { time, not_before } => {
            let wait = between(*time, *not_before);
            format!("is not valid yet, but only in {wait}: is this machine's clock right?")
        }
        E::NotValidForName => "is for another name".to_owned(),
        E::NotValidForNameContext {
            expected,
            presented,
        } => {
            let names: Vec<_> = presented.iter().map(|name| inner(name)).collect();
            let names = match names.as_slice() {
                [] => "no name: a subjectAltName is missing".to_owned(),
                names => names.join(", "),
            };
            format!("is not for {}, but for {names}", expected.to_str())
        }
        E::Revoked => "is revoked".to_owned(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "is not for this purpose: its extended key usage says another".to_owned()
        }
        E::UnhandledCriticalExtension => {
            "has a critical extension that is not understood here".to_owned()
        }
        // The names of rustls-webpki's errors, which rustls hands on without a type that could be matched.
        E::Other(other) => match format!("{other:?}") {
            name if name.contains("UnsupportedCertVersion") => {
                "is of X.509 version 1, and TLS needs version 3: make it with extensions".to_owned()
            }
            name if name.contains("CaUsedAsEndEntity") => {
                "is that of an authority (CA:TRUE), and a server needs one that its authority has signed, or with CA:FALSE"
                    .to_owned()
            }
            name if name.contains("EndEntityUsedAsCa") => {
                "is signed by a certificate that is no authority's (CA:TRUE is missing there)".to_owned()
            }
            _ => format!("cannot be verified ({})", plain(other)),
        },
        other => format!("cannot be verified ({})", plain(other)),
    }
}

/// `DnsName("a")` and `IpAddress(::1)` without what is around the name.
fn inner(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, rest)| rest);
    let inner = inner.trim_end_matches(')').trim_matches('"');
    // `0::1` is `::1`.
    let addr = inner.parse::<IpAddr>();
    addr.map_or_else(|_| inner.to_owned(), |addr| addr.to_string())
}

/// How much later `to` is than `from`, in the largest unit of which there are two.
fn between(from: UnixTime, to: UnixTime) -> String {
    let seconds = to.as_secs().saturating_sub(from.as_secs());
    let units = [("days", 86_400), ("hours", 3_600), ("minutes", 60)];
    match units.into_iter().find(|(_, unit)| seconds >= 2 * unit) {
        Some((name, unit)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} seconds"),
    }
}

/// The innermost name of an error that has only a name, in words: `Other(OtherError(UnknownIssuer))` is "unknown issuer".
fn plain(error: &impl Debug) -> String {
    let debug = format!("{error:?}");
    // Without what the innermost holds.
    let names = debug.split(['{', '[', '"']).next().unwrap_or_default();
    let name = names
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .rfind(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
        .unwrap_or("unknown");
    let name = name.strip_suffix("Context").unwrap_or(name);
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && words.ends_with(|c: char| c.is_ascii_lowercase()) {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_of_errors_become_words() {
        for (error, words) in [
            (
                Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
                "invalid content type",
            ),
            (
                Error::PeerMisbehaved(rustls::PeerMisbehaved::TooManyEmptyFragments),
                "too many empty fragments",
            ),
            (Error::DecryptError, "decrypt error"),
            (
                CertificateError::UnsupportedSignatureAlgorithmContext {
                    signature_algorithm_id: vec![1],
                    supported_algorithms: Vec::new(),
                }
                .into(),
                "unsupported signature algorithm",
            ),
        ] {
            assert_eq!(plain(&error), words);
        }
        assert_eq!(plain(&"no name"), "unknown");
    }

    /// Debian's package ssl-cert adds an authority named localhost, with an RSA key. A server's own certificate for localhost "cannot be
    /// verified (unsupported signature algorithm for public key)".
    #[test]
    fn an_authority_of_the_same_name_was_a_matter_of_algorithms() {
        let error = CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: vec![1],
            public_key_algorithm_id: vec![2],
        };
        assert_eq!(
            of_certificate(&error),
            "is signed with another kind of key than that of the trusted authority of this name: is it another authority of the same name?"
        );
    }

    #[test]
    fn times_are_told_in_units_that_people_count_in() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        for (seconds, words) in [
            (0, "0 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7_200, "2 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(between(at(1), at(1 + seconds)), words);
        }
        assert_eq!(between(at(2), at(1)), "0 seconds");
    }

    #[test]
    fn names_of_a_certificate_are_shown_without_their_types() {
        assert_eq!(inner("DnsName(\"shop.example\")"), "shop.example");
        assert_eq!(inner("IpAddress(0::1)"), "::1");
        assert_eq!(inner("shop"), "shop");
    }
}
