//! Rows 74–76 and 81–84: Check, a shutdown, and the edges of both; see `b6_watch` and `b6_list` for the rest.

use crate::fixture::{Fixture, STATUSES, connect};
use crate::support::frame::{self, Frame};
use crate::support::grpc::{
    CHECK, INTERNAL, LIST, NOT_SERVING, RESOURCE_EXHAUSTED, Request, SERVICE_UNKNOWN, SERVING,
    UNAVAILABLE, UNKNOWN, WATCH, envelope, field, health_request,
};
use crate::support::peer::Peer;
use grpc_health::ServingStatus::{NotServing, ServiceUnknown, Serving, Unknown};

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
        peer.expect_not_found(service).await;
    }
    fixture.registry.clear("up");
    peer.expect_not_found("up").await;
    fixture.set("down", ServiceUnknown);
    peer.expect_not_found("down").await;
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
    peer.expect_not_found("").await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_81_a_registry_shut_down_shows_not_serving() {
    let fixture = Fixture::new();
    fixture.set("live", Serving);
    fixture.registry.pin("live").unwrap();
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
