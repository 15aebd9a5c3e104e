//! Rows 74–84: the health service itself.

use crate::fixture::{Fixture, connect};
use crate::support::frame::{self, Frame};
use crate::support::grpc::{
    CHECK, INTERNAL, LIST, NOT_FOUND, NOT_SERVING, RESOURCE_EXHAUSTED, Request, SERVICE_UNKNOWN,
    SERVING, UNAVAILABLE, UNKNOWN, WATCH, envelope, field, health_request,
};
use crate::support::peer::Peer;
use grpc_health::ServingStatus::{self, NotServing, ServiceUnknown, Serving, Unknown};

const STATUSES: [(ServingStatus, &[u8]); 3] = [
    (Unknown, UNKNOWN),
    (Serving, SERVING),
    (NotServing, NOT_SERVING),
];

async fn expect_not_found(peer: &mut Peer, service: &str) {
    let stream = peer
        .call(&Request::new(CHECK), &health_request(service))
        .await;
    peer.expect_trailers_only(stream, NOT_FOUND).await;
}

async fn expect_check_and_watch(peer: &mut Peer, message: &[u8], code: u16) {
    for path in [CHECK, WATCH] {
        let stream = peer.call(&Request::new(path), &envelope(0, message)).await;
        peer.expect_trailers_only(stream, code).await;
        peer.expect_alive().await;
    }
}

#[tokio::test(start_paused = true)]
async fn row_74_check_of_a_known_service() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    assert_eq!(peer.check("up").await, SERVING);
    assert_eq!(peer.check("down").await, NOT_SERVING);
    for (status, body) in STATUSES {
        fixture.set("up", status);
        assert_eq!(peer.check("up").await, body);
    }
    let long = "n".repeat(200);
    fixture.set(&long, Serving);
    assert_eq!(peer.check(&long).await, SERVING);
    fixture.set("na\u{ef}ve", NotServing);
    assert_eq!(peer.check("na\u{ef}ve").await, NOT_SERVING);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_75_check_of_an_unknown_service_is_5() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    for service in ["nope", "Up", "up ", "u", "upp", &"n".repeat(200)] {
        expect_not_found(&mut peer, service).await;
    }
    fixture.registry.clear("up");
    expect_not_found(&mut peer, "up").await;
    fixture.set("down", ServiceUnknown);
    expect_not_found(&mut peer, "down").await;
    fixture.set("nope", NotServing);
    assert_eq!(peer.check("nope").await, NOT_SERVING);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_76_the_empty_name_is_the_whole_server() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    assert_eq!(peer.check("").await, SERVING);
    fixture.set("", NotServing);
    assert_eq!(peer.check("").await, NOT_SERVING);
    assert_eq!(peer.check("up").await, SERVING);
    fixture.registry.clear("");
    expect_not_found(&mut peer, "").await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_77_watch_sends_the_status_now_and_every_change() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    for service in ["up", "", "down"] {
        fixture.set(service, Serving);
        let stream = peer.watch(service).await;
        assert_eq!(peer.expect_data(stream).await, SERVING);
        peer.expect_silence().await;
        for (status, body) in STATUSES {
            fixture.set(service, status);
            assert_eq!(peer.expect_data(stream).await, body);
            peer.expect_silence().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn row_77_the_same_status_is_not_sent_twice() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    fixture.set("up", Serving);
    peer.expect_silence().await;
    // There and back before the server could look.
    fixture.set("up", NotServing);
    fixture.set("up", Serving);
    peer.expect_silence().await;
    fixture.set("down", Serving);
    peer.expect_silence().await;
    fixture.set("up", NotServing);
    assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    fixture.set("up", NotServing);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_77_changes_are_coalesced_to_the_latest() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    for _ in 0..10_000 {
        fixture.set("up", NotServing);
        fixture.set("up", Serving);
    }
    fixture.set("up", Unknown);
    assert_eq!(peer.expect_data(stream).await, UNKNOWN);
    peer.expect_silence().await;
}

/// A status set between the request and its first answer is the first answer, or follows it.
#[tokio::test(start_paused = true)]
async fn row_77_no_change_is_lost_at_the_start() {
    for turns in 0..10 {
        let fixture = Fixture::new();
        let mut peer = fixture.connect().await;
        let stream = peer.call(&Request::new(WATCH), &health_request("up")).await;
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        fixture.set("up", NotServing);
        peer.expect_head(stream).await;
        let first = peer.expect_data(stream).await;
        if first != NOT_SERVING {
            assert_eq!(first, SERVING);
            assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
        }
        peer.expect_silence().await;
    }
}

#[tokio::test(start_paused = true)]
async fn row_77_every_watcher_on_every_connection_is_told() {
    let fixture = Fixture::new();
    let mut peers = Vec::new();
    for _ in 0..4 {
        let mut peer = fixture.connect_with(1 << 20, &[]).await;
        let mut streams = Vec::new();
        for _ in 0..100 {
            let stream = peer.watch("up").await;
            assert_eq!(peer.expect_data(stream).await, SERVING);
            streams.push(stream);
        }
        peers.push((peer, streams));
    }
    for (status, body) in [(NotServing, NOT_SERVING), (Serving, SERVING)] {
        fixture.set("up", status);
        for (peer, streams) in &mut peers {
            for stream in streams {
                assert_eq!(peer.expect_data(*stream).await, body);
            }
            peer.expect_silence().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn row_78_watch_of_an_unknown_service_waits_for_it() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let streams = [peer.watch("later").await, peer.watch("later").await];
    let other = peer.watch("never").await;
    for stream in [streams[0], streams[1], other] {
        assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    }
    peer.expect_silence().await;
    fixture.set("later", NotServing);
    for stream in streams {
        assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    }
    fixture.set("later", Serving);
    for stream in streams {
        assert_eq!(peer.expect_data(stream).await, SERVING);
    }
    peer.expect_silence().await;
}

/// Asking after a name does not register it.
#[tokio::test(start_paused = true)]
async fn row_78_watching_registers_nothing() {
    let fixture = Fixture::new();
    let before = fixture.registry.services();
    let mut peer = fixture.connect().await;
    for i in 0..200 {
        let stream = peer.watch(&format!("unknown-{i}")).await;
        assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    }
    expect_not_found(&mut peer, "unknown-0").await;
    assert_eq!(fixture.registry.services(), before);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_79_watch_of_a_cleared_service_stays() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let stream = peer.watch("up").await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    fixture.registry.clear("up");
    assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    fixture.registry.clear("up");
    peer.expect_silence().await;
    fixture.set("up", NotServing);
    assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    fixture.set("up", ServiceUnknown);
    assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_79_a_handle_revives_a_cleared_service() {
    let fixture = Fixture::new();
    let handle = fixture
        .registry
        .register("handled", NotServing)
        .expect("room");
    let mut peer = fixture.connect().await;
    let stream = peer.watch("handled").await;
    assert_eq!(peer.expect_data(stream).await, NOT_SERVING);
    fixture.registry.clear("handled");
    assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    handle.set_serving();
    assert_eq!(peer.expect_data(stream).await, SERVING);
    assert_eq!(peer.check("handled").await, SERVING);
    peer.expect_silence().await;
}

/// The entries of a `HealthListResponse` in the order of the wire.
fn entries(body: &[u8]) -> Vec<(String, Option<u8>)> {
    let len = u32::from_be_bytes(body[1..5].try_into().expect("a prefix")) as usize;
    assert_eq!((body[0], body.len()), (0, len + 5));
    fields(&body[5..])
        .into_iter()
        .map(|(number, entry)| {
            assert_eq!(number, 1);
            let (mut name, mut status) = (String::new(), None);
            for (number, value) in fields(entry) {
                match number {
                    1 => name = String::from_utf8(value.into()).expect("UTF-8"),
                    2 if value.is_empty() => {}
                    2 => {
                        assert_eq!((value.len(), value[0]), (2, 0x08), "a HealthCheckResponse");
                        status = Some(value[1]);
                    }
                    other => panic!("field {other}"),
                }
            }
            (name, status)
        })
        .collect()
}

/// Length-delimited fields only.
fn fields(mut message: &[u8]) -> Vec<(u8, &[u8])> {
    let mut fields = Vec::new();
    while let [key, rest @ ..] = message {
        assert_eq!(key & 7, 2, "length-delimited");
        let (mut len, mut used) = (0, 0);
        for (i, byte) in rest.iter().enumerate() {
            len |= usize::from(byte & 0x7f) << (7 * i);
            used = i + 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        fields.push((key >> 3, &rest[used..used + len]));
        message = &rest[used + len..];
    }
    fields
}

async fn list(peer: &mut Peer) -> Vec<(String, Option<u8>)> {
    let stream = peer.call(&Request::new(LIST), &envelope(0, b"")).await;
    peer.expect_head(stream).await;
    let mut body = peer.expect_data(stream).await.to_vec();
    let len = u32::from_be_bytes(body[1..5].try_into().expect("a prefix")) as usize + 5;
    while body.len() < len {
        body.extend(peer.expect_data(stream).await);
    }
    peer.expect_trailers(stream, crate::support::grpc::OK).await;
    entries(&body)
}

#[tokio::test(start_paused = true)]
async fn row_80_list_is_sorted_and_has_the_empty_name() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    fixture.set("zebra", Unknown);
    fixture.set("Zebra", Serving);
    fixture.set("a", NotServing);
    fixture.set("gone", Serving);
    fixture.registry.clear("gone");
    let expected = [
        ("", Some(1)),
        ("Zebra", Some(1)),
        ("a", Some(2)),
        ("down", Some(2)),
        ("up", Some(1)),
        ("zebra", None),
    ];
    let expected: Vec<_> = expected
        .map(|(name, status)| (name.to_owned(), status))
        .into();
    let listed: Vec<_> = list(&mut peer).await;
    let listed: Vec<_> = listed
        .into_iter()
        .map(|(n, s)| (n, s.filter(|s| *s != 0)))
        .collect();
    assert_eq!(listed, expected);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_80_list_of_100_is_answered_and_of_101_is_8() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    // Three are there.
    for i in 0..97 {
        fixture.set(&format!("{i:0200}"), Serving);
    }
    let listed = list(&mut peer).await;
    assert_eq!(listed.len(), 100);
    assert!(listed.is_sorted(), "{listed:?}");
    fixture.set("one more", Serving);
    let stream = peer.call(&Request::new(LIST), &envelope(0, b"")).await;
    peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
    peer.expect_alive().await;
    fixture.registry.clear("one more");
    assert_eq!(list(&mut peer).await.len(), 100);
    peer.expect_silence().await;
}

/// A request of List has no fields; those it has are skipped.
#[tokio::test(start_paused = true)]
async fn row_80_list_skips_unknown_fields() {
    let mut peer = connect().await;
    let stream = peer.call(&Request::new(LIST), &health_request("up")).await;
    peer.expect_head(stream).await;
    assert_eq!(entries(&peer.expect_data(stream).await).len(), 3);
    peer.expect_trailers(stream, crate::support::grpc::OK).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_81_a_registry_shut_down_shows_not_serving() {
    let fixture = Fixture::new();
    fixture.set("live", Serving);
    assert!(fixture.registry.pin("live"));
    let mut peer = fixture.connect().await;
    let (up, live, nope) = (
        peer.watch("up").await,
        peer.watch("live").await,
        peer.watch("nope").await,
    );
    assert_eq!(peer.expect_data(up).await, SERVING);
    assert_eq!(peer.expect_data(live).await, SERVING);
    assert_eq!(peer.expect_data(nope).await, SERVICE_UNKNOWN);
    fixture.registry.shutdown();
    assert_eq!(peer.expect_data(up).await, NOT_SERVING);
    peer.expect_silence().await;
    assert_eq!(peer.check("live").await, SERVING);
    assert_eq!(peer.check("").await, NOT_SERVING);
    // Remembered, not shown.
    fixture.set("up", Unknown);
    fixture.set("new", Serving);
    peer.expect_silence().await;
    assert_eq!(peer.check("up").await, NOT_SERVING);
    assert_eq!(peer.check("new").await, NOT_SERVING);
    let new = peer.watch("new").await;
    assert_eq!(peer.expect_data(new).await, NOT_SERVING);
    fixture.registry.resume();
    assert_eq!(peer.expect_data(up).await, UNKNOWN);
    assert_eq!(peer.expect_data(new).await, SERVING);
    assert_eq!(peer.check("").await, SERVING);
    peer.expect_silence().await;
}

/// Watchers are told, then the connection, then the watchers are ended.
#[tokio::test(start_paused = true)]
async fn row_81_a_server_shut_down_says_so_in_order() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let (up, nope) = (peer.watch("up").await, peer.watch("nope").await);
    assert_eq!(peer.expect_data(up).await, SERVING);
    assert_eq!(peer.expect_data(nope).await, SERVICE_UNKNOWN);
    peer.expect_silence().await;
    let stopped = fixture.shut_down();
    let frames = peer.recv_to_end().await;
    let at = |wanted: &dyn Fn(&Frame) -> bool| {
        frames
            .iter()
            .position(wanted)
            .unwrap_or_else(|| panic!("missing in {frames:?}"))
    };
    let told = at(&|frame| matches!(frame, Frame::Data { stream, .. } if *stream == up));
    let goaway = at(&|frame| matches!(frame, Frame::GoAway { .. }));
    assert!(told < goaway, "{frames:?}");
    for watch in [up, nope] {
        let end = at(&|frame| match frame {
            Frame::Headers {
                stream,
                end_stream: true,
                fields,
            } if *stream == watch => {
                assert_eq!(
                    fields.get("grpc-status"),
                    Some(UNAVAILABLE.to_string().as_str())
                );
                assert_eq!(fields.get(":status"), None);
                true
            }
            _ => false,
        });
        assert!(goaway < end, "{frames:?}");
    }
    let goaways = frames.iter().filter_map(|frame| match frame {
        Frame::GoAway { last, code, .. } => Some((*last, *code)),
        _ => None,
    });
    let goaways: Vec<_> = goaways.collect();
    assert_eq!(
        goaways,
        [(i32::MAX as u32, frame::NO_ERROR), (nope, frame::NO_ERROR)]
    );
    stopped.await.expect("no panic");
}

/// Whatever state the server is in, Watch is not ended with UNIMPLEMENTED, which would switch a
/// client's health checking off.
#[tokio::test(start_paused = true)]
async fn row_82_watch_is_never_unimplemented() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    fixture.registry.shutdown();
    for service in ["up", "", "nope"] {
        let stream = peer.watch(service).await;
        let expected = if service == "nope" {
            SERVICE_UNKNOWN
        } else {
            NOT_SERVING
        };
        assert_eq!(peer.expect_data(stream).await, expected);
    }
    fixture.registry.clear("");
    let stream = peer.watch("").await;
    assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
}

/// A connection for one Check, as the kubelet makes it: with its user agent, and gone at once.
#[tokio::test(start_paused = true)]
async fn row_83_a_probe_of_one_check() {
    let fixture = Fixture::new();
    for (service, body) in [("", SERVING), ("up", SERVING), ("down", NOT_SERVING)] {
        let mut peer = fixture.connect().await;
        let request = Request::new(CHECK)
            .with("user-agent", "kube-probe/1.33 grpc-go/1.71.0")
            .with("grpc-timeout", "1S");
        let stream = peer.call(&request, &health_request(service)).await;
        assert_eq!(peer.expect_unary_ok(stream).await, body);
        drop(peer);
    }
    assert_eq!(fixture.connect().await.check("").await, SERVING);
}

#[tokio::test(start_paused = true)]
async fn row_84_a_name_over_200_bytes_is_8() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    for len in [201, 1000, 4000] {
        let message = field(1, "n".repeat(len).as_bytes());
        expect_check_and_watch(&mut peer, &message, RESOURCE_EXHAUSTED).await;
    }
    // Bytes, not characters.
    let message = field(1, "\u{e9}".repeat(101).as_bytes());
    expect_check_and_watch(&mut peer, &message, RESOURCE_EXHAUSTED).await;
    // A name that long cannot be known.
    assert!(
        fixture
            .registry
            .set_service_status(&"n".repeat(201), Serving)
            .is_err()
    );
    // At the limit it is looked up.
    let stream = peer.watch(&"n".repeat(200)).await;
    assert_eq!(peer.expect_data(stream).await, SERVICE_UNKNOWN);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_84_a_request_over_4_kib_is_8() {
    let mut peer = connect().await;
    for path in [CHECK, WATCH, LIST] {
        let stream = peer
            .call(&Request::new(path), &envelope(0, &field(15, &[0; 4094])))
            .await;
        peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
        peer.expect_alive().await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_are_skipped_and_the_last_name_wins() {
    let mut peer = connect().await;
    let messages: [&[&[u8]]; 6] = [
        &[&field(1, b"nope"), &field(1, b"down")],
        &[&field(2, b"nope"), &field(1, b"down")],
        &[&field(1, b"down"), &field(15, b"")],
        &[b"\x10\x05", &field(1, b"down")],
        &[b"\x11\0\0\0\0\0\0\0\0", &field(1, b"down"), b"\x15\0\0\0\0"],
        // A length of more bytes than it needs.
        &[b"\x0a\x84\x00down"],
    ];
    for parts in messages {
        let body = envelope(0, &parts.concat());
        let stream = peer.call(&Request::new(CHECK), &body).await;
        assert_eq!(peer.expect_unary_ok(stream).await, NOT_SERVING, "{parts:?}");
        let stream = peer.call(&Request::new(WATCH), &body).await;
        peer.expect_head(stream).await;
        assert_eq!(peer.expect_data(stream).await, NOT_SERVING, "{parts:?}");
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn names_that_are_not_utf_8_are_13() {
    let mut peer = connect().await;
    for name in [&b"\xff"[..], b"up\xc3", b"\xed\xa0\x80", b"\xc0\xaf"] {
        expect_check_and_watch(&mut peer, &field(1, name), INTERNAL).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn broken_groups_are_13() {
    let mut peer = connect().await;
    // A start without an end, an end without a start, another's end, and field 1 as a group.
    for message in [&b"\x13"[..], b"\x14", b"\x13\x1c", b"\x0b\x0c"] {
        expect_check_and_watch(&mut peer, message, INTERNAL).await;
    }
    peer.expect_silence().await;
}
