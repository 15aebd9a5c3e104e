//! Rows 77–79: Watch.

use crate::fixture::{Fixture, STATUSES};
use crate::support::grpc::{
    NOT_SERVING, Request, SERVICE_UNKNOWN, SERVING, UNKNOWN, WATCH, health_request,
};
use grpc_health::ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};

#[tokio::test(start_paused = true)]
async fn row_77_watch_sends_the_status_now_and_every_change() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    for service in ["up", "", "down"] {
        fixture.set(service, Serving);
        let stream = peer.watch(service).await;
        assert_eq!(peer.expect_data(stream).await, SERVING);
        peer.expect_silence().await;
        for (status, body) in STATUSES {
            fixture.set(service, status);
            assert_eq!(peer.expect_data(stream).await, body);
            peer.expect_silence().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn row_77_the_same_status_is_not_sent_twice() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    fixture.set("up", Serving);
    peer.expect_silence().await;
    // There and back before the server could look.
    fixture.set("up", NotServing);
    fixture.set("up", Serving);
    peer.expect_silence().await;
    fixture.set("down", Serving);
    peer.expect_silence().await;
    fixture.set("up", NotServing);
    assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    fixture.set("up", NotServing);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_77_changes_are_coalesced_to_the_latest() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    for _ in 0..10_000 {
        fixture.set("up", NotServing);
        fixture.set("up", Serving);
    }
    fixture.set("up", Unknown);
    assert_eq!(peer.expect_data(stream).await, UNKNOWN);
    peer.expect_silence().await;
}

/// A status set between the request and its first answer is the first answer, or follows it.
#[tokio::test(start_paused = true)]
async fn row_77_no_change_is_lost_at_the_start() {
    for turns in 0..10 {
        let fixture = Fixture::new();
        let mut peer = fixture.connect().await;
        let stream = peer.call(&Request::new(WATCH), &health_request("up")).await;
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        fixture.set("up", NotServing);
        peer.expect_head(stream).await;
        let first = peer.expect_data(stream).await;
        if first != NOT_SERVING {
            assert_eq!(first, SERVING);
            assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
        }
        peer.expect_silence().await;
    }
}

#[tokio::test(start_paused = true)]
async fn row_77_every_watcher_on_every_connection_is_told() {
    let fixture = Fixture::new();
    let mut peers = Vec::new();
    for _ in 0..4 {
        let mut peer = fixture.connect_with(1 << 20, &[]).await;
        let mut streams = Vec::new();
        for _ in 0..100 {
            let stream = peer.watch("up").await;
            assert_eq!(peer.expect_data(stream).await, SERVING);
            streams.push(stream);
        }
        peers.push((peer, streams));
    }
    for (status, body) in [(NotServing, NOT_SERVING), (Serving, SERVING)] {
        fixture.set("up", status);
        for (peer, streams) in &mut peers {
            for stream in streams {
                assert_eq!(peer.expect_data(*stream).await, body);
            }
            peer.expect_silence().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn row_78_watch_of_an_unknown_service_waits_for_it() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let streams = [peer.watch("later").await, peer.watch("later").await];
    let other = peer.watch("never").await;
    for stream in [streams[0], streams[1], other] {
        assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    }
    peer.expect_silence().await;
    fixture.set("later", NotServing);
    for stream in streams {
        assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    }
    fixture.set("later", Serving);
    for stream in streams {
        assert_eq!(peer.expect_data(stream).await, SERVING);
    }
    peer.expect_silence().await;
}

/// Asking after a name does not register it.
#[tokio::test(start_paused = true)]
async fn row_78_watching_registers_nothing() {
    let fixture = Fixture::new();
    let before = fixture.registry.services();
    let mut peer = fixture.connect().await;
    for i in 0..200 {
        let stream = peer.watch(&format!("unknown-{i}")).await;
        assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    }
    peer.expect_not_found("unknown-0").await;
    assert_eq!(fixture.registry.services(), before);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_79_watch_of_a_cleared_service_stays() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    fixture.registry.clear("up");
    assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    fixture.registry.clear("up");
    peer.expect_silence().await;
    fixture.set("up", NotServing);
    assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    fixture.set("up", ServiceUnknown);
    assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_79_a_handle_revives_a_cleared_service() {
    let fixture = Fixture::new();
    let handle = fixture
        .registry
        .register("handled", NotServing)
        .expect("room");
    let mut peer = fixture.connect().await;
    let stream = peer.watch("handled").await;
    assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    fixture.registry.clear("handled");
    assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    handle.set_serving();
    assert_eq!(peer.expect_data(stream).await, SERVING);
    assert_eq!(peer.check("handled").await, SERVING);
    peer.expect_silence().await;
}
