//! A server, and a bare TLS client that sees what the server does to it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use grpc_health::client::{Client, ReportedStatus};
use grpc_health::server::Stats;
use grpc_health::service::Service;
use grpc_health::tls::{ClientTls, ServerPem, ServerTls};
use grpc_health::{HealthService, Registry, Server};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certs::{Ca, Identity};

pub(crate) struct Fixture<S = HealthService> {
    pub(crate) server: Server<S>,
    pub(crate) tls: ServerTls,
    pub(crate) addr: SocketAddr,
}

/// Serves over TLS on the loopback interface.
pub(crate) async fn start(pem: ServerPem) -> Fixture {
    start_with(pem, HealthService::new(Registry::new())).await
}

pub(crate) async fn start_with<S: Service>(pem: ServerPem, service: S) -> Fixture<S> {
    let tls = ServerTls::new(pem).unwrap();
    let server = Server::builder().service(service).build();
    server.bind_tls("127.0.0.1:0", &tls).await.unwrap();
    let addr = server.local_addr().unwrap();
    tokio::spawn(server.serve());
    Fixture { server, tls, addr }
}

impl<S: Service> Fixture<S> {
    /// Shuts down, so that all connections are over and counted.
    pub(crate) async fn stop(self) -> Stats {
        self.server.shutdown().await;
        self.server.stats()
    }

    pub(crate) async fn connect(&self, tls: &ClientTls) -> Client {
        Client::connect_tls(self.addr, "localhost", tls)
            .await
            .unwrap()
    }

    /// One Check on a new connection.
    pub(crate) async fn check(&self, tls: &ClientTls) {
        let status = self.connect(tls).await.check("").await;
        assert_eq!(status.unwrap(), ReportedStatus::SERVING);
    }
}

pub(crate) fn server_pem(identity: &Identity) -> ServerPem {
    ServerPem::new(identity.cert.as_str(), identity.key.as_str())
}

pub(crate) fn trusting(ca: &Ca) -> ClientTls {
    ClientTls::new(ca.pem().as_bytes()).unwrap()
}

/// A client as rustls makes it, with these protocols (ALPN) and perhaps certificates.
pub(crate) fn bare(ca: &Ca, alpn: &[&str], identity: Option<&Identity>) -> ClientConfig {
    bare_of(rustls::DEFAULT_VERSIONS, ca, alpn, identity)
}

/// The same, of these versions of TLS.
pub(crate) fn bare_of(
    versions: &[&'static SupportedProtocolVersion],
    ca: &Ca,
    alpn: &[&str],
    identity: Option<&Identity>,
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots(ca));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
            let chain = der(&identity.cert);
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

pub(crate) fn roots(ca: &Ca) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(der(&ca.pem())[0].clone()).unwrap();
    roots
}

pub(crate) fn der(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap()
}

pub(crate) async fn shake_hands(
    addr: SocketAddr,
    config: &Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(config))
        .connect(name, tcp)
        .await
}

/// What a client sees that is refused: the error of its handshake or, in TLS 1.3, of the read after it.
pub(crate) async fn refusal(addr: SocketAddr, config: ClientConfig) -> io::Result<usize> {
    let mut stream = shake_hands(addr, &Arc::new(config)).await?;
    stream.read(&mut [0; 64]).await
}

/// The alert in an error of rustls.
#[track_caller]
pub(crate) fn alert(result: io::Result<usize>) -> AlertDescription {
    let error = result.expect_err("an alert");
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("{error}"),
    }
}
