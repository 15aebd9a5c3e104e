//! What goes on beside the calls: background work, tasks, and the way down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use grpc_health::ServingStatus::{self, NotServing, Serving};
use grpc_health::service::{
    Admission, Answer, Background, Head, Lifecycle, Message, Method, Rejection, Reply, Service,
    Unimplemented, Wrapper,
};
use grpc_health::tower::Mount;
use grpc_health::{Code, HealthService, Registry};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::support::grpc::{CHECK, NOT_SERVING, SERVICE_UNKNOWN, SERVING, WATCH, health_request};
use crate::toy::{Called, Channel, Delayed, Streamed, call_path, message, whole};

async fn ask(mount: &Mount<HealthService>, path: &str, name: &str) -> Called<HealthService> {
    let response = call_path(mount, path, None, whole(&health_request(name))).await;
    Called(response.expect("infallible"))
}

/// `up` is SERVING, `down` is NOT_SERVING.
fn health() -> (Registry, Mount<HealthService>) {
    let registry = Registry::new();
    registry.set_service_status("up", Serving).expect("room");
    registry
        .set_service_status("down", NotServing)
        .expect("room");
    let mount = Mount::new(HealthService::new(registry.clone()));
    (registry, mount)
}

#[tokio::test(start_paused = true)]
async fn a_watch_has_no_task() {
    let (registry, mount) = health();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks(), 0);
    let mut watches = Vec::new();
    for _ in 0..100 {
        let mut watch = ask(&mount, WATCH, "up").await;
        assert_eq!(watch.data().await, SERVING);
        assert!(watch.poll().is_pending());
        watches.push(watch);
    }
    // The registry's driver.
    assert_eq!(tasks(), 1);
    registry.set_service_status("up", NotServing).expect("room");
    for watch in &mut watches {
        assert_eq!(watch.data().await, NOT_SERVING);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_watch_gives_its_place_back() {
    let service = HealthService::new(Registry::new()).max_watches(1);
    let mount = Mount::new(service);
    let mut first = ask(&mount, WATCH, "").await;
    assert_eq!(first.data().await, SERVING);
    let second = ask(&mount, WATCH, "").await;
    assert_eq!(second.refusal(), Code::RESOURCE_EXHAUSTED);
    drop(first);
    assert_eq!(ask(&mount, WATCH, "").await.data().await, SERVING);
}

#[tokio::test(start_paused = true)]
async fn an_announcement_is_shown_and_can_be_taken_back() {
    let (_, mount) = health();
    let mut watch = ask(&mount, WATCH, "up").await;
    assert_eq!(watch.data().await, SERVING);
    assert!(!mount.resume(), "there is nothing to take back");
    mount.announce();
    assert_eq!(watch.data().await, NOT_SERVING);
    assert_eq!(ask(&mount, CHECK, "up").await.data().await, NOT_SERVING);
    assert!(watch.poll().is_pending());
    assert!(mount.clone().resume());
    assert_eq!(watch.data().await, SERVING);
    assert!(watch.poll().is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_every_watch_once_it_has_been_told() {
    let (registry, mount) = health();
    let mut watches = Vec::new();
    for (name, status, last) in [
        ("up", SERVING, Some(NOT_SERVING)),
        ("down", NOT_SERVING, None),
        ("nope", SERVICE_UNKNOWN, None),
    ] {
        let mut watch = ask(&mount, WATCH, name).await;
        assert_eq!(watch.data().await, status);
        watches.push((watch, last));
    }
    // This one has not been read from.
    let unread = ask(&mount, WATCH, "up").await;
    watches.push((unread, Some(SERVING)));
    let waiting = tokio::spawn(async move {
        for (watch, last) in &mut watches {
            if let Some(last) = last {
                assert_eq!(watch.data().await, *last);
            }
        }
        let (unread, _) = &mut watches[3];
        assert_eq!(unread.data().await, NOT_SERVING);
        for (watch, _) in &mut watches {
            assert_eq!(watch.status().await, Code::UNAVAILABLE);
        }
    });
    tokio::task::yield_now().await;
    mount.close();
    waiting.await.unwrap();

    // What comes now is told the same; a Check is still answered.
    let mut late = ask(&mount, WATCH, "up").await;
    assert_eq!(late.data().await, NOT_SERVING);
    assert_eq!(late.status().await, Code::UNAVAILABLE);
    assert_eq!(ask(&mount, CHECK, "up").await.data().await, NOT_SERVING);
    assert!(!mount.resume(), "there is no way back");
    mount.close();
    registry.set_service_status("up", Serving).expect("room");
    assert_eq!(ask(&mount, CHECK, "up").await.data().await, NOT_SERVING);
}

/// Tells what happens to it. Its stream never ends of itself.
struct Told {
    streams: fn(Method) -> Method,
    replies: std::sync::Mutex<Option<mpsc::Receiver<Reply>>>,
    events: mpsc::UnboundedSender<Lifecycle>,
    begun: Arc<AtomicUsize>,
    background: std::sync::Mutex<Option<oneshot::Sender<()>>>,
}

impl Service for Told {
    type Stream = Streamed;
    type Future = Delayed;

    fn method(&self, _: &str) -> Result<Method, Unimplemented> {
        Ok((self.streams)(Method::new(0)))
    }

    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
    }

    fn call(&self, _: Head<'_>, _: Message) -> Answer<Streamed, Delayed> {
        match self.replies.lock().unwrap().take() {
            Some(replies) => Answer::Stream(Box::pin(Channel(replies))),
            None => Answer::Now(Ok(message(b"").into())),
        }
    }

    fn lifecycle(&self, event: Lifecycle) {
        self.events.send(event).unwrap();
        panic!("as told");
    }

    fn background(&self) -> Option<Background> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let held = self.background.lock().unwrap().take();
        Some(Box::pin(async move {
            let _held = held;
            std::future::pending().await
        }))
    }
}

fn told() -> (Told, mpsc::UnboundedReceiver<Lifecycle>) {
    let (events, told) = mpsc::unbounded_channel();
    let service = Told {
        streams: |method| method,
        replies: std::sync::Mutex::default(),
        events,
        begun: Arc::default(),
        background: std::sync::Mutex::default(),
    };
    (service, told)
}

#[tokio::test(start_paused = true)]
async fn the_service_is_told_once_of_each_step() {
    let (service, mut events) = told();
    let mount = Mount::new(service);
    mount.announce();
    mount.announce();
    mount.resume();
    mount.resume();
    mount.close();
    mount.close();
    mount.announce();
    drop(mount);
    let mut seen = Vec::new();
    while let Some(event) = events.recv().await {
        seen.push(event);
    }
    use Lifecycle::{Announce, Closing, Resume};
    assert_eq!(seen, [Announce, Resume, Announce, Closing]);
}

#[tokio::test(start_paused = true)]
async fn a_close_leaves_calls_that_end_by_themselves() {
    let (mut service, _events) = told();
    let (sender, replies) = mpsc::channel(1);
    service.replies = Some(replies).into();
    let mount = Mount::new(service);
    sender.send(Ok(message(b"1").into())).await.unwrap();
    let response = call_path(&mount, "/any", None, whole(&message(b""))).await;
    let mut called = Called(response.unwrap());
    mount.close();
    assert_eq!(called.data().await, message(b"1"));
    assert!(called.poll().is_pending());
    sender.send(Ok(message(b"2").into())).await.unwrap();
    assert_eq!(called.data().await, message(b"2"));
    drop(sender);
    assert_eq!(called.status().await, Code::OK);
}

/// A stream that is to be ended and always has something gets one more reply out.
#[tokio::test(start_paused = true)]
async fn a_close_ends_a_stream_that_never_waits() {
    let (mut service, _events) = told();
    service.streams = |method| method.drain(grpc_health::service::Drain::End);
    let (sender, replies) = mpsc::channel(100);
    service.replies = Some(replies).into();
    let mount = Mount::new(service);
    for _ in 0..100 {
        sender.send(Ok(message(b"").into())).await.unwrap();
    }
    let response = call_path(&mount, "/any", None, whole(&message(b""))).await;
    let mut called = Called(response.unwrap());
    for _ in 0..10 {
        assert_eq!(called.data().await, message(b""));
    }
    mount.close();
    assert_eq!(called.data().await, message(b""));
    assert_eq!(called.status().await, Code::UNAVAILABLE);
    assert!(sender.is_closed());
}

#[tokio::test(start_paused = true)]
async fn background_work_begins_once_and_ends_with_the_last_of_the_mount() {
    let (mut service, _events) = told();
    let (held, ended) = oneshot::channel::<()>();
    service.background = Some(held).into();
    let begun = Arc::clone(&service.begun);
    let mount = Mount::new(service);
    assert_eq!(begun.load(Ordering::Relaxed), 0);
    let mut last = None;
    for _ in 0..3 {
        let response = call_path(&mount.clone(), "/any", None, whole(&message(b""))).await;
        last = response.ok();
    }
    assert_eq!(begun.load(Ordering::Relaxed), 1);
    drop(mount);
    // The call is not over.
    let mut called = Called(last.unwrap());
    assert_eq!(called.data().await, message(b""));
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 1);
    assert_eq!(called.status().await, Code::OK);
    ended.await.expect_err("the work is dropped");
}

/// Waits with one step until the test goes on.
struct Slow {
    health: HealthService,
    step: Lifecycle,
    began: std::sync::mpsc::Sender<()>,
    go: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Wrapper for Slow {
    type Inner = HealthService;

    fn inner(&self) -> &HealthService {
        &self.health
    }

    fn lifecycle(&self, event: Lifecycle) {
        if event == self.step {
            self.began.send(()).unwrap();
            // An error is the end of the other thread's step, or the end of the time that the other thread has.
            let go = self.go.lock().unwrap();
            let _ = go.recv_timeout(std::time::Duration::from_millis(100));
        }
        self.health.lifecycle(event);
    }
}

/// Runs `second` while the service is told of the `step` that `first` causes, and returns the status that health checks show afterwards.
fn race(step: Lifecycle, first: fn(&Mount<Slow>), second: fn(&Mount<Slow>)) -> ServingStatus {
    let registry = Registry::new();
    let (began, begun) = std::sync::mpsc::channel();
    let (done, go) = std::sync::mpsc::channel();
    let mount = Mount::new(Slow {
        health: HealthService::new(registry.clone()),
        step,
        began,
        go: go.into(),
    });
    std::thread::scope(|scope| {
        scope.spawn(|| first(&mount));
        begun.recv().unwrap();
        second(&mount);
        drop(done);
    });
    registry.get_service_status("")
}

#[test]
fn a_resume_of_another_thread_comes_after_the_announcement() {
    let resume = |mount: &Mount<Slow>| assert!(mount.resume());
    assert_eq!(race(Lifecycle::Announce, Mount::announce, resume), Serving);
}

#[test]
fn a_close_comes_after_the_resume_of_another_thread() {
    let flip = |mount: &Mount<Slow>| {
        mount.announce();
        assert!(mount.resume());
    };
    assert_eq!(race(Lifecycle::Resume, flip, Mount::close), NotServing);
}
