//! How connections end, and which of the ends are counted as errors.

use grpc_health::server::Stats;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::Fixture;
use crate::support::frame::{self, CANCEL, ENHANCE_YOUR_CALM};
use crate::support::grpc::{CHECK, Request, SERVING};
use crate::support::peer::Peer;

const GOAWAY: u8 = 0x7;

/// A real connection, its peer, and what the server has counted when it is over.
async fn ended<F: Future<Output = Peer<TcpStream>>>(
    play: impl FnOnce(Peer<TcpStream>) -> F,
) -> Stats {
    let fixture = Fixture::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    let served = fixture.serve(accepted.unwrap().0);
    let peer = Peer::handshake_real_clock(client.unwrap()).await;
    drop(play(peer).await);
    served.await.unwrap();
    fixture.server.stats()
}

/// What the system sends for a socket that is closed like this is a reset.
fn abruptly(peer: Peer<TcpStream>) -> Peer<TcpStream> {
    peer.io().set_zero_linger().unwrap();
    peer
}

#[tokio::test]
async fn a_peer_that_goes_between_calls_makes_no_error() {
    let stats = ended(async |mut peer: Peer<TcpStream>| {
        assert_eq!(peer.check("up").await, SERVING);
        abruptly(peer)
    });
    assert_eq!(stats.await.connection_errors, 0, "as kubelet's probes do");
    let stats = ended(async |mut peer: Peer<TcpStream>| {
        assert_eq!(peer.check("up").await, SERVING);
        peer
    });
    assert_eq!(stats.await.connection_errors, 0);
    let stats = ended(async |mut peer: Peer<TcpStream>| {
        assert_eq!(peer.check("up").await, SERVING);
        let calm = [0_u32.to_be_bytes(), ENHANCE_YOUR_CALM.to_be_bytes()].concat();
        peer.send(&frame::raw(GOAWAY, 0, 0, &calm)).await;
        abruptly(peer)
    });
    assert_eq!(stats.await.connection_errors, 0, "it said why");
    let stats = ended(async |mut peer: Peer<TcpStream>| {
        let watch = peer.watch("up").await;
        assert_eq!(peer.expect_data(watch).await, SERVING);
        peer.send(&frame::reset(watch, CANCEL)).await;
        peer
    });
    let stats = stats.await;
    assert_eq!((stats.connection_errors, stats.calls_cancelled), (0, 1));
}

#[tokio::test]
async fn a_peer_that_goes_within_a_call_makes_one() {
    let stats = ended(async |mut peer: Peer<TcpStream>| {
        let watch = peer.watch("up").await;
        assert_eq!(peer.expect_data(watch).await, SERVING);
        peer
    });
    let stats = stats.await;
    assert_eq!((stats.connection_errors, stats.calls_cancelled), (1, 1));
    let stats = ended(async |mut peer: Peer<TcpStream>| {
        peer.start_call(&Request::new(CHECK)).await;
        // It is in its place before the socket is reset.
        peer.ping().await;
        abruptly(peer)
    });
    let stats = stats.await;
    assert_eq!((stats.connection_errors, stats.calls_cancelled), (1, 1));
}

#[tokio::test]
async fn a_peer_that_breaks_http2_makes_one() {
    let stats = ended(async |mut peer: Peer<TcpStream>| {
        peer.send(&frame::raw(GOAWAY, 0, 1, &[0; 8])).await;
        peer.expect_goaway(frame::PROTOCOL_ERROR).await;
        peer
    });
    assert_eq!(stats.await.connection_errors, 1);
}

/// Nothing of a handshake, half a preface, all of it, and SETTINGS as well: no HTTP/2 was broken, and no call lost.
#[tokio::test]
async fn a_peer_that_goes_within_its_handshake_makes_no_error() {
    let hello = [frame::PREFACE, &frame::settings(&[])[..]].concat();
    for said in [0, 12, frame::PREFACE.len(), hello.len() - 1, hello.len()] {
        let fixture = Fixture::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let served = fixture.serve(accepted.unwrap().0);
        let mut client = client.unwrap();
        client.write_all(&hello[..said]).await.unwrap();
        while fixture.server.stats().bytes_read < said as u64 && said >= frame::PREFACE.len() {
            tokio::task::yield_now().await;
        }
        client.set_zero_linger().unwrap();
        drop(client);
        served.await.unwrap();
        assert_eq!(fixture.server.stats().connection_errors, 0, "{said} bytes");
    }
}
