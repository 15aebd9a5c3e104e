//! The servers of test_mounts.py: one service in each host, on a port of its own.
//!
//! `interop_mounts health` takes the commands `set NAME STATUS` (serving, not-serving) and `close`, one a line, on stdin;
//! `interop_mounts interop` serves `grpc.testing.TestService`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code)]
#[path = "../tower/echo.rs"]
mod echo;
#[path = "../support/host.rs"]
mod host;
#[allow(dead_code)]
#[path = "../tower/hosts.rs"]
mod hosts;
/// The part of `tests/support` that the hosts use.
mod support {
    pub(crate) use super::host;
}
#[path = "../../examples/support/test_service.rs"]
mod test_service;

use std::env;
use std::future::pending;
use std::io::stdin;

use grpc_health::service::Service;
use grpc_health::tower::Mount;
use grpc_health::{HealthService, Registry, ServingStatus};
use hosts::Host;
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    match env::args().nth(1).as_deref() {
        Some("health") => {
            let registry = Registry::new();
            let mount = Mount::new(HealthService::new(registry.clone()));
            serve(&mount).await;
            // A thread of its own: a registry and a mount are told from anywhere.
            std::thread::spawn(move || obey(&registry, &mount));
        }
        Some("interop") => serve(&Mount::new(test_service::router())).await,
        _ => panic!("usage: interop_mounts health|interop"),
    }
    pending().await
}

async fn serve<S: Service>(mount: &Mount<S>) {
    for host in Host::ALL {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("listening on {}", listener.local_addr().expect("a port"));
        tokio::spawn(host.serve(mount.clone(), listener, pending()));
    }
}

fn obey(registry: &Registry, mount: &Mount<HealthService>) {
    for line in stdin().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["set", name, "serving"] => registry.set_service_status(name, ServingStatus::Serving),
            ["set", name, _] => registry.set_service_status(name, ServingStatus::NotServing),
            _ => {
                mount.close();
                Ok(())
            }
        }
        .expect("room");
        println!("ok");
    }
}
