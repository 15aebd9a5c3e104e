//! A router's interceptors and observers, and what layers around a mount have found out.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use grpc_health::router::{Drain, Raw, Request, RequestContext, Response, Route, Router};
use grpc_health::tower::Mount;
use grpc_health::{Code, Status};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::toy::{Called, call_path, feed, message, whole};

type One = Request<Raw>;

#[derive(Clone)]
struct User(&'static str);

/// What was told of calls, with the seconds they took.
type Told = Arc<Mutex<Vec<(Code, u64)>>>;

fn user() -> Router {
    Router::empty().unary("/t.T/U", |request: One| async move {
        let user = request.extensions().get();
        let name = user.map_or("nobody", |User(name)| name);
        Ok(Response::new(Raw(name.into())))
    })
}

fn observed(router: Router) -> (Router, Told) {
    let told = Told::default();
    let tell = Arc::clone(&told);
    let router = router.observe(move |end| {
        let end = (end.code(), end.elapsed().as_secs());
        tell.lock().unwrap().push(end);
    });
    (router, told)
}

fn take(told: &Told) -> Vec<(Code, u64)> {
    std::mem::take(&mut *told.lock().unwrap())
}

#[tokio::test(start_paused = true)]
async fn handlers_read_what_layers_around_the_mount_have_found_out() {
    let seen = user().intercept(|call| match call.extensions().get() {
        Some(User("mallory")) => Err(Status::permission_denied("no")),
        _ => Ok(()),
    });
    let mut mount = Mount::new(seen);
    for (name, code) in [("ada", Code::OK), ("mallory", Code::PERMISSION_DENIED)] {
        let mut request = http::Request::post("/t.T/U")
            .header("content-type", "application/grpc")
            .body(whole(&message(b"")))
            .unwrap();
        request.extensions_mut().insert(User(name));
        let response = tower_service::Service::call(&mut mount, request).await;
        let mut called = Called(response.unwrap());
        if code == Code::OK {
            assert_eq!(called.data().await, message(name.as_bytes()));
            assert_eq!(called.status().await, code);
        } else {
            assert_eq!(called.refusal(), code);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mounted_router_waits_for_its_interceptors_without_reading() {
    let open = Arc::new(Semaphore::new(0));
    let (gate, waiting) = (Arc::clone(&open), Arc::new(AtomicUsize::new(0)));
    struct Waits(Arc<AtomicUsize>);
    impl Drop for Waits {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Relaxed);
        }
    }
    let count = Arc::clone(&waiting);
    let (router, told) = observed(user().intercept_async(move |mut call: RequestContext| {
        count.fetch_add(1, Relaxed);
        let (gate, waits) = (Arc::clone(&gate), Waits(Arc::clone(&count)));
        async move {
            gate.acquire().await.unwrap().forget();
            drop(waits);
            call.extensions_mut().insert(User("ada"));
            call.response_metadata_mut().append("tag", "7")?;
            Ok(call)
        }
    }));
    let mount = Mount::new(router);
    // Nothing of the body is taken meanwhile, and its time begins afterwards.
    let (sender, body) = feed();
    sender.send(crate::toy::data(&message(b"x"))).await.unwrap();
    let room = sender.capacity();
    let mut calling = Box::pin(call_path(&mount, "/t.T/U", None, body));
    let wait = tokio::time::timeout(Duration::from_secs(30), &mut calling);
    assert!(wait.await.is_err());
    assert_eq!((sender.capacity(), waiting.load(Relaxed)), (room, 1));
    open.add_permits(1);
    drop(sender);
    let mut called = Called(calling.await.unwrap());
    assert_eq!(called.0.headers().get("tag").unwrap(), "7");
    assert_eq!(called.data().await, message(b"ada"));
    assert_eq!(called.status().await, Code::OK);
    drop(called);
    assert_eq!(take(&told), [(Code::OK, 30)]);
    // Its deadline ends it.
    let start = Instant::now();
    let called = call_path(&mount, "/t.T/U", Some("5S"), whole(&message(b""))).await;
    assert_eq!(Called(called.unwrap()).refusal(), Code::DEADLINE_EXCEEDED);
    assert_eq!((start.elapsed().as_secs(), waiting.load(Relaxed)), (5, 0));
    assert_eq!(take(&told), [(Code::DEADLINE_EXCEEDED, 5)]);
    // So does its client.
    let calling = call_path(&mount, "/t.T/U", None, whole(&message(b"")));
    assert!(
        tokio::time::timeout(Duration::from_secs(2), calling)
            .await
            .is_err()
    );
    assert_eq!(waiting.load(Relaxed), 0);
    assert_eq!(take(&told), [(Code::CANCELLED, 2)]);
}

#[tokio::test(start_paused = true)]
async fn an_interceptor_that_refuses_or_panics_later_ends_its_call_alone() {
    let (router, told) = observed(user().intercept_async(|call| async move {
        tokio::task::yield_now().await;
        match call.timeout().map(|timeout| timeout.as_secs()) {
            Some(1) => Err(Status::permission_denied("no")),
            Some(2) => panic!("as told"),
            _ => Ok(call),
        }
    }));
    let mount = Mount::new(router);
    for (timeout, code) in [("1S", Code::PERMISSION_DENIED), ("2S", Code::UNKNOWN)] {
        let called = call_path(&mount, "/t.T/U", Some(timeout), whole(&message(b""))).await;
        assert_eq!(Called(called.unwrap()).refusal(), code);
        assert_eq!(take(&told), [(code, 0)]);
    }
    let called = call_path(&mount, "/t.T/U", None, whole(&message(b""))).await;
    let mut called = Called(called.unwrap());
    assert_eq!(called.data().await, message(b"nobody"));
    assert_eq!(called.status().await, Code::OK);
}

/// As it is dropped, when its deadline passes.
#[tokio::test(start_paused = true)]
async fn a_panic_of_an_interceptor_that_is_given_up_costs_nothing() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as told");
        }
    }
    let mount = Mount::new(user().intercept_async(|_| async {
        let _bomb = Bomb;
        std::future::pending().await
    }));
    let called = call_path(&mount, "/t.T/U", Some("1S"), whole(&message(b""))).await;
    assert_eq!(Called(called.unwrap()).refusal(), Code::DEADLINE_EXCEEDED);
}

#[tokio::test(start_paused = true)]
async fn a_raw_method_answers_with_the_codec_of_the_request() {
    let mut mount = Mount::new(user());
    for (content_type, status) in [("application/grpc+json", 200), ("application/json", 415)] {
        let request = http::Request::post("/t.T/U")
            .header("content-type", content_type)
            .body(whole(&message(b"")))
            .unwrap();
        let response = tower_service::Service::call(&mut mount, request).await;
        let response = response.unwrap();
        assert_eq!(response.status(), status);
        let expected = if status == 200 {
            content_type
        } else {
            "application/grpc"
        };
        assert_eq!(response.headers()["content-type"], expected);
    }
}

/// Nothing is due of it, so that nothing else would end it.
#[tokio::test(start_paused = true)]
async fn a_stream_that_has_not_begun_to_answer_is_ended_when_the_mount_closes() {
    let silent =
        |_: One| async { Ok(Response::new(tokio_stream::pending::<Result<Raw, Status>>())) };
    let route = Route::new("/t.T/S").drain(Drain::End);
    let mount = Mount::new(Router::empty().server_streaming(route, silent));
    let mut calling = Box::pin(call_path(&mount, "/t.T/S", None, whole(&message(b""))));
    let wait = tokio::time::timeout(Duration::from_secs(1), &mut calling);
    assert!(wait.await.is_err());
    mount.close();
    let called = Called(calling.await.unwrap());
    assert_eq!(called.refusal(), Code::UNAVAILABLE);
}
