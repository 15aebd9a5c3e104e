//! Services whose module, or trait, cannot have the name that its .proto file gives.

use std::sync::Arc;

use grpc_health::Status;
use grpc_health::router::{Request, Response, Router};

use crate::calls::serve;
use crate::protos::odd::names::v1::{
    _1_a_b_server, Text, fn_server, self_server, shop_server, shop_server_, shop_server__,
    unnamed_server,
};

struct All;

/// The reply of `service`, which is a string in field 1, as every request and reply here.
fn reply(service: &str, text: String) -> Result<Response<Text>, Status> {
    let text = format!("{service} {text}");
    Ok(Text { text }.into())
}

/// The package has a module `shop_server` already, of the messages inside of the message `ShopServer`.
impl shop_server_::Shop for All {
    async fn buy(&self, request: Request<shop_server::Inner>) -> Result<Response<Text>, Status> {
        reply("Shop", request.into_inner().text)
    }
}

impl shop_server__::Shop for All {
    async fn sell(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        reply("shop", request.into_inner().text)
    }
}

impl self_server::Self_ for All {
    async fn crate_(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        reply("Self", request.into_inner().text)
    }
}

impl unnamed_server::Unnamed for All {
    async fn unnamed(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        reply("_", request.into_inner().text)
    }
}

impl _1_a_b_server::_1AB for All {
    async fn _1_a_b(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        reply("_1_a__B_", request.into_inner().text)
    }
}

impl fn_server::Fn for All {
    async fn r#fn(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        reply("fn", request.into_inner().text)
    }
}

#[tokio::test]
async fn services_of_one_name_in_rust_are_called_by_their_own() {
    let all = Arc::new(All);
    let router = shop_server_::add(Router::empty(), Arc::clone(&all));
    let router = shop_server__::add(router, Arc::clone(&all));
    let router = self_server::add(router, Arc::clone(&all));
    let router = unnamed_server::add(router, Arc::clone(&all));
    let router = _1_a_b_server::add(router, Arc::clone(&all));
    let mut client = serve(fn_server::add(router, all)).await;
    for (service, method) in [
        ("Shop", "Buy"),
        ("shop", "Sell"),
        ("Self", "Crate"),
        ("_", "_"),
        ("_1_a__B_", "_1_a__B_"),
        ("fn", "fn"),
    ] {
        let path = format!("/odd.names.v1.{service}/{method}");
        let text = "x".to_owned();
        let replied: Text = client.one(&path, Text { text }).await;
        assert_eq!(replied.text, format!("{service} x"));
    }
}
