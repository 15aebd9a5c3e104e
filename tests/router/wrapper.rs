//! A service around another one passes everything on.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use grpc_health::router::Router;
use grpc_health::service::{
    Admission, Answer, Background, Head, Lifecycle, Message, Method, Part, Rejection, Reply,
    Requests, Service, Unimplemented, Wrapper,
};
use grpc_health::{HealthService, Registry, ServingStatus};
use tokio_stream::Empty;

use crate::fixture::serve;
use crate::support::grpc::{NOT_SERVING, SERVING};

/// A service around another one that changes nothing.
struct Around<S>(S);

impl<S: Service> Wrapper for Around<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.0
    }
}

/// Notes by name which of its methods is called.
struct Noting(Arc<Mutex<Vec<&'static str>>>);

impl Noting {
    fn note(&self, method: &'static str) {
        self.0.lock().unwrap().push(method);
    }
}

impl Service for Noting {
    type Stream = Empty<Reply>;
    type Future = std::future::Pending<Reply>;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        self.note("method");
        let method = Method::new(0).needs_metadata();
        Ok(match path {
            "/s.S/Many" => method.streaming(),
            _ => method,
        })
    }
    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        self.note("admit");
        Ok(Admission::Granted)
    }
    fn call(&self, _: Head<'_>, _: Message) -> Answer<Self::Stream, Self::Future> {
        self.note("call");
        Answer::Now(Ok(Part::from(Bytes::from_static(&[0; 5]))))
    }
    fn call_streaming(&self, _: Head<'_>, _: Requests) -> Answer<Self::Stream, Self::Future> {
        self.note("call_streaming");
        Answer::Now(Ok(Part::from(Bytes::from_static(&[0; 5]))))
    }
    fn lifecycle(&self, _: Lifecycle) {
        self.note("lifecycle");
    }
    fn background(&self) -> Option<Background> {
        self.note("background");
        None
    }
}

/// The server asks the inner service everything, through two wrappers that have no method of their own.
#[tokio::test(start_paused = true)]
async fn a_wrapper_passes_everything_on() {
    let noted = Arc::<Mutex<Vec<_>>>::default();
    let host = serve(Around(Around(Noting(Arc::clone(&noted)))));
    let mut peer = host.connect().await;
    for path in ["/s.S/One", "/s.S/Many"] {
        let stream = peer.ask(path, b"").await;
        assert_eq!(peer.messages(stream).await, [b""]);
    }
    host.shut_down().await.unwrap();
    let mut noted = std::mem::take(&mut *noted.lock().unwrap());
    let background = noted.iter().position(|method| *method == "background");
    noted.remove(background.unwrap());
    let expected = [
        &["method", "admit", "call"][..],
        &["method", "admit", "call_streaming"],
        &["lifecycle", "lifecycle"],
    ];
    assert_eq!(noted, expected.concat());
}

/// A wrapper keeps the announcement of a drain, and the driver that wakes Watches.
#[tokio::test(start_paused = true)]
async fn a_wrapped_health_service_wakes_watches_and_announces_a_drain() {
    let registry = Registry::new();
    let health = Around(HealthService::new(registry.clone()));
    let host = serve(Around(Router::new(health)));
    let mut peer = host.connect().await;
    let watch = peer.watch("").await;
    assert_eq!(peer.expect_data(watch).await, SERVING);
    let health = registry.set_service_status("", ServingStatus::NotServing);
    health.unwrap();
    assert_eq!(peer.expect_data(watch).await, NOT_SERVING);
    registry
        .set_service_status("", ServingStatus::Serving)
        .unwrap();
    assert_eq!(peer.expect_data(watch).await, SERVING);
    host.shut_down().await.unwrap();
    assert_eq!(peer.expect_data(watch).await, NOT_SERVING);
}
