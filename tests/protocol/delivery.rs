//! The same conversation whatever the size of the pieces it comes and goes in.

use crate::fixture::Fixture;
use crate::support::frame::{self, CANCEL, NO_ERROR, PREFACE};
use crate::support::grpc::{
    CHECK, INTERNAL, LIST, NOT_FOUND, NOT_SERVING, RESOURCE_EXHAUSTED, Request, SERVICE_UNKNOWN,
    SERVING, UNAVAILABLE, UNIMPLEMENTED, envelope, health_request, prefix,
};
use crate::support::peer::{PIPE, Peer};
use grpc_health::ServingStatus::{NotServing, Serving};

/// Check, List, two Watches with changes, errors of all shapes, a cancel and a shutdown.
async fn converse(fixture: Fixture, mut peer: Peer) {
    assert_eq!(peer.check("up").await, SERVING);
    let up = peer.watch("up").await;
    let later = peer.watch("later").await;
    assert_eq!(peer.expect_data(up).await, SERVING);
    assert_eq!(peer.expect_data(later).await, SERVICE_UNKNOWN);
    for _ in 0..3 {
        fixture.set("up", NotServing);
        fixture.set("later", Serving);
        assert_eq!(peer.expect_data(up).await, NOT_SERVING);
        assert_eq!(peer.expect_data(later).await, SERVING);
        fixture.set("up", Serving);
        fixture.registry.clear("later");
        assert_eq!(peer.expect_data(later).await, SERVICE_UNKNOWN);
        assert_eq!(peer.expect_data(up).await, SERVING);
    }

    let list = peer.call(&Request::new(LIST), &envelope(0, b"")).await;
    peer.expect_head(list).await;
    let statuses = b"\x0a\x04\x12\x02\x08\x01\
        \x0a\x0a\x0a\x04down\x12\x02\x08\x02\
        \x0a\x08\x0a\x02up\x12\x02\x08\x01";
    assert_eq!(peer.expect_data(list).await, envelope(0, statuses));
    peer.expect_trailers(list, 0).await;

    let unknown = peer
        .call(&Request::new(CHECK), &health_request("nope"))
        .await;
    peer.expect_trailers_only(unknown, NOT_FOUND).await;
    let get = Request::new(CHECK).set(":method", "GET");
    let get = peer.call_without_body(&get).await;
    peer.expect_error(get, 405, INTERNAL).await;
    let oversize = peer.start_call(&Request::new(CHECK)).await;
    peer.send_data(oversize, false, &prefix(0, u32::MAX)).await;
    peer.expect_trailers_only(oversize, RESOURCE_EXHAUSTED)
        .await;
    peer.expect_reset(oversize, NO_ERROR).await;
    let elsewhere = peer.start_call(&Request::new("/a/b")).await;
    peer.expect_trailers_only(elsewhere, UNIMPLEMENTED).await;
    peer.expect_reset(elsewhere, NO_ERROR).await;

    peer.send(&frame::reset(later, CANCEL)).await;
    peer.ping().await;
    fixture.set("later", Serving);
    assert_eq!(peer.check("later").await, SERVING);

    let stopped = fixture.shut_down();
    assert_eq!(peer.expect_data(up).await, NOT_SERVING);
    peer.expect_goaway(NO_ERROR).await;
    peer.expect_trailers(up, UNAVAILABLE).await;
    assert_eq!(peer.expect_goaway(NO_ERROR).await, elsewhere + 2);
    let rest = peer.recv_to_end().await;
    assert!(rest.iter().all(|frame| frame.stream() == 0), "{rest:?}");
    stopped.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn at_once() {
    let fixture = Fixture::new();
    let peer = fixture.connect().await;
    converse(fixture, peer).await;
}

/// One byte per read, three per write, and never twice in a row.
#[tokio::test(start_paused = true)]
async fn byte_by_byte() {
    let fixture = Fixture::new();
    let peer = fixture.connect_trickling().await;
    converse(fixture, peer).await;
}

/// The pipe takes a frame's head and little more, so that most writes are partial and wait.
#[tokio::test(start_paused = true)]
async fn through_a_narrow_pipe() {
    for capacity in [1, 2, 7, 16, 61] {
        let fixture = Fixture::new();
        let peer = fixture.connect_with(capacity, &[]).await;
        converse(fixture, peer).await;
    }
}

/// Most clients do not wait for the server's SETTINGS.
#[tokio::test(start_paused = true)]
async fn everything_in_one_write() {
    let fixture = Fixture::new();
    let (mut peer, _) = fixture.connect_silently();
    let mut script = PREFACE.to_vec();
    script.extend(frame::settings(&[]));
    let stream = peer.open();
    script.extend(frame::headers(stream, false, &Request::new(CHECK).encode()));
    script.extend(frame::data(stream, true, &health_request("up")));
    script.extend(frame::settings_ack());
    peer.send(&script).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    peer.expect_alive().await;
}

/// Over real sockets, on a real clock.
#[tokio::test]
async fn over_tcp() {
    let fixture = Fixture::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let addr = listener.local_addr().expect("an address");
    let served = tokio::spawn(fixture.server.serve_on(listener));
    let io = tokio::net::TcpStream::connect(addr)
        .await
        .expect("a connection");
    let mut peer = Peer::handshake_real_clock(io).await;
    assert_eq!(peer.check("up").await, SERVING);
    let up = peer.watch("up").await;
    assert_eq!(peer.expect_data(up).await, SERVING);
    let stopped = fixture.shut_down();
    assert_eq!(peer.expect_data(up).await, NOT_SERVING);
    peer.expect_goaway(NO_ERROR).await;
    peer.expect_trailers(up, UNAVAILABLE).await;
    peer.recv_to_end().await;
    stopped.await.expect("no panic");
    served.await.expect("no panic").expect("no error");
}

/// The connection may end anywhere: nothing is left of it, and others do not notice.
#[tokio::test(start_paused = true)]
async fn cut_anywhere() {
    let mut script = PREFACE.to_vec();
    script.extend(frame::settings(&[]));
    script.extend(frame::settings_ack());
    for (stream, path) in [(1, CHECK), (3, crate::support::grpc::WATCH), (5, LIST)] {
        script.extend(frame::headers(stream, false, &Request::new(path).encode()));
        script.extend(frame::data(stream, true, &health_request("up")));
    }
    let fixture = Fixture::new();
    let mut neighbour = fixture.connect().await;
    for cut in 0..script.len() {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let served = fixture.serve(theirs);
        let mut peer = Peer::new(ours);
        peer.send(&script[..cut]).await;
        if cut % 2 == 0 {
            // The server has time to act on what it got.
            peer.recv_until_idle().await;
        }
        drop(peer);
        served.await.expect("no panic");
        assert_eq!(fixture.server.stats().calls_waiting, 0);
        assert_eq!(fixture.server.stats().connections_open, 1);
        neighbour.expect_alive().await;
    }
    assert_eq!(fixture.server.stats().panics, 0);
}
