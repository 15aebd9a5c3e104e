//! The server of gRPC's interoperability tests, for any client of theirs:
//!
//! ```text
//! $ cargo run --features gzip --example interop_server -- --port 10000
//! listening on 127.0.0.1:10000
//! ```
//!
//! Without `--port`, any free one. The end of the input drains the server.

#[path = "support/test_service.rs"]
mod test_service;

use std::env;
use std::error::Error;

use grpc_health::Server;
use tokio::io::{copy, sink, stdin};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let port = match &arguments[..] {
        [] => 0,
        [flag, port] if flag == "--port" => {
            let error = |_| format!("--port {port}: not a number from 0 to 65535");
            port.parse().map_err(error)?
        }
        _ => return Err("usage: interop_server [--port PORT]".into()),
    };
    let server = Server::builder()
        .service(test_service::router())
        .bind(("127.0.0.1", port))
        .await?;
    for addr in server.local_addrs() {
        println!("listening on {addr}");
    }
    let end = async { drop(copy(&mut stdin(), &mut sink()).await) };
    server.serve_with_shutdown(end).await?;
    Ok(())
}
