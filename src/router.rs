//! Application services next to the health service: methods by path, with typed messages and async closures as handlers.
//!
//! A [`Router`] is a [`Service`](crate::service::Service) with two parts: an inner service, usually the health service, and the
//! application's methods. The router passes the calls of the inner service on unchanged:
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
//! A handler runs in the task of its call's connection, next to the connection's other calls, health checks included. A handler may wait as
//! long as it likes, but must not block the thread. A handler that computes for long belongs on a task of its own: [`Route::spawned`].
//!
//! # Cancel safety
//!
//! The server drops a handler's future, and the stream of its replies, as soon as the client cancels the call, the call's deadline passes,
//! the connection ends, or the deadline of a shutdown passes. The future may be dropped at any `await`. The task of a
//! [spawned](Route::spawned) handler is aborted.
//!
//! # Back-pressure
//!
//! The server reads request messages only as the handler asks for them: a slow handler slows its client down. The server asks a stream of
//! replies for more only while less than [`Route::send_buffer`] bytes of it wait to be written: a slow client slows the handler down.
//!
//! # Testing handlers
//!
//! A handler is a function, and a test can call a function without a server. [`Request::new`] and the `with_` methods of `Request` make the
//! request. [`Streaming::from_iter`](Streaming#impl-FromIterator<T>-for-Streaming<T>) and [`Streaming::from_stream`] make a client's
//! messages. The [`Response`] or the [`Status`](crate::Status) that the handler returns holds all that a server would send.
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
