//! What services see of who calls.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use grpc_health::router::{Raw, Request, Response, Router};
use grpc_health::service::PeerInfo;
use grpc_health::tls::ServerPem;
use grpc_health::wire::envelope;
use grpc_health::{Code, HealthService, Registry, Server, Status};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::certs::{Ca, Identity};
use crate::fixture::{bare, bare_of, der, server_pem, shake_hands, start_with};

const PATH: &str = "/test.Who/Calls";

/// The health service, and a method that tells the test who calls.
fn router() -> (Router<HealthService>, mpsc::UnboundedReceiver<PeerInfo>) {
    let (seen, callers) = mpsc::unbounded_channel();
    let health = HealthService::new(Registry::new());
    let router = Router::new(health).unary(PATH, move |request: Request<Raw>| {
        let sent = seen.send(request.peer().clone());
        async move {
            sent.unwrap();
            Ok(Response::new(request.into_inner()))
        }
    });
    (router, callers)
}

/// One call of the method, and its status.
async fn call(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Code {
    let (mut client, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://localhost{PATH}"))
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(())
        .unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    let mut message = BytesMut::new();
    envelope::encode(&mut message, false, 0, |_| ());
    body.send_data(message.freeze(), true).unwrap();
    let response = response.await.unwrap();
    if let Some(status) = Status::parse(response.headers()) {
        return status.code();
    }
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        data.unwrap();
    }
    let trailers = body.trailers().await.unwrap().unwrap();
    Status::parse(&trailers).unwrap().code()
}

struct Peers {
    servers: Ca,
    clients: Ca,
}

impl Peers {
    fn new() -> Self {
        let (servers, clients) = (Ca::new("servers"), Ca::new("clients"));
        Self { servers, clients }
    }

    fn pem(&self) -> ServerPem {
        server_pem(&self.servers.server()).client_ca(self.clients.pem())
    }

    fn config(&self, identity: Option<&Identity>) -> Arc<rustls::ClientConfig> {
        Arc::new(bare(&self.servers, &["h2"], identity))
    }
}

/// The certificates of PEM text, as a service sees them.
fn certificates(pem: &str) -> Vec<Bytes> {
    let copy =
        |certificate: &rustls::pki_types::CertificateDer<'_>| Bytes::copy_from_slice(certificate);
    der(pem).iter().map(copy).collect()
}

#[tokio::test]
async fn a_handler_sees_the_certificates_of_its_client_its_own_first() {
    let peers = Peers::new();
    let (router, mut callers) = router();
    let fixture = start_with(peers.pem(), router).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut identity = peers.clients.client();
        identity.cert += &peers.clients.pem();
        let config = bare_of(&[version], &peers.servers, &["h2"], Some(&identity));
        let stream = shake_hands(fixture.addr, &Arc::new(config)).await.unwrap();
        let addr = stream.get_ref().0.local_addr().unwrap();
        assert_eq!(call(stream).await, Code::OK);
        let caller = callers.recv().await.unwrap();
        assert_eq!(caller.remote_addr, Some(addr));
        assert_eq!(caller.local_addr, Some(fixture.addr));
        let shown = caller.certificates.unwrap();
        assert_eq!(*shown, certificates(&identity.cert));
        assert_eq!(shown.len(), 2);
    }
}

#[tokio::test]
async fn without_mutual_tls_there_are_none_even_of_a_client_that_has_some() {
    let peers = Peers::new();
    let (router, mut callers) = router();
    let fixture = start_with(server_pem(&peers.servers.server()), router).await;
    let identity = peers.clients.client();
    for identity in [None, Some(&identity)] {
        let stream = shake_hands(fixture.addr, &peers.config(identity)).await;
        assert_eq!(call(stream.unwrap()).await, Code::OK);
        let caller = callers.recv().await.unwrap();
        assert!(caller.remote_addr.is_some());
        assert_eq!(caller.certificates, None);
    }
}

#[tokio::test]
async fn an_interceptor_lets_in_whom_it_knows_by_the_certificate() {
    let peers = Peers::new();
    let (known, other) = (peers.clients.client(), peers.clients.client());
    let allowed = certificates(&known.cert);
    let (router, mut callers) = router();
    let router = router.intercept(move |head| {
        let shown = head.peer().certificates.as_deref().unwrap_or_default();
        if shown.first() == allowed.first() {
            Ok(())
        } else {
            Err(Status::new(Code::PERMISSION_DENIED, "not you"))
        }
    });
    let fixture = start_with(peers.pem(), router).await;
    for (identity, expected) in [(&known, Code::OK), (&other, Code::PERMISSION_DENIED)] {
        let stream = shake_hands(fixture.addr, &peers.config(Some(identity))).await;
        assert_eq!(call(stream.unwrap()).await, expected);
    }
    assert_eq!(fixture.stop().await.calls, 2);
    assert!(callers.try_recv().is_ok());
    assert!(callers.try_recv().is_err());
}

#[tokio::test]
async fn a_connection_that_was_secured_elsewhere_brings_its_own() {
    let certificate = Bytes::from_static(b"as the embedder says");
    let peer = PeerInfo::default().with_certificates([certificate.clone()]);
    let (router, mut callers) = router();
    let server = Server::builder().service(router).build();
    let (near, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(server.serve_connection_with(far, peer));
    assert_eq!(call(near).await, Code::OK);
    let caller = callers.recv().await.unwrap();
    assert_eq!(caller.certificates.as_deref(), Some(&[certificate][..]));
}
