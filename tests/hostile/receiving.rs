//! Requests that do not end, and the memory that the server has for requests.

use std::future::{Future, pending, poll_fn};
use std::time::Duration;

use bytes::Bytes;
use grpc_health::router::{Raw, Request, Response, Router, Streaming};
use grpc_health::server::{Builder, NoService};
use grpc_health::{HealthService, Registry, Server};
use h2::client::SendRequest;
use proptest::prelude::*;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::arena::{MIB, SECOND, count};
use crate::memory::Memory;
use crate::support::host;
use crate::waiting::HELD;

const OK: u16 = 0;
const DEADLINE_EXCEEDED: u16 = 4;
const RESOURCE_EXHAUSTED: u16 = 8;

/// How many calls an attacker's connection has.
const CALLS: usize = 255;

const FRAME: usize = 16 << 10;
static ZEROS: [u8; FRAME] = [0; FRAME];

type Service = Router<HealthService>;

/// Handlers: one that takes a message, one that reads all messages, one that waits ten seconds before, and one that never reads.
fn service() -> Service {
    Router::new(HealthService::new(Registry::new()))
        .unary("/t.T/U", |_: Request<Raw>| async {
            Ok(Response::new(Raw(Bytes::new())))
        })
        .client_streaming("/t.T/Read", |r: Request<Streaming<Raw>>| read(r, 0))
        .client_streaming("/t.T/Pause", |r: Request<Streaming<Raw>>| read(r, 10))
        .client_streaming("/t.T/Never", |r: Request<Streaming<Raw>>| async move {
            pending::<()>().await;
            drop(r);
            Ok(Response::new(Raw(Bytes::new())))
        })
}

async fn read(
    request: Request<Streaming<Raw>>,
    after: u64,
) -> Result<Response<Raw>, grpc_health::Status> {
    sleep(Duration::from_secs(after)).await;
    let mut messages = request.into_inner();
    while messages.message().await?.is_some() {}
    Ok(Response::new(Raw(Bytes::new())))
}

fn serve(limits: impl FnOnce(Builder<NoService>) -> Builder<NoService>) -> Server<Service> {
    limits(Server::builder()).service(service()).build()
}

/// A client that keeps to its windows.
struct Client {
    send: SendRequest<Bytes>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Client {
    fn drop(&mut self) {
        self.tasks[0].abort();
    }
}

async fn connect(server: &Server<Service>) -> Client {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let served = host::spawn(server.serve_connection(theirs));
    let (send, connection) = h2::client::handshake(ours).await.unwrap();
    let ours = tokio::spawn(async move {
        let _ = connection.await;
    });
    let tasks = [ours, served];
    Client { send, tasks }
}

/// What a client does with its message.
#[derive(Debug, Clone, Copy)]
struct Upload {
    path: &'static str,
    len: usize,
    /// The bytes that the client sends; fewer than `len` for a client that stops in the middle.
    sent: usize,
    /// How long the client waits after each frame.
    pause: Duration,
}

const UPLOAD: Upload = Upload {
    path: "/t.T/U",
    len: MIB,
    sent: MIB,
    pause: Duration::ZERO,
};

impl Client {
    /// Makes a call, and returns the code of its status.
    fn upload(&self, upload: Upload) -> impl Future<Output = u16> + Send + 'static {
        let send = self.send.clone();
        async move {
            let request = http::Request::post(format!("http://t{}", upload.path))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(())
                .unwrap();
            let mut send = send.ready().await.unwrap();
            let (response, mut stream) = send.send_request(request, false).unwrap();
            let len = u32::try_from(upload.len).unwrap().to_be_bytes();
            let prefix = [&[0][..], &len].concat();
            let mut next = Bytes::from(prefix);
            let mut left = upload.sent;
            loop {
                stream.reserve_capacity(next.len());
                let Some(Ok(room)) = poll_fn(|cx| stream.poll_capacity(cx)).await else {
                    break;
                };
                let part = next.split_to(room.min(next.len()));
                if stream.send_data(part, false).is_err() {
                    break;
                }
                if next.is_empty() {
                    if left == 0 {
                        break;
                    }
                    if !upload.pause.is_zero() {
                        sleep(upload.pause).await;
                    }
                    next = Bytes::from_static(&ZEROS[..left.min(FRAME)]);
                    left -= next.len();
                }
            }
            if upload.sent == upload.len {
                let _ = stream.send_data(Bytes::new(), true);
            }
            let Ok(response) = response.await else {
                return u16::MAX;
            };
            let code = |fields: &http::HeaderMap| {
                let code = fields.get("grpc-status")?.to_str().ok()?;
                code.parse::<u16>().ok()
            };
            if let Some(code) = code(response.headers()) {
                return code;
            }
            let mut body = response.into_body();
            while let Some(Ok(_)) = body.data().await {}
            let trailers = body.trailers().await.unwrap().unwrap();
            code(&trailers).unwrap()
        }
    }

    /// Opens a call, and sends nothing.
    async fn open(&self, path: &str) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        let request = http::Request::post(format!("http://t{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let mut send = self.send.clone().ready().await.unwrap();
        send.send_request(request, false).unwrap()
    }

    /// A small call, which must be answered at once.
    async fn small(&self) {
        let start = Instant::now();
        let small = Upload {
            len: 1_000,
            sent: 1_000,
            ..UPLOAD
        };
        assert_eq!(self.upload(small).await, OK);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

/// Opens so many calls on each connection, each with `sent` bytes of a message of 1 MiB, and returns the most memory that both ends took.
async fn half_sent(budget: usize, per_connection: usize, sent: usize) -> usize {
    let server = serve(|limits| limits.receive_budget(budget));
    let neighbour = connect(&server).await;
    neighbour.small().await;
    let memory = Memory::mark();
    let mut calls = JoinSet::new();
    let mut clients = Vec::new();
    for _ in 0..count(8, 64) {
        let client = connect(&server).await;
        for _ in 0..per_connection {
            calls.spawn(client.upload(Upload { sent, ..UPLOAD }));
        }
        clients.push(client);
    }
    for _ in 0..20 {
        sleep(SECOND / 2).await;
        neighbour.small().await;
    }
    let peak = memory.peak();
    let mut codes = [0; 17];
    while let Some(code) = calls.join_next().await {
        codes[usize::from(code.unwrap())] += 1;
    }
    let ended = codes[usize::from(RESOURCE_EXHAUSTED)] + codes[usize::from(DEADLINE_EXCEEDED)];
    assert_eq!(ended, per_connection * count(8, 64), "{codes:?}");
    neighbour.small().await;
    // Nothing of the budget is lost.
    for client in &clients {
        assert_eq!(client.upload(UPLOAD).await, OK);
    }
    peak
}

/// Half of each message arrives, and nothing more. The messages get room in turn, each for as long as it brings something.
#[tokio::test(start_paused = true)]
async fn half_sent_messages_take_no_more_than_the_budget() {
    let without = half_sent(8 * MIB, 100, 0).await;
    let with = half_sent(8 * MIB, 100, MIB / 2).await;
    println!("{with} bytes at most, {without} without the messages");
    // The budget, and the window and the read buffers of each connection.
    assert!(with - without < 8 * MIB + count(8, 64) * MIB / 2);
}

#[tokio::test(start_paused = true)]
async fn half_sent_messages_on_every_stream_take_the_budget_and_what_came_before_the_calls() {
    let budget = count(8, 64) * MIB;
    let without = half_sent(budget, CALLS, 0).await;
    let with = half_sent(budget, CALLS, MIB / 2).await;
    println!("{with} bytes at most, {without} without the messages");
    // The calls count, too.
    let held = with - without + CALLS * count(8, 64) * HELD;
    // The budget, and for each connection its buffers at both ends and what it got before the calls of the others were there.
    let most = budget + count(8, 64) * 5 * MIB / 16;
    assert!(held < most, "{held} bytes, not below {most}");
}

/// One byte for a handler that does not read, and then a frame as large as a read buffer for a handler that does: each of the small frames
/// would hold the buffer.
#[tokio::test(start_paused = true)]
async fn small_frames_that_nobody_reads_hold_no_read_buffers() {
    let server = serve(|limits| limits);
    let client = connect(&server).await;
    let mut open = Vec::new();
    for path in ["/t.T/Read", "/t.T/Never"] {
        open.push(client.open(path).await);
    }
    let (response, mut unread) = open.pop().unwrap();
    let (_response, mut filler) = open.pop().unwrap();
    let memory = Memory::mark();
    // Messages that are read at once: a prefix and the rest of a frame.
    let mut whole = vec![0; FRAME];
    whole[3..5].copy_from_slice(&u16::try_from(FRAME - 5).unwrap().to_be_bytes());
    let whole = Bytes::from(whole);
    for _ in 0..count(1_000, 10_000) {
        unread.reserve_capacity(1);
        poll_fn(|cx| unread.poll_capacity(cx))
            .await
            .unwrap()
            .unwrap();
        unread
            .send_data(Bytes::from_static(&ZEROS[..1]), false)
            .unwrap();
        tokio::task::yield_now().await;
        let mut next = whole.clone();
        while !next.is_empty() {
            filler.reserve_capacity(next.len());
            let room = poll_fn(|cx| filler.poll_capacity(cx))
                .await
                .unwrap()
                .unwrap();
            filler
                .send_data(next.split_to(room.min(next.len())), false)
                .unwrap();
        }
        tokio::task::yield_now().await;
    }
    client.small().await;
    memory.assert_peak_below(2 * MIB);
    drop((response, unread, filler));
}

/// Far more than the budget at once, through one connection and through many: everything arrives, in the order of its turn.
#[tokio::test(start_paused = true)]
async fn many_large_uploads_at_once_all_arrive() {
    for (connections, each) in [(1, 60), (20, 3)] {
        for path in ["/t.T/U", "/t.T/Read"] {
            // A quarter has room for the windows of 60 streams.
            let server = serve(|limits| limits.receive_budget(16 * MIB));
            let mut calls = JoinSet::new();
            let mut clients = Vec::new();
            for _ in 0..connections {
                let client = connect(&server).await;
                for _ in 0..each {
                    calls.spawn(client.upload(Upload { path, ..UPLOAD }));
                }
                clients.push(client);
            }
            let start = Instant::now();
            while let Some(code) = calls.join_next().await {
                assert_eq!(code.unwrap(), OK, "{connections} connections, {path}");
            }
            // No timer was needed.
            assert!(start.elapsed() < SECOND / 10, "{:?}", start.elapsed());
        }
    }
}

/// The budget is used up by messages that stop in the middle: an upload waits until these are given up, and then arrives.
#[tokio::test(start_paused = true)]
async fn an_upload_gets_the_room_of_messages_that_are_stuck() {
    let server = serve(|limits| limits.receive_budget(4 * MIB).body_timeout(100 * SECOND));
    let mut stuck = JoinSet::new();
    let mut clients = Vec::new();
    for path in ["/t.T/U", "/t.T/Read"] {
        for _ in 0..4 {
            let client = connect(&server).await;
            for _ in 0..4 {
                stuck.spawn(client.upload(Upload {
                    path,
                    len: MIB / 2,
                    sent: MIB / 4,
                    ..UPLOAD
                }));
            }
            clients.push(client);
        }
    }
    sleep(SECOND / 10).await;
    let good = connect(&server).await;
    good.small().await;
    // A message within the stream's first window waits for nobody, though the message comes in parts.
    let start = Instant::now();
    let parts = Upload {
        len: 40_000,
        sent: 40_000,
        ..UPLOAD
    };
    assert_eq!(good.upload(parts).await, OK);
    assert_eq!(start.elapsed(), Duration::ZERO);
    let start = Instant::now();
    assert_eq!(good.upload(UPLOAD).await, OK);
    assert!(start.elapsed() < 60 * SECOND, "{:?}", start.elapsed());
    println!("after {:?}", start.elapsed());
    let first = stuck.join_next().await.unwrap().unwrap();
    assert_eq!(first, RESOURCE_EXHAUSTED);
}

/// Two messages fill their connection's part of the budget and are stuck. The one that has been stuck for longer makes room for a third,
/// and the other one keeps its room.
#[tokio::test(start_paused = true)]
async fn of_two_stuck_messages_the_older_one_makes_room() {
    for path in ["/t.T/U", "/t.T/Read"] {
        // Windows that do not grow, so that nothing but the messages takes room.
        let server = serve(|limits| {
            let limits = limits.receive_budget(4 * MIB).max_stream_window(64 << 10);
            limits.body_timeout(100 * SECOND)
        });
        let client = connect(&server).await;
        let len = 200 << 10;
        let mut stuck = Vec::new();
        for _ in 0..2 {
            let half = Upload {
                path,
                len,
                sent: len / 2,
                ..UPLOAD
            };
            stuck.push(tokio::spawn(client.upload(half)));
            sleep(2 * SECOND).await;
        }
        sleep(3 * SECOND).await;
        let whole = Upload {
            path,
            len,
            sent: len,
            ..UPLOAD
        };
        assert_eq!(client.upload(whole).await, OK, "{path}");
        sleep(5 * SECOND).await;
        let ended: Vec<_> = stuck.iter().map(JoinHandle::is_finished).collect();
        assert_eq!(ended, [true, false], "{path}");
        assert_eq!(stuck.remove(0).await.unwrap(), RESOURCE_EXHAUSTED, "{path}");
        stuck.remove(0).abort();
    }
}

/// A client that sends 16 KiB a second keeps the room of its message, though others want the room.
#[tokio::test(start_paused = true)]
async fn a_slow_upload_that_goes_on_arrives_whole() {
    let server = serve(|limits| limits.receive_budget(MIB).body_timeout(100 * SECOND));
    let client = connect(&server).await;
    let len = 256 << 10;
    let slow = client.upload(Upload {
        len,
        sent: len,
        pause: SECOND,
        ..UPLOAD
    });
    let slow = tokio::spawn(slow);
    sleep(SECOND * 5).await;
    let mut others = JoinSet::new();
    for _ in 0..8 {
        let other = connect(&server).await;
        let upload = other.upload(Upload {
            len: MIB / 2,
            sent: MIB / 2,
            ..UPLOAD
        });
        others.spawn(async move {
            let code = upload.await;
            drop(other);
            code
        });
    }
    assert_eq!(slow.await.unwrap(), OK);
    while let Some(code) = others.join_next().await {
        assert_eq!(code.unwrap(), OK);
    }
}

/// A handler that reads nothing for ten seconds gets every byte then, and small calls on its connection do not wait.
#[tokio::test(start_paused = true)]
async fn a_handler_that_pauses_reads_everything_in_the_end() {
    let server = serve(|limits| limits);
    let client = connect(&server).await;
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        calls.spawn(client.upload(Upload {
            path: "/t.T/Pause",
            ..UPLOAD
        }));
    }
    for _ in 0..9 {
        sleep(SECOND).await;
        client.small().await;
    }
    while let Some(code) = calls.join_next().await {
        assert_eq!(code.unwrap(), OK);
    }
}

/// What a call of a random test uploads: the client, the length of the message, whether the client stops in the middle, and the method.
type Random = (usize, usize, bool, &'static str);

fn random(
    stops: impl Strategy<Value = bool>,
    paths: &'static [&'static str],
) -> impl Strategy<Value = Vec<Random>> {
    let path = proptest::sample::select(paths);
    proptest::collection::vec((0..4_usize, 1..600_000_usize, stops, path), 1..60)
}

/// Makes the calls over four connections to a server with so large a budget. Every whole message arrives, or may be refused if
/// `may_refuse`. In the end all of the budget is left.
fn upload_at_random(budget: usize, calls: Vec<Random>, may_refuse: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = serve(|limits| limits.receive_budget(budget));
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(connect(&server).await);
        }
        let (mut whole, mut stuck) = (JoinSet::new(), JoinSet::new());
        for (client, len, stops, path) in calls {
            let sent = if stops { len / 2 } else { len };
            let call = clients[client].upload(Upload {
                path,
                len,
                sent,
                ..UPLOAD
            });
            if stops {
                stuck.spawn(call)
            } else {
                whole.spawn(call)
            };
        }
        while let Some(code) = timeout(120 * SECOND, whole.join_next())
            .await
            .expect("no call waits for ever")
        {
            let code = code.unwrap();
            assert!(
                code == OK || may_refuse && code == RESOURCE_EXHAUSTED,
                "{code}"
            );
        }
        stuck.shutdown().await;
        for client in &clients {
            client.small().await;
            assert_eq!(
                client
                    .upload(Upload {
                        path: "/t.T/Read",
                        ..UPLOAD
                    })
                    .await,
                OK
            );
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of messages that stop in the middle, and handlers that pause, some are refused, and nobody waits for ever.
    #[test]
    fn no_requests_wait_for_one_another_for_ever(
        calls in random(proptest::bool::weighted(0.25), &["/t.T/U", "/t.T/Read", "/t.T/Pause"]),
    ) {
        upload_at_random(MIB, calls, true);
    }

    /// Messages that arrive whole wait for their turn, and none is refused.
    #[test]
    fn requests_that_go_on_take_turns(calls in random(Just(false), &["/t.T/U", "/t.T/Read"])) {
        upload_at_random(8 * MIB, calls, false);
    }
}

/// Proxies upload for many users at once, far more than the budget has room for, over fast and slow networks. The other end of a slow one
/// sends 16 KiB of each message in each pause.
#[tokio::test(start_paused = true)]
async fn busy_proxies_upload_in_turn_and_lose_no_call() {
    for (proxies, users, len, pause) in [
        (4, 200, MIB / 2, 0),
        (2, 250, 100 << 10, 500),
        (16, 100, 100 << 10, 100),
        (64, 50, 100 << 10, 0),
        (200, 8, 64 << 10, 0),
        (500, 8, 60 << 10, 10),
    ] {
        let server = serve(|limits| limits.body_timeout(100 * SECOND));
        let mut clients = Vec::new();
        let mut calls = JoinSet::new();
        for _ in 0..proxies {
            let client = connect(&server).await;
            for _ in 0..users {
                let pause = Duration::from_millis(pause);
                calls.spawn(client.upload(Upload {
                    len,
                    sent: len,
                    pause,
                    ..UPLOAD
                }));
            }
            clients.push(client);
        }
        while let Some(code) = calls.join_next().await {
            assert_eq!(code.unwrap(), OK, "{proxies} proxies with {users} users");
        }
    }
}

/// A client sends 16 KiB of one message in three seconds, and more other messages than its connection has room for at full speed. HTTP/2
/// clients on a busy machine were seen to do so.
#[tokio::test(start_paused = true)]
async fn a_slow_message_stays_while_its_connection_brings_others() {
    let server = serve(|limits| limits.body_timeout(100 * SECOND));
    let client = connect(&server).await;
    let slow = tokio::spawn(client.upload(Upload {
        len: 200 << 10,
        sent: 200 << 10,
        pause: 3 * SECOND,
        ..UPLOAD
    }));
    let mut others = JoinSet::new();
    while !slow.is_finished() {
        while others.len() < 20 {
            others.spawn(client.upload(Upload {
                pause: SECOND / 50,
                ..UPLOAD
            }));
        }
        assert_eq!(others.join_next().await.unwrap().unwrap(), OK);
    }
    assert_eq!(slow.await.unwrap(), OK);
}

/// Each attacker has room for all of its streams, or waits for the room, and leaves the room unused: the streams send nothing, or only
/// begin a message. A good client's uploads wait, and are not refused.
#[tokio::test(start_paused = true)]
async fn streams_that_say_little_keep_no_room_from_others() {
    for (number, streams, begins) in [
        (4, 250, false),
        (4, 250, true),
        (8, 60, true),
        (20, 60, false),
        (20, 60, true),
        (40, 30, false),
    ] {
        let server = serve(|limits| limits.body_timeout(100 * SECOND));
        let mut attackers = Vec::new();
        let (mut calls, mut open) = (JoinSet::new(), Vec::new());
        for _ in 0..number {
            let attacker = connect(&server).await;
            for _ in 0..streams {
                let begun = Upload {
                    path: "/t.T/Read",
                    sent: 0,
                    ..UPLOAD
                };
                if begins {
                    calls.spawn(attacker.upload(begun));
                } else {
                    open.push(attacker.open("/t.T/Read").await);
                }
            }
            for _ in 0..4 {
                let half = Upload {
                    path: "/t.T/Read",
                    sent: MIB / 2,
                    ..UPLOAD
                };
                calls.spawn(attacker.upload(half));
            }
            attackers.push(attacker);
        }
        sleep(SECOND / 2).await;
        let good = connect(&server).await;
        let start = Instant::now();
        let mut uploads = JoinSet::new();
        for _ in 0..10 {
            uploads.spawn(good.upload(UPLOAD));
        }
        while let Some(code) = uploads.join_next().await {
            assert_eq!(code.unwrap(), OK);
        }
        assert!(start.elapsed() < 40 * SECOND, "{:?}", start.elapsed());
    }
}

/// Most of a small budget is taken. The calls whose handlers pause keep their bytes while their connection has a window.
#[tokio::test(start_paused = true)]
async fn a_handler_that_pauses_keeps_its_call_while_the_window_is_open() {
    let server = serve(|limits| limits.receive_budget(MIB));
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(connect(&server).await);
    }
    let mut calls = JoinSet::new();
    for (client, len, path) in [
        (1, 65_397, "/t.T/Pause"),
        (0, 565_865, "/t.T/Read"),
        (2, 61_042, "/t.T/Pause"),
        (0, 559_392, "/t.T/Pause"),
        (1, 287_916, "/t.T/Pause"),
        (1, 301_947, "/t.T/Pause"),
    ] {
        calls.spawn(clients[client].upload(Upload {
            path,
            len,
            sent: len,
            ..UPLOAD
        }));
    }
    while let Some(code) = calls.join_next().await {
        assert_eq!(code.unwrap(), OK);
    }
}
