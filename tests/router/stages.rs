//! A client that cancels a call at each stage of each kind of method: the handler is dropped, nothing more is sent, and the method, which
//! takes one call at a time, takes the next one.

use std::future::pending;
use std::pin::Pin;

use futures_core::Stream;
use grpc_health::router::{Raw, Request, Response, Route, Router, Streaming};
use grpc_health::{HealthService, Status};
use tokio_stream::StreamExt as _;

use crate::echo::{AFTER, FULL, ONE};
use crate::fixture::{Answer, Count, Host, Present, reply, router, serve, settle};
use crate::support::frame::NO_ERROR;
use crate::support::grpc::{RESOURCE_EXHAUSTED, Request as Call, envelope};
use crate::support::peer::Peer;

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;
type Replies = Pin<Box<dyn Stream<Item = Result<Raw, Status>> + Send>>;

/// Waits for ever, if that is what the message says.
async fn obey(message: &Raw, word: &[u8]) {
    if message.0 == word {
        pending::<()>().await;
    }
}

/// Each message back, up to the one that says to wait.
fn echo(
    alive: Present,
    items: impl Stream<Item = Result<Raw, Status>> + Send + 'static,
) -> Response<Replies> {
    Response::new(Box::pin(items.then(move |item| {
        let _ = &alive;
        async move {
            let message = item?;
            obey(&message, b"wait").await;
            Ok(message)
        }
    })))
}

/// Handlers that wait where their messages say: `open` waits before there is an answer, `wait` before that reply.
fn methods(alive: &Count, spawned: bool) -> Router<HealthService> {
    let route = |path: &str| {
        let route = Route::new(path).max_concurrent(1);
        if spawned { route.spawned() } else { route }
    };
    let [unary, server, client, half, full] = [(); 5].map(|()| alive.clone());
    router()
        .unary(route(ONE[0]), move |request: One| {
            let alive = unary.enter();
            async move {
                obey(request.get_ref(), b"open").await;
                drop(alive);
                reply("done")
            }
        })
        .server_streaming(route(ONE[1]), move |request: One| {
            let alive = server.enter();
            async move {
                obey(request.get_ref(), b"open").await;
                // A message for each word.
                let Raw(words) = request.into_inner();
                let words = words.split(|byte| *byte == b' ');
                let words = words.map(|word| Ok(Raw(word.to_vec().into())));
                let words: Vec<Result<Raw, Status>> = words.collect();
                Ok(echo(alive, tokio_stream::iter(words)).with_head_first())
            }
        })
        .client_streaming(route(AFTER[0]), move |request: Many| {
            let alive = client.enter();
            async move {
                let mut requests = request.into_inner();
                while let Some(message) = requests.message().await? {
                    obey(&message, b"open").await;
                }
                drop(alive);
                reply("done")
            }
        })
        .bidi(route(AFTER[1]), move |request: Many| {
            let alive = half.enter();
            async move {
                let mut requests = request.into_inner();
                let mut all = Vec::new();
                while let Some(message) = requests.message().await? {
                    obey(&message, b"open").await;
                    all.push(Ok(message));
                }
                Ok(echo(alive, tokio_stream::iter(all)).with_head_first())
            }
        })
        .bidi(route(FULL), move |request: Many| {
            let alive = full.enter();
            async move {
                let mut requests = request.into_inner();
                if let Some(first) = requests.message().await? {
                    obey(&first, b"open").await;
                }
                Answer::Ok(echo(alive, requests).with_head_first())
            }
        })
}

/// What the client has done and seen when it cancels.
struct Stage {
    name: &'static str,
    path: &'static str,
    /// The messages that it has sent.
    sent: &'static [&'static [u8]],
    /// Whether it has ended its side.
    closed: bool,
    /// Whether the head has come.
    head: bool,
    /// The replies that have come.
    replies: &'static [&'static [u8]],
    /// Whether there is a handler.
    handler: bool,
}

const fn stage(
    name: &'static str,
    path: &'static str,
    sent: &'static [&'static [u8]],
    closed: bool,
    head: bool,
    replies: &'static [&'static [u8]],
) -> Stage {
    Stage {
        name,
        path,
        sent,
        closed,
        head,
        replies,
        handler: true,
    }
}

impl Stage {
    const fn without_handler(mut self) -> Self {
        self.handler = false;
        self
    }
}

const UNARY: &str = ONE[0];
const SERVER: &str = ONE[1];
const CLIENT: &str = AFTER[0];
const HALF: &str = AFTER[1];

const STAGES: &[Stage] = &[
    stage("before the message", UNARY, &[], false, false, &[]).without_handler(),
    stage("before close-send", UNARY, &[b"x"], false, false, &[]).without_handler(),
    stage("before the answer", UNARY, &[b"open"], true, false, &[]),
    stage("before the message", SERVER, &[], false, false, &[]).without_handler(),
    stage("before close-send", SERVER, &[b"x"], false, false, &[]).without_handler(),
    stage("before the head", SERVER, &[b"open"], true, false, &[]),
    stage("after the head", SERVER, &[b"wait"], true, true, &[]),
    stage("after a reply", SERVER, &[b"x wait"], true, true, &[b"x"]),
    stage(
        "after replies",
        SERVER,
        &[b"x y wait"],
        true,
        true,
        &[b"x", b"y"],
    ),
    stage("before the first message", CLIENT, &[], false, false, &[]),
    stage("between messages", CLIENT, &[b"x", b"y"], false, false, &[]),
    stage(
        "with messages unread",
        CLIENT,
        &[b"open", b"y"],
        false,
        false,
        &[],
    ),
    stage(
        "after close-send",
        CLIENT,
        &[b"x", b"open"],
        true,
        false,
        &[],
    ),
    stage("before the first message", HALF, &[], false, false, &[]),
    stage("between messages", HALF, &[b"x", b"y"], false, false, &[]),
    stage("after close-send", HALF, &[b"x", b"open"], true, false, &[]),
    stage("after the head", HALF, &[b"wait"], true, true, &[]),
    stage("after a reply", HALF, &[b"x", b"wait"], true, true, &[b"x"]),
    stage("before the first message", FULL, &[], false, false, &[]),
    stage("before the head", FULL, &[b"open"], false, false, &[]),
    stage(
        "before the head, after close-send",
        FULL,
        &[b"open"],
        true,
        false,
        &[],
    ),
    stage("after the head", FULL, &[b"go"], false, true, &[]),
    stage(
        "between messages",
        FULL,
        &[b"go", b"x", b"y"],
        false,
        true,
        &[b"x", b"y"],
    ),
    stage(
        "before a reply",
        FULL,
        &[b"go", b"x", b"wait"],
        false,
        true,
        &[b"x"],
    ),
    stage(
        "with messages unread",
        FULL,
        &[b"go", b"wait", b"y"],
        false,
        true,
        &[],
    ),
    stage(
        "after close-send",
        FULL,
        &[b"go", b"x", b"wait"],
        true,
        true,
        &[b"x"],
    ),
];

impl Stage {
    /// A call that has come so far.
    async fn reach(&self, peer: &mut Peer) -> u32 {
        let stream = peer.begin(self.path).await;
        for message in self.sent {
            peer.say(stream, message).await;
            settle().await;
        }
        if self.closed {
            peer.end(stream).await;
        }
        if self.head {
            peer.expect_head(stream).await;
        }
        let mut body = Vec::new();
        let expected: Vec<u8> = self.replies.iter().flat_map(|m| envelope(0, m)).collect();
        while body.len() < expected.len() {
            body.extend(peer.expect_data(stream).await);
        }
        assert_eq!(body, expected, "{self}");
        peer.expect_silence().await;
        stream
    }

    /// A call that is answered in full.
    async fn answered(&self, peer: &mut Peer) {
        let body = [envelope(0, b"go"), envelope(0, b"x")];
        let body = match self.path {
            UNARY | SERVER => &body[..1],
            _ => &body[..],
        };
        let stream = peer.call(&Call::new(self.path), &body.concat()).await;
        let expected: &[&[u8]] = match self.path {
            UNARY | CLIENT => &[b"done"],
            SERVER => &[b"go"],
            HALF => &[b"go", b"x"],
            _ => &[b"x"],
        };
        assert_eq!(peer.messages(stream).await, expected, "{self}");
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.path, self.name)
    }
}

async fn cancel<S: grpc_health::service::Service>(
    host: &Host<S>,
    alive: &Count,
    stage: &Stage,
    spawned: bool,
) {
    let mut peer = host.connect().await;
    let cancelled = host.0.stats().calls_cancelled;
    let stream = stage.reach(&mut peer).await;
    assert_eq!(alive.get(), usize::from(stage.handler), "{stage}");
    // The call holds the one place of its method.
    let refused = peer.begin(stage.path).await;
    peer.expect_trailers_only(refused, RESOURCE_EXHAUSTED).await;
    peer.expect_reset(refused, NO_ERROR).await;
    peer.reset(stream).await;
    peer.ping().await;
    if spawned {
        settle().await;
    }
    assert_eq!(alive.get(), 0, "{stage}");
    let stats = host.0.stats();
    let cancelled = stats.calls_cancelled - cancelled;
    assert_eq!((cancelled, stats.calls_waiting), (1, 0), "{stage}");
    stage.answered(&mut peer).await;
    // No frame of the cancelled call has come.
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_leaves_nothing_at_any_stage_of_any_kind() {
    for spawned in [false, true] {
        let alive = Count::default();
        let host = serve(methods(&alive, spawned));
        for stage in STAGES {
            cancel(&host, &alive, stage, spawned).await;
        }
    }
}

/// A call that leaked its place or some of the window would stop the connection sooner or later. So many resets are no flood yet.
#[tokio::test(start_paused = true)]
async fn a_connection_survives_nearly_a_thousand_cancelled_calls() {
    let alive = Count::default();
    let host = serve(methods(&alive, false));
    let mut peer = host.connect().await;
    for stage in STAGES {
        for _ in 0..1_000 / STAGES.len() {
            let stream = stage.reach(&mut peer).await;
            peer.reset(stream).await;
            settle().await;
            assert_eq!(alive.get(), 0, "{stage}");
        }
        stage.answered(&mut peer).await;
    }
    peer.expect_alive().await;
    assert_eq!(alive.get(), 0);
}
