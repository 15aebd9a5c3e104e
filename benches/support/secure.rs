//! The servers with TLS, and with mutual TLS: our router and tonic, each on three ports.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use grpc_health::tls::{ServerPem, ServerTls};
use grpc_health::{HealthService, Registry, Server};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::{Connected, TcpIncoming};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthReporter;

use crate::{BoxError, echo};

/// The certificate of the server, its key, and the certificate of an authority of clients: PEM text.
fn certificates() -> Result<[String; 3], BoxError> {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        CertifiedIssuer::self_signed(params, KeyPair::generate()?)
    };
    let mut params = CertificateParams::new(["localhost".to_owned()])?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let servers = authority("servers")?;
    let certificate = params.signed_by(&key, &servers)?;
    let clients = authority("clients")?.pem();
    Ok([certificate.pem(), key.serialize_pem(), clients])
}

/// Serves `plain`, and two more listeners.
pub(crate) async fn serve(
    which: &str,
    plain: TcpListener,
    registry: Registry,
    reporter: HealthReporter,
) -> Result<(), BoxError> {
    let [certificate, key, clients] = certificates()?;
    let tls = TcpListener::bind("127.0.0.1:0").await?;
    let mutual = TcpListener::bind("127.0.0.1:0").await?;
    println!(
        "tls {} mutual {} listening on {}",
        tls.local_addr()?,
        mutual.local_addr()?,
        plain.local_addr()?
    );
    if which != "tonic" {
        let service = echo::router(HealthService::new(registry));
        let server = Server::builder().service(service).build();
        let pem = ServerPem::new(certificate, key);
        server.add_tls_listener(tls, &ServerTls::new(pem.clone())?)?;
        server.add_tls_listener(mutual, &ServerTls::new(pem.client_ca(clients))?)?;
        server.add_listener(plain)?;
        server.serve().await?;
        return Ok(());
    }
    let config = |clients: Option<&str>| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(pem.as_bytes())?)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build()?)
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes())?];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok::<_, BoxError>(Arc::new(config))
    };
    let (sender, accepted) = mpsc::channel(1);
    for (listener, config) in [(tls, config(None)?), (mutual, config(Some(&clients))?)] {
        tokio::spawn(accept(listener, config, sender.clone()));
    }
    let health = HealthServer::new(tonic_health::server::HealthService::from_health_reporter(
        reporter,
    ));
    let router = || {
        tonic::transport::Server::builder()
            .add_service(health.clone())
            .add_service(echo::TonicEcho)
    };
    let incoming = TcpIncoming::from(plain).with_nodelay(Some(true));
    tokio::spawn(router().serve_with_incoming(incoming));
    router()
        .serve_with_incoming(ReceiverStream::new(accepted))
        .await?;
    pending().await
}

/// Accepts connections as tonic does: each handshake has a task of its own.
async fn accept(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    accepted: mpsc::Sender<io::Result<Secured>>,
) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (config, accepted) = (Arc::clone(&config), accepted.clone());
        tokio::spawn(async move {
            let _ = tcp.set_nodelay(true);
            if let Ok(stream) = TlsAcceptor::from(config).accept(tcp).await {
                let _ = accepted.send(Ok(Secured(stream))).await;
            }
        });
    }
}

/// A byte stream that tonic serves.
struct Secured(TlsStream<TcpStream>);

impl Connected for Secured {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
