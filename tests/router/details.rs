//! How much a status may say: what would cost a client the code and the message stays behind.

use grpc_health::router::{Metadata, Raw, Request, Response};
use grpc_health::wire::metadata;
use grpc_health::{Code, Status};

use crate::fixture::{Answer, raw, router, serve};
use crate::support::hpack::Fields;

type One = Request<Raw>;

/// What clients allow for a header block that are not told otherwise: C-core's, and those on Netty.
const CLIENT_LIMIT: usize = 8 << 10;

/// What a header block counts for: RFC 9113, section 6.5.2.
fn size(fields: &Fields) -> usize {
    let fields = fields.0.iter();
    fields
        .map(|(name, value)| name.len() + value.len() + 32)
        .sum()
}

/// As much metadata as an application can make.
fn full() -> Metadata {
    let mut full = Metadata::new();
    full.append("k", &"v".repeat(metadata::MAX_SIZE - 33))
        .unwrap();
    full
}

/// The number that the request asks for.
fn asked(request: &One) -> usize {
    let text = std::str::from_utf8(&request.get_ref().0).unwrap();
    text.parse().unwrap()
}

fn failure(details: usize) -> Status {
    Status::aborted("m".repeat(5000)).with_details(vec![7; details].into())
}

#[tokio::test(start_paused = true)]
async fn code_and_message_arrive_however_much_there_is_beside_them() {
    let host = serve(
        router()
            .unary("/t.T/Only", |r: One| async move {
                let status = failure(asked(&r));
                Answer::<Raw>::Err(status.with_metadata(full()).without_retry())
            })
            .server_streaming("/t.T/Trailers", |r: One| async move {
                let status = failure(asked(&r));
                let items = [
                    Ok(raw("1")),
                    Err(status.with_metadata(full()).without_retry()),
                ];
                Ok(Response::new(tokio_stream::iter(items)))
            })
            .server_streaming("/t.T/Before", |r: One| async move {
                // Trailers that were given before the error was known, and stand with it.
                let items = [Ok(raw("1")), Err(failure(asked(&r)))];
                Ok(Response::new(tokio_stream::iter(items)).with_trailers(full()))
            }),
    );
    let mut peer = host.connect().await;
    for path in ["/t.T/Only", "/t.T/Trailers", "/t.T/Before"] {
        for (details, sent) in [(400, true), (500, false), (60_000, false)] {
            let stream = peer.ask(path, details.to_string().as_bytes()).await;
            let trailers = peer.whole(stream).await.trailers;
            assert_eq!(trailers.get("grpc-status"), Some("10"), "{path}");
            assert_eq!(trailers.get("grpc-message").unwrap(), "m".repeat(1024));
            assert!(trailers.get("k").is_some());
            let came = trailers.get("grpc-status-details-bin").is_some();
            assert_eq!(came, sent, "{path}: {details}");
            let size = size(&trailers);
            assert!(size <= CLIENT_LIMIT, "{path}: {details}: {size}");
        }
    }
}

/// As much as an error of an application can need: some fifty wrong fields of a form.
#[tokio::test(start_paused = true)]
async fn five_kilobytes_of_details_arrive() {
    let host = serve(router().unary("/t.T/U", |_: One| async {
        let status = failure(5000);
        assert!(status.details_fit() && !failure(5071).details_fit());
        Answer::<Raw>::Err(status)
    }));
    let mut peer = host.connect().await;
    let stream = peer.ask("/t.T/U", b"").await;
    let trailers = peer.whole(stream).await.trailers;
    let details = trailers.get("grpc-status-details-bin").unwrap();
    let details = metadata::decode_binary(details.as_bytes()).unwrap();
    assert_eq!(details, vec![7; 5000]);
    assert!(size(&trailers) <= CLIENT_LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_retry_pushback_is_in_the_trailers() {
    let host = serve(router().unary("/t.T/U", |r: One| async move {
        let busy = Status::new(Code::UNAVAILABLE, "busy");
        Answer::<Raw>::Err(match r.previous_attempts() {
            0 => busy.with_retry_pushback(std::time::Duration::from_millis(1500)),
            _ => busy.without_retry(),
        })
    }));
    let mut peer = host.connect().await;
    for (attempts, said) in [("0", "1500"), ("1", "-1")] {
        let request = crate::support::grpc::Request::new("/t.T/U")
            .with("grpc-previous-rpc-attempts", attempts);
        let body = crate::support::grpc::envelope(0, b"");
        let stream = peer.call(&request, &body).await;
        let trailers = peer.whole(stream).await.trailers;
        assert_eq!(trailers.get("grpc-status"), Some("14"));
        assert_eq!(trailers.get("grpc-retry-pushback-ms"), Some(said));
    }
}
