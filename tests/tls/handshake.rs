//! Who gets through a handshake, and what the others see.

use std::sync::Arc;
use std::time::Duration;

use grpc_health::client::Client;
use grpc_health::tls::{ClientTls, ServerTls, TlsError};
use grpc_health::{HealthService, Registry, Server};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{AlertDescription, HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::certs::Ca;
use crate::fixture::{
    alert, bare, bare_of, der, refusal, server_pem, shake_hands, start, trusting,
};

#[tokio::test]
async fn a_check_over_tls() {
    let ca = Ca::new("ca");
    let fixture = start(server_pem(&ca.server())).await;
    fixture.check(&trusting(&ca)).await;
    // By address as well as by name.
    let tls = trusting(&ca);
    let client = Client::connect_tls(fixture.addr, "127.0.0.1", &tls)
        .await
        .unwrap();
    assert!(client.check("").await.unwrap().is_serving());
    drop(client);
    let stats = fixture.stop().await;
    assert_eq!((stats.calls, stats.connection_errors), (2, 0));
}

#[tokio::test]
async fn a_client_refuses_a_server_that_its_ca_does_not_vouch_for_and_one_of_another_name() {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let fixture = start(server_pem(&ca.server())).await;
    let wrong_ca = Client::connect_tls(fixture.addr, "localhost", &trusting(&other)).await;
    let said = wrong_ca.unwrap_err().to_string();
    assert!(
        said.contains("signed by no authority that is trusted here"),
        "{said}"
    );
    let wrong_name = Client::connect_tls(fixture.addr, "shop.example", &trusting(&ca)).await;
    let said = wrong_name.unwrap_err().to_string();
    assert!(
        said.contains("is not for shop.example, but for localhost, 127.0.0.1, ::1"),
        "{said}"
    );
    let no_name = Client::connect_tls(fixture.addr, "no name", &trusting(&ca)).await;
    let said = no_name.unwrap_err().to_string();
    assert!(
        said.contains("\"no name\" is neither a host name"),
        "{said}"
    );
    let stats = fixture.stop().await;
    // The last one went away without a word.
    assert_eq!((stats.calls, stats.connection_errors), (0, 2));
}

#[tokio::test]
async fn both_versions_are_spoken_and_no_session_is_resumed() {
    let ca = Ca::new("ca");
    let fixture = start(server_pem(&ca.server())).await;
    for (version, name) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut config = bare_of(&[version], &ca, &["h2"], None);
        config.enable_early_data = true;
        let config = Arc::new(config);
        for _ in 0..2 {
            let mut stream = shake_hands(fixture.addr, &config).await.unwrap();
            // The server's SETTINGS: tickets would have come before them.
            stream
                .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
                .await
                .unwrap();
            assert_ne!(stream.read(&mut [0; 64]).await.unwrap(), 0);
            let session = stream.get_ref().1;
            assert_eq!(session.protocol_version(), Some(name));
            assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full));
            assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
            assert!(!session.is_early_data_accepted());
        }
    }
}

#[tokio::test]
async fn a_client_without_alpn_is_closed() {
    let ca = Ca::new("ca");
    let fixture = start(server_pem(&ca.server())).await;
    let mut stream = shake_hands(fixture.addr, &Arc::new(bare(&ca, &[], None)))
        .await
        .unwrap();
    // A clean end (close_notify), whatever the client sends.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 0);
    drop(stream);
    let stats = fixture.stop().await;
    assert_eq!((stats.connections, stats.connection_errors), (1, 1));
    assert_eq!((stats.calls, stats.bytes_read), (0, 0));
}

#[tokio::test]
async fn a_client_of_other_protocols_gets_an_alert() {
    let ca = Ca::new("ca");
    let fixture = start(server_pem(&ca.server())).await;
    let refused = refusal(fixture.addr, bare(&ca, &["http/1.1"], None)).await;
    assert_eq!(alert(refused), AlertDescription::NoApplicationProtocol);
    let both = Arc::new(bare(&ca, &["http/1.1", "h2"], None));
    let chosen = shake_hands(fixture.addr, &both).await.unwrap();
    assert_eq!(chosen.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    drop(chosen);
    assert_eq!(fixture.stop().await.connection_errors, 1);
}

/// A ClientHello with no more than it takes: a cipher suite, P-256 and ECDSA over it.
fn client_hello(version: [u8; 2], cipher_suite: [u8; 2]) -> Vec<u8> {
    let mut hello = version.to_vec();
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend([0, 2, cipher_suite[0], cipher_suite[1]]);
    hello.extend([1, 0]);
    let groups = [0, 10, 0, 4, 0, 2, 0, 23];
    let signatures = [0, 13, 0, 4, 0, 2, 4, 3];
    hello.extend([0, 16]);
    hello.extend(groups.iter().chain(&signatures));
    let len = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, len + 4, 1, 0, 0, len];
    record.extend(hello);
    record
}

#[tokio::test]
async fn what_is_no_tls_of_today_gets_an_alert_and_is_closed() {
    let ca = Ca::new("ca");
    let fixture = start(server_pem(&ca.server())).await;
    let ecdhe_ecdsa_aes_128_gcm = [0xc0, 0x2b];
    let rsa_aes_128_cbc = [0x00, 0x2f];
    let ecdhe_ecdsa_aes_128_cbc = [0xc0, 0x09];
    let table: [(&str, Vec<u8>, AlertDescription); 5] = [
        (
            "TLS 1.0",
            client_hello([3, 1], ecdhe_ecdsa_aes_128_gcm),
            AlertDescription::ProtocolVersion,
        ),
        (
            "TLS 1.1",
            client_hello([3, 2], ecdhe_ecdsa_aes_128_gcm),
            AlertDescription::ProtocolVersion,
        ),
        (
            "without forward secrecy",
            client_hello([3, 3], rsa_aes_128_cbc),
            AlertDescription::HandshakeFailure,
        ),
        (
            "CBC",
            client_hello([3, 3], ecdhe_ecdsa_aes_128_cbc),
            AlertDescription::HandshakeFailure,
        ),
        (
            "no TLS",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
            AlertDescription::DecodeError,
        ),
    ];
    let count = table.len() as u64;
    for (name, bytes, expected) in table {
        let mut tcp = TcpStream::connect(fixture.addr).await.unwrap();
        tcp.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer).await.unwrap();
        // One alert record, fatal, and the end.
        assert_eq!((answer.len(), answer[0]), (7, 21), "{name}: {answer:?}");
        let alert = AlertDescription::from(answer[6]);
        assert_eq!((answer[5], alert), (2, expected), "{name}");
    }
    let stats = fixture.stop().await;
    assert_eq!((stats.connection_errors, stats.calls), (count, 0));
}

#[tokio::test]
async fn a_probe_that_connects_and_goes_away_is_no_error() {
    let ca = Ca::new("ca");
    let fixture = start(server_pem(&ca.server())).await;
    drop(TcpStream::connect(fixture.addr).await.unwrap());
    let stream = shake_hands(fixture.addr, &Arc::new(bare(&ca, &["h2"], None)))
        .await
        .unwrap();
    drop(stream);
    fixture.check(&trusting(&ca)).await;
    let stats = fixture.stop().await;
    assert_eq!((stats.connections, stats.connection_errors), (3, 0));
}

#[tokio::test]
async fn a_client_that_stalls_keeps_nobody_waiting_and_its_time_runs_out() {
    let ca = Ca::new("ca");
    let fixture = start(server_pem(&ca.server())).await;
    let mut silent = TcpStream::connect(fixture.addr).await.unwrap();
    let mut half = TcpStream::connect(fixture.addr).await.unwrap();
    half.write_all(&client_hello([3, 3], [0xc0, 0x2b])[..20])
        .await
        .unwrap();
    // TLS, and then nothing of HTTP/2.
    let mute = Arc::new(bare(&ca, &["h2"], None));
    let mut mute = shake_hands(fixture.addr, &mute).await.unwrap();
    fixture.check(&trusting(&ca)).await;
    tokio::time::pause();
    assert_eq!(silent.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(half.read(&mut [0; 8]).await.unwrap(), 0);
    // The server's SETTINGS, and the end: not that of TLS, for which there is no time.
    let mut rest = Vec::new();
    assert!(mute.read_to_end(&mut rest).await.is_err());
    let stats = fixture.stop().await;
    assert_eq!((stats.connections, stats.connections_open), (4, 0));
    assert_eq!(
        (stats.connections_timed_out, stats.connection_errors),
        (3, 0)
    );
}

#[tokio::test]
async fn a_client_in_its_handshake_does_not_hold_a_shutdown_up() {
    let secure = ServerTls::new(server_pem(&Ca::new("ca").server())).unwrap();
    let server = Server::builder()
        .handshake_timeout(Duration::from_secs(60))
        .shutdown_deadline(Duration::from_secs(1))
        .service(HealthService::new(Registry::new()))
        .build();
    server.bind_tls("127.0.0.1:0", &secure).await.unwrap();
    let addr = server.local_addr().unwrap();
    tokio::spawn(server.serve());
    let mut silent = TcpStream::connect(addr).await.unwrap();
    while server.stats().connections == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let start = Instant::now();
    server.shutdown().await;
    assert!(start.elapsed() <= Duration::from_millis(1_250));
    assert_eq!(silent.read(&mut [0; 8]).await.unwrap(), 0);
    let stats = server.stats();
    assert_eq!((stats.connections_open, stats.connection_errors), (0, 0));
}

#[tokio::test]
async fn a_plain_listener_beside_it() {
    let ca = Ca::new("ca");
    let secure = ServerTls::new(server_pem(&ca.server())).unwrap();
    let server = Server::builder()
        .service(HealthService::new(Registry::new()))
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    server.bind_tls("127.0.0.1:0", &secure).await.unwrap();
    let [plain, tls] = server.local_addrs()[..] else {
        panic!("{server:?}");
    };
    tokio::spawn(server.serve());
    let trusted = trusting(&ca);
    let over_tls = Client::connect_tls(tls, "localhost", &trusted).await;
    let in_plain = Client::connect(plain).await.unwrap();
    assert!(over_tls.unwrap().check("").await.unwrap().is_serving());
    assert!(in_plain.check("").await.unwrap().is_serving());
    // And neither is the other.
    let refused = Client::connect(tls).await.unwrap_err().to_string();
    assert!(refused.contains("the server speaks TLS"), "{refused}");
    let refused = Client::connect_tls(plain, "localhost", &trusted).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("the server speaks no TLS"), "{refused}");
}

#[test]
fn certificates_that_a_client_cannot_use() {
    let (ca, identity) = (Ca::new("ca").pem(), Ca::new("ca").client());
    let stranger = Ca::new("ca").client();
    let said = |result: Result<ClientTls, TlsError>| result.expect_err("unusable").to_string();
    assert_eq!(
        said(ClientTls::new(b"")),
        "the CA: the text holds no certificate"
    );
    assert!(said(ClientTls::new(&ca.as_bytes()[..200])).starts_with("the CA: "));
    let with = |cert: &str, key: &str| {
        said(ClientTls::with_identity(
            ca.as_bytes(),
            cert.as_bytes(),
            key.as_bytes(),
        ))
    };
    assert_eq!(
        with("", &identity.key),
        "the certificate: the text holds no certificate"
    );
    assert_eq!(
        with(&identity.cert, ""),
        "the private key: the text holds no private key"
    );
    assert!(with(&identity.cert, &stranger.key).starts_with("the certificate and its key: "));
}

/// A server that h2 and rustls make: it sees what the client sends.
#[tokio::test]
async fn calls_over_tls_have_the_scheme_https() {
    let ca = Ca::new("ca");
    let identity = ca.server();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(der(&identity.cert), key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let io = acceptor.accept(tcp).await.unwrap();
        let mut http2 = h2::server::handshake(io).await.unwrap();
        let (request, _respond) = http2.accept().await.unwrap().unwrap();
        request.uri().clone()
    };
    let tls = trusting(&ca);
    let calling = async {
        let client = Client::connect_tls(addr, "localhost", &tls).await.unwrap();
        // The server goes away instead of an answer.
        client.check("").await.unwrap_err();
    };
    let (uri, ()) = tokio::join!(serving, calling);
    assert_eq!(uri.scheme_str(), Some("https"), "{uri}");
}

/// The first bytes do not decide what the handshake has decided.
#[cfg(feature = "http1")]
#[tokio::test]
async fn a_listener_with_http_1_agrees_on_the_version_in_the_handshake() {
    use grpc_health::server::ListenOptions;
    const GET: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let ca = Ca::new("ca");
    let fixture = start(server_pem(&ca.server())).await;
    let server = fixture
        .server
        .with_listen_options(ListenOptions::new().http1());
    server.bind_tls("127.0.0.1:0", &fixture.tls).await.unwrap();
    let addr = server.local_addrs()[1];
    let talk = |alpn: &'static [&'static str], says: &'static [u8]| {
        let config = Arc::new(bare(&ca, alpn, None));
        async move {
            let mut stream = shake_hands(addr, &config).await.unwrap();
            stream.write_all(says).await.unwrap();
            let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            (chosen, answer)
        }
    };
    let http1 = Some(b"http/1.1".to_vec());
    let http2 = Some(b"h2".to_vec());
    let ok = *b"HTTP/1.1 200";
    assert_eq!(talk(&["http/1.1"], GET).await, (http1.clone(), ok));
    assert_eq!(talk(&[], GET).await, (None, ok));
    let refused = *b"HTTP/1.1 505";
    assert_eq!(talk(&["http/1.1"], PREFACE).await, (http1, refused));
    let (chosen, answer) = talk(&["http/1.1", "h2"], PREFACE).await;
    assert_eq!((chosen, answer[3]), (http2.clone(), 4), "SETTINGS");
    let (chosen, answer) = talk(&["h2"], GET).await;
    assert_eq!(chosen, http2);
    assert!(!answer.starts_with(b"HTTP/1"));
    // The other listener of the server speaks HTTP/2 alone.
    let refused = refusal(fixture.addr, bare(&ca, &["http/1.1"], None)).await;
    assert_eq!(alert(refused), AlertDescription::NoApplicationProtocol);
}
