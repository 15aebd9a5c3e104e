//! The codec that a request's `content-type` names, and the answer's.

use bytes::BytesMut;
use grpc_health::router::{
    Compressed, ContentSubtype, Decode, Encode, EncodeError, Raw, Request, Response, Streaming,
};
use grpc_health::service::Message;
use grpc_health::{Code, Status};

use crate::fixture::{Answer, reply, router, serve};
use crate::support::grpc::{CHECK, Request as Call, envelope, health_request};

type One = Request<Raw>;

#[derive(Clone, PartialEq, prost::Message)]
struct Empty {}

/// A codec with a name.
struct Yaml(Raw);

impl Decode for Yaml {
    const SUBTYPE: ContentSubtype = ContentSubtype::Only("yaml");

    fn decode(message: Message) -> Result<Self, Status> {
        Raw::decode(message).map(Self)
    }
}

impl Encode for Yaml {
    fn encode(&self, dst: &mut BytesMut) -> Result<(), EncodeError> {
        self.0.encode(dst)
    }
}

fn codec(subtype: Option<&str>) -> Answer {
    reply(subtype.unwrap_or("none").to_owned())
}

#[tokio::test(start_paused = true)]
async fn raw_methods_take_any_codec_and_answer_with_it() {
    let host = serve(
        router()
            .unary("/t.T/U", |r: One| async move { codec(r.content_subtype()) })
            .unary("/t.T/C", |r: Request<Compressed<Raw>>| async move {
                codec(r.content_subtype())
            })
            .bidi("/t.T/B", |r: Request<Streaming<Raw>>| async move {
                let name = codec(r.content_subtype())?.into_inner();
                Ok(Response::new(tokio_stream::iter([Ok(name)])))
            })
            .intercept(|call| {
                let seen = call.content_subtype().unwrap_or("none").to_owned();
                call.response_metadata_mut().append("seen", &seen)?;
                Ok(())
            }),
    );
    let mut peer = host.connect().await;
    let rows = [
        ("application/grpc", "none", "application/grpc"),
        ("application/grpc+proto", "none", "application/grpc"),
        ("application/grpc;charset=utf-8", "none", "application/grpc"),
        ("application/grpc+json", "json", "application/grpc+json"),
        (
            "Application/gRPC+JSON; q=1",
            "json",
            "application/grpc+json",
        ),
        ("application/grpc+x.y-z", "x.y-z", "application/grpc+x.y-z"),
    ];
    for path in ["/t.T/U", "/t.T/C", "/t.T/B"] {
        for (content_type, subtype, answer) in rows {
            let request = Call::new(path).set("content-type", content_type);
            let stream = peer.call(&request, &envelope(0, b"x")).await;
            let whole = peer.whole(stream).await;
            assert_eq!(whole.code(), 0, "{path} {content_type}");
            assert_eq!(whole.messages(), [subtype.as_bytes()], "{path}");
            assert_eq!(whole.head.get("content-type"), Some(answer), "{path}");
            assert_eq!(whole.head.get("seen"), Some(subtype), "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_only_a_status_names_the_codec_too() {
    let host = serve(router().unary("/t.T/U", |r: One| async move {
        match &*r.get_ref().0 {
            b"fail" => Err(Status::new(Code::ABORTED, "no")),
            _ => std::future::pending().await,
        }
        .map(|()| Response::new(Raw::default()))
    }));
    let mut peer = host.connect().await;
    let json = || Call::new("/t.T/U").set("content-type", "application/grpc+json");
    let rows = [
        (json(), envelope(0, b"fail"), "10"),
        (json(), vec![], "12"),
        (json().with("grpc-timeout", "1S"), envelope(0, b"wait"), "4"),
    ];
    for (request, body, code) in rows {
        let stream = peer.call(&request, &body).await;
        let only = peer.expect_headers(stream, true).await;
        assert_eq!(only.get("grpc-status"), Some(code));
        assert_eq!(only.get("content-type"), Some("application/grpc+json"));
    }
}

#[tokio::test(start_paused = true)]
async fn other_methods_take_their_own_codec_alone() {
    let host = serve(
        router()
            .unary("/t.T/Proto", |_: Request<Empty>| async {
                Ok(Empty {}.into())
            })
            .unary("/t.T/Yaml", |r: Request<Yaml>| async move {
                Ok(Response::new(r.into_inner()))
            })
            .unary("/t.T/Any", |_: One| async { reply("x") }),
    );
    let mut peer = host.connect().await;
    let rows = [
        ("/t.T/Proto", "application/grpc+proto", true),
        ("/t.T/Proto", "application/grpc+json", false),
        ("/t.T/Yaml", "application/grpc+yaml", true),
        ("/t.T/Yaml", "application/grpc", true),
        ("/t.T/Yaml", "application/grpc+json", false),
        ("/t.T/Any", "application/grpc+", false),
        ("/t.T/Any", "application/grpc+a/b", false),
        ("/t.T/Any", "application/grpc-web+json", false),
        ("/t.T/Any", "application/json", false),
        ("/t.T/Any?q", "application/grpc+json", false),
        ("/t.T/None", "application/grpc+json", false),
        (CHECK, "application/grpc+json", false),
    ];
    for (path, content_type, is_taken) in rows {
        let request = Call::new(path).set("content-type", content_type);
        let stream = peer.call(&request, &envelope(0, b"")).await;
        if is_taken {
            assert_eq!(peer.whole(stream).await.code(), 0, "{path} {content_type}");
        } else {
            let only = peer.expect_headers(stream, true).await;
            assert_eq!(only.get(":status"), Some("415"), "{path} {content_type}");
            assert_eq!(only.get("grpc-status"), Some("3"), "{path} {content_type}");
        }
    }
    let stream = peer.call(&Call::new(CHECK), &health_request("")).await;
    peer.expect_unary_ok(stream).await;
}
