//! The server's side of TLS: which certificate it shows, which clients it trusts, and how both are replaced.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::chain::Bounded;
use super::error::What;
use super::pem::Source;
use super::records::{Records, Secured};
use super::turns::Turns;
use super::{H2, TlsError, refused_identity};

/// The name of HTTP/1.1 in ALPN.
#[cfg(feature = "http1")]
const HTTP1: &[u8] = b"http/1.1";

/// How long a refused client may take to read the reason.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// The certificates and the key of a server's TLS, as PEM text. They are not checked before [`ServerTls::new`] or [`ServerTls::replace`].
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct ServerPem {
    certificates: Source,
    key: Source,
    client_ca: Option<Source>,
}

impl ServerPem {
    /// TLS that any client may use. `certificates` is the server's certificate followed by its intermediates. `key` is the private key
    /// (PKCS #8, PKCS #1 or SEC 1). Both are PEM text.
    pub fn new(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            certificates: Source::new(certificates),
            key: Source::new(key),
            client_ca: None,
        }
    }

    /// Demands mutual TLS: a client must show a certificate that is signed by one of the CA certificates in `certificates` (PEM text). The
    /// handshake of any other client fails, before the server sees a call.
    ///
    /// Services see a client's certificates in [`PeerInfo::certificates`](crate::service::PeerInfo::certificates).
    pub fn client_ca(mut self, certificates: impl Into<Vec<u8>>) -> Self {
        self.client_ca = Some(Source::new(certificates));
        self
    }

    /// Reads the server's certificates, its key and, for mutual TLS, the client CA from PEM files, in blocking calls.
    /// An error names the file it was found in.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or is longer than 4 MiB. [`ServerTls::new`] and [`ServerTls::replace`] check the contents.
    pub fn read(
        certificates: &Path,
        key: &Path,
        client_ca: Option<&Path>,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            certificates: Source::read(certificates)?,
            key: Source::read(key)?,
            client_ca: client_ca.map(Source::read).transpose()?,
        })
    }

    fn config(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::refused(What::new("TLS versions", None), error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let roots = Arc::new(ca.roots("the client CA")?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(TlsError::verifier)?;
                builder.with_client_cert_verifier(Arc::new(Bounded(verifier)))
            }
        };
        let certificates = self.certificates.certificates("the certificate")?;
        let key = self.key.private_key("the private key")?;
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|error| refused_identity(&self.certificates, &self.key, error))?;
        config.alpn_protocols = vec![H2.to_vec()];
        // With a resumed session nobody would check the client's certificate again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok(config)
    }
}

impl fmt::Debug for ServerPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerPem")
            .field("mutual", &self.client_ca.is_some())
            .finish_non_exhaustive()
    }
}

/// The TLS settings of a server, for [`Server::bind_tls`](crate::Server::bind_tls). Clones share their certificates, so one
/// [`replace`](Self::replace) changes all of them.
#[derive(Clone)]
pub struct ServerTls {
    current: Arc<RwLock<Current>>,
    /// The turns of the handshakes, and of the records in vain.
    handshakes: Turns,
    records: Turns,
}

struct Current {
    pem: ServerPem,
    config: Arc<ServerConfig>,
    /// The same for listeners that speak HTTP/1, too.
    #[cfg(feature = "http1")]
    with_http1: Arc<ServerConfig>,
}

#[cfg(feature = "http1")]
fn with_http1(config: &ServerConfig) -> ServerConfig {
    let mut config = config.clone();
    config.alpn_protocols.push(HTTP1.to_vec());
    config
}

impl Current {
    #[cfg_attr(not(feature = "http1"), allow(unused_variables))]
    const fn config(&self, http1: bool) -> &Arc<ServerConfig> {
        #[cfg(feature = "http1")]
        if http1 {
            return &self.with_http1;
        }
        &self.config
    }

    fn new(pem: ServerPem) -> Result<Self, TlsError> {
        let config = pem.config()?;
        Ok(Self {
            pem,
            #[cfg(feature = "http1")]
            with_http1: Arc::new(with_http1(&config)),
            config: Arc::new(config),
        })
    }
}

impl ServerTls {
    /// Makes the TLS settings of a server.
    ///
    /// # Errors
    ///
    /// If there is no certificate, no private key, or no certificate in a given client CA; if one of them is malformed; or if the key does
    /// not belong to the certificate.
    pub fn new(pem: ServerPem) -> Result<Self, TlsError> {
        Ok(Self {
            current: Arc::new(RwLock::new(Current::new(pem)?)),
            handshakes: Turns::default(),
            records: Turns::default(),
        })
    }

    /// Replaces the certificates, the key and the client CA for handshakes that begin from now on. Open connections, and handshakes that
    /// have begun, keep the old ones. False if `pem` is the same as the one in use.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new). Then the old certificates stay in use.
    pub fn replace(&self, pem: ServerPem) -> Result<bool, TlsError> {
        if self.with_current(|current| current.pem == pem) {
            return Ok(false);
        }
        let new = Current::new(pem)?;
        let old = std::mem::replace(
            &mut *self.current.write().unwrap_or_else(PoisonError::into_inner),
            new,
        );
        drop(old);
        Ok(true)
    }

    fn with_current<R>(&self, f: impl FnOnce(&Current) -> R) -> R {
        f(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Performs the handshake with a client over `io`, and returns the certificates that the client has shown, and whether the client
    /// speaks HTTP/2. With `http1` the client may speak HTTP/1 instead.
    ///
    /// # Errors
    ///
    /// `InvalidData` if either side refuses the other, and errors of `io`.
    pub(crate) fn accept<T>(
        &self,
        io: T,
        http1: bool,
    ) -> impl Future<Output = io::Result<(Secured<T>, Certificates, bool)>> + Send + use<T>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let config = self.with_current(|current| Arc::clone(current.config(http1)));
        let (handshakes, records) = (self.handshakes.clone(), self.records.clone());
        async move {
            let handshake = TlsAcceptor::from(config).accept(Records::new(io));
            match handshakes.take(handshake.into_fallible()).await {
                // rustls refuses a client that offers only other protocols, and accepts one that offers none.
                Ok(stream) if http1 || stream.get_ref().1.alpn_protocol() == Some(H2) => {
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
                    let certificates = certificates(stream.get_ref().1);
                    Ok((Secured::new(stream, &records), certificates, is_http2))
                }
                Ok(stream) => {
                    hang_up(stream).await;
                    Err(io::Error::new(
                        ErrorKind::InvalidData,
                        "the client does not ask for HTTP/2 (ALPN h2)",
                    ))
                }
                Err((error, io)) => {
                    if error.kind() == ErrorKind::InvalidData {
                        hang_up(io.into_inner()).await;
                    }
                    Err(error)
                }
            }
        }
    }
}

/// The certificates that a client has shown: the verified one, and those that the client sent along. `None` without mutual TLS.
type Certificates = Option<Arc<[Bytes]>>;

/// The client's certificates. With mutual TLS rustls completes no handshake without them; otherwise it does not ask for them.
fn certificates(session: &ServerConnection) -> Certificates {
    let copy = |certificate: &CertificateDer<'_>| Bytes::copy_from_slice(certificate);
    let certificates = session.peer_certificates()?;
    Some(certificates.iter().map(copy).collect())
}

/// Closes our side and reads on until the peer closes its side, or for a short while. To close a socket with unread bytes resets the
/// connection, and the peer may lose the alert that tells the reason.
async fn hang_up<T: AsyncRead + AsyncWrite + Unpin>(mut io: T) {
    let _ = timeout(LAST_WORDS, async {
        io.shutdown().await?;
        let mut rest = [0; 1024];
        while io.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    })
    .await;
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_current(|current| {
            f.debug_struct("ServerTls")
                .field("pem", &current.pem)
                .finish_non_exhaustive()
        })
    }
}
