//! How long a peer may take, and what it sees when it takes longer. On a paused clock: every time is exact.

use std::time::Duration;

use grpc_health::server::{Builder, NoService};
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::frame::{self, ENHANCE_YOUR_CALM, Frame, NO_ERROR};
use crate::support::grpc::{
    CHECK, DEADLINE_EXCEEDED, LIST, NOT_SERVING, RESOURCE_EXHAUSTED, Request, SERVING, UNAVAILABLE,
    WATCH, envelope, health_request,
};
use crate::support::host::{self, Starved};
use crate::support::peer::{PIPE, Peer};

const SECOND: Duration = Duration::from_secs(1);

struct Served {
    registry: Registry,
    server: Server<HealthService>,
}

impl Served {
    fn new(builder: Builder<NoService>) -> Self {
        let registry = Registry::new();
        let server = builder
            .service(HealthService::new(registry.clone()))
            .build();
        Self { registry, server }
    }

    fn default() -> Self {
        Self::new(Server::builder())
    }

    /// A connection that has said nothing, and the task that serves it.
    fn dial(&self, capacity: usize) -> (Peer, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(capacity);
        (
            Peer::new(ours),
            host::spawn(self.server.serve_connection(theirs)),
        )
    }

    async fn connect(&self, capacity: usize, settings: &[(u16, u32)]) -> (Peer, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(capacity);
        let served = host::spawn(self.server.serve_connection(theirs));
        (Peer::handshake(ours, settings).await, served)
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_finish_its_preface_is_closed_after_10_s() {
    for said in [&b""[..], b"PRI * HTTP/2.0\r\n"] {
        let served = Served::default();
        let start = Instant::now();
        let (mut peer, task) = served.dial(PIPE);
        peer.send(said).await;
        task.await.unwrap();
        assert_eq!(start.elapsed(), 10 * SECOND);
        let stats = served.server.stats();
        assert_eq!(
            (stats.connections_timed_out, stats.connections_open),
            (1, 0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_trickles_is_answered_4_after_10_s() {
    let served = Served::default();
    let (mut peer, _task) = served.connect(PIPE, &[]).await;
    let start = Instant::now();
    let stream = peer.start_call(&Request::new(CHECK)).await;
    for byte in &health_request("")[..4] {
        peer.send_data(stream, false, &[*byte]).await;
        peer.expect_alive().await;
    }
    let only = peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
    let text = "the client did not send its request within 10s";
    assert_eq!(only.get("grpc-message"), Some(text));
    assert_eq!(start.elapsed(), 10 * SECOND);
    peer.expect_reset(stream, NO_ERROR).await;
    assert_eq!(peer.check("").await, SERVING);
    assert_eq!(served.server.stats().deadlines_exceeded, 1);
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_a_window_is_ended_with_8_after_30_s() {
    for path in [CHECK, WATCH] {
        let served = Served::default();
        let settings = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 0)];
        let (mut peer, _task) = served.connect(PIPE, &settings).await;
        let start = Instant::now();
        let stream = peer.call(&Request::new(path), &health_request("")).await;
        peer.expect_head(stream).await;
        let trailers = peer.expect_trailers(stream, RESOURCE_EXHAUSTED).await;
        let text = "the client made no room for the reply within 30s";
        assert_eq!(trailers.get("grpc-message"), Some(text));
        assert_eq!(start.elapsed(), 30 * SECOND);
        peer.ping().await;
        let stats = served.server.stats();
        assert_eq!((stats.calls_stalled, stats.calls_waiting), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_byte_now_and_then_gives_a_peer_no_more_time() {
    let served = Served::default();
    let settings = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 0)];
    let (mut peer, _task) = served.connect(PIPE, &settings).await;
    let stream = peer.call(&Request::new(CHECK), &health_request("")).await;
    peer.expect_head(stream).await;
    let start = Instant::now();
    for _ in 0..2 {
        tokio::time::advance(12 * SECOND).await;
        peer.send(&frame::window_update(stream, 1)).await;
        peer.expect_data(stream).await;
    }
    // Inside a message no trailers can be sent.
    peer.expect_reset(stream, ENHANCE_YOUR_CALM).await;
    assert_eq!(start.elapsed(), 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_its_socket_is_closed_after_20_s() {
    let served = Served::default();
    for i in 0..90 {
        served
            .registry
            .set_service_status(&format!("{i:0200}"), ServingStatus::Serving)
            .unwrap();
    }
    let (mut peer, task) = served.connect(256, &[]).await;
    peer.call(&Request::new(LIST), &envelope(0, b"")).await;
    let start = Instant::now();
    task.await.unwrap();
    let elapsed = start.elapsed();
    // And a quarter of a second for its last words, which it does not take either.
    assert_eq!(elapsed, 20 * SECOND + Duration::from_millis(250));
    assert_eq!(served.server.stats().connections_timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn row_69_a_connection_without_calls_is_told_to_go_after_5_minutes() {
    let served = Served::default();
    let (mut peer, task) = served.connect(PIPE, &[]).await;
    tokio::time::advance(200 * SECOND).await;
    assert_eq!(peer.check("").await, SERVING);
    let start = Instant::now();
    peer.expect_goaway(NO_ERROR).await;
    assert_eq!(start.elapsed(), 300 * SECOND);
    peer.recv_to_end().await;
    task.await.unwrap();
    assert_eq!(start.elapsed(), 300 * SECOND);
    assert_eq!(served.server.stats().connections_timed_out, 0);
}

/// The server answers each of the later calls in the turn in which the call comes.
#[tokio::test(start_paused = true)]
async fn calls_put_the_end_of_a_connection_off_that_had_many_at_once() {
    let served = Served::default();
    let (mut peer, task) = served.connect(PIPE, &[]).await;
    let mut streams = Vec::new();
    for _ in 0..70 {
        streams.push(peer.start_call(&Request::new(CHECK)).await);
    }
    peer.ping().await;
    for stream in streams {
        peer.send(&frame::data(stream, true, &health_request("")))
            .await;
        assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    }
    for _ in 0..6 {
        tokio::time::advance(40 * SECOND).await;
        assert_eq!(peer.check("").await, SERVING);
    }
    let start = Instant::now();
    peer.expect_goaway(NO_ERROR).await;
    assert_eq!(start.elapsed(), 60 * SECOND);
    peer.recv_to_end().await;
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_acknowledge_that_is_closed_10_s_later() {
    let served = Served::default();
    let (mut peer, task) = served.connect(PIPE, &[]).await;
    peer.ack_pings = false;
    let start = Instant::now();
    peer.expect_goaway(NO_ERROR).await;
    peer.recv_to_end().await;
    task.await.unwrap();
    assert_eq!(start.elapsed(), 310 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_watch_keeps_its_connection() {
    let served = Served::default();
    let (mut peer, _task) = served.connect(PIPE, &[]).await;
    let stream = peer.watch("").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    tokio::time::advance(3600 * SECOND).await;
    served
        .registry
        .set_service_status("", ServingStatus::NotServing)
        .unwrap();
    assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_69_an_old_connection_is_told_to_go_and_its_watch_is_ended() {
    let served = Served::new(Server::builder().max_connection_age(Some(1000 * SECOND)));
    let (mut peer, task) = served.connect(PIPE, &[]).await;
    let start = Instant::now();
    let stream = peer.watch("").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    peer.expect_goaway(NO_ERROR).await;
    let age = start.elapsed();
    assert!((900 * SECOND..=1100 * SECOND).contains(&age), "{age:?}");
    peer.expect_trailers(stream, UNAVAILABLE).await;
    peer.recv_to_end().await;
    task.await.unwrap();
    assert_eq!(start.elapsed(), age);
    // Only the connection goes: the server serves on.
    let (mut peer, _task) = served.connect(PIPE, &[]).await;
    assert_eq!(peer.check("").await, SERVING);
}

#[tokio::test(start_paused = true)]
async fn row_67_a_silent_peer_is_asked_whether_it_is_there() {
    let builder = Server::builder()
        .keepalive_interval(Some(60 * SECOND))
        .max_connection_idle(None);
    let served = Served::new(builder);
    let (mut peer, task) = served.connect(PIPE, &[]).await;
    let start = Instant::now();
    for minute in 1..4 {
        peer.skip_to(|frame| matches!(frame, Frame::Ping { ack: false, .. }))
            .await;
        assert_eq!(start.elapsed(), 60 * minute * SECOND);
    }
    peer.ack_pings = false;
    peer.recv_to_end().await;
    task.await.unwrap();
    assert_eq!(start.elapsed(), 260 * SECOND);
    assert_eq!(served.server.stats().connections_timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn connections_over_the_limit_are_closed_at_once_and_the_others_stay() {
    let served = Served::new(Server::builder().max_connections(1));
    let (mut first, first_task) = served.connect(PIPE, &[]).await;
    // A connection without a call to complete would make room.
    let call = first.start_call(&Request::new(CHECK)).await;
    first.ping().await;
    let start = Instant::now();
    let (_second, second_task) = served.dial(PIPE);
    second_task.await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    let body = health_request("");
    first.send(&frame::data(call, true, &body)).await;
    assert_eq!(first.expect_unary_ok(call).await, SERVING);
    drop(first);
    first_task.await.unwrap();
    let (mut third, _task) = served.connect(PIPE, &[]).await;
    assert_eq!(third.check("").await, SERVING);
    let stats = served.server.stats();
    assert_eq!((stats.connections, stats.connections_refused), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_drain_lingers_and_can_be_taken_back_until_clients_are_told_to_go() {
    let served = Served::new(Server::builder().shutdown_linger(30 * SECOND));
    served
        .registry
        .set_service_status("live", ServingStatus::Serving)
        .unwrap();
    served.registry.pin("live").unwrap();
    let (mut peer, task) = served.connect(PIPE, &[]).await;
    let early = peer.watch("").await;
    assert_eq!(peer.expect_data(early).await, SERVING);
    let handle = served.server.drain_handle();
    assert!(!handle.resume() && !handle.is_draining());

    handle.begin();
    assert_eq!(peer.expect_data(early).await, NOT_SERVING);
    assert!(handle.is_draining());
    // All else goes on as before: new watches stay open, pinned names are up.
    let late = peer.watch("").await;
    assert_eq!(peer.expect_data(late).await, NOT_SERVING);
    assert_eq!(peer.check("live").await, SERVING);
    tokio::time::advance(29 * SECOND).await;
    assert!(handle.resume());
    assert_eq!(peer.expect_data(early).await, SERVING);
    assert_eq!(peer.expect_data(late).await, SERVING);
    tokio::time::advance(100 * SECOND).await;
    assert_eq!(peer.check("").await, SERVING);

    let start = Instant::now();
    handle.begin();
    assert_eq!(peer.expect_data(early).await, NOT_SERVING);
    assert_eq!(peer.expect_data(late).await, NOT_SERVING);
    assert_eq!(start.elapsed(), Duration::ZERO);
    peer.expect_goaway(NO_ERROR).await;
    assert_eq!(start.elapsed(), 30 * SECOND);
    assert!(!handle.resume());
    peer.expect_trailers(early, UNAVAILABLE).await;
    peer.expect_trailers(late, UNAVAILABLE).await;
    peer.recv_to_end().await;
    task.await.unwrap();
    handle.drained().await;
    assert_eq!(start.elapsed(), 30 * SECOND);
}

/// tokio's timers answer `Pending` also when the task has used up its budget, and then keep no waker. A first flight that takes many writes
/// to answer uses it up; the deadline behind it was lost for the connection's life.
#[tokio::test(start_paused = true)]
async fn a_deadline_behind_a_first_flight_that_uses_up_the_tasks_budget_fires() {
    let served = Served::default();
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let mut task = tokio::spawn(Starved::new(served.server.serve_connection(theirs)));
    let mut peer = Peer::handshake(ours, &[]).await;
    let start = Instant::now();
    let watch = Request::new(WATCH).with("grpc-timeout", "2S");
    let stream = peer.call(&watch, &health_request("")).await;
    peer.expect_head(stream).await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    peer.expect_trailers(stream, DEADLINE_EXCEEDED).await;
    assert_eq!(start.elapsed(), 2 * SECOND);
    // So does every other time of the connection: this one is idle for 300 s.
    let goaway = peer.skip_to(|frame| matches!(frame, Frame::GoAway { .. }));
    goaway.await;
    assert_eq!(start.elapsed(), 302 * SECOND);
    peer.finish().await;
    (&mut task).await.unwrap();
}
