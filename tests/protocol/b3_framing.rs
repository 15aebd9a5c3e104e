//! Rows 33–51: message framing.

use crate::fixture::connect;
use crate::support::frame::{self, NO_ERROR, PROTOCOL_ERROR};
use crate::support::grpc::{
    CHECK, INTERNAL, LIST, NOT_SERVING, RESOURCE_EXHAUSTED, Request, SERVING, UNIMPLEMENTED, WATCH,
    envelope, field, health_request, prefix,
};
use crate::support::peer::Peer;

const METHODS: [&str; 3] = [CHECK, WATCH, LIST];

/// The body a health method takes at most.
const LIMIT: usize = 4096;

/// `body` is a whole request of every method, and is refused.
async fn expect_refusal(peer: &mut Peer, body: &[u8], code: u16) {
    for path in METHODS {
        let stream = peer.call(&Request::new(path), body).await;
        peer.expect_trailers_only(stream, code).await;
        peer.expect_alive().await;
    }
}

/// `body` is the beginning of a request of every method, and enough to refuse it.
async fn expect_early_refusal(peer: &mut Peer, body: &[u8], code: u16) {
    for path in METHODS {
        let stream = peer.start_call(&Request::new(path)).await;
        peer.send_data(stream, false, body).await;
        peer.expect_trailers_only(stream, code).await;
        peer.expect_reset(stream, NO_ERROR).await;
        peer.expect_alive().await;
    }
}

#[tokio::test(start_paused = true)]
async fn row_33_an_envelope_may_be_cut_anywhere() {
    let mut peer = connect().await;
    let body = health_request("down");
    let stream = peer.start_call(&Request::new(CHECK)).await;
    for (at, byte) in body.iter().enumerate() {
        peer.send_data(stream, at + 1 == body.len(), &[*byte]).await;
    }
    assert_eq!(peer.expect_unary_ok(stream).await, NOT_SERVING);
    for cut in 0..=body.len() {
        let stream = peer.start_call(&Request::new(CHECK)).await;
        peer.send_data(stream, false, &body[..cut]).await;
        // The server sees the two parts at different times.
        peer.expect_silence().await;
        peer.send_data(stream, true, &body[cut..]).await;
        assert_eq!(peer.expect_unary_ok(stream).await, NOT_SERVING);
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_34_an_empty_message_is_the_default_one() {
    let mut peer = connect().await;
    let stream = peer.call(&Request::new(CHECK), &envelope(0, b"")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    let stream = peer.call(&Request::new(WATCH), &envelope(0, b"")).await;
    peer.expect_head(stream).await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_35_a_message_over_the_limit_is_8_before_it_is_read() {
    let mut peer = connect().await;
    let declared = prefix(0, LIMIT as u32 + 1);
    expect_early_refusal(&mut peer, &declared, RESOURCE_EXHAUSTED).await;
    let whole = envelope(0, &field(15, &vec![0; LIMIT]));
    expect_refusal(&mut peer, &whole, RESOURCE_EXHAUSTED).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_35_a_message_of_the_limit_is_read() {
    let mut peer = connect().await;
    // Three bytes of tag and length.
    let message = field(15, &vec![0; LIMIT - 3]);
    assert_eq!(message.len(), LIMIT);
    let stream = peer
        .call(&Request::new(CHECK), &envelope(0, &message))
        .await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    peer.expect_silence().await;
}

/// The bodies of refused calls, together larger than the connection's window, are given back to it.
#[tokio::test(start_paused = true)]
async fn row_35_a_refused_body_keeps_no_window() {
    let mut peer = connect().await;
    for _ in 0..64 {
        let stream = peer.start_call(&Request::new(CHECK)).await;
        peer.send_data(stream, false, &prefix(0, 1 << 20)).await;
        peer.send_data(stream, false, &[0; 16_000]).await;
        peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
        peer.expect_reset(stream, NO_ERROR).await;
        // Sent before the client could know.
        peer.send_data(stream, false, &[0; 16_000]).await;
    }
    peer.expect_alive().await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_36_the_largest_length_is_8() {
    let mut peer = connect().await;
    expect_early_refusal(&mut peer, &prefix(0, u32::MAX), RESOURCE_EXHAUSTED).await;
    expect_refusal(&mut peer, &prefix(0, u32::MAX), RESOURCE_EXHAUSTED).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_37_a_truncated_message_is_13() {
    let mut peer = connect().await;
    let body = health_request("up");
    for len in 1..body.len() {
        expect_refusal(&mut peer, &body[..len], INTERNAL).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_38_the_compressed_flag_without_an_encoding_is_13() {
    let mut peer = connect().await;
    let body = envelope(1, &field(1, b"up"));
    expect_refusal(&mut peer, &body, INTERNAL).await;
    let request = Request::new(CHECK).with("grpc-encoding", "identity");
    let stream = peer.call(&request, &body).await;
    peer.expect_trailers_only(stream, INTERNAL).await;
    peer.expect_alive().await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_39_other_flags_are_13() {
    let mut peer = connect().await;
    for flag in [2, 3, 128, 255] {
        expect_refusal(&mut peer, &envelope(flag, &field(1, b"up")), INTERNAL).await;
    }
    // The size is looked at first.
    expect_refusal(&mut peer, &prefix(2, u32::MAX), RESOURCE_EXHAUSTED).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_40_unknown_encodings_are_12_and_name_the_known_one() {
    let mut peer = connect().await;
    let accepted = if cfg!(feature = "gzip") {
        "identity,gzip"
    } else {
        "identity"
    };
    let unknown = ["zz", "deflate", "identity,gzip"];
    for path in METHODS {
        for encoding in unknown {
            let request = Request::new(path).with("grpc-encoding", encoding);
            for flag in [0, 1] {
                let stream = peer.call(&request, &envelope(flag, b"")).await;
                let fields = peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
                assert_eq!(fields.get("grpc-accept-encoding"), Some(accepted));
            }
            peer.expect_alive().await;
        }
    }
    peer.expect_silence().await;
}

/// A message whose flag is 0 is plain, whatever the call's encoding. Clients that compress by default send short ones so.
#[tokio::test(start_paused = true)]
async fn row_41_what_is_not_compressed_is_read_under_gzip() {
    let mut peer = connect().await;
    let request = Request::new(CHECK).with("grpc-encoding", "gzip");
    let stream = peer.call(&request, &health_request("up")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    // Compressed, it takes the feature.
    let stream = peer.call(&request, &envelope(1, b"\x1f")).await;
    let (code, accepted) = match cfg!(feature = "gzip") {
        true => (INTERNAL, None),
        false => (UNIMPLEMENTED, Some("identity")),
    };
    let fields = peer.expect_trailers_only(stream, code).await;
    assert_eq!(fields.get("grpc-accept-encoding"), accepted);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_41_identity_is_accepted() {
    let mut peer = connect().await;
    let request = Request::new(CHECK).with("grpc-encoding", "identity");
    let stream = peer.call(&request, &health_request("up")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_44_what_is_not_protobuf_is_13() {
    let mut peer = connect().await;
    let junk: [&[u8]; 9] = [
        // A truncated varint: in a tag, in a length, in a value.
        b"\x80",
        b"\x0a\x80",
        b"\x10\x80",
        // A varint that never ends.
        b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        // A length beyond the end.
        b"\x0a\x05up",
        // Fields number 0, of wire type 7.
        b"\x00\x00",
        b"\x17",
        // A truncated fixed64 and fixed32.
        b"\x11\0\0\0",
        b"\x15\0\0",
    ];
    for message in junk {
        for path in [CHECK, WATCH] {
            let stream = peer.call(&Request::new(path), &envelope(0, message)).await;
            peer.expect_trailers_only(stream, INTERNAL).await;
            peer.expect_alive().await;
        }
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_45_no_message_is_12() {
    let mut peer = connect().await;
    for path in METHODS {
        let stream = peer.call_without_body(&Request::new(path)).await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
        peer.expect_alive().await;
    }
    expect_refusal(&mut peer, b"", UNIMPLEMENTED).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_46_two_messages_are_12() {
    let mut peer = connect().await;
    let two = [health_request("up"), health_request("up")].concat();
    expect_refusal(&mut peer, &two, UNIMPLEMENTED).await;
    for path in METHODS {
        let stream = peer.start_call(&Request::new(path)).await;
        peer.send_data(stream, false, &health_request("up")).await;
        peer.expect_silence().await;
        peer.send_data(stream, true, &health_request("down")).await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
        peer.expect_alive().await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_47_bytes_behind_the_message_are_13() {
    let mut peer = connect().await;
    let body = health_request("up");
    for more in 1..body.len() {
        let trailing = [&body[..], &body[..more]].concat();
        expect_refusal(&mut peer, &trailing, INTERNAL).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_48_client_trailers_are_ignored() {
    let mut peer = connect().await;
    let mut trailers = Vec::new();
    for (name, value) in [
        ("grpc-timeout", "junk"),
        ("grpc-status", "7"),
        ("x-bin", "!!"),
    ] {
        crate::support::hpack::encode(&mut trailers, name.as_bytes(), value.as_bytes());
    }
    let stream = peer.start_call(&Request::new(CHECK)).await;
    peer.send_data(stream, false, &health_request("up")).await;
    peer.send(&frame::headers(stream, true, &trailers)).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    // And the end of a request is seen in them.
    let stream = peer.start_call(&Request::new(CHECK)).await;
    peer.send(&frame::headers(stream, true, &trailers)).await;
    peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_48_client_trailers_that_end_nothing_are_reset() {
    let mut peer = connect().await;
    let stream = peer.start_call(&Request::new(CHECK)).await;
    peer.send_data(stream, false, &health_request("up")).await;
    peer.send(&frame::headers(stream, false, &[])).await;
    peer.expect_reset(stream, PROTOCOL_ERROR).await;
    peer.expect_alive().await;
    peer.expect_silence().await;
}

/// More padding than the connection's window holds: it is given back.
#[tokio::test(start_paused = true)]
async fn row_49_padding_is_transparent() {
    let mut peer = connect().await;
    let body = health_request("up");
    let mut block = vec![0, 0, 0, 0, 16];
    block.extend(Request::new(CHECK).encode());
    for _ in 0..1200 {
        let stream = peer.open();
        let flags = frame::PRIORITY | frame::END_HEADERS;
        peer.send(&frame::padded(frame::HEADERS, flags, stream, &block, 255))
            .await;
        let data = frame::padded(frame::DATA, frame::END_STREAM, stream, &body, 255);
        peer.send_flow_controlled(data).await;
        assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_50_a_wrong_content_length_is_reset() {
    let mut peer = connect().await;
    let body = health_request("up");
    let right = Request::new(CHECK).with("content-length", body.len().to_string());
    let stream = peer.call(&right, &body).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING);
    for wrong in [body.len() - 1, body.len() + 1] {
        let request = Request::new(CHECK).with("content-length", wrong.to_string());
        let stream = peer.call(&request, &body).await;
        peer.expect_reset(stream, PROTOCOL_ERROR).await;
        peer.expect_alive().await;
    }
    for value in ["x", "5"] {
        let request = Request::new(CHECK).with("content-length", value);
        let stream = peer.call_without_body(&request).await;
        peer.expect_reset(stream, PROTOCOL_ERROR).await;
        peer.expect_alive().await;
    }
    peer.expect_silence().await;
}

/// As many messages as a DATA frame holds are each seen, and here counted as too many.
#[tokio::test(start_paused = true)]
async fn row_51_many_messages_in_one_frame() {
    let mut peer = connect().await;
    let many = health_request("up").repeat(1000);
    expect_refusal(&mut peer, &many, UNIMPLEMENTED).await;
    peer.expect_silence().await;
}
