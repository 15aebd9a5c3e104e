//! Application services beside the health service: methods by path, with typed messages and plain async closures.
//!
//! A [`Router`] is a [`Service`](crate::service::Service). It holds another one, usually the health service, whose calls it passes on as
//! they are, and the application's methods beside it:
//!
//! ```
//! use grpc_health::router::{Request, Response, Router};
//! use grpc_health::{HealthService, Registry, Server};
//!
//! #[derive(Clone, PartialEq, prost::Message)]
//! struct Name {
//!     #[prost(string, tag = "1")]
//!     name: String,
//! }
//!
//! let router = Router::new(HealthService::new(Registry::new())).unary(
//!     "/greet.Greeter/Greet",
//!     |request: Request<Name>| async move {
//!         let name = format!("Hello, {}!", request.into_inner().name);
//!         Ok(Response::new(Name { name }))
//!     },
//! );
//! let server = Server::builder().service(router).build();
//! # drop(server);
//! ```
//!
//! # Where handlers run
//!
//! A handler runs in the task of its call's connection, beside other calls: health checks, too. It may wait as long as it likes, but must
//! not block the thread. One that computes for long, or blocks, belongs on a task of its own: [`Route::spawned`].
//!
//! # Cancel safety
//!
//! A handler's future, and the stream of its replies, are dropped at once when the client cancels the call, when its deadline passes, when
//! the connection ends, and when a shutdown's deadline does: at any `await`. A spawned one is aborted.
//!
//! # Back-pressure
//!
//! Requests are read from the peer's window only as the handler asks for them, and a stream of replies is polled only while less than
//! [`Route::send_buffer`] bytes of it wait to be written: a slow handler stops the client, and a slow client the handler.
//!
//! # Testing handlers
//!
//! A handler is a function, which a test calls without a server: [`Request::new`] and the `with_` methods beside it make what the handler
//! is given, [`Streaming::from_iter`](Streaming#impl-FromIterator<T>-for-Streaming<T>) and [`Streaming::from_stream`] make a client's
//! messages, and the [`Response`] and the [`Status`](crate::Status) tell all that would be sent.
//!
//! ```
//! use grpc_health::Status;
//! use grpc_health::router::{Request, Response};
//!
//! /// `String` is the message `google.protobuf.StringValue`.
//! async fn greet(request: Request<String>) -> Result<Response<String>, Status> {
//!     if request.get_ref().is_empty() {
//!         return Err(Status::invalid_argument("a name is needed"));
//!     }
//!     Ok(format!("Hello, {}!", request.get_ref()).into())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let response = greet(Request::new("you".to_owned())).await;
//! assert_eq!(response.unwrap().into_inner(), "Hello, you!");
//!
//! let status = greet(Request::new(String::new())).await.unwrap_err();
//! assert_eq!(status, Status::invalid_argument("a name is needed"));
//! # }
//! ```

mod codec;
mod handler;
mod interceptors;
mod nested;
mod replies;
mod request;
mod response;
mod route;
#[expect(clippy::module_inception, reason = "the type of the module's name")]
mod router;
mod serve;
mod spawned;
mod streaming;

pub use crate::service::{
    CallEnd, ContentSubtype, Drain, Head, PeerInfo, RequestContext, UnixCredentials, UnixPeer,
};
pub use crate::wire::metadata::Metadata;
pub use codec::{Compressed, Decode, Encode, EncodeError, Raw};
pub use futures_core::Stream;
pub use http::Extensions;
pub use nested::NoInnerService;
pub use request::Request;
pub use response::{BoxStream, Response};
pub use route::Route;
pub use router::Router;
pub use serve::{RouterFuture, RouterStream};
pub use streaming::Streaming;
