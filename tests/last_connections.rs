//! Connections that have arrived when the listeners close, and that nobody has accepted yet, are served.
//!
//! A balancer sends the first call behind the connection's preface. A reset would be an answer that never comes, and a proxy does not try
//! such a call again.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use grpc_health::{HealthService, Registry, Server};
use socket2::SockRef;

/// The preface, SETTINGS, and a Check on stream 1: HEADERS as HPACK's static table and literals have them, and the empty message.
fn first_bytes() -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let mut literal = |name: &[u8], value: &[u8]| {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text);
        }
    };
    literal(b":path", b"/grpc.health.v1.Health/Check");
    literal(b":authority", b"localhost");
    literal(b"content-type", b"application/grpc");
    literal(b"te", b"trailers");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let len = u8::try_from(payload.len()).unwrap();
        bytes.extend_from_slice(&[0, 0, len, kind, flags, 0, 0, 0, stream]);
        bytes.extend_from_slice(payload);
    };
    frame(4, 0, 0, &[]);
    frame(1, 4, 1, &block);
    frame(0, 1, 1, &[0; 5]);
    bytes
}

/// Whether the Check is answered, before the client closes the connection.
fn answered(mut io: impl Read) -> bool {
    let (mut answer, mut buffer) = (Vec::new(), [0; 1024]);
    // The message of NOT_SERVING: the drain has begun.
    while !answer
        .windows(7)
        .any(|bytes| bytes == [0, 0, 0, 0, 2, 8, 2])
    {
        match io.read(&mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(len) => answer.extend_from_slice(&buffer[..len]),
        }
    }
    true
}

/// More than a task of tokio's accepts in one turn, and fewer than the descriptors of a process allow.
const CLIENTS: usize = 160;

/// The runtime has one thread, and nothing here gives the accept loops a turn before the drain has begun.
#[tokio::test]
async fn a_call_on_a_connection_that_nobody_has_accepted_is_answered() {
    let dir = std::env::temp_dir().join(format!("grpc-health-last-{}", std::process::id()));
    let server = Server::builder()
        .shutdown_deadline(Duration::from_secs(60))
        .service(HealthService::new(Registry::new()))
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    server.bind_unix(&dir).await.unwrap();
    let addr = server.local_addr().unwrap();
    let serving = tokio::spawn(server.serve());
    // The accept loops wait.
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            // Among them clients that have gone: they cost nobody else the connection.
            if number % 10 == 0 {
                let gone = TcpStream::connect(addr).unwrap();
                SockRef::from(&gone)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
            }
            let mut tcp = TcpStream::connect(addr).unwrap();
            let mut unix = UnixStream::connect(&dir).unwrap();
            tcp.write_all(&first_bytes()).unwrap();
            unix.write_all(&first_bytes()).unwrap();
            (tcp, unix)
        })
        .collect();
    server.drain_handle().begin();
    let all = tokio::task::spawn_blocking(|| {
        let both = |(tcp, unix): (TcpStream, UnixStream)| [answered(tcp), answered(unix)];
        let all = clients.into_iter().flat_map(both);
        all.filter(|answered| *answered).count()
    });
    assert_eq!(all.await.unwrap(), 2 * CLIENTS);
    serving.await.unwrap().unwrap();
}
