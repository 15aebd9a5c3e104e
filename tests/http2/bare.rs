//! What the server without gRPC is: any request is answered, and nothing is asked of it.

use crate::side::{BODY, Side};
use crate::support::frame::{self, Frame};
use crate::support::grpc::Request;
use crate::support::peer::Peer;

async fn expect_answer(peer: &mut Peer, stream: u32) {
    let head = peer.recv_on(stream).await;
    let Frame::Headers { fields, .. } = head else {
        panic!("{head:?}");
    };
    assert_eq!(fields.get(":status"), Some("200"));
    let payload = BODY.into();
    let data = Frame::Data {
        stream,
        end_stream: false,
        payload,
    };
    assert_eq!(peer.recv_on(stream).await, data);
    let end = peer.recv_on(stream).await;
    assert!(
        matches!(
            end,
            Frame::Headers {
                end_stream: true,
                ..
            }
        ),
        "{end:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn every_request_is_answered() {
    let mut peer = Peer::handshake(Side::Bare.dial(), &[]).await;
    let plain = Side::Bare.request();
    let requests = [
        plain.clone(),
        plain.clone().set(":method", "GET"),
        plain.clone().set(":method", "BREW"),
        plain.clone().set(":path", "/a?b=c"),
        plain.clone().with("content-type", "text/plain"),
        plain.clone().with("grpc-timeout", "none"),
        plain.with("x-bin", "!"),
        Request::new("/a.B/C").with("grpc-encoding", "none"),
    ];
    // No body, one that is no message, and a long one.
    let bodies = [&b""[..], b"\xff\xff\xff", &[b'x'; 60_000]];
    for request in requests {
        for body in bodies {
            let stream = peer.open();
            let block = request.encode();
            peer.send(&frame::headers(stream, body.is_empty(), &block))
                .await;
            for (at, piece) in body.chunks(16_384).enumerate() {
                let last = (at + 1) * 16_384 >= body.len();
                peer.send_data(stream, last, piece).await;
            }
            expect_answer(&mut peer, stream).await;
        }
    }
}
