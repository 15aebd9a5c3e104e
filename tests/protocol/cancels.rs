//! A client gives calls up, as hedging clients, deadlines and gateways do all day. That is no rapid reset.

use std::time::Duration;

use grpc_health::Server;
use tokio::time::sleep;

use crate::fixture::Fixture;
use crate::limits::{builder, connect_to};
use crate::support::frame::{self, CANCEL, ENHANCE_YOUR_CALM, Frame, NO_ERROR};
use crate::support::grpc::{
    CHECK, Request, SERVING, UNIMPLEMENTED, WATCH, envelope, health_request,
};
use crate::support::peer::Peer;

/// Ten times what may be reset at once.
const MANY: usize = 10_000;

/// Room for all replies.
async fn open_window(peer: &mut Peer) {
    peer.send(&frame::window_update(0, 1 << 30)).await;
}

async fn cancel(peer: &mut Peer, stream: u32) {
    peer.send(&frame::reset(stream, CANCEL)).await;
}

#[tokio::test(start_paused = true)]
async fn streams_may_be_cancelled_behind_their_first_reply() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    open_window(&mut peer).await;
    for _ in 0..MANY {
        let watch = peer.watch("up").await;
        assert_eq!(peer.expect_data(watch).await, SERVING);
        cancel(&mut peer, watch).await;
    }
    peer.expect_alive().await;
    let stats = fixture.server.stats();
    assert_eq!((stats.floods, stats.calls_cancelled), (0, MANY as u64));
}

#[tokio::test(start_paused = true)]
async fn resets_behind_complete_answers_cost_nothing() {
    // Not one reset is allowed but those that are earned.
    let mut peer = connect_to(builder().reset_burst(0)).await;
    open_window(&mut peer).await;
    for _ in 0..MANY {
        let whole = peer.call(&Request::new(CHECK), &health_request("")).await;
        assert_eq!(peer.expect_unary_ok(whole).await, SERVING);
        cancel(&mut peer, whole).await;
        let refused = peer.start_call(&Request::new("/no.Service/Method")).await;
        peer.expect_trailers_only(refused, UNIMPLEMENTED).await;
        peer.expect_reset(refused, NO_ERROR).await;
        cancel(&mut peer, refused).await;
    }
    peer.expect_alive().await;
}

/// One of two calls is answered, and the other one is given up.
#[tokio::test(start_paused = true)]
async fn hedged_calls_live_on_their_answers() {
    let mut peer = connect_to(builder().reset_burst(0)).await;
    open_window(&mut peer).await;
    for _ in 0..MANY {
        let answered = peer.call(&Request::new(CHECK), &health_request("")).await;
        assert_eq!(peer.expect_unary_ok(answered).await, SERVING);
        let hedged = peer.start_call(&Request::new(CHECK)).await;
        cancel(&mut peer, hedged).await;
    }
    peer.expect_alive().await;
}

/// Nothing is ever answered, as when all deadlines pass; but each call has had its stream for a while.
#[tokio::test(start_paused = true)]
async fn calls_may_be_given_up_after_100_ms() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    for _ in 0..100 {
        let mut streams = Vec::new();
        for _ in 0..100 {
            streams.push(peer.start_call(&Request::new(CHECK)).await);
        }
        sleep(Duration::from_millis(100)).await;
        for stream in streams {
            cancel(&mut peer, stream).await;
        }
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(fixture.server.stats().floods, 0);
    // Those that were open for less count.
    let mut sent = 0;
    while fixture.server.stats().floods == 0 {
        let mut short = Vec::new();
        for _ in 0..100 {
            let stream = peer.open();
            let block = Request::new(CHECK).encode();
            short.extend(frame::headers(stream, false, &block));
            short.extend(frame::reset(stream, CANCEL));
        }
        peer.send(&short).await;
        sleep(Duration::from_millis(1)).await;
        sent += 100;
        assert!(sent < 2_000);
    }
    peer.expect_goaway(ENHANCE_YOUR_CALM).await;
}

/// A client whose server was busy for a second: what it has opened and given up meanwhile comes all at once, more than the 256 streams
/// that h2 allows to be reset before they are seen.
#[tokio::test(start_paused = true)]
async fn a_client_that_the_server_kept_waiting_may_have_cancelled_a_thousand_calls() {
    for streams in [4, 256] {
        let mut peer = connect_to(builder().max_concurrent_streams(streams)).await;
        for _ in 0..1_000 {
            assert_eq!(peer.check("").await, SERVING);
        }
        let block = Request::new(CHECK).encode();
        let mut backlog = Vec::new();
        for _ in 0..1_000 {
            let stream = peer.open();
            backlog.extend(frame::headers(stream, false, &block));
            backlog.extend(frame::data(stream, true, &envelope(0, b"")));
            backlog.extend(frame::reset(stream, CANCEL));
        }
        peer.send(&backlog).await;
        assert_eq!(peer.check("").await, SERVING);
    }
}

/// The shape that stays closed, on a connection that has no answers to its credit.
#[tokio::test(start_paused = true)]
async fn opened_and_cancelled_before_any_work_is_still_a_rapid_reset() {
    let mut peer = connect_to(Server::builder()).await;
    let block = Request::new(WATCH).encode();
    let mut attack = Vec::new();
    for _ in 0..1_000 {
        let stream = peer.open();
        attack.extend(frame::headers(stream, false, &block));
        attack.extend(frame::reset(stream, CANCEL));
    }
    let sent = peer.flood(&attack).await;
    let calm =
        |frame: &Frame| matches!(frame, Frame::GoAway { code, .. } if *code == ENHANCE_YOUR_CALM);
    assert!(sent.last().is_some_and(calm), "{sent:?}");
}
