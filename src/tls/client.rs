//! The client's side of TLS: which servers the client trusts, and which certificate the client shows.

mod unverified;

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
#[cfg(feature = "native-roots")]
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::What;
use super::pem::Source;
use super::{H2, TlsError, refused_identity, words};
use unverified::trusting_any;

/// The TLS settings of a client, for [`Client::connect_tls`](crate::client::Client::connect_tls). Clones are cheap.
#[derive(Debug, Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

/// The certificates and keys of a client, as PEM text or read from files. Two are equal if their texts are.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct ClientPem {
    trusted: Trusted,
    identity: Option<(Source, Source)>,
}

/// Which servers a client trusts.
#[derive(Clone, PartialEq, Eq)]
enum Trusted {
    /// Those that one of these authorities has signed for.
    By(Source),
    /// Those that an authority of this machine has signed for.
    #[cfg(feature = "native-roots")]
    ByMachine,
    /// All.
    Any,
}

impl ClientPem {
    /// Trusts servers whose certificate is signed by one of the CA certificates in `ca` (PEM text).
    pub fn new(ca: impl Into<Vec<u8>>) -> Self {
        Self::trusting(Trusted::By(Source::new(ca)))
    }

    /// Trusts servers whose certificate is signed by one of the CA certificates in the file `ca` (PEM). Reads the file in a blocking call.
    /// Later errors about the certificates name the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is longer than 4 MiB.
    pub fn read(ca: &Path) -> Result<Self, TlsError> {
        Ok(Self::trusting(Trusted::By(Source::read(ca)?)))
    }

    /// Trusts servers whose certificate is signed by a CA that this machine trusts: the operating system's certificates, or those that the
    /// environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name. [`ClientTls::from_pem`] reads the certificates, in blocking calls and
    /// without a limit on their size: the system and whoever starts the process choose these files.
    #[cfg(feature = "native-roots")]
    pub const fn native_roots() -> Self {
        Self::trusting(Trusted::ByMachine)
    }

    /// **Dangerous**: trusts every server, whatever certificate the server shows, for whatever name.
    ///
    /// Whoever can answer in the server's place, or stands between client and server, can read and change everything that is sent over the
    /// connection, and TLS does not protect from them. For a probe that sends no secrets, and whose answer nobody has a reason to forge.
    pub const fn dangerous_trust_any_server() -> Self {
        Self::trusting(Trusted::Any)
    }

    const fn trusting(trusted: Trusted) -> Self {
        Self {
            trusted,
            identity: None,
        }
    }

    /// Mutual TLS: shows `certificates`, the client's certificate followed by its intermediates, to a server that asks for a certificate.
    /// `key` is the certificate's private key (PKCS #8, PKCS #1 or SEC 1). Both are PEM text.
    pub fn identity(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((Source::new(certificates), Source::new(key)));
        self
    }

    /// Mutual TLS: shows the client's certificate, followed by its intermediates, to a server that asks for a certificate. Reads both PEM
    /// files in blocking calls. Later errors about the certificates or the key name the file.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or is longer than 4 MiB.
    pub fn read_identity(mut self, certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        self.identity = Some((Source::read(certificates)?, Source::read(key)?));
        Ok(self)
    }

    fn config(&self) -> Result<ClientConfig, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::refused(What::new("TLS versions", None), error))?;
        let builder = match &self.trusted {
            Trusted::By(ca) => builder.with_root_certificates(ca.roots("the CA")?),
            #[cfg(feature = "native-roots")]
            Trusted::ByMachine => builder.with_root_certificates(native_roots()?),
            Trusted::Any => trusting_any(builder),
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((source, key)) => {
                let certificates = source.certificates("the certificate")?;
                let private_key = key.private_key("the private key")?;
                builder
                    .with_client_auth_cert(certificates, private_key)
                    .map_err(|error| refused_identity(source, key, error))?
            }
        };
        config.alpn_protocols = vec![H2.to_vec()];
        Ok(config)
    }
}

impl std::fmt::Debug for ClientPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientPem")
            .field("mutual", &self.identity.is_some())
            .finish_non_exhaustive()
    }
}

/// Skips certificates in the machine's store that cannot be read: most stores have some.
#[cfg(feature = "native-roots")]
fn native_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let what = What::new("the authorities of this machine", None);
        let why = "none is found; SSL_CERT_FILE may name a file of them";
        return Err(TlsError::text(what, why));
    }
    Ok(roots)
}

impl ClientTls {
    /// Makes TLS settings that trust servers whose certificate is signed by one of the CA certificates in `ca` (PEM text).
    ///
    /// # Errors
    ///
    /// If `ca` has no certificate, or a malformed certificate.
    pub fn new(ca: &[u8]) -> Result<Self, TlsError> {
        Self::from_pem(&ClientPem::new(ca))
    }

    /// Mutual TLS: trusts the CA certificates in `ca`, and shows `certificates`, the client's certificate followed by its intermediates, to
    /// a server that asks for one. `key` is the private key (PKCS #8, PKCS #1 or SEC 1). All three are PEM text.
    ///
    /// # Errors
    ///
    /// If `ca` or `certificates` has no certificate, `key` has no private key, one of them is malformed, or the key does not belong to the
    /// certificate.
    pub fn with_identity(ca: &[u8], certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Self::from_pem(&ClientPem::new(ca).identity(certificates, key))
    }

    /// Makes TLS settings from the certificates and keys in `pem`.
    ///
    /// # Errors
    ///
    /// Those of [`with_identity`](Self::with_identity), and if `pem` asks for this machine's trusted certificates and the machine has none.
    pub fn from_pem(pem: &ClientPem) -> Result<Self, TlsError> {
        Ok(Self {
            config: Arc::new(pem.config()?),
        })
    }

    /// Performs the TLS handshake with the server `server_name`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `server_name` is neither a host name nor an IP address, `InvalidData` if either side refuses the other, and the
    /// errors of `io`. [`explain`] puts an error into words.
    pub(crate) async fn connect<T>(
        &self,
        server_name: &str,
        io: T,
    ) -> Result<TlsStream<T>, (io::Error, T)>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let Ok(name) = ServerName::try_from(server_name.to_owned()) else {
            let why = format!("\"{server_name}\" is neither a host name nor an IP address");
            return Err((io::Error::new(ErrorKind::InvalidInput, why), io));
        };
        let stream = TlsConnector::from(Arc::clone(&self.config))
            .connect(name, io)
            .into_fallible()
            .await?;
        if stream.get_ref().1.alpn_protocol() != Some(H2) {
            let error = io::Error::new(ErrorKind::InvalidData, words::NO_HTTP2);
            return Err((error, stream.into_inner().0));
        }
        Ok(stream)
    }
}

/// Says in words why TLS failed. `None` if the error is not one of TLS.
pub(crate) fn explain(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(words::of_handshake(error))
}
