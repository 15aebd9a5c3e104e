//! Implementations, called by tonic's client.

use std::sync::{Arc, Mutex};

use grpc_health::router::{BoxStream, Request, Response, Route, Router, Streaming};
use grpc_health::service::Service;
use grpc_health::{Server, Status};
use http::uri::PathAndQuery;
use tokio_stream::{StreamExt, iter};
use tonic::Code;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use crate::protos::greet::greeter_server::{self, Greeter};
use crate::protos::greet::{HelloReply, HelloRequest};

/// A client of a server of these methods.
pub(crate) struct Client(Grpc<Channel>);

pub(crate) async fn serve<S: Service>(router: Router<S>) -> Client {
    let server = Server::builder().service(router);
    let server = server.bind("127.0.0.1:0").await.unwrap();
    let addr = server.local_addr().unwrap();
    tokio::spawn(server.serve());
    let endpoint = Endpoint::from_shared(format!("http://{addr}")).unwrap();
    Client(Grpc::new(endpoint.connect().await.unwrap()))
}

impl Client {
    /// Calls a method of any kind: the replies, and how it ended.
    pub(crate) async fn call<Q, A>(&mut self, path: &str, requests: Vec<Q>) -> (Vec<A>, Code)
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let path = PathAndQuery::try_from(path).unwrap();
        self.0.ready().await.unwrap();
        let requests = tonic::Request::new(iter(requests));
        let codec = ProstCodec::default();
        let mut replies = match self.0.streaming(requests, path, codec).await {
            Ok(response) => response.into_inner(),
            Err(status) => return (Vec::new(), status.code()),
        };
        let mut all = Vec::new();
        loop {
            match replies.message().await {
                Ok(Some(reply)) => all.push(reply),
                Ok(None) => return (all, Code::Ok),
                Err(status) => return (all, status.code()),
            }
        }
    }

    /// Calls a method that answers once.
    pub(crate) async fn one<Q, A>(&mut self, path: &str, request: Q) -> A
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let (mut replies, code) = self.call(path, vec![request]).await;
        assert_eq!((replies.len(), code), (1, Code::Ok), "{path}");
        replies.remove(0)
    }

    async fn greet(&mut self, path: &str, names: &[&str]) -> (Vec<String>, Code) {
        let request = |name: &&str| HelloRequest {
            name: (*name).to_owned(),
            times: 3,
        };
        let requests = names.iter().map(request).collect();
        let (replies, code) = self.call::<_, HelloReply>(path, requests).await;
        (
            replies.into_iter().map(|reply| reply.message).collect(),
            code,
        )
    }
}

/// Everything but `Chat`.
struct Partly {
    greeting: &'static str,
}

impl Partly {
    fn greet(&self, name: &str) -> HelloReply {
        HelloReply {
            message: format!("{} {name}", self.greeting),
        }
    }
}

impl Greeter for Partly {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        tokio::task::yield_now().await;
        Ok(self.greet(&request.get_ref().name).into())
    }

    async fn say_hellos(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<BoxStream<HelloReply>>, Status> {
        let HelloRequest { name, times } = request.into_inner();
        let reply = self.greet(&name);
        let replies = (0..times).map(move |_| Ok(reply.clone()));
        Ok(Response::new(Box::pin(iter(replies))))
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
        Ok(self.greet(&names.join("+")).into())
    }
}

#[tokio::test]
async fn methods_of_each_kind_are_served_and_those_left_out_are_unimplemented() {
    let service = Arc::new(Partly { greeting: "Hi" });
    let mut client = serve(greeter_server::add(Router::empty(), service)).await;
    let said = |texts: &[&str]| {
        texts
            .iter()
            .map(|&text| text.to_owned())
            .collect::<Vec<_>>()
    };
    let hello = client.greet("/greet.v1.Greeter/SayHello", &["Ann"]).await;
    assert_eq!(hello, (said(&["Hi Ann"]), Code::Ok));
    let hellos = client.greet("/greet.v1.Greeter/SayHellos", &["Ann"]).await;
    assert_eq!(hellos, (said(&["Hi Ann"; 3]), Code::Ok));
    let all = client.greet("/greet.v1.Greeter/GreetAll", &["Ann", "Bob"]);
    assert_eq!(all.await, (said(&["Hi Ann+Bob"]), Code::Ok));
    let chat = client
        .greet("/greet.v1.Greeter/Chat", &["Ann", "Bob"])
        .await;
    assert_eq!(chat, (Vec::new(), Code::Unimplemented));
}

/// Answers each name as it comes.
struct Chatty;

impl Greeter for Chatty {
    async fn chat(
        &self,
        request: Request<Streaming<HelloRequest>>,
    ) -> Result<Response<BoxStream<HelloReply>>, Status> {
        let replies = request.into_inner().map(|request| {
            let message = request?.name;
            Ok(HelloReply { message })
        });
        Ok(Response::new(Box::pin(replies)))
    }
}

#[tokio::test]
async fn a_chat_and_every_other_kind_left_out() {
    let mut client = serve(greeter_server::add(Router::empty(), Arc::new(Chatty))).await;
    let (said, code) = client.greet(greeter_server::CHAT_PATH, &["a", "b"]).await;
    assert_eq!((said.concat().as_str(), code), ("ab", Code::Ok));
    for path in [
        greeter_server::SAY_HELLO_PATH,
        greeter_server::SAY_HELLOS_PATH,
        greeter_server::GREET_ALL_PATH,
    ] {
        let (said, code) = client.greet(path, &["a"]).await;
        assert_eq!((said.len(), code), (0, Code::Unimplemented), "{path}");
    }
}

#[tokio::test]
async fn routes_are_asked_for_once_for_each_method_and_heeded() {
    let asked = Mutex::new(Vec::new());
    let service = Arc::new(Partly { greeting: "Hi" });
    let router = greeter_server::add_with(Router::empty(), service, |path| {
        asked.lock().unwrap().push(path);
        match path {
            greeter_server::SAY_HELLO_PATH => Route::new(path).max_request(8),
            _ => path.into(),
        }
    });
    let paths = [
        "/greet.v1.Greeter/SayHello",
        "/greet.v1.Greeter/SayHellos",
        "/greet.v1.Greeter/GreetAll",
        "/greet.v1.Greeter/Chat",
    ];
    assert_eq!(asked.into_inner().unwrap(), paths);
    let mut client = serve(router).await;
    let long = ["longer than eight bytes"];
    let (said, code) = client.greet(paths[0], &long).await;
    assert_eq!((said.len(), code), (0, Code::ResourceExhausted));
    let (said, code) = client.greet(paths[1], &long).await;
    assert_eq!((said.len(), code), (3, Code::Ok));
}

#[test]
#[should_panic(expected = "/greet.v1.Greeter/SayHello has a handler already")]
fn a_service_cannot_be_added_twice() {
    let router = greeter_server::add(Router::empty(), Arc::new(Chatty));
    let _ = greeter_server::add(router, Arc::new(Chatty));
}
