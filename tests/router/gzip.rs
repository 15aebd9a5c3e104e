//! Compression of single messages under `grpc-encoding: gzip`, of every kind of method: requests, replies, and the limits on both.

use grpc_health::router::{Raw, Request, Response, Route};
use grpc_health::wire::gzip::{deflate, inflate};
use grpc_health::{HealthService, Router};

use crate::echo::{AFTER, ALL, FULL, ONE, echo, replies};
use crate::fixture::{Count, Host, Whole, raw, router, serve};
use crate::support::frame::NO_ERROR;
use crate::support::grpc::{
    INTERNAL, RESOURCE_EXHAUSTED, Request as Call, UNIMPLEMENTED, envelope,
};

/// Longer than its compressed form.
const LONG: &[u8] = &[b'z'; 500];

fn host(route: impl Fn(Route) -> Route) -> Host<Router<HealthService>> {
    serve(echo(|path| route(Route::new(path)), &Count::default()))
}

fn gzip(path: &str) -> Call {
    Call::new(path).with("grpc-encoding", "gzip")
}

fn packed(message: &[u8]) -> Vec<u8> {
    envelope(1, &deflate(message))
}

/// The messages of an answer, inflated where their flag says so, and those flags.
fn unpack(whole: &Whole) -> (Vec<bool>, Vec<Vec<u8>>) {
    let mut rest = &whole.body[..];
    let mut all = (Vec::new(), Vec::new());
    while let [flag, a, b, c, d, after @ ..] = rest {
        let (message, after) = after.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        all.0.push(*flag == 1);
        all.1.push(match flag {
            1 => inflate(message, usize::MAX).unwrap().to_vec(),
            flag => {
                assert_eq!(*flag, 0);
                message.to_vec()
            }
        });
        rest = after;
    }
    assert!(rest.is_empty(), "{rest:?}");
    all
}

#[tokio::test(start_paused = true)]
async fn requests_may_be_compressed_or_not_message_by_message() {
    let host = host(|route| route);
    let mut peer = host.connect().await;
    for path in ALL {
        // An empty message may be compressed, too.
        for message in [LONG, b"short", b""] {
            for body in [packed(message), envelope(0, message)] {
                let stream = peer.call(&gzip(path), &body).await;
                let expected = replies(path, &[message]);
                assert_eq!(peer.messages(stream).await, expected, "{path}");
            }
        }
    }
    for path in [AFTER[0], AFTER[1], FULL] {
        let mixed = [
            packed(LONG),
            envelope(0, b"plain"),
            packed(b""),
            envelope(0, b""),
            packed(b"last"),
        ];
        let stream = peer.call(&gzip(path), &mixed.concat()).await;
        let expected = replies(path, &[LONG, b"plain", b"", b"", b"last"]);
        assert_eq!(peer.messages(stream).await, expected, "{path}");
    }
}

/// The flag of a message means nothing in a call without the encoding.
#[tokio::test(start_paused = true)]
async fn a_compressed_message_without_the_encoding_is_internal() {
    let host = host(|route| route);
    let mut peer = host.connect().await;
    for call in [Call::new as fn(&str) -> Call, |path| {
        Call::new(path).with("grpc-encoding", "identity")
    }] {
        for path in [ONE, AFTER].concat() {
            let stream = peer.call(&call(path), &packed(LONG)).await;
            let only = peer.expect_trailers_only(stream, INTERNAL).await;
            let text = "compressed flag set with identity or empty encoding";
            assert_eq!(only.get("grpc-message"), Some(text), "{path}");
        }
        let stream = peer.start_call(&call(FULL)).await;
        peer.expect_head(stream).await;
        peer.send_data(stream, false, &packed(LONG)).await;
        peer.expect_trailers(stream, INTERNAL).await;
        peer.expect_reset(stream, NO_ERROR).await;
    }
}

/// The answer names the unknown encoding and lists the known ones. The server does not wait for the body.
#[tokio::test(start_paused = true)]
async fn an_unknown_encoding_is_unimplemented_and_names_the_known_ones() {
    let host = host(|route| route);
    let mut peer = host.connect().await;
    for path in ALL {
        for encoding in ["br", "zstd", "deflate", "snappy"] {
            let request = Call::new(path).with("grpc-encoding", encoding);
            let stream = peer.start_call(&request).await;
            let only = peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
            assert_eq!(only.get("grpc-accept-encoding"), Some("identity,gzip"));
            let text = format!("grpc-encoding \"{encoding}\" is not supported");
            assert_eq!(only.get("grpc-message"), Some(&*text), "{path}");
            peer.expect_reset(stream, NO_ERROR).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_gzip_is_internal_and_ends_the_stream_where_it_is() {
    let host = host(|route| route);
    let mut peer = host.connect().await;
    let whole = deflate(LONG);
    let (cut, twice) = (whole[..whole.len() - 1].to_vec(), whole.repeat(2));
    let mut checksum = whole.to_vec();
    let at = checksum.len() - 8;
    checksum[at] ^= 1;
    for bad in [b"plain".to_vec(), Vec::new(), cut, twice, checksum] {
        for path in ONE {
            let stream = peer.call(&gzip(path), &envelope(1, &bad)).await;
            peer.expect_trailers_only(stream, INTERNAL).await;
        }
        let body = [packed(b"good"), envelope(1, &bad), packed(b"good")].concat();
        for path in AFTER {
            let stream = peer.call(&gzip(path), &body).await;
            peer.expect_trailers_only(stream, INTERNAL).await;
        }
        let stream = peer.call(&gzip(FULL), &body).await;
        let whole = peer.whole(stream).await;
        assert_eq!(
            (whole.code(), whole.messages()),
            (INTERNAL, vec![b"good".to_vec()])
        );
    }
    peer.expect_alive().await;
}

/// The limit counts what a message inflates to.
#[tokio::test(start_paused = true)]
async fn a_compressed_request_may_inflate_to_the_limit_and_no_further() {
    let host = host(|route| route.max_request(LONG.len()));
    let mut peer = host.connect().await;
    let over = packed(&[b'z'; 501]);
    assert!(over.len() < 100);
    for path in ONE {
        let stream = peer.call(&gzip(path), &packed(LONG)).await;
        let expected = replies(path, &[LONG]);
        assert_eq!(peer.messages(stream).await, expected, "{path}");
        let stream = peer.call(&gzip(path), &over).await;
        let only = peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
        let text = "message larger than max after decompression (500)";
        assert_eq!(only.get("grpc-message"), Some(text), "{path}");
    }
    for path in [AFTER[0], AFTER[1], FULL] {
        let stream = peer.call(&gzip(path), &packed(LONG).repeat(3)).await;
        let expected = replies(path, &[LONG; 3]);
        assert_eq!(peer.messages(stream).await, expected, "{path}");
    }
    for good in 0..3 {
        let body = [packed(LONG).repeat(good), over.clone()].concat();
        for path in AFTER {
            let stream = peer.call(&gzip(path), &body).await;
            peer.expect_trailers_only(stream, RESOURCE_EXHAUSTED).await;
        }
        let stream = peer.call(&gzip(FULL), &body).await;
        let whole = peer.whole(stream).await;
        assert_eq!(whole.code(), RESOURCE_EXHAUSTED);
        assert_eq!(whole.messages(), vec![LONG; good]);
    }
}

/// The method and the client must both want compression. A reply that compression does not shorten is sent as it is.
#[tokio::test(start_paused = true)]
async fn replies_are_compressed_for_clients_that_accept_it() {
    let compressing = host(Route::compress);
    let plain = host(|route| route);
    for (host, accepts, compresses) in [
        (&compressing, Some("gzip"), true),
        (&compressing, Some("identity,deflate,gzip"), true),
        (&compressing, Some("identity"), false),
        (&compressing, Some("br"), false),
        (&compressing, None, false),
        (&plain, Some("gzip"), false),
    ] {
        let mut peer = host.connect().await;
        for path in ALL {
            for (message, shorter) in [(LONG, true), (&b"short"[..], false), (b"", false)] {
                let mut request = Call::new(path);
                if let Some(accepts) = accepts {
                    request = request.with("grpc-accept-encoding", accepts);
                }
                let stream = peer.call(&request, &envelope(0, message)).await;
                let whole = peer.whole(stream).await;
                let encoding = compresses.then_some("gzip");
                assert_eq!(whole.head.get("grpc-encoding"), encoding, "{path}");
                assert_eq!(whole.code(), 0, "{path}");
                let expected = replies(path, &[message]);
                let flags = vec![compresses && shorter; expected.len()];
                assert_eq!(unpack(&whole), (flags, expected), "{path}: {accepts:?}");
            }
        }
    }
}

/// A compressed request may have a plain reply, and a plain request a compressed one.
#[tokio::test(start_paused = true)]
async fn requests_and_replies_are_compressed_each_for_itself() {
    let host = host(Route::compress);
    let mut peer = host.connect().await;
    for path in [AFTER[1], FULL] {
        let body = [packed(LONG), envelope(0, b"short"), envelope(0, LONG)].concat();
        let messages = replies(path, &[LONG, b"short", LONG]);
        let stream = peer.call(&gzip(path), &body).await;
        assert_eq!(peer.messages(stream).await, messages, "{path}");
        let request = gzip(path).with("grpc-accept-encoding", "gzip");
        let stream = peer.call(&request, &body).await;
        let expected = (vec![true, false, true], messages);
        assert_eq!(unpack(&peer.whole(stream).await), expected, "{path}");
    }
}

/// The limit of a reply counts its bytes before compression.
#[tokio::test(start_paused = true)]
async fn a_compressed_reply_has_the_limit_of_a_plain_one() {
    let host = serve(router().server_streaming(
        Route::new("/t.T/Growing").max_reply(500).compress(),
        |_: Request<Raw>| async {
            let items = [LONG, &[b'z'; 501]].map(|message| Ok(raw(message)));
            Ok(Response::new(tokio_stream::iter(items)))
        },
    ));
    let mut peer = host.connect().await;
    let request = Call::new("/t.T/Growing").with("grpc-accept-encoding", "gzip");
    let stream = peer.call(&request, &envelope(0, b"")).await;
    let whole = peer.whole(stream).await;
    assert_eq!(unpack(&whole), (vec![true], vec![LONG.to_vec()]));
    assert_eq!(whole.code(), RESOURCE_EXHAUSTED);
    let text = "trying to send a message larger than max (501 vs. 500)";
    assert_eq!(whole.trailers.get("grpc-message"), Some(text));
}
