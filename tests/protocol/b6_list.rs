//! Row 80: List.

use crate::fixture::{Fixture, connect};
use crate::support::grpc::{LIST, OK, RESOURCE_EXHAUSTED, Request, envelope, health_request};
use crate::support::peer::Peer;
use grpc_health::ServingStatus::{NotServing, Serving, Unknown};

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
    peer.expect_trailers(stream, OK).await;
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
    peer.expect_trailers(stream, OK).await;
    peer.expect_silence().await;
}
