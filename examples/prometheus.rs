//! The metrics of a server, for Prometheus: the page `/metrics` is the application's own.
//!
//! `cargo run --features client,metrics --example prometheus`

use std::convert::Infallible;
use std::error::Error;

use grpc_health::client::Client;
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let recorded = recorder.handle();
    // Before the server is built: it keeps the recorder's handles.
    metrics::set_global_recorder(recorder)?;
    print!("{}", run(recorded).await?);
    Ok(())
}

/// Serves, checks, and returns the page as a Prometheus server reads it.
pub(crate) async fn run(recorded: PrometheusHandle) -> Result<String, Box<dyn Error>> {
    let registry = Registry::new();
    registry.set_service_status("shop.Cart", ServingStatus::NotServing)?;
    let server = Server::builder()
        .service(HealthService::new(registry))
        .bind("127.0.0.1:0")
        .await?;
    let addr = server.local_addr().ok_or("no listener")?;
    let serving = tokio::spawn(async move { server.serve().await });

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let page_addr = listener.local_addr()?;
    let page = tokio::spawn(serve_page(listener, recorded));

    let client = Client::connect(addr).await?;
    client.check("").await?;
    client.check("shop.Cart").await?;

    let mut io = TcpStream::connect(page_addr).await?;
    io.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await?;
    let mut answer = String::new();
    io.read_to_string(&mut answer).await?;
    serving.abort();
    page.abort();
    Ok(answer)
}

/// Serves the page. The recorder keeps a sample of each call until somebody reads the page or calls `run_upkeep`.
async fn serve_page(
    listener: TcpListener,
    recorded: PrometheusHandle,
) -> Result<(), std::io::Error> {
    loop {
        let (io, _) = listener.accept().await?;
        let recorded = recorded.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let is_page = request.method() == Method::GET && request.uri().path() == "/metrics";
            let mut answer = Response::new(String::new());
            if is_page {
                *answer.body_mut() = recorded.render();
            } else {
                *answer.status_mut() = StatusCode::NOT_FOUND;
            }
            async { Ok::<_, Infallible>(answer) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .keep_alive(false)
            .serve_connection(TokioIo::new(io), service);
        tokio::spawn(connection);
    }
}
