//! Header lists of every size: up to the limit they are served, over it the answer is gRPC's, as far as h2 lets that be.

use crate::fixture::connect;
use crate::support::frame::{ENHANCE_YOUR_CALM, Frame};
use crate::support::grpc::{CHECK, Request, SERVING, health_request};

const KIB: usize = 1 << 10;

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Served,
    /// RESOURCE_EXHAUSTED, with the limit in the text.
    Exhausted,
    /// 431, without a word of gRPC.
    Http,
    /// The end of the connection.
    Ended(u32),
}

/// One large field, as a token is.
fn token(len: usize) -> Request {
    let bare = Request::new(CHECK).with("x", "").size();
    Request::new(CHECK).with("x", "v".repeat(len - bare))
}

/// Fields of 126 bytes, and what is left in the last.
fn fields(len: usize) -> Request {
    let mut request = Request::new(CHECK);
    let mut n = 0;
    while len - request.size() > 2 * 158 {
        request = request.with(&format!("x{n:03}"), "v".repeat(122));
        n += 1;
    }
    let left = len - request.size() - 36;
    request.with("last", "v".repeat(left))
}

async fn outcome(request: &Request) -> Outcome {
    let mut peer = connect().await;
    let stream = peer.call(request, &health_request("up")).await;
    let outcome = match peer
        .skip_to(|frame| match frame {
            Frame::Headers { stream: at, .. } => *at == stream,
            frame => matches!(frame, Frame::GoAway { .. }),
        })
        .await
    {
        Frame::GoAway { code, .. } => return Outcome::Ended(code),
        Frame::Headers { fields, .. } if fields.get(":status") == Some("431") => {
            assert_eq!(fields.names(), [":status"]);
            Outcome::Http
        }
        Frame::Headers { fields, .. } if fields.get("grpc-status").is_none() => {
            assert_eq!(peer.expect_data(stream).await, SERVING);
            Outcome::Served
        }
        Frame::Headers { fields, .. } => {
            assert_eq!(fields.get("grpc-status"), Some("8"), "{fields:?}");
            let text = fields.get("grpc-message").unwrap();
            assert!(text.ends_with("the limit is 16384"), "{text}");
            Outcome::Exhausted
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(peer.check("up").await, SERVING, "the connection stays");
    outcome
}

#[tokio::test(start_paused = true)]
async fn what_a_client_sees_of_header_lists_of_every_size() {
    for shape in [token, fields] {
        for (len, expected) in [
            (8 * KIB, Outcome::Served),
            (16 * KIB, Outcome::Served),
            (16 * KIB + 1, Outcome::Exhausted),
            (24 * KIB, Outcome::Exhausted),
            (32 * KIB - 1, Outcome::Exhausted),
            (32 * KIB, Outcome::Http),
            (64 * KIB, Outcome::Http),
            (112 * KIB, Outcome::Http),
            // More than one frame and six that continue it, or four times what h2 lets through.
            (140 * KIB, Outcome::Ended(ENHANCE_YOUR_CALM)),
        ] {
            assert_eq!(outcome(&shape(len)).await, expected, "{len}");
        }
    }
}
