//! An interactive server for trying probes: listens on a free port of the loopback interface and
//! takes commands, one a line, on stdin. Each is answered by `ok` or `error: …`.
//!
//! ```text
//! $ cargo run --example flip_server
//! listening on 127.0.0.1:41873
//! set shop.Cart not-serving
//! ok
//! ```
//!
//! `set NAME STATUS` (serving, not-serving, unknown), `clear NAME`, `shutdown` (all shown
//! NOT_SERVING), `resume`. The name `""` is the server as a whole. The end of the input drains the
//! server.

use std::{
    error::Error,
    io::{self, BufRead},
    thread,
};

use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::sync::oneshot;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    let service = HealthService::new(registry.clone());
    let server = Server::builder()
        .service(service)
        .bind("127.0.0.1:0")
        .await?;
    for addr in server.local_addrs() {
        println!("listening on {addr}");
    }

    let (ended, end) = oneshot::channel();
    // A thread of its own: the registry is set from anywhere, inside a runtime or outside.
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            match run(&registry, &line) {
                Ok(()) => println!("ok"),
                Err(error) => println!("error: {error}"),
            }
        }
        ended.send(())
    });
    server
        .serve_with_shutdown(async { drop(end.await) })
        .await?;
    Ok(())
}

fn run(registry: &Registry, line: &str) -> Result<(), Box<dyn Error>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["set", name, status] => registry.set_service_status(unquote(name), parse(status)?)?,
        ["clear", name] => registry.clear(unquote(name)),
        ["shutdown"] => registry.shutdown(),
        ["resume"] => registry.resume(),
        _ => return Err("set NAME STATUS, clear NAME, shutdown or resume".into()),
    }
    Ok(())
}

fn unquote(name: &str) -> &str {
    if name == "\"\"" { "" } else { name }
}

fn parse(status: &str) -> Result<ServingStatus, String> {
    match status {
        "serving" => Ok(ServingStatus::Serving),
        "not-serving" => Ok(ServingStatus::NotServing),
        "unknown" => Ok(ServingStatus::Unknown),
        _ => Err(format!("{status} is none of serving, not-serving, unknown")),
    }
}
