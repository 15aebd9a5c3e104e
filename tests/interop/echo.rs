//! The server of test_streaming.py: whatever it is sent comes back, as it is, once or 100,000 times. Every limit is the default.
//!
//! The end of the input drains it, and then it says what it has counted, `NAME VALUE` a line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::future::ready;
use std::iter::repeat_n;

use grpc_health::router::{Raw, Request, Response, Router, Streaming};
use grpc_health::{HealthService, Registry, Server, Status};
use tokio::io::{copy, sink, stdin};
use tokio_stream::iter;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let echo = |request: Request<Streaming<Raw>>| ready(Ok(Response::new(request.into_inner())));
    let repeat = |request: Request<Raw>| {
        let reply = Ok::<_, Status>(request.into_inner());
        ready(Ok(Response::new(iter(repeat_n(reply, 100_000)))))
    };
    let router = Router::new(HealthService::new(Registry::new()))
        .bidi("/test.Echo/Echo", echo)
        .server_streaming("/test.Echo/Repeat", repeat);
    let server = Server::builder()
        .service(router)
        .bind("127.0.0.1:0")
        .await
        .expect("a port");
    println!("listening on {}", server.local_addr().expect("an address"));
    let end = async { drop(copy(&mut stdin(), &mut sink()).await) };
    server.serve_with_shutdown(end).await.expect("a listener");
    let stats = server.stats();
    println!("connections {}", stats.connections);
    println!("connection_errors {}", stats.connection_errors);
    println!("connections_timed_out {}", stats.connections_timed_out);
    println!("floods {}", stats.floods);
    println!("calls {}", stats.calls);
    println!("calls_cancelled {}", stats.calls_cancelled);
    println!("calls_stalled {}", stats.calls_stalled);
    println!("bytes_read {}", stats.bytes_read);
    println!("bytes_written {}", stats.bytes_written);
}
