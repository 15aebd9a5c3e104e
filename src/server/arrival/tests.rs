//! A client that floods TLS, at the door.

use std::future::Pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::config::Config;
use super::super::shared::Shared;
use super::super::thread_config::ThreadConfig;
use super::Arrival;
use crate::connection;
use crate::service::{
    Admission, Answer, Background, Head, Lifecycle, Message, Method, PeerInfo, Rejection, Reply,
    Service, Unimplemented, unknown_method,
};
use crate::tls::{ServerPem, ServerTls};

/// A service without methods.
struct Nothing;

/// The stream that such a service never makes.
struct Never;

impl Stream for Never {
    type Item = Reply;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Reply>> {
        Poll::Ready(None)
    }
}

impl Service for Nothing {
    type Stream = Never;
    type Future = Pending<Reply>;

    fn method(&self, _: &str) -> Result<Method, Unimplemented> {
        Err(Unimplemented::Service)
    }

    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
    }

    fn call(&self, _: Head<'_>, _: Message) -> Answer<Never, Pending<Reply>> {
        Answer::Now(Err(unknown_method()))
    }

    fn lifecycle(&self, _: Lifecycle) {}

    fn background(&self) -> Option<Background> {
        None
    }
}

/// A server with TLS, whose clients come from addresses of the test's choice.
struct Door {
    shared: Arc<Shared<Nothing>>,
    tls: ServerTls,
    client: TlsConnector,
}

impl Door {
    fn new() -> Self {
        let config = connection::Config::default();
        let shared = Shared::new(Nothing, Config::default(), config, ThreadConfig::default());
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = ServerPem::new(cert.pem(), signing_key.serialize_pem());
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            shared: Arc::new(shared),
            tls: ServerTls::new(pem).unwrap(),
            client: TlsConnector::from(Arc::new(client)),
        }
    }

    /// A connection from `ip`, after the handshake. `None` if the address waits.
    async fn connect(&self, ip: [u8; 4]) -> Option<TlsStream<DuplexStream>> {
        let peer = PeerInfo::from(SocketAddr::from((ip, 1)));
        let arrival = Arrival::admit(&self.shared, &self.shared.places, &peer)?;
        let (ours, theirs) = tokio::io::duplex(1 << 14);
        let tls = self.tls.clone();
        tokio::spawn(arrival.serve(async move {
            let (io, ..) = tls.accept(theirs, false).await?;
            Ok((io, peer))
        }));
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = self.client.connect(name, ours).await.unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .await
            .unwrap();
        Some(stream)
    }

    /// Sends 31 KeyUpdates with each byte of a frame that never ends, until the server closes the connection. Returns their number.
    async fn flood(&self, ip: [u8; 4]) -> usize {
        let mut stream = self.connect(ip).await.expect("a place");
        stream.write_all(b"\0\x40\0\xbb\0\0\0\0\0").await.unwrap();
        let floods = self.floods();
        let mut sent = 0;
        while self.floods() == floods && sent < 5_000 {
            for _ in 0..31 {
                stream.get_mut().1.refresh_traffic_keys().unwrap();
            }
            sent += 31;
            let _ = stream.write_all(&[0]).await;
            let _ = stream.flush().await;
            tokio::task::yield_now().await;
        }
        drop(stream);
        while self.shared.stats().connections_open > 0 {
            tokio::task::yield_now().await;
        }
        sent
    }

    fn floods(&self) -> u64 {
        self.shared.host.counters.floods.load(Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_floods_with_key_updates_waits_at_the_door_longer_each_time() {
    const MILLISECOND: Duration = Duration::from_millis(1);
    let door = Door::new();
    let (flooder, other, loopback) = ([198, 18, 0, 1], [198, 18, 0, 9], [127, 0, 0, 1]);
    for seconds in [1, 2, 4] {
        let sent = door.flood(flooder).await;
        // The pipe holds some hundred more.
        assert!((1_000..2_500).contains(&sent), "{sent}");
        assert!(door.connect(flooder).await.is_none());
        assert!(door.connect(other).await.is_some());
        tokio::time::sleep(Duration::from_secs(seconds) - MILLISECOND).await;
        assert!(door.connect(flooder).await.is_none(), "{seconds}");
        tokio::time::sleep(2 * MILLISECOND).await;
    }
    door.flood(loopback).await;
    assert!(door.connect(loopback).await.is_some());
}
