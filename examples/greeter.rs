//! A service of the application's own, from a .proto file, beside the health service.
//!
//! `cargo run --features client --example greeter`

use std::error::Error;
use std::sync::Arc;

use greet::greeter_server::{self, Greeter};
use greet::{HelloReply, HelloRequest};
use grpc_health::client::Client;
use grpc_health::router::{BoxStream, Request, Response, Route, Router, Streaming};
use grpc_health::{Code, HealthService, Registry, Server, ServingStatus, Status};
use http::uri::PathAndQuery;
use tokio_stream::StreamExt;
use tonic_prost::ProstCodec;

/// What `grpc_health_build::Generator` makes of greeter/greeter.proto. In a crate with a build script of its own:
/// `include!(concat!(env!("OUT_DIR"), "/greet.v1.rs"));`
#[allow(unreachable_pub, reason = "the messages are `pub`")]
mod greet {
    include!("greeter/greet.v1.rs");
}

/// Has a polite word for everyone.
struct Polite;

impl Polite {
    fn greet(name: &str) -> Result<HelloReply, Status> {
        if name.is_empty() {
            return Err(Status::new(Code::INVALID_ARGUMENT, "nobody to greet"));
        }
        let message = format!("Hello, {name}!");
        Ok(HelloReply { message })
    }
}

impl Greeter for Polite {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        Ok(Self::greet(&request.get_ref().name)?.into())
    }

    async fn say_hellos(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<BoxStream<HelloReply>>, Status> {
        let HelloRequest { name, times } = request.into_inner();
        let greetings = (0..times).map(move |_| Self::greet(&name));
        Ok(Response::new(Box::pin(tokio_stream::iter(greetings))))
    }

    async fn greet_all(
        &self,
        request: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<HelloReply>, Status> {
        let mut requests = request.into_inner();
        let mut names = Vec::new();
        while let Some(request) = requests.message().await? {
            names.push(request.name);
        }
        Ok(Self::greet(&names.join(" and "))?.into())
    }

    async fn chat(
        &self,
        request: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<BoxStream<HelloReply>>, Status> {
        let greet = |request: Result<HelloRequest, Status>| Self::greet(&request?.name);
        Ok(Response::new(Box::pin(request.into_inner().map(greet))))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::new();
    registry.set_service_status(greeter_server::SERVICE_NAME, ServingStatus::Serving)?;

    let router = Router::new(HealthService::new(registry));
    // `greeter_server::add(router, Arc::new(Polite))` where all methods are treated alike.
    let router = greeter_server::add_with(router, Arc::new(Polite), |path| match path {
        greeter_server::CHAT_PATH => Route::new(path).max_concurrent(100),
        _ => Route::new(path).max_request(4 << 10),
    });
    let server = Server::builder()
        .service(router)
        .bind("127.0.0.1:0")
        .await?;
    let addr = server.local_addr().ok_or("no listener")?;
    let serving = tokio::spawn(server.serve());

    // Any client will do: here tonic's.
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{addr}"))?
        .connect()
        .await?;
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await?;
    let request = |name: &str, times| HelloRequest {
        name: name.to_owned(),
        times,
    };
    let path = PathAndQuery::from_static(greeter_server::SAY_HELLO_PATH);
    let codec = ProstCodec::<HelloRequest, HelloReply>::default();
    let hello = tonic::Request::new(request("Ann", 1));
    let reply = client.unary(hello, path, codec).await?.into_inner();
    println!("SayHello: {}", reply.message);

    client.ready().await?;
    let path = PathAndQuery::from_static(greeter_server::CHAT_PATH);
    let codec = ProstCodec::<HelloRequest, HelloReply>::default();
    let names = tokio_stream::iter(["Bob", "Cleo", ""].map(|name| request(name, 1)));
    let chat = client.streaming(tonic::Request::new(names), path, codec);
    let mut replies = chat.await?.into_inner();
    while let Some(reply) = replies.next().await {
        match reply {
            Ok(reply) => println!("Chat: {}", reply.message),
            Err(status) => println!("Chat: {:?}: {}", status.code(), status.message()),
        }
    }

    // The health service answers beside it, and knows the name.
    let health = Client::connect(addr).await?;
    let status = health.check(greeter_server::SERVICE_NAME).await?;
    println!("Check {:?}: {status}", greeter_server::SERVICE_NAME);
    serving.abort();
    Ok(())
}
