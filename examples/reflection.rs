//! An application's own service that clients may ask what it is, beside the health service: listens on a free port of the
//! loopback interface until the end of its input.
//!
//! ```text
//! $ cargo run --features reflection --example reflection
//! listening on 127.0.0.1:41873
//! $ grpcurl -plaintext 127.0.0.1:41873 describe shop.Shop
//! $ grpcurl -plaintext -d '{"name": "tea"}' 127.0.0.1:41873 shop.Shop/Price
//! ```

use std::{error::Error, io, thread};

use grpc_health::{
    Code, HealthService, Registry, Server, Status,
    reflection::{Index, Reflection},
    router::{Request, Response, Router},
};
use tokio::sync::oneshot;

#[derive(Clone, PartialEq, prost::Message)]
struct Item {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Money {
    #[prost(int64, tag = "1")]
    cents: i64,
}

/// The compiled `.proto` files. In a crate of its own build.rs writes them (prost-build's `file_descriptor_set_path`), and this is
/// `include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"))`.
fn descriptors() -> Result<Vec<u8>, protox::Error> {
    let mut compiler =
        protox::Compiler::new([concat!(env!("CARGO_MANIFEST_DIR"), "/examples/proto")])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("shop/shop.proto")?;
    Ok(compiler.encode_file_descriptor_set())
}

async fn price(item: Request<Item>) -> Result<Response<Money>, Status> {
    match &*item.into_inner().name {
        "tea" => Ok(Response::new(Money { cents: 450 })),
        _ => Err(Status::new(Code::NOT_FOUND, "no such item")),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let index = Index::builder().descriptors(descriptors()?).build()?;
    let router = Router::new(HealthService::new(Registry::new()))
        .unary("/shop.Shop/Price", price)
        .service(Reflection::new(index));
    let server = Server::builder()
        .service(router)
        .bind("127.0.0.1:0")
        .await?;
    for addr in server.local_addrs() {
        println!("listening on {addr}");
    }

    let (ended, end) = oneshot::channel();
    thread::spawn(move || {
        for _ in io::stdin().lines() {}
        ended.send(())
    });
    server
        .serve_with_shutdown(async { drop(end.await) })
        .await?;
    Ok(())
}
