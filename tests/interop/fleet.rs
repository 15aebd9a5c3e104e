//! One server of several behind a balancer: an application's methods beside the health service.
//!
//! `interop_fleet NAME PLACE [OPTION=VALUE].. [mirror]`; PLACE is `IP:PORT` or `unix:PATH`. Options: `linger`, `age` and `grace`, in
//! milliseconds, and `header`, which names the service of a Check. Commands on stdin, one a line: `set NAME STATUS` (serving,
//! not-serving), and `metrics`, which prints what the recorder has. SIGTERM drains the server, and so does the end of the input. Then the
//! server says what it has counted, `NAME VALUE` a line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::env;
use std::future::ready;
use std::io::stdin;
use std::iter::repeat_n;
use std::thread;
use std::time::Duration;

use grpc_health::router::{Raw, Request, Response, Router, Streaming};
use grpc_health::server::ListenOptions;
use grpc_health::{HealthService, Registry, Server, ServingStatus, Status};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio_stream::iter;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = env::args().skip(1);
    let (name, place) = (
        arguments.next().expect("a name"),
        arguments.next().expect("a place"),
    );
    let options: HashMap<String, String> = arguments
        .map(|argument| {
            let (key, value) = argument.split_once('=').unwrap_or((&argument, ""));
            (key.to_owned(), value.to_owned())
        })
        .collect();
    let millis = |key: &str| {
        let number = options
            .get(key)
            .map(|value| value.parse().expect("a number"));
        number.map(Duration::from_millis)
    };
    let recorder = PrometheusBuilder::new().build_recorder();
    let recorded = recorder.handle();
    metrics::set_global_recorder(recorder).expect("the first recorder");

    let registry = Registry::new();
    let who = name.clone().into_bytes();
    let many = who.clone();
    let router = Router::new(HealthService::new(registry.clone()))
        .unary("/test.Fleet/Who", move |_: Request<Raw>| {
            ready(Ok(Response::new(Raw(who.clone().into()))))
        })
        .server_streaming("/test.Fleet/Many", move |_: Request<Raw>| {
            let reply = Ok::<_, Status>(Raw(many.clone().into()));
            ready(Ok(Response::new(iter(repeat_n(reply, 100)))))
        })
        .bidi("/test.Fleet/Echo", |request: Request<Streaming<Raw>>| {
            ready(Ok(Response::new(request.into_inner())))
        });
    let mut listen = ListenOptions::new();
    if options.contains_key("mirror") {
        listen = listen.mirror();
    }
    if let Some(header) = options.get("header") {
        listen = listen.service_header(header.as_str());
    }
    let server = Server::builder()
        .shutdown_linger(millis("linger").unwrap_or_default())
        .max_connection_age(millis("age"))
        .max_connection_age_grace(millis("grace").unwrap_or(Duration::from_secs(10)))
        .service(router)
        .build()
        .with_listen_options(listen);
    match place.strip_prefix("unix:") {
        Some(path) => server.bind_unix(path).await.expect("a socket"),
        None => server.bind(&place).await.expect("a port"),
    }
    let at = server.local_addr().map_or(place, |addr| addr.to_string());
    // Before the first line, since its reader may send a signal at once.
    let mut terminate = signal(SignalKind::terminate()).expect("signals");
    println!("listening on {at}");
    let (ended, end) = oneshot::channel::<()>();
    thread::spawn(move || {
        obey(&registry, &recorded);
        drop(ended);
    });
    let end = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = end => {}
        }
    };
    server.serve_with_shutdown(end).await.expect("a listener");
    let stats = server.stats();
    println!("connections {}", stats.connections);
    println!("connection_errors {}", stats.connection_errors);
    println!("connections_timed_out {}", stats.connections_timed_out);
    println!("floods {}", stats.floods);
    println!("calls {}", stats.calls);
    println!("calls_cancelled {}", stats.calls_cancelled);
}

fn obey(registry: &Registry, recorded: &PrometheusHandle) {
    for line in stdin().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["set", name, "serving"] => registry.set_service_status(name, ServingStatus::Serving),
            ["set", name, "not-serving"] => {
                registry.set_service_status(name, ServingStatus::NotServing)
            }
            ["metrics"] => {
                print!("{}", recorded.render());
                Ok(())
            }
            _ => panic!("{line}"),
        }
        .expect("room");
        println!("ok");
    }
}
