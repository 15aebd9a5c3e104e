//! Rows of the protocol, from each host and from our own server: the same frames but for the host's `date`, or a difference that is named.

use std::time::Duration;

use grpc_health::ServingStatus::{NotServing, Serving};
use grpc_health::tower::Mount;
use grpc_health::{HealthService, Registry, Server};
use tokio::io::{DuplexStream, duplex};

use crate::hosts::Host::{self, Axum, Hyper, Tonic};
use crate::script::{Answer, Script};
use crate::support::frame::{self, Frame};
use crate::support::grpc::{
    CHECK, DEADLINE_EXCEEDED, LIST, Request, SERVICE_UNKNOWN, SERVING, WATCH, envelope, field,
    health_request, prefix,
};
use crate::support::peer::{PIPE, Peer};

/// The hosts that answer otherwise.
type Others = &'static [Host];

const NONE: Others = &[];
const ALL: Others = &Host::ALL;
/// Those that choose who is asked by the path.
const ROUTERS: Others = &[Axum, Tonic];

fn service() -> HealthService {
    let registry = Registry::new();
    registry.set_service_status("up", Serving).expect("room");
    registry
        .set_service_status("down", NotServing)
        .expect("room");
    HealthService::new(registry)
}

/// A connection to a server of its own.
async fn connect(serve: impl FnOnce(DuplexStream)) -> Peer {
    let (ours, theirs) = duplex(PIPE);
    serve(theirs);
    Peer::handshake(ours, &[]).await
}

async fn ask_ours(script: &Script) -> Answer {
    let server = Server::builder().service(service()).build();
    let peer = connect(|io| drop(tokio::spawn(server.serve_connection(io)))).await;
    script.run(peer).await
}

async fn ask(host: Host, script: &Script) -> Answer {
    let mount = Mount::new(service());
    let peer = connect(|io| host.serve_io(mount, io)).await;
    script.run(peer).await
}

async fn compare(scripts: impl IntoIterator<Item = (Script, Others)>) {
    for (script, others) in scripts {
        let ours = ask_ours(&script).await;
        assert_ne!(ours, Answer::default(), "{script:?}");
        for host in Host::ALL {
            let theirs = ask(host, &script).await;
            if others.contains(&host) {
                assert_ne!(theirs, ours, "{host:?} has learnt it: {script:?}");
            } else {
                assert_eq!(theirs, ours, "{host:?}: {script:?}");
            }
        }
    }
}

/// Requests that differ in a field of the head.
async fn compare_field(name: &str, values: &[&str]) {
    let with = |value| Script::head(|request| request.with(name, value));
    compare(values.iter().map(|value| (with(value), NONE))).await;
}

async fn compare_paths(paths: &[&str], others: Others) {
    let ask = |path| Script::new(path, health_request("up"));
    compare(paths.iter().map(|path| (ask(path), others))).await;
}

/// The same body to every method.
async fn compare_bodies(bodies: &[Vec<u8>]) {
    let calls = bodies.iter().flat_map(|body| {
        [CHECK, WATCH, LIST].map(|path| {
            let whole = Script::new(path, body.clone());
            [whole.clone(), whole.unfinished()].map(|script| (script, NONE))
        })
    });
    // What is unfinished and could be a request is not answered yet, by anyone.
    for (script, _) in calls.flatten() {
        let ours = ask_ours(&script).await;
        for host in Host::ALL {
            assert_eq!(ask(host, &script).await, ours, "{host:?}: {script:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_method_and_the_content_type_of_a_head() {
    let mut scripts = Vec::new();
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "BREW", "post"] {
        let script = Script::head(|request| request.set(":method", method));
        scripts.push((script.clone(), NONE));
        scripts.push((script.clone().without_body(), NONE));
        scripts.push((script.unfinished(), NONE));
    }
    let types = [
        "",
        "application/json",
        "application/grpc-web",
        "application/grpcfoo",
        "application/grpc+json",
        "application/grpc+proto",
        "application/grpc;charset=x",
        "Application/GRPC",
    ];
    for value in types {
        let script = Script::head(|request| request.set("content-type", value));
        scripts.push((script, NONE));
    }
    scripts.push((
        Script::head(|request| request.without("content-type")),
        NONE,
    ));
    compare(scripts).await;
}

#[tokio::test(start_paused = true)]
async fn what_h2_sees_to_in_every_host() {
    let heads: [fn(Request) -> Request; 11] = [
        |request| request.set("te", "gzip"),
        |request| request.without("te"),
        |request| request.with("connection", "close"),
        |request| request.with("transfer-encoding", "chunked"),
        |request| request.without(":method"),
        |request| request.without(":path"),
        |request| request.first(":path", CHECK),
        |request| request.first(":status", "200"),
        |request| request.first("X-Upper", "x"),
        |request| request.set(":path", "grpc.health.v1.Health/Check"),
        |request| request.with("content-length", "5"),
    ];
    compare(heads.map(|head| (Script::head(head), NONE))).await;
}

/// The hosts hand a connection's bytes to h2 as they are.
#[tokio::test(start_paused = true)]
async fn an_authority_that_is_none() {
    let values = ["%2Ftmp%2Fx.sock", "127.0.0.1:1,127.0.0.1:2"];
    let scripts = values.map(|value| Script::head(|request| request.set(":authority", value)));
    compare(scripts.map(|script| (script, ALL))).await;
    let empty = Script::head(|request| request.set(":authority", ""));
    compare([(empty, NONE)]).await;
}

#[tokio::test(start_paused = true)]
async fn hosts_and_expectations() {
    let heads: [fn(Request) -> Request; 4] = [
        |request| request.with("host", "a").with("host", "b"),
        |request| request.with("host", "elsewhere"),
        |request| request.with("host", "elsewhere").without(":authority"),
        |request| request.with("expect", "100-continue"),
    ];
    compare(heads.map(|head| (Script::head(head), NONE))).await;
}

#[tokio::test(start_paused = true)]
async fn paths() {
    let in_the_service = [
        "/grpc.health.v1.Health/Nope",
        "/grpc.health.v1.Health/check",
        "/grpc.health.v1.Health//Check",
        "/grpc.health.v1.Health/Check/",
        "/grpc.health.v1.Health/Check/x",
        "/grpc.health.v1.Health/Check?",
        "/grpc.health.v1.Health/Check?q",
        "/grpc.health.v1.Health/Check#f",
        "/grpc.health.v1.Health/%43heck",
    ];
    compare_paths(&in_the_service, NONE).await;
    let elsewhere = [
        "/",
        "//",
        "/Check",
        "/grpc.health.v1.Health",
        "/grpc.health.v1.Health/",
        "//grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health%2FCheck",
        "/no.S/M",
        "/GRPC.health.v1.Health/Check",
    ];
    compare_paths(&elsewhere, ROUTERS).await;
    let none = Script::head(|request| {
        let request = request.set(":method", "CONNECT");
        request.without(":scheme").without(":path")
    });
    compare([(none.without_body(), ROUTERS)]).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_host_decides() {
    // Both take 16 KiB of headers. Over that ours has an answer of gRPC, hyper HTTP's.
    let large = |len| Script::head(|request| request.with("x", "v".repeat(len)));
    compare([
        (large(15_000), NONE),
        (large(17_000), ALL),
        (large(33_000), NONE),
    ])
    .await;
}

#[tokio::test(start_paused = true)]
async fn timeouts() {
    let values = [
        "1S",
        "99999999H",
        "1n",
        "0n",
        "00000000S",
        "",
        "S",
        "1",
        "123456789S",
        "1x",
        "-1S",
        "1.5S",
    ];
    compare_field("grpc-timeout", &values).await;
    let twice = Script::head(|request| {
        let request = request.with("grpc-timeout", "1S");
        request.with("grpc-timeout", "1S")
    });
    compare([(twice, NONE)]).await;
}

#[tokio::test(start_paused = true)]
async fn metadata() {
    let values = ["AQI", "AQI=", "AQ,Ag", "", "!!", "A", "AQ,!!", "AQ=I"];
    compare_field("x-bin", &values).await;
    compare_field("x", &["\u{263a}"]).await;
    compare_field("grpc-new", &["new"]).await;
    compare_field("grpc-status", &["7"]).await;
}

#[tokio::test(start_paused = true)]
async fn encodings() {
    compare_field("grpc-encoding", &["identity", "", "zz", "identity,gzip"]).await;
    let body = envelope(1, &field(1, b"up"));
    let request = Request::new(CHECK).with("grpc-encoding", "identity");
    compare([(Script::of(request, body), NONE)]).await;
}

#[tokio::test(start_paused = true)]
async fn envelopes() {
    let body = health_request("up");
    compare_bodies(&[
        body.clone(),
        envelope(0, b""),
        body[..3].to_vec(),
        body[..6].to_vec(),
        [&body[..], &body[..3]].concat(),
        [&body[..], &body[..]].concat(),
        prefix(0, 4097),
        prefix(0, u32::MAX),
        prefix(2, u32::MAX),
        envelope(0, &field(15, &[0; 4093])),
        envelope(0, &field(15, &[0; 4096])),
        envelope(1, &field(1, b"up")),
        envelope(2, &field(1, b"up")),
        envelope(0, b"\xff\xff"),
        envelope(0, &field(1, b"\xff")),
    ])
    .await;
    for path in [CHECK, WATCH] {
        let script = Script::new(path, body.clone());
        let variants = [
            script.clone().in_pieces(1),
            script.clone().with_trailers(),
            script.without_body(),
            Script::new(path, b"").with_trailers(),
        ];
        compare(variants.map(|script| (script, NONE))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn health() {
    let mut scripts = Vec::new();
    for path in [CHECK, WATCH] {
        for name in ["", "up", "down", "nope", &"n".repeat(200), &"n".repeat(201)] {
            scripts.push((Script::new(path, health_request(name)), NONE));
        }
    }
    scripts.push((Script::new(LIST, envelope(0, b"")), NONE));
    compare(scripts).await;
}

/// hyper does not ask for more before there is room: not even for trailers, which need none.
#[tokio::test(start_paused = true)]
async fn a_deadline_behind_a_closed_window() {
    for host in Host::ALL {
        let (ours, theirs) = duplex(PIPE);
        host.serve_io(Mount::new(service()), theirs);
        let no_window = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 0)];
        let mut peer = Peer::handshake(ours, &no_window).await;
        let request = Request::new(WATCH).with("grpc-timeout", "2S");
        let stream = peer.call(&request, &health_request("up")).await;
        peer.skip_to(|frame| matches!(frame, Frame::Headers { .. }))
            .await;
        tokio::time::advance(Duration::from_secs(60)).await;
        peer.expect_silence().await;
        peer.send(&frame::window_update(stream, 100)).await;
        assert_eq!(peer.expect_data(stream).await, SERVING);
        peer.expect_trailers(stream, DEADLINE_EXCEEDED).await;
    }
}

/// That the comparison sees what there is to see.
#[tokio::test(start_paused = true)]
async fn answers_are_told_apart() {
    for host in [None, Some(Hyper), Some(Axum), Some(Tonic)] {
        let run = async |script: Script| match host {
            None => ask_ours(&script).await,
            Some(host) => ask(host, &script).await,
        };
        let check = run(Script::new(CHECK, health_request("up"))).await;
        assert_eq!(check.data, SERVING);
        assert_eq!(check.get(":status"), Some("200"));
        assert_eq!(check.get("grpc-status"), Some("0"));
        let ends: Vec<_> = check.headers.iter().map(|(_, end)| *end).collect();
        assert_eq!(ends, [false, true]);
        let watch = run(Script::new(WATCH, health_request("nope"))).await;
        assert_eq!(watch.data, SERVICE_UNKNOWN);
        assert_eq!((watch.headers.len(), watch.get("grpc-status")), (1, None));
        let refused = run(Script::new(CHECK, prefix(0, u32::MAX)).unfinished()).await;
        assert_eq!(refused.get("grpc-status"), Some("8"));
        assert_eq!((refused.headers.len(), refused.headers[0].1), (1, true));
        assert_eq!((refused.reset, refused.goaway), (Some(0), None));
    }
}
