//! The server without gRPC, for tools that test HTTP/2: every request is answered with 200 and a few bytes, by the code that carries calls.
//!
//! ```text
//! $ cargo run --features __internals --example bare_http -- --port 8080
//! listening on 127.0.0.1:8080
//! $ h2spec --strict --port 8080
//! ```
//!
//! Without `--port`, any free one. The end of the input drains the server.

#[path = "support/bare.rs"]
mod bare;

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
        _ => return Err("usage: bare_http [--port PORT]".into()),
    };
    let server = Server::builder()
        .service(bare::Bare)
        .bind(("127.0.0.1", port))
        .await?;
    for addr in server.local_addrs() {
        println!("listening on {addr}");
    }
    let end = async { drop(copy(&mut stdin(), &mut sink()).await) };
    server.serve_with_shutdown(end).await?;
    Ok(())
}
