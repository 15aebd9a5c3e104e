//! What a client can make the server do in TLS: verify certificates, and read records that bring nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::certs::{Ca, Identity};
use crate::fixture::{alert, bare, bare_of, refusal, server_pem, shake_hands, start};

/// A client's certificate, and intermediates above it: each has the next of `names` as its name and is signed by the one behind it, the
/// last by the root that is returned, too. `extra` certificates that belong to nobody follow. The client has `san` names.
fn chain(names: &[String], extra: usize, san: usize) -> (String, Identity) {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    };
    let key = || KeyPair::generate().unwrap();
    let root = CertifiedIssuer::self_signed(authority("root"), key()).unwrap();
    let root_pem = root.pem();
    let mut issuer = root;
    let mut intermediates = Vec::new();
    for name in names.iter().rev() {
        issuer = CertifiedIssuer::signed_by(authority(name), key(), &issuer).unwrap();
        intermediates.push(issuer.pem());
    }
    let names: Vec<_> = (0..san).map(|n| format!("client-{n}.example")).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = key();
    let mut cert = params.signed_by(&own, &issuer).unwrap().pem();
    cert.extend(intermediates.into_iter().rev());
    for name in numbered(extra) {
        cert += &CertifiedIssuer::self_signed(authority(&format!("other {name}")), key())
            .unwrap()
            .pem();
    }
    let key = own.serialize_pem();
    (root_pem, Identity { cert, key })
}

fn numbered(n: usize) -> Vec<String> {
    (0..n).map(|n| format!("authority {n}")).collect()
}

#[tokio::test]
async fn chains_within_the_limits_are_verified_and_others_refused_unverified() {
    let servers = Ca::new("servers");
    let same = |n: usize, others: usize| {
        let mut names = vec!["the same".to_owned(); n];
        names.extend(numbered(others));
        names
    };
    type Expected = Result<(), AlertDescription>;
    let refused = Err(AlertDescription::CertificateUnknown);
    let table: [(&str, Vec<String>, usize, usize, Expected); 9] = [
        ("no intermediate", numbered(0), 0, 1, Ok(())),
        ("as deep as rustls goes", numbered(5), 0, 1, Ok(())),
        ("10 certificates", numbered(1), 8, 1, Ok(())),
        ("11 certificates", numbered(1), 9, 1, refused),
        ("110 certificates", numbered(1), 108, 1, refused),
        ("three of one name", same(3, 1), 0, 1, Ok(())),
        ("four of one name", same(4, 1), 0, 1, refused),
        ("256 names", numbered(1), 0, 256, Ok(())),
        ("257 names", numbered(1), 0, 257, refused),
    ];
    for (what, names, extra, san, expected) in table {
        let (root, identity) = chain(&names, extra, san);
        let fixture = start(server_pem(&servers.server()).client_ca(root)).await;
        let client = Arc::new(bare(&servers, &["h2"], Some(&identity)));
        match expected {
            Ok(()) => {
                let mut stream = shake_hands(fixture.addr, &client).await.unwrap();
                stream.write_all(PREFACE).await.unwrap();
                // The server's SETTINGS.
                assert!(stream.read(&mut [0; 64]).await.unwrap() > 0, "{what}");
            }
            Err(expected) => {
                let client = Arc::unwrap_or_clone(client);
                let refused = refusal(fixture.addr, client).await;
                assert_eq!(alert(refused), expected, "{what}");
            }
        }
        fixture.stop().await;
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Reads up to the end and returns the code of the last GOAWAY.
async fn goaway(stream: &mut TlsStream<TcpStream>) -> Option<u32> {
    let mut bytes = Vec::new();
    // The server closes its side and may reset the connection.
    let _ = stream.read_to_end(&mut bytes).await;
    let mut code = None;
    let mut rest = &bytes[..];
    while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
        let (payload, after) = after.split_at(u32::from_be_bytes([0, *a, *b, *c]) as usize);
        if *kind == 7 {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
        rest = after;
    }
    code
}

/// Writes until the server has closed the connection, and at most `most` times.
async fn until_closed(
    stream: &mut TlsStream<TcpStream>,
    most: usize,
    mut write: impl FnMut(&mut TlsStream<TcpStream>) -> Vec<u8>,
) -> usize {
    for n in 0..most {
        let bytes = write(stream);
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            return n;
        }
        // The reading side notices the end.
        tokio::task::yield_now().await;
    }
    most
}

#[tokio::test]
async fn key_updates_that_bring_nothing_end_the_connection() {
    let servers = Ca::new("servers");
    let fixture = start(server_pem(&servers.server())).await;
    let config = bare_of(&[&rustls::version::TLS13], &servers, &["h2"], None);
    let mut stream = shake_hands(fixture.addr, &Arc::new(config)).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    // rustls lets no more than 32 of them come one after the other.
    let mut ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        .into_iter()
        .cycle();
    let mut most = 0;
    until_closed(&mut stream, 200, |stream| {
        for _ in 0..31 {
            stream.get_mut().1.refresh_traffic_keys().unwrap();
        }
        most += 31;
        vec![ping.next().unwrap()]
    })
    .await;
    assert_eq!(goaway(&mut stream).await, Some(11));
    let stats = fixture.stop().await;
    assert_eq!((stats.floods, stats.connections_open), (1, 0));
    assert!(most > 1_000, "{most}");
}

#[cfg(feature = "http1")]
#[tokio::test]
async fn key_updates_that_bring_nothing_end_a_connection_of_http_1() {
    use grpc_health::server::ListenOptions;
    let servers = Ca::new("servers");
    let fixture = start(server_pem(&servers.server())).await;
    let server = fixture
        .server
        .with_listen_options(ListenOptions::new().http1());
    server.bind_tls("127.0.0.1:0", &fixture.tls).await.unwrap();
    let addr = server.local_addrs()[1];
    let config = bare_of(&[&rustls::version::TLS13], &servers, &["http/1.1"], None);
    let mut stream = shake_hands(addr, &Arc::new(config)).await.unwrap();
    let mut sent = 0;
    let mut head = b"GET /readyz HTTP/1.1\r\nhost: a\r\nx: "
        .iter()
        .chain([b'x'].iter().cycle());
    until_closed(&mut stream, 200, |stream| {
        for _ in 0..31 {
            stream.get_mut().1.refresh_traffic_keys().unwrap();
        }
        sent += 31;
        vec![*head.next().unwrap()]
    })
    .await;
    // The server has seen the end before the counters are read.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let stats = fixture.stop().await;
    assert_eq!((stats.floods, stats.connections_open), (1, 0));
    assert!(sent > 1_000, "{sent}");
}

#[tokio::test]
async fn records_of_one_byte_end_the_connection() {
    let servers = Ca::new("servers");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let fixture = start(server_pem(&servers.server())).await;
        let config = bare_of(&[version], &servers, &["h2"], None);
        let mut stream = shake_hands(fixture.addr, &Arc::new(config)).await.unwrap();
        stream.write_all(PREFACE).await.unwrap();
        // One long frame of no known kind: nothing else of it is a flood.
        stream
            .write_all(&[0, 0x20, 0, 0xbb, 0, 0, 0, 0, 0])
            .await
            .unwrap();
        until_closed(&mut stream, 4_000, |_| vec![0]).await;
        assert_eq!(goaway(&mut stream).await, Some(11));
        let stats = fixture.stop().await;
        assert_eq!((stats.floods, stats.connections_open), (1, 0));
    }
}

/// Updates its keys before each write, as no client does that often.
struct Updating(TlsStream<TcpStream>);

impl AsyncRead for Updating {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Updating {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.get_mut().1.refresh_traffic_keys().unwrap();
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// More key updates and small records than any client sends, each with something of use.
#[tokio::test]
async fn key_updates_beside_calls_do_no_harm() {
    let servers = Ca::new("servers");
    let fixture = start(server_pem(&servers.server())).await;
    let config = bare_of(&[&rustls::version::TLS13], &servers, &["h2"], None);
    let stream = shake_hands(fixture.addr, &Arc::new(config)).await.unwrap();
    let (mut client, connection) = h2::client::handshake(Updating(stream)).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..1_500 {
        let request = http::Request::post("https://localhost/grpc.health.v1.Health/Check")
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        client = client.ready().await.unwrap();
        let (response, mut body) = client.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
        let mut body = response.await.unwrap().into_body();
        while let Some(data) = body.data().await {
            let len = data.unwrap().len();
            body.flow_control().release_capacity(len).unwrap();
        }
        let trailers = body.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0");
    }
    drop(client);
    let stats = fixture.stop().await;
    assert_eq!((stats.calls, stats.floods), (1_500, 0));
}
