//! What the built command says when the command drains at once, and its end while a read hangs.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used)]

#[path = "support/dir.rs"]
mod dir;
#[path = "support/hanging.rs"]
mod hanging;
#[path = "support/command.rs"]
mod support;

use bytes::Bytes;
use dir::Dir;
use http::Request;
use support::serve;

/// A Check of a client that calls itself `agent`.
async fn check(addr: &str, agent: &str) {
    let tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("http://{addr}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", agent);
    let mut client = client.ready().await.unwrap();
    let (reply, mut body) = client
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    body.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
    let mut reply = reply.await.unwrap().into_body();
    assert_eq!(
        &reply.data().await.unwrap().unwrap()[..],
        [0, 0, 0, 0, 2, 8, 1]
    );
    // The connection is closed, or the drain would wait for the client's answer to a PING.
    drop(client);
    connection.abort();
    let _ = connection.await;
}

/// What stderr has after clients with these names have checked, and a SIGTERM.
async fn said(agents: &[&str], args: &[&str]) -> String {
    let (server, addr) = serve(args);
    for agent in agents {
        check(&addr, agent).await;
    }
    server.signal("TERM");
    let (code, _, stderr) = server.end();
    assert_eq!(code, 0, "{stderr}");
    stderr
}

#[tokio::test]
async fn a_server_that_drains_at_once_warns_of_each_balancer_that_has_checked_it() {
    for (agent, name) in [
        ("Envoy/HC", "Envoy"),
        ("kube-probe/1.37 grpc-go/1.79.0", "the kubelet"),
        ("ELB-HealthChecker/2.0", "an AWS load balancer"),
        ("GoogleHC/1.0", "a Google Cloud load balancer"),
    ] {
        let stderr = said(&[agent, agent], &[]).await;
        let warning =
            format!("draining\nwarning: the server drains at once, but {name} checked it: ");
        assert!(stderr.starts_with(&warning), "{stderr}");
        assert_eq!(stderr.lines().count(), 2, "{stderr}");
    }
    let stderr = said(&["Envoy/HC", "GoogleHC/1.0"], &["--metrics", "127.0.0.1:0"]).await;
    assert!(
        stderr.contains("but Envoy and a Google Cloud load balancer checked it"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_server_without_balancers_or_with_a_linger_time_does_not_warn() {
    assert_eq!(said(&[], &[]).await, "draining\n");
    let others = ["grpc_health_probe grpc-go/1.60.0", "grpc-python/1.85.1"];
    assert_eq!(said(&others, &[]).await, "draining\n");
    assert_eq!(
        said(&["Envoy/HC"], &["--drain-linger", "1ms"]).await,
        "draining\n"
    );
}

#[test]
fn a_configuration_whose_read_hangs_keeps_no_server_from_its_end() {
    let dir = Dir::new();
    let config = dir.write("config.toml", "");
    hanging::ends(&dir, &config, &["--config"]);
}
