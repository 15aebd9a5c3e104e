//! Metadata of every shape, there and back, of every kind of method: in the head, in the trailers, and in an answer that is one frame.

use bytes::Bytes;
use grpc_health::router::{Metadata, Raw, Request, Response, Router, Streaming};
use grpc_health::{Code, HealthService, Status};

use crate::echo::{AFTER, ALL, FULL, ONE};
use crate::fixture::{raw, router, serve};
use crate::support::grpc::{INTERNAL, Request as Call, envelope};
use crate::support::hpack::Fields;

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

/// What a handler saw: every value of a name, binary ones decoded.
fn describe(metadata: &Metadata) -> Raw {
    let mut names: Vec<_> = metadata.names().collect();
    names.sort_unstable();
    names.dedup();
    let lines = names.iter().map(|name| {
        if name.ends_with("-bin") {
            let values: Vec<Bytes> = metadata.get_all_binary(name).collect();
            format!("{name}: {values:?}\n")
        } else {
            let values: Vec<&str> = metadata.get_all(name).collect();
            format!("{name}: {values:?}\n")
        }
    });
    raw(lines.collect::<String>())
}

fn answer(metadata: &Metadata) -> Response<Raw> {
    Response::new(describe(metadata))
        .with_metadata(metadata.clone())
        .with_trailers(metadata.clone())
}

fn answers(metadata: &Metadata) -> Response<tokio_stream::Once<Result<Raw, Status>>> {
    let answer = answer(metadata);
    answer.map(|message| tokio_stream::once(Ok(message)))
}

/// Methods that describe the metadata they got, and send it back in head and trailers.
fn describing() -> Router<HealthService> {
    router()
        .unary(ONE[0], |request: One| async move {
            Ok(answer(request.metadata()))
        })
        .server_streaming(ONE[1], |request: One| async move {
            Ok(answers(request.metadata()))
        })
        .client_streaming(AFTER[0], |request: Many| async move {
            Ok(answer(request.metadata()))
        })
        .bidi(AFTER[1], |request: Many| async move {
            Ok(answers(request.metadata()))
        })
        .bidi(FULL, |request: Many| async move {
            Ok(answers(request.metadata()).with_head_first())
        })
}

/// Methods that fail with the metadata they got.
fn failing() -> Router<HealthService> {
    type Never = tokio_stream::Empty<Result<Raw, Status>>;
    fn failure(metadata: &Metadata) -> Status {
        Status::new(Code::ABORTED, "no").with_metadata(metadata.clone())
    }
    router()
        .unary(ONE[0], |request: One| async move {
            Err::<Response<Raw>, _>(failure(request.metadata()))
        })
        .server_streaming(ONE[1], |request: One| async move {
            Err::<Response<Never>, _>(failure(request.metadata()))
        })
        .client_streaming(AFTER[0], |request: Many| async move {
            Err::<Response<Raw>, _>(failure(request.metadata()))
        })
        .bidi(AFTER[1], |request: Many| async move {
            Err::<Response<Never>, _>(failure(request.metadata()))
        })
        .bidi(FULL, |request: Many| async move {
            let end = Err::<Raw, _>(failure(request.metadata()));
            Ok(Response::new(tokio_stream::once(end)))
        })
}

type Shape = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

/// The name, what the client sends, and what the handler sees.
const SHAPES: &[Shape] = &[
    ("none", &[], ""),
    ("one", &[("k", "v")], "k: [\"v\"]\n"),
    (
        "one name many times, in order, with the same value twice",
        &[("k", "b"), ("k", "a"), ("other", "x"), ("k", "b")],
        "k: [\"b\", \"a\", \"b\"]\nother: [\"x\"]\n",
    ),
    (
        "a comma in text is text",
        &[("k", "a,b, c")],
        "k: [\"a,b, c\"]\n",
    ),
    (
        "empty text",
        &[("k", ""), ("k", "x"), ("k", "")],
        "k: [\"\", \"x\", \"\"]\n",
    ),
    (
        "every printable character",
        &[("k", "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|} ~")],
        "k: [\"!\\\"#$%&'()*+,-./09:;<=>?@AZ[\\\\]^_`az{|} ~\"]\n",
    ),
    (
        "every sort of character in a name",
        &[("a-b_c.d9", "v")],
        "a-b_c.d9: [\"v\"]\n",
    ),
    (
        "binary without padding",
        &[("k-bin", "AQ")],
        "k-bin: [b\"\\x01\"]\n",
    ),
    (
        "binary with padding",
        &[("k-bin", "AQ==")],
        "k-bin: [b\"\\x01\"]\n",
    ),
    ("empty binary", &[("k-bin", "")], "k-bin: [b\"\"]\n"),
    (
        "binary with the last two characters of the alphabet",
        &[("k-bin", "+/8")],
        "k-bin: [b\"\\xfb\\xff\"]\n",
    ),
    (
        "binary with bits left over in its last character",
        &[("k-bin", "AR")],
        "k-bin: [b\"\\x01\"]\n",
    ),
    (
        "binary many times",
        &[("k-bin", "Ag"), ("k-bin", "AQ=="), ("k-bin", "Ag")],
        "k-bin: [b\"\\x02\", b\"\\x01\", b\"\\x02\"]\n",
    ),
    (
        "binary joined with commas, padded and not",
        &[("k-bin", "AQ,Ag==, Aw"), ("k-bin", "BA")],
        "k-bin: [b\"\\x01\", b\"\\x02\", b\"\\x03\", b\"\\x04\"]\n",
    ),
    (
        "binary joined with commas, some of it empty",
        &[("k-bin", "AQ,,Ag")],
        "k-bin: [b\"\\x01\", b\"\", b\"\\x02\"]\n",
    ),
    (
        "text and binary of like names",
        &[("k", "AQ"), ("k-bin", "AQ"), ("kbin", "AQ")],
        "k: [\"AQ\"]\nk-bin: [b\"\\x01\"]\nkbin: [\"AQ\"]\n",
    ),
];

fn call(path: &str, fields: &[(&str, &str)]) -> Call {
    let with = |call: Call, (name, value): &(&str, &str)| call.with(name, value);
    fields.iter().fold(Call::new(path), with)
}

/// The application's fields of a block, those of one name in their order.
fn custom(fields: &Fields) -> Vec<(String, String)> {
    let reserved = [":status", "content-type", "grpc-status", "grpc-message"];
    let fields = fields.0.iter();
    let mut custom: Vec<_> = fields
        .filter(|(name, _)| !reserved.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), String::from_utf8(value.to_vec()).unwrap()))
        .collect();
    custom.sort_by(|(a, _), (b, _)| a.cmp(b));
    custom
}

/// What is sent back is what came, field by field.
fn sent(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let fields = fields.iter();
    let mut sent: Vec<_> = fields
        .map(|(name, value)| (String::from(*name), String::from(*value)))
        .collect();
    sent.sort_by(|(a, _), (b, _)| a.cmp(b));
    sent
}

#[tokio::test(start_paused = true)]
async fn every_shape_reaches_every_kind_and_comes_back_in_head_and_trailers() {
    let host = serve(describing());
    let mut peer = host.connect().await;
    for path in ALL {
        for (name, fields, seen) in SHAPES {
            let stream = peer.call(&call(path, fields), &envelope(0, b"")).await;
            let whole = peer.whole(stream).await;
            let place = format!("{path}: {name}");
            assert_eq!(whole.code(), 0, "{place}");
            assert_eq!(whole.messages(), [seen.as_bytes()], "{place}");
            assert_eq!(custom(&whole.head), sent(fields), "{place}");
            assert_eq!(custom(&whole.trailers), sent(fields), "{place}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_shape_comes_back_with_an_error_that_is_one_frame() {
    let host = serve(failing());
    let mut peer = host.connect().await;
    for path in ALL {
        for (name, fields, _) in SHAPES {
            let stream = peer.call(&call(path, fields), &envelope(0, b"")).await;
            let only = peer.expect_headers(stream, true).await;
            assert_eq!(only.get("grpc-status"), Some("10"), "{path}: {name}");
            assert_eq!(custom(&only), sent(fields), "{path}: {name}");
        }
    }
}

/// 50 names with three values each: a header list of less than 8 KiB, with the 32 bytes that HTTP/2 counts for each field.
#[tokio::test(start_paused = true)]
async fn many_keys_reach_every_kind() {
    let names: Vec<String> = (0..50).map(|i| format!("key-{i:02}")).collect();
    let mut fields: Vec<(&str, &str)> = Vec::new();
    for value in ["first", "second", "first"] {
        fields.extend(names.iter().map(|name| (name.as_str(), value)));
    }
    let seen = |name: &String| format!("{name}: [\"first\", \"second\", \"first\"]\n");
    let seen: String = names.iter().map(seen).collect();
    let host = serve(describing());
    let mut peer = host.connect().await;
    for path in ALL {
        let stream = peer.call(&call(path, &fields), &envelope(0, b"")).await;
        let whole = peer.whole(stream).await;
        assert_eq!(whole.messages(), [seen.as_bytes()], "{path}");
        for part in [&whole.head, &whole.trailers] {
            assert_eq!(custom(part), sent(&fields), "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn broken_binary_is_internal_for_every_kind() {
    let host = serve(describing());
    let mut peer = host.connect().await;
    for path in ALL {
        for value in ["!", "A", "AQ=", "AQ===", "AQ,!", "A Q"] {
            let request = Call::new(path).with("k-bin", value);
            let stream = peer.call(&request, &envelope(0, b"")).await;
            peer.expect_error(stream, 400, INTERNAL).await;
        }
    }
    peer.expect_alive().await;
}

/// RFC 9113, section 8.2.1: a field's value neither starts nor ends with a blank.
#[tokio::test(start_paused = true)]
async fn no_value_is_sent_with_a_blank_at_its_end() {
    let host = serve(router().unary(ONE[0], |_: One| async move {
        let mut metadata = Metadata::new();
        metadata.append("k", " v ")?;
        Ok(Response::new(raw("")).with_metadata(metadata))
    }));
    let mut peer = host.connect().await;
    let stream = peer.ask(ONE[0], b"").await;
    let whole = peer.whole(stream).await;
    assert_eq!(whole.head.get("k"), Some("v"));
}
