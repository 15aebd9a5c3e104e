//! Names that mean something to Rust or to the generated code, and types that are elsewhere.

use std::sync::Arc;

use grpc_health::Status;
use grpc_health::router::{BoxStream, Request, Response, Router, Streaming};
use tonic::Code;

use crate::calls::serve;
use crate::protos::bare::{self, bare_server};
use crate::protos::odd::Parent;
use crate::protos::odd::elsewhere::outer::Inner;
use crate::protos::odd::names::v1::{
    self, Text, keywords_server, nothing_server, result_server, t_server,
};

struct All;

/// `text` with the name of the method before it.
fn said(method: &str, text: &str) -> String {
    format!("{method} {text}")
}

fn text(method: &str, request: Request<Text>) -> Result<Response<Text>, Status> {
    let text = said(method, &request.into_inner().text);
    Ok(Text { text }.into())
}

impl keywords_server::Keywords for All {
    async fn r#type(&self, request: Request<v1::Request>) -> Result<Response<v1::Request>, Status> {
        let text = said("Type", &request.into_inner().text);
        Ok(v1::Request { text }.into())
    }

    async fn r#move(&self, _: Request<()>) -> Result<Response<String>, Status> {
        Ok(Response::new("move".to_owned()))
    }

    async fn self_(&self, request: Request<Streaming<bool>>) -> Result<Response<()>, Status> {
        let mut requests = request.into_inner();
        assert_eq!(requests.message().await?, Some(true));
        assert_eq!(requests.message().await?, None);
        Ok(Response::new(()))
    }

    async fn clone(&self, request: Request<Inner>) -> Result<Response<Parent>, Status> {
        let text = said("Clone", &request.into_inner().text);
        Ok(Parent { text }.into())
    }

    async fn into(&self, request: Request<Text>) -> Result<Response<BoxStream<Text>>, Status> {
        let reply = text("Into", request)?.into_inner();
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(reply)))))
    }

    async fn add(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        text("Add", request)
    }

    async fn service_name(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        text("ServiceName", request)
    }

    async fn same_name(&self, request: Request<Text>) -> Result<Response<v1::Request>, Status> {
        let text = said("SameName", &request.into_inner().text);
        Ok(v1::Request { text }.into())
    }

    async fn same_name_(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        text("same_name", request)
    }

    async fn same_name__(
        &self,
        request: Request<Streaming<Text>>,
    ) -> Result<Response<BoxStream<v1::Request>>, Status> {
        let message = request.into_inner().message().await?.unwrap_or_default();
        let text = said("Same_Name", &message.text);
        let reply = v1::Request { text };
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(reply)))))
    }

    async fn old(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        text("Old", request)
    }
}

impl nothing_server::Nothing for All {}

impl result_server::Result for All {
    async fn request(
        &self,
        request: Request<v1::Request>,
    ) -> Result<Response<v1::Response>, Status> {
        let text = said("Request", &request.into_inner().text);
        Ok(v1::Response { text }.into())
    }
}

impl t_server::T for All {
    async fn future(&self, request: Request<Text>) -> Result<Response<Text>, Status> {
        text("Future", request)
    }
}

impl bare_server::Bare for All {
    async fn echo(&self, request: Request<bare::Text>) -> Result<Response<bare::Text>, Status> {
        Ok(request.into_inner().into())
    }
}

#[tokio::test]
async fn each_is_called_by_its_own_name() {
    let all = Arc::new(All);
    let router = keywords_server::add(Router::empty(), Arc::clone(&all));
    let router = nothing_server::add(router, Arc::clone(&all));
    let router = result_server::add(router, Arc::clone(&all));
    let router = t_server::add(router, Arc::clone(&all));
    let mut client = serve(bare_server::add(router, all)).await;

    // All of these are a string in field 1.
    let text = "x".to_owned();
    let sent = Text { text };
    for (service, methods) in [
        (
            keywords_server::SERVICE_NAME,
            &[
                "Type",
                "Clone",
                "Into",
                "Add",
                "ServiceName",
                "SameName",
                "same_name",
                "Same_Name",
                "Old",
            ][..],
        ),
        (result_server::SERVICE_NAME, &["Request"]),
        (t_server::SERVICE_NAME, &["Future"]),
    ] {
        for method in methods {
            let path = format!("/{service}/{method}");
            let reply: Text = client.one(&path, sent.clone()).await;
            assert_eq!(reply.text, said(method, "x"));
        }
    }
    let moved: String = client.one("/odd.names.v1.keywords/move", ()).await;
    assert_eq!(moved, "move");
    let () = client.one("/odd.names.v1.keywords/Self", true).await;
    let echoed: Text = client.one("/Bare/Echo", sent.clone()).await;
    assert_eq!(echoed, sent);
    let missing = client.call::<_, Text>("/odd.names.v1.Nothing/Add", vec![sent]);
    assert_eq!(missing.await, (Vec::new(), Code::Unimplemented));
}

#[test]
fn services_are_named_as_in_their_files() {
    let names = [
        bare_server::SERVICE_NAME,
        nothing_server::SERVICE_NAME,
        keywords_server::SERVICE_NAME,
    ];
    let expected = ["Bare", "odd.names.v1.Nothing", "odd.names.v1.keywords"];
    assert_eq!(names, expected);
    assert_eq!(bare_server::ECHO_PATH, "/Bare/Echo");
    let path = keywords_server::SERVICE_NAME_PATH;
    assert_eq!(path, "/odd.names.v1.keywords/ServiceName");
}
