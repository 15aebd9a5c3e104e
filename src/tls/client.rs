//! The client's side of TLS: which servers it trusts, and which certificate it shows.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ConfigBuilder, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{H2, TlsError, pem};

/// The TLS settings of a client, for [`Client::connect_tls`](crate::client::Client::connect_tls). Clones are cheap.
#[derive(Debug, Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// TLS to servers whose certificate is signed by one of the CA certificates in `ca` (PEM text).
    ///
    /// # Errors
    ///
    /// If `ca` has no certificate, or a malformed one.
    pub fn new(ca: &[u8]) -> Result<Self, TlsError> {
        Ok(Self::with(
            builder(pem::roots("the CA", ca)?)?.with_no_client_auth(),
        ))
    }

    /// Mutual TLS: trusts the CA certificates in `ca`, and shows `certificates`, the client's certificate followed by its intermediates, to
    /// a server that asks for one. `key` is the private key (PKCS #8, PKCS #1 or SEC 1). All three are PEM text.
    ///
    /// # Errors
    ///
    /// If `ca` or `certificates` has no certificate, `key` has no private key, one of them is malformed, or the key does not belong to the
    /// certificate.
    pub fn with_identity(ca: &[u8], certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let certificates = pem::certificates("the certificate", certificates)?;
        let config = builder(pem::roots("the CA", ca)?)?
            .with_client_auth_cert(certificates, pem::private_key(key)?)
            .map_err(|error| TlsError::refused("the certificate and its key", error))?;
        Ok(Self::with(config))
    }

    fn with(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![H2.to_vec()];
        Self {
            config: Arc::new(config),
        }
    }

    /// Shakes hands with the server of that name.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a name that is neither a host name nor an IP address, `InvalidData` for a server that was refused or that
    /// refused us, and those of `io`.
    pub(crate) async fn connect<T>(&self, server_name: &str, io: T) -> io::Result<TlsStream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        let stream = TlsConnector::from(Arc::clone(&self.config))
            .connect(name, io)
            .await?;
        if stream.get_ref().1.alpn_protocol() != Some(H2) {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "the server does not speak HTTP/2",
            ));
        }
        Ok(stream)
    }
}

fn builder(roots: RootCertStore) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::refused("TLS versions", error))?
            .with_root_certificates(roots),
    )
}
