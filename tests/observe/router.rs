//! The calls of an application's methods.

use std::time::Duration;

use grpc_health::router::{Raw, Request, Response, Router};
use grpc_health::{Code, HealthService, Registry, Server, Status};
use tokio::io::duplex;
use tokio::time::sleep;

use crate::page::Page;
use crate::support::grpc::{self, envelope};
use crate::support::peer::{PIPE, Peer};

#[tokio::test(start_paused = true)]
async fn calls_of_the_application_are_measured_by_method_and_code() {
    let page = Page::begin();
    let router = Router::new(HealthService::new(Registry::new()))
        .unary("/shop.Cart/Add", |_: Request<Raw>| async {
            sleep(Duration::from_secs(2)).await;
            Ok(Response::new(Raw("x".into())))
        })
        .unary("/shop.Cart/Drop", |_: Request<Raw>| async {
            Err::<Response<Raw>, _>(Status::new(Code::ABORTED, "no"))
        });
    let server = Server::builder().service(router).build();
    let (ours, theirs) = duplex(PIPE);
    let _task = tokio::spawn(server.serve_connection(theirs));
    let mut peer = Peer::handshake(ours, &[]).await;
    let mut call = async |path: &str| {
        let stream = peer
            .call(&grpc::Request::new(path), &envelope(0, b"x"))
            .await;
        crate::answered(&mut peer, stream).await;
    };
    for path in ["/shop.Cart/Add", "/shop.Cart/Drop", "/shop.Cart/Add"] {
        call(path).await;
    }
    call("/shop.Cart/Missing").await;
    let measured = |what: &str, method: &str, code: &str| {
        let labels = [
            format!("rpc_method=\"{method}\""),
            format!("rpc_response_status_code=\"{code}\""),
        ];
        let name = format!("rpc_server_call_duration_{what}");
        page.value(&name, &[&labels[0], &labels[1]])
    };
    assert_eq!(measured("count", "shop.Cart/Add", "OK"), 2.0);
    assert_eq!(measured("count", "shop.Cart/Drop", "ABORTED"), 1.0);
    assert_eq!(measured("count", "_OTHER", "UNIMPLEMENTED"), 1.0);
    let seconds = measured("sum", "shop.Cart/Add", "OK");
    assert!((4.0..4.1).contains(&seconds), "{seconds}");
}
