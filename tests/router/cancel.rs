//! Calls that end before their handlers do, wherever those are: the handler is gone at once, and so is what it held.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use grpc_health::router::{Raw, Request, Response, Route, Router, Streaming};
use grpc_health::service::{
    Admission, Answer, Background, Head, Lifecycle, Message, Method, Permit, Rejection, Requests,
    Service, Unimplemented,
};
use grpc_health::{HealthService, Status};

use crate::fixture::{Count, Host, Present, polled, raw, reply, router, serve_with, settle};
use crate::support::frame::{self, Frame};
use crate::support::grpc::{Request as Call, envelope};
use crate::support::peer::{PIPE, Peer};

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

/// What there is of a call's handler.
#[derive(Clone, Default)]
struct Seen {
    /// Handlers that are alive, and permits that are held.
    alive: Count,
    permits: Count,
    polls: Count,
}

/// A handler's future, seen.
struct Watched<F> {
    future: Pin<Box<F>>,
    polls: Count,
    _alive: Present,
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.polls.add();
        self.future.as_mut().poll(cx)
    }
}

impl Seen {
    fn watch<F: Future>(&self, future: F) -> Watched<F> {
        Watched {
            future: Box::pin(future),
            polls: self.polls.clone(),
            _alive: self.alive.enter(),
        }
    }
}

/// A router whose every call holds a permit that is counted.
struct Permitted(Router<HealthService>, Count);

impl Service for Permitted {
    type Stream = <Router<HealthService> as Service>::Stream;
    type Future = <Router<HealthService> as Service>::Future;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        self.0.method(path)
    }
    fn admit(&self, head: &mut Head<'_>) -> Result<Admission, Rejection> {
        let admission = self.0.admit(head)?;
        head.keep(Permit::new(self.1.enter()));
        Ok(admission)
    }
    fn call(&self, head: Head<'_>, message: Message) -> Answer<Self::Stream, Self::Future> {
        self.0.call(head, message)
    }
    fn call_streaming(
        &self,
        head: Head<'_>,
        requests: Requests,
    ) -> Answer<Self::Stream, Self::Future> {
        self.0.call_streaming(head, requests)
    }
    fn lifecycle(&self, event: Lifecycle) {
        self.0.lifecycle(event);
    }
    fn background(&self) -> Option<Background> {
        self.0.background()
    }
}

/// Where a handler is when its call ends.
const PLACES: [&str; 7] = [
    "Body",
    "Reading",
    "Conversing",
    "Working",
    "Opening",
    "Silent",
    "Window",
];

fn methods(seen: &Seen, spawned: bool) -> Router<HealthService> {
    let route = |method: &str| {
        let route = Route::new(format!("/t.T/{method}")).max_concurrent(1);
        if spawned { route.spawned() } else { route }
    };
    let work = |seen: &Seen| {
        let seen = seen.clone();
        move |_: One| {
            seen.watch(async {
                std::future::pending::<()>().await;
                reply("")
            })
        }
    };
    let stream = |seen: &Seen, silent: bool| {
        let seen = seen.clone();
        move |_: One| {
            let (alive, polls) = (seen.alive.enter(), seen.polls.clone());
            async move {
                Ok(Response::new(polled(move |_| {
                    let _ = &alive;
                    polls.add();
                    if silent {
                        Poll::Pending
                    } else {
                        Poll::Ready(Some(Ok(raw([0; 500].to_vec()))))
                    }
                })))
            }
        }
    };
    let (reading, conversing, opening) = (seen.clone(), seen.clone(), seen.clone());
    router()
        // The body does not come: there is a permit, and no handler.
        .unary(route("Body"), work(seen))
        .client_streaming(route("Reading"), move |r: Many| {
            reading.watch(async move {
                let mut requests = r.into_inner();
                while requests.message().await?.is_some() {}
                reply("the client never ends")
            })
        })
        .bidi(route("Conversing"), move |r: Many| {
            let (alive, polls) = (conversing.alive.enter(), conversing.polls.clone());
            let mut requests = r.into_inner();
            async move {
                Ok(Response::new(polled(move |cx| {
                    let _ = &alive;
                    polls.add();
                    tokio_stream::Stream::poll_next(Pin::new(&mut requests), cx)
                })))
            }
        })
        .unary(route("Working"), work(seen))
        .server_streaming(route("Opening"), move |_: One| {
            opening.watch(async {
                std::future::pending::<()>().await;
                Ok(Response::new(tokio_stream::empty::<Result<Raw, Status>>()))
            })
        })
        .server_streaming(route("Silent"), stream(seen, true))
        .server_streaming(route("Window"), stream(seen, false))
}

struct Scene {
    host: Host<Permitted>,
    seen: Seen,
    peer: Peer,
    task: tokio::task::JoinHandle<()>,
    stream: u32,
}

impl Scene {
    /// A call whose handler is at `place`.
    async fn at(place: &str, spawned: bool, timeout: Option<&str>) -> Self {
        let seen = Seen::default();
        let service = Permitted(methods(&seen, spawned), seen.permits.clone());
        let host = serve_with(service, |limits| {
            limits.shutdown_deadline(Duration::from_secs(3))
        });
        let settings = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 100)];
        let (mut peer, task) = host.pipe(PIPE, &settings).await;
        let mut request = Call::new(&format!("/t.T/{place}"));
        if let Some(timeout) = timeout {
            request = request.with("grpc-timeout", timeout);
        }
        let stream = peer.start_call(&request).await;
        match place {
            "Body" => peer.send_data(stream, false, &envelope(0, b"x")[..5]).await,
            "Reading" | "Conversing" => peer.say(stream, b"x").await,
            _ => peer.send_data(stream, true, &envelope(0, b"x")).await,
        }
        settle().await;
        let expected = usize::from(place != "Body");
        assert_eq!(
            (seen.alive.get(), seen.permits.get()),
            (expected, 1),
            "{place}"
        );
        assert_eq!(host.0.stats().calls_waiting, 1, "{place}");
        Self {
            host,
            seen,
            peer,
            task,
            stream,
        }
    }

    /// The handler is gone, was not asked again, and its permit can be had.
    async fn assert_gone(&self, place: &str, polls: usize) {
        settle().await;
        assert_eq!(self.seen.alive.get(), 0, "{place}");
        assert_eq!(self.seen.permits.get(), 0, "{place}");
        assert_eq!(self.seen.polls.get(), polls, "{place}");
        let stats = self.host.0.stats();
        assert_eq!((stats.calls_waiting, stats.panics), (0, 0), "{place}");
    }

    /// The method takes another call.
    async fn assert_free(&mut self, place: &str) {
        let stream = self
            .peer
            .start_call(&Call::new(&format!("/t.T/{place}")))
            .await;
        self.peer.ping().await;
        settle().await;
        assert_eq!(self.seen.permits.get(), 1, "{place}");
        self.peer.reset(stream).await;
    }
}

fn all() -> impl Iterator<Item = (&'static str, bool)> {
    PLACES
        .into_iter()
        .flat_map(|place| [(place, false), (place, true)])
}

#[tokio::test(start_paused = true)]
async fn a_reset_drops_the_handler_wherever_it_is() {
    for (place, spawned) in all() {
        let mut scene = Scene::at(place, spawned, None).await;
        let polls = scene.seen.polls.get();
        scene.peer.reset(scene.stream).await;
        scene.peer.ping().await;
        if !spawned {
            // The PING was answered after the handler was gone.
            assert_eq!(scene.seen.alive.get(), 0, "{place}");
        }
        scene.assert_gone(place, polls).await;
        assert_eq!(scene.host.0.stats().calls_cancelled, 1, "{place}");
        scene.assert_free(place).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_drops_the_handler_wherever_it_is() {
    for (place, spawned) in all() {
        let mut scene = Scene::at(place, spawned, Some("2S")).await;
        let polls = scene.seen.polls.get();
        tokio::time::sleep(Duration::from_millis(1_990)).await;
        assert_eq!(scene.seen.permits.get(), 1, "{place}");
        tokio::time::sleep(Duration::from_millis(11)).await;
        scene.assert_gone(place, polls).await;
        assert_eq!(scene.host.0.stats().deadlines_exceeded, 1, "{place}");
        let stream = scene.stream;
        let last = loop {
            match scene.peer.recv_on(stream).await {
                Frame::Headers {
                    end_stream: false, ..
                }
                | Frame::Data { .. } => {}
                last => break last,
            }
        };
        match last {
            Frame::Headers { fields, .. } => assert_eq!(fields.get("grpc-status"), Some("4")),
            // In the middle of a message there is no other way to say it.
            last => assert_eq!(
                (place, last),
                (
                    "Window",
                    Frame::Reset {
                        stream,
                        code: frame::CANCEL
                    }
                )
            ),
        }
        scene.assert_free(place).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_connection_drops_the_handler_wherever_it_is() {
    for (place, spawned) in all() {
        let mut scene = Scene::at(place, spawned, None).await;
        let polls = scene.seen.polls.get();
        scene.peer = scene.host.connect().await;
        scene.task.await.unwrap();
        scene.task = tokio::spawn(async {});
        scene.assert_gone(place, polls).await;
        scene.assert_free(place).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_drain_drops_the_handler_wherever_it_is() {
    for (place, spawned) in all() {
        let scene = Scene::at(place, spawned, None).await;
        let start = tokio::time::Instant::now();
        let drain = scene.host.shut_down();
        tokio::time::sleep(Duration::from_millis(2_990)).await;
        assert_eq!(scene.seen.permits.get(), 1, "{place}");
        drain.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 3, "{place}");
        settle().await;
        assert_eq!(
            (scene.seen.alive.get(), scene.seen.permits.get()),
            (0, 0),
            "{place}"
        );
        assert_eq!(scene.host.0.stats().calls_cancelled, 1, "{place}");
    }
}

/// A client that takes none of its reply is given up, and its handler with it.
#[tokio::test(start_paused = true)]
async fn a_stalled_reply_drops_the_handler() {
    for spawned in [false, true] {
        let mut scene = Scene::at("Window", spawned, None).await;
        let polls = scene.seen.polls.get();
        tokio::time::sleep(Duration::from_secs(31)).await;
        scene.assert_gone("Window", polls).await;
        assert_eq!(scene.host.0.stats().calls_stalled, 1);
        scene.assert_free("Window").await;
    }
}

/// A handler that is done leaves nothing, however it ends.
#[tokio::test(start_paused = true)]
async fn a_call_that_ends_by_itself_gives_everything_back() {
    let seen = Seen::default();
    let (early, fails) = (seen.clone(), seen.clone());
    let router = router()
        .max_concurrent(1)
        .bidi("/t.T/Early", move |r: Many| {
            early.watch(async move {
                drop(r);
                Ok(Response::new(tokio_stream::iter([Ok(raw("x"))])))
            })
        })
        .client_streaming("/t.T/Fails", move |mut r: Many| {
            fails.watch(async move {
                r.get_mut().message().await?;
                let status = Status::new(grpc_health::Code::ABORTED, "enough");
                Err::<Response<Raw>, _>(status)
            })
        });
    let host = serve_with(Permitted(router, seen.permits.clone()), |limits| limits);
    let mut peer = host.connect().await;
    for (path, code) in [("/t.T/Early", 0), ("/t.T/Fails", 10)].repeat(3) {
        let stream = peer.begin(path).await;
        peer.say(stream, b"x").await;
        assert_eq!(peer.whole(stream).await.code(), code, "{path}");
        // The client has not ended its side: it is told that nobody listens.
        peer.expect_reset(stream, frame::NO_ERROR).await;
        assert_eq!((seen.alive.get(), seen.permits.get()), (0, 0), "{path}");
    }
}
