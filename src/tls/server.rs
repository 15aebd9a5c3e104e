//! The server's end: which certificates it shows, whose clients it takes, and how both are replaced.

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
use tokio_rustls::server::TlsStream;

use super::error::What;
use super::pem::Source;
use super::{H2, TlsError, refused_identity};

/// How long a client that was refused may take to read why.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// What a server's TLS is made from, as PEM text.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct ServerPem {
    certificates: Source,
    key: Source,
    client_ca: Option<Source>,
}

impl ServerPem {
    /// The server's certificate with its intermediates, and its private key (PKCS #8, PKCS #1 or SEC 1). Any client may connect.
    pub fn new(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            certificates: Source::new(certificates),
            key: Source::new(key),
            client_ca: None,
        }
    }

    /// Mutual TLS: a client must have a certificate that one of these vouches for. Others fail the handshake, and no call of theirs
    /// is seen. Services see what it has shown: [`PeerInfo::certificates`](crate::service::PeerInfo::certificates).
    pub fn client_ca(mut self, certificates: impl Into<Vec<u8>>) -> Self {
        self.client_ca = Some(Source::new(certificates));
        self
    }

    /// Reads all of it from files, in blocking calls. What is wrong in a file is told with its name.
    ///
    /// # Errors
    ///
    /// When a file cannot be read. What is in it is judged by [`ServerTls::new`] and [`ServerTls::replace`].
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
                builder.with_client_cert_verifier(verifier)
            }
        };
        let certificates = self.certificates.certificates("the certificate")?;
        let key = self.key.private_key("the private key")?;
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|error| refused_identity(&self.certificates, &self.key, error))?;
        config.alpn_protocols = vec![H2.to_vec()];
        // A session resumed would be one whose client certificate nobody looks at again.
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

/// A server's TLS, for [`Server::bind_tls`](crate::Server::bind_tls). Clones share their certificates, and see them replaced together.
#[derive(Clone)]
pub struct ServerTls {
    current: Arc<RwLock<Current>>,
}

struct Current {
    pem: ServerPem,
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// TLS with these certificates.
    ///
    /// # Errors
    ///
    /// When there is no certificate, no key, no client CA where one is asked for, one of them is malformed, or the key is not that of
    /// the certificate.
    pub fn new(pem: ServerPem) -> Result<Self, TlsError> {
        let config = Arc::new(pem.config()?);
        Ok(Self {
            current: Arc::new(RwLock::new(Current { pem, config })),
        })
    }

    /// Replaces the certificates for all handshakes from now on; connections that are open, and handshakes that have begun, go on with
    /// what they have. False if `pem` is what is used already.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new). What was used before stays in use.
    pub fn replace(&self, pem: ServerPem) -> Result<bool, TlsError> {
        if self.with_current(|current| current.pem == pem) {
            return Ok(false);
        }
        let config = Arc::new(pem.config()?);
        let new = Current { pem, config };
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

    /// Shakes hands with a client, which shows its certificates where it is asked to.
    ///
    /// # Errors
    ///
    /// `InvalidData` for a client that was refused or that refused us, and those of `io`.
    pub(crate) fn accept<T>(
        &self,
        io: T,
    ) -> impl Future<Output = io::Result<(TlsStream<T>, Certificates)>> + Send + use<T>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let config = self.with_current(|current| Arc::clone(&current.config));
        async move {
            match TlsAcceptor::from(config).accept(io).into_fallible().await {
                // rustls refuses a client whose protocols are all others, and takes one that names none.
                Ok(stream) if stream.get_ref().1.alpn_protocol() == Some(H2) => {
                    let certificates = certificates(stream.get_ref().1);
                    Ok((stream, certificates))
                }
                Ok(stream) => {
                    hang_up(stream).await;
                    Err(io::Error::new(ErrorKind::InvalidData, "ALPN without h2"))
                }
                Err((error, io)) => {
                    if error.kind() == ErrorKind::InvalidData {
                        hang_up(io).await;
                    }
                    Err(error)
                }
            }
        }
    }
}

/// What a client has shown: the certificate that was verified, and those it sent along with it.
type Certificates = Option<Arc<[Bytes]>>;

/// rustls asks for them with mutual TLS only, and then does not complete a handshake without.
fn certificates(session: &ServerConnection) -> Certificates {
    let copy = |certificate: &CertificateDer<'_>| Bytes::copy_from_slice(certificate);
    let certificates = session.peer_certificates()?;
    Some(certificates.iter().map(copy).collect())
}

/// Closes our side and reads on until the peer closes its own, for a while: a socket closed with unread bytes resets the connection,
/// and the peer may lose the alert that says why.
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
