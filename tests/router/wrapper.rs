//! A service around another one passes everything on.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use grpc_health::router::Router;
use grpc_health::service::{
    Admission, Answer, Background, Head, Lifecycle, Message, Method, Part, Probe, ProbeAnswer,
    Rejection, Reply, Requests, Service, Unimplemented, Wrapper,
};
use grpc_health::{HealthService, Registry, ServingStatus};
#[cfg(feature = "http1")]
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_stream::Empty;

use crate::fixture::serve;
use crate::support::grpc::{NOT_SERVING, SERVING};
#[cfg(feature = "http1")]
use crate::support::{host, peer::PIPE};

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

// Clippy refuses a method of the trait that is not noted here.
#[deny(clippy::missing_trait_methods)]
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
    fn probe(&self, _: Probe<'_>) -> Option<ProbeAnswer> {
        self.note("probe");
        None
    }
    #[cfg(feature = "__internals")]
    fn is_bare_http(&self) -> bool {
        self.note("is_bare_http");
        false
    }
    fn routers(&self) -> u32 {
        self.note("routers");
        0
    }
    fn lifecycle(&self, _: Lifecycle) {
        self.note("lifecycle");
    }
    fn background(&self) -> Option<Background> {
        self.note("background");
        None
    }
}

/// The methods of [`Service`].
fn methods() -> Vec<&'static str> {
    let source = include_str!("../../src/service/service.rs");
    let (_, methods) = source.split_once("\npub trait Service").unwrap();
    let methods = methods
        .lines()
        .filter_map(|line| line.strip_prefix("    fn "));
    let names = methods.map(|method| method.split_once('(').unwrap().0);
    names
        .filter(|name| cfg!(feature = "__internals") || *name != "is_bare_http")
        .collect()
}

/// The server asks the inner service everything, through two wrappers that have no method of their own.
#[tokio::test(start_paused = true)]
async fn a_wrapper_passes_everything_on() {
    let noted = Arc::<Mutex<Vec<_>>>::default();
    let take = || std::mem::take(&mut *noted.lock().unwrap());
    let service = Around(Around(Noting(Arc::clone(&noted))));
    assert_eq!(Service::probe(&service, Probe::new("/readyz", None)), None);
    assert_eq!(service.routers(), 0);
    assert!(Service::background(&service).is_none());
    let first = take();
    assert_eq!(first, ["probe", "routers", "background"]);

    let host = serve(service);
    let mut peer = host.connect().await;
    for path in ["/s.S/One", "/s.S/Many"] {
        let stream = peer.ask(path, b"").await;
        assert_eq!(peer.messages(stream).await, [b""]);
    }
    host.shut_down().await.unwrap();
    let served = take();
    let expected = [
        &["method", "admit", "call"][..],
        &["method", "admit", "call_streaming"],
        &["lifecycle", "lifecycle"],
    ];
    let ordered = served.iter().copied();
    let ordered: Vec<_> = ordered
        .filter(|method| !["is_bare_http", "background"].contains(method))
        .collect();
    assert_eq!(ordered, expected.concat());
    for method in methods() {
        let noted = first.contains(&method) || served.contains(&method);
        assert!(noted, "{method} is not passed on");
    }
}

#[cfg(feature = "http1")]
#[tokio::test(start_paused = true)]
async fn a_wrapped_health_service_answers_probes_over_http_1() {
    let host = serve(Around(Around(HealthService::new(Registry::new()))));
    let options = grpc_health::server::ListenOptions::new().http1();
    let server = host.0.with_listen_options(options);
    let (mut io, theirs) = tokio::io::duplex(PIPE);
    host::spawn(server.serve_connection(theirs));
    let request = b"GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    io.write_all(request).await.unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, "SERVING\n");
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
