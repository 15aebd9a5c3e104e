//! The way down, frame by frame; the order of its steps is also in rows 60, 66 and 81.

use crate::fixture::Fixture;
use crate::support::frame::{self, Frame, NO_ERROR};
use crate::support::grpc::{
    CHECK, NOT_SERVING, Request, SERVICE_UNKNOWN, SERVING, UNAVAILABLE, WATCH, health_request,
};
use crate::support::io::{Read, Scripted};
use crate::support::peer::{PIPE, Peer};
use grpc_health::ServingStatus::{NotServing, Serving};
use grpc_health::service::{Lifecycle, Service as _, Wrapper};
use grpc_health::{HealthService, Registry, Server};
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// How long after its deadline a drain is over: what is cut has so long to say so.
const LAST_WORDS: Duration = Duration::from_millis(250);

fn with_deadline(deadline: Duration) -> Fixture {
    let registry = Registry::new();
    registry.set_service_status("up", Serving).expect("room");
    let service = HealthService::new(registry.clone());
    let server = Server::builder()
        .shutdown_deadline(deadline)
        .service(service)
        .build();
    Fixture { registry, server }
}

/// Not before the deadline, and no later than it has to be.
fn assert_over_after(deadline: Duration, start: Instant) {
    let took = start.elapsed();
    assert!(took >= deadline, "{took:?}");
    assert!(took <= deadline + LAST_WORDS, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_at_once() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    peer.expect_silence().await;
    let start = Instant::now();
    let stopped = fixture.shut_down();
    assert_eq!(peer.expect_goaway(NO_ERROR).await, i32::MAX as u32);
    assert_eq!(peer.expect_goaway(NO_ERROR).await, 0);
    peer.recv_to_end().await;
    stopped.await.expect("no panic");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(fixture.server.stats().connections_open, 0);
}

/// All that is told is told before the GOAWAY, and only then are watches ended.
#[tokio::test(start_paused = true)]
async fn watchers_are_told_before_they_are_ended() {
    let fixture = Fixture::new();
    fixture.set("live", Serving);
    fixture.registry.pin("live").unwrap();
    let mut peer = fixture.connect().await;
    let services = ["", "up", "down", "live", "nope"];
    let mut streams = Vec::new();
    for service in services {
        let stream = peer.watch(service).await;
        peer.expect_data(stream).await;
        streams.push(stream);
    }
    peer.expect_silence().await;
    let stopped = fixture.shut_down();
    let frames = peer.recv_to_end().await;
    let goaway = frames
        .iter()
        .position(|frame| matches!(frame, Frame::GoAway { .. }));
    let (told, ended) = frames.split_at(goaway.expect("a GOAWAY"));
    let mut told: Vec<_> = told
        .iter()
        .map(|frame| match frame {
            Frame::Data {
                stream, payload, ..
            } => {
                assert_eq!(payload, NOT_SERVING);
                *stream
            }
            other => panic!("{other:?} before the GOAWAY"),
        })
        .collect();
    told.sort_unstable();
    // `down` was so before, `live` is pinned, `nope` is not known.
    assert_eq!(told, streams[..2]);
    for stream in streams {
        let of_stream: Vec<_> = ended
            .iter()
            .filter(|frame| frame.stream() == stream)
            .collect();
        let [
            Frame::Headers {
                end_stream: true,
                fields,
                ..
            },
        ] = of_stream[..]
        else {
            panic!("trailers, not {of_stream:?}")
        };
        assert_eq!(
            fields.get("grpc-status"),
            Some(UNAVAILABLE.to_string().as_str())
        );
    }
    stopped.await.expect("no panic");
}

/// A Watch, and then request after request in the same turn of the connection, so that it is cut short before the Watch's first message
/// is known to be written. Meanwhile the server is shut down.
#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_first_however_busy_its_connection_is() {
    let fixture = Fixture::new();
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let (scripted, script) = Scripted::new(theirs);
    fixture.serve(scripted);
    let mut peer = Peer::handshake(ours, &[]).await;

    let mut request = |path| {
        let stream = peer.open();
        let head = frame::headers(stream, false, &Request::new(path).encode());
        let data = frame::data(stream, true, &health_request("up"));
        (stream, Read::Bytes([head, data].concat()))
    };
    let (watch, first) = request(WATCH);
    let mut reads = vec![first, Read::Pending, Read::Pending];
    for n in 0..40 {
        if n == 8 {
            let server = fixture.server.clone();
            reads.push(Read::Meanwhile(Box::new(move || {
                tokio::spawn(async move { server.shutdown().await });
            })));
        }
        // One request each time h2 writes, and none when only a next one is asked for.
        reads.extend([request(CHECK).1, Read::Pending, Read::Pending]);
    }
    script.lock().unwrap().extend(reads);

    // Something to wake it.
    peer.send(&frame::settings_ack()).await;
    let frames = peer.recv_to_end().await;
    let mut story = Vec::new();
    for frame in frames {
        match frame {
            Frame::GoAway { .. } => story.push("goaway"),
            Frame::Data {
                stream, payload, ..
            } if stream == watch => match &payload[..] {
                SERVING => story.push("serving"),
                NOT_SERVING => story.push("not serving"),
                other => panic!("{other:?}"),
            },
            Frame::Headers {
                stream, end_stream, ..
            } if stream == watch && end_stream => story.push("end"),
            _ => {}
        }
    }
    story.dedup();
    assert_eq!(story, ["serving", "not serving", "goaway", "end", "goaway"]);
}

/// A Watch whose first message does not fit the window yet is ended all the same.
#[tokio::test(start_paused = true)]
async fn a_watch_behind_a_closed_window_is_ended() {
    let fixture = Fixture::new();
    let settings = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 7)];
    let mut peer = fixture.connect_with(PIPE, &settings).await;
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    fixture.set("up", NotServing);
    peer.expect_silence().await;
    let start = Instant::now();
    let stopped = fixture.shut_down();
    peer.expect_goaway(NO_ERROR).await;
    peer.expect_trailers(stream, UNAVAILABLE).await;
    peer.recv_to_end().await;
    stopped.await.expect("no panic");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn every_connection_is_shut_down() {
    let fixture = Fixture::new();
    let mut peers = Vec::new();
    for _ in 0..10 {
        let mut peer = fixture.connect().await;
        let stream = peer.watch("up").await;
        assert_eq!(peer.expect_data(stream).await, SERVING);
        peers.push((peer, stream));
    }
    let stopped = fixture.shut_down();
    for (peer, stream) in &mut peers {
        assert_eq!(peer.expect_data(*stream).await, NOT_SERVING);
        peer.expect_goaway(NO_ERROR).await;
        peer.expect_trailers(*stream, UNAVAILABLE).await;
        peer.recv_to_end().await;
    }
    stopped.await.expect("no panic");
    assert_eq!(fixture.server.stats().connections_open, 0);
}

/// A call that never completes is waited for until the deadline, and then cut.
#[tokio::test(start_paused = true)]
async fn the_deadline_cuts_what_is_left() {
    let fixture = with_deadline(5 * SECOND);
    let mut peer = fixture.connect().await;
    let stream = peer.start_call(&Request::new(CHECK)).await;
    peer.ping().await;
    let start = Instant::now();
    let stopped = fixture.shut_down();
    assert_eq!(peer.expect_goaway(NO_ERROR).await, i32::MAX as u32);
    assert_eq!(peer.expect_goaway(NO_ERROR).await, stream);
    assert_eq!(start.elapsed(), Duration::ZERO);
    let rest = peer.recv_to_end().await;
    assert!(
        !rest
            .iter()
            .any(|frame| matches!(frame, Frame::Headers { .. })),
        "{rest:?}"
    );
    stopped.await.expect("no panic");
    assert_over_after(5 * SECOND, start);
    assert_eq!(fixture.server.stats().connections_open, 0);
    assert_eq!(fixture.server.stats().calls_waiting, 0);
}

/// h2 waits for the acknowledgement of the PING behind the first GOAWAY without an end of its own.
#[tokio::test(start_paused = true)]
async fn the_deadline_cuts_a_peer_that_acknowledges_nothing() {
    let fixture = with_deadline(5 * SECOND);
    let mut peer = fixture.connect().await;
    peer.ack_pings = false;
    let start = Instant::now();
    let stopped = fixture.shut_down();
    assert_eq!(peer.expect_goaway(NO_ERROR).await, i32::MAX as u32);
    peer.recv_to_end().await;
    stopped.await.expect("no panic");
    assert_over_after(5 * SECOND, start);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_cuts_a_peer_that_does_not_read() {
    let fixture = with_deadline(5 * SECOND);
    let mut peer = fixture.connect_with(64, &[]).await;
    for _ in 0..8 {
        peer.call(&Request::new(CHECK), &health_request("up")).await;
    }
    let start = Instant::now();
    fixture.shut_down().await.expect("no panic");
    assert_over_after(5 * SECOND, start);
    assert_eq!(fixture.server.stats().calls_waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_cuts_a_handshake() {
    let fixture = with_deadline(5 * SECOND);
    let (mut peer, served) = fixture.connect_silently();
    tokio::task::yield_now().await;
    let start = Instant::now();
    fixture.shut_down().await.expect("no panic");
    assert!(start.elapsed() <= 5 * SECOND + LAST_WORDS);
    served.await.expect("no panic");
    peer.recv_to_end().await;
}

/// The kernel has accepted the connection, the server not yet; or the embedder brings one late.
#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_late_is_told_to_go() {
    let fixture = with_deadline(5 * SECOND);
    let mut held = fixture.connect().await;
    let stream = held.start_call(&Request::new(CHECK)).await;
    held.ping().await;
    let stopped = fixture.shut_down();
    held.expect_goaway(NO_ERROR).await;
    let mut late = fixture.connect().await;
    late.expect_goaway(NO_ERROR).await;
    late.recv_to_end().await;
    held.send_data(stream, true, &health_request("up")).await;
    assert_eq!(held.expect_unary_ok(stream).await, NOT_SERVING);
    held.recv_to_end().await;
    stopped.await.expect("no panic");
}

/// Its first message tells the truth, its end says that another server may do better.
#[tokio::test(start_paused = true)]
async fn a_watch_of_an_unknown_name_after_goaway() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    peer.ack_pings = false;
    let stopped = fixture.shut_down();
    peer.expect_goaway(NO_ERROR).await;
    for (service, body) in [("nope", SERVICE_UNKNOWN), ("", NOT_SERVING)] {
        let stream = peer
            .call(&Request::new(WATCH), &health_request(service))
            .await;
        peer.expect_head(stream).await;
        assert_eq!(peer.expect_data(stream).await, body);
        peer.expect_trailers(stream, UNAVAILABLE).await;
    }
    peer.ack_ping().await;
    peer.recv_to_end().await;
    stopped.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn the_registry_remembers_what_is_set_meanwhile() {
    let fixture = Fixture::new();
    fixture.shut_down().await.expect("no panic");
    fixture.set("up", NotServing);
    fixture.set("down", Serving);
    assert_eq!(fixture.registry.get_service_status("down"), NotServing);
    fixture.registry.resume();
    assert_eq!(fixture.registry.get_service_status("up"), NotServing);
    assert_eq!(fixture.registry.get_service_status("down"), Serving);
    assert_eq!(fixture.registry.get_service_status(""), Serving);
}

/// The registry speaks for the process.
#[tokio::test(start_paused = true)]
async fn servers_on_one_registry_are_not_serving_together() {
    let leaving = Fixture::new();
    let on = |registry: &Registry| {
        let service = HealthService::new(registry.clone());
        Server::builder().service(service).build()
    };
    let sharing = on(&leaving.registry);
    let alone = on(&Registry::new());
    let connect = async |server: &Server<HealthService>| {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        tokio::spawn(server.serve_connection(theirs));
        Peer::handshake(ours, &[]).await
    };
    let mut shared = connect(&sharing).await;
    let mut other = connect(&alone).await;
    assert_eq!(shared.check("").await, SERVING);
    leaving.shut_down().await.expect("no panic");
    assert_eq!(shared.check("").await, NOT_SERVING);
    assert_eq!(other.check("").await, SERVING);
    // The other server goes on, and so may its statuses.
    leaving.registry.resume();
    assert_eq!(shared.check("").await, SERVING);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_after_one_that_was_taken_back_lingers_as_long() {
    let linger = 10 * SECOND;
    let server = Server::builder()
        .service(HealthService::new(Registry::new()))
        .shutdown_linger(linger)
        .build();
    let handle = server.drain_handle();
    handle.begin();
    tokio::time::sleep(linger - SECOND).await;
    assert!(handle.resume());
    // Begins before the task of the first shutdown runs again.
    let start = Instant::now();
    server.shutdown().await;
    assert_eq!(start.elapsed(), linger);
}

/// Waits with the announcement until the test has taken it back, or cannot.
struct Slow {
    health: HealthService,
    began: tokio::sync::mpsc::UnboundedSender<()>,
    go: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
    told: tokio::sync::mpsc::UnboundedSender<Lifecycle>,
}

impl Wrapper for Slow {
    type Inner = HealthService;

    fn inner(&self) -> &HealthService {
        &self.health
    }

    fn lifecycle(&self, event: Lifecycle) {
        if event == Lifecycle::Announce {
            self.began.send(()).unwrap();
            let go = self.go.lock().unwrap();
            let _ = go.recv_timeout(Duration::from_millis(100));
        }
        self.health.lifecycle(event);
        self.told.send(event).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resume_comes_after_the_announcement() {
    let registry = Registry::new();
    let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let (done, go) = std::sync::mpsc::channel();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let service = Slow {
        health: HealthService::new(registry.clone()),
        began,
        go: go.into(),
        told: tell,
    };
    let server = Server::builder()
        .service(service)
        .shutdown_linger(60 * SECOND)
        .build();
    let handle = server.drain_handle();
    handle.begin();
    begun.recv().await.unwrap();
    assert!(handle.resume());
    drop(done);
    let events = [told.recv().await, told.recv().await].map(Option::unwrap);
    assert_eq!(events, [Lifecycle::Announce, Lifecycle::Resume]);
    assert!(!handle.is_draining());
    assert_eq!(registry.get_service_status(""), Serving);
}
