//! The details of a status, against tonic's: each side reads what the other writes.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use grpc_health::router::{Request, Response};
use grpc_health::wire::details::{
    BadRequest, DebugInfo, ErrorDetails, ErrorInfo, Help, LocalizedMessage, PreconditionFailure,
    QuotaFailure, RequestInfo, ResourceInfo, RetryInfo,
};
use grpc_health::{Code, Router, Server, Status};
use http::uri::PathAndQuery;
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

const DELAY: Duration = Duration::new(7, 500_000_000);

/// One detail of every type.
fn all() -> ErrorDetails {
    ErrorDetails::new()
        .with(RetryInfo::new(DELAY))
        .with(
            DebugInfo::new("a line")
                .with_stack_entry("inner")
                .with_stack_entry("outer"),
        )
        .with(
            QuotaFailure::default()
                .with_violation("user:ada", "5 a day")
                .with_violation("shop", "9 a day"),
        )
        .with(ErrorInfo::new("OUT_OF_STOCK", "shop.example").with_metadata("item", "3"))
        .with(PreconditionFailure::default().with_violation("TOS", "shop.example", "not accepted"))
        .with(
            BadRequest::default()
                .with_violation("name", "empty")
                .with_violation("age", "negative"),
        )
        .with({
            let mut info = RequestInfo::new("id-1");
            info.serving_data = "data".to_owned();
            info
        })
        .with(
            ResourceInfo::new("shop.Item", "items/3")
                .with_owner("user:ada")
                .with_description("sold"),
        )
        .with(Help::default().with_link("about stock", "https://shop.example/stock"))
        .with(LocalizedMessage::new("de-CH", "Ausverkauft ☹"))
}

/// The same, as tonic's.
fn all_of_tonic() -> tonic_types::ErrorDetails {
    // One entry: tonic's map has an order that changes, and its types are compared as text.
    let metadata = [("item".to_owned(), "3".to_owned())];
    let mut all = tonic_types::ErrorDetails::new();
    all.set_retry_info(Some(DELAY))
        .set_debug_info(["inner", "outer"].map(str::to_owned), "a line")
        .add_quota_failure_violation("user:ada", "5 a day")
        .add_quota_failure_violation("shop", "9 a day")
        .set_error_info("OUT_OF_STOCK", "shop.example", metadata)
        .add_precondition_failure_violation("TOS", "shop.example", "not accepted")
        .add_bad_request_violation("name", "empty")
        .add_bad_request_violation("age", "negative")
        .set_request_info("id-1", "data")
        .set_resource_info("shop.Item", "items/3", "user:ada", "sold")
        .add_help_link("about stock", "https://shop.example/stock")
        .set_localized_message("de-CH", "Ausverkauft ☹");
    all
}

#[tokio::test]
async fn a_client_of_tonic_reads_every_detail() {
    let fail = |_: Request<()>| async {
        let status = Status::failed_precondition("sold out").with_error_details(all());
        Result::<Response<()>, _>::Err(status)
    };
    let server = Server::builder()
        .service(Router::empty().unary("/shop.Shop/Buy", fail))
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    let uri = format!("http://{}", server.local_addr().unwrap());
    let serving = tokio::spawn(server.serve());
    let channel = tonic::transport::Endpoint::from_shared(uri).unwrap();
    let mut client = tonic::client::Grpc::new(channel.connect().await.unwrap());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/shop.Shop/Buy");
    let codec = ProstCodec::<(), ()>::default();
    let called = client.unary(tonic::Request::new(()), path, codec).await;
    let status = called.unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    assert_eq!(status.message(), "sold out");
    let read = status.check_error_details().unwrap();
    assert_eq!(format!("{read:?}"), format!("{:?}", all_of_tonic()));
    // The code and the message stand in the details once more, for those that read no other.
    let whole: tonic_types::pb::Status = prost::Message::decode(status.details()).unwrap();
    assert_eq!((whole.code, &*whole.message), (9, "sold out"));
    drop(client);
    server.shutdown().await;
    serving.await.unwrap().unwrap();
}

#[test]
fn the_details_of_tonic_are_read() {
    let theirs = tonic::Status::with_error_details(
        tonic::Code::FailedPrecondition,
        "sold out",
        all_of_tonic(),
    );
    let details = theirs.details().to_vec().into();
    let status = Status::failed_precondition("sold out").with_details(details);
    assert_eq!(status.code(), Code::FAILED_PRECONDITION);
    // In an order of its own.
    let (read, all) = (status.error_details(), all());
    assert_eq!(read.type_names().count(), 10);
    macro_rules! same {
        ($($message:ident)*) => {$(
            assert!(read.get::<$message>().is_some());
            assert_eq!(read.get::<$message>(), all.get::<$message>());
        )*};
    }
    same!(
        RetryInfo DebugInfo QuotaFailure ErrorInfo PreconditionFailure BadRequest RequestInfo ResourceInfo Help
        LocalizedMessage
    );
}
