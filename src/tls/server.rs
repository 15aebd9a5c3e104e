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

/// How long a refused client may take to read the reason, and how much it may send meanwhile.
const LAST_WORDS: Duration = Duration::from_millis(250);
const LAST_BYTES: u64 = 64 << 10;

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
            let handshake = TlsAcceptor::from(config).accept(Records::new(io, &records));
            match handshakes.take(handshake.into_fallible()).await {
                // rustls refuses a client that offers only other protocols, and accepts one that offers none.
                Ok(stream) if http1 || stream.get_ref().1.alpn_protocol() == Some(H2) => {
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
                    let certificates = certificates(stream.get_ref().1);
                    Ok((Secured::new(stream), certificates, is_http2))
                }
                Ok(mut stream) => {
                    // The peer's records have no turns yet, so nobody decrypts what follows.
                    let _ = timeout(LAST_WORDS, stream.shutdown()).await;
                    hang_up(stream.into_inner().0.into_inner()).await;
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

/// Closes our side, reads on until the peer closes its side, for a short while at most, and discards what it reads. To close a socket with
/// unread bytes resets the connection, and the peer may lose the alert that tells the reason.
async fn hang_up<T: AsyncRead + AsyncWrite + Unpin>(mut io: T) {
    let _ = timeout(LAST_WORDS, async {
        io.shutdown().await?;
        let mut io = io.take(LAST_BYTES);
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

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::{JoinHandle, yield_now};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;

    use super::*;

    /// What a server makes of a client that offers `alpn`, and the client.
    async fn shake_hands(
        alpn: &[&[u8]],
    ) -> (
        JoinHandle<io::Result<(Secured<DuplexStream>, Certificates, bool)>>,
        TlsStream<DuplexStream>,
    ) {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = ServerPem::new(own.cert.pem(), own.signing_key.serialize_pem());
        let (peer, io) = duplex(1 << 20);
        let accepted = tokio::spawn(ServerTls::new(pem).unwrap().accept(io, false));
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        (accepted, connector.connect(name, peer).await.unwrap())
    }

    /// 4,800 records, of which 150 have a byte each.
    async fn update_keys(client: &mut TlsStream<DuplexStream>) {
        for _ in 0..150 {
            for _ in 0..31 {
                client.get_mut().1.refresh_traffic_keys().unwrap();
            }
            client.write_all(&[0]).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn records_in_vain_are_counted_when_they_arrive_with_the_end_of_the_handshake() {
        let (accepted, mut client) = shake_hands(&[H2]).await;
        update_keys(&mut client).await;
        drop(client);
        let (mut secured, ..) = accepted.await.unwrap().unwrap();
        let mut read = Vec::new();
        let error = secured.read_to_end(&mut read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        // 1,000 records.
        assert!((30..=33).contains(&read.len()), "{}", read.len());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_client_without_alpn_sends_is_discarded_and_not_decrypted() {
        let (accepted, mut client) = shake_hands(&[]).await;
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        let mut peer = client.into_inner().0;
        // Whoever decrypts this record finds that it is no record of the connection.
        let mut record = [0; 37];
        (record[0], record[1], record[2], record[4]) = (23, 3, 3, 32);
        peer.write_all(&record).await.unwrap();
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(!accepted.is_finished());
        drop(peer);
        let error = accepted.await.unwrap().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_client_may_send_64_kib_more() {
        let (mut peer, io) = duplex(1 << 20);
        peer.write_all(&vec![0; 100 << 10]).await.unwrap();
        let start = tokio::time::Instant::now();
        hang_up(io).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
