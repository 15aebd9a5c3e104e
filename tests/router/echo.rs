//! One method of each kind that gives its client's messages back, for tests that go through all kinds.

use grpc_health::HealthService;
use grpc_health::router::{Raw, Request, Response, Route, Router, Streaming};
use tokio_stream::StreamExt as _;

use crate::fixture::{Count, raw, router};

type One = Request<Raw>;
type Many = Request<Streaming<Raw>>;

/// The methods that take one message.
pub(crate) const ONE: [&str; 2] = ["/t.T/Unary", "/t.T/Server"];

/// The methods that take many messages and answer after the last one.
pub(crate) const AFTER: [&str; 2] = ["/t.T/Client", "/t.T/Half"];

/// The method that answers each message before the next one comes.
pub(crate) const FULL: &str = "/t.T/Full";

/// Every method.
pub(crate) const ALL: [&str; 5] = [ONE[0], ONE[1], AFTER[0], AFTER[1], FULL];

/// `Unary` gives its message back, `Server` gives it back twice, `Client` all messages in one, `Half` all messages after the last one, and
/// `Full` each message when it comes. `route` sets a method's limits; `called` counts the handlers that were called.
pub(crate) fn echo(route: impl Fn(&str) -> Route, called: &Count) -> Router<HealthService> {
    let [unary, server, client, half, full] = [(); 5].map(|()| called.clone());
    router()
        .unary(route(ONE[0]), move |request: One| {
            unary.add();
            async move { Ok(Response::new(request.into_inner())) }
        })
        .server_streaming(route(ONE[1]), move |request: One| {
            server.add();
            async move {
                let message = request.into_inner();
                Ok(Response::new(tokio_stream::iter([
                    Ok(message.clone()),
                    Ok(message),
                ])))
            }
        })
        .client_streaming(route(AFTER[0]), move |request: Many| {
            client.add();
            async move {
                let all = collect(request.into_inner()).await?;
                let all: Vec<_> = all.iter().map(|Raw(message)| &message[..]).collect();
                Ok(Response::new(raw(all.concat())))
            }
        })
        .bidi(route(AFTER[1]), move |request: Many| {
            half.add();
            async move {
                let all = collect(request.into_inner()).await?;
                Ok(Response::new(tokio_stream::iter(all.into_iter().map(Ok))))
            }
        })
        .bidi(route(FULL), move |request: Many| {
            full.add();
            async move { Ok(Response::new(request.into_inner())) }
        })
}

pub(crate) async fn collect(requests: Streaming<Raw>) -> Result<Vec<Raw>, grpc_health::Status> {
    requests.collect().await
}

/// What the method at `path` answers these messages with.
pub(crate) fn replies(path: &str, messages: &[&[u8]]) -> Vec<Vec<u8>> {
    match path {
        "/t.T/Server" => messages.repeat(2).iter().map(|m| m.to_vec()).collect(),
        "/t.T/Client" => vec![messages.concat()],
        _ => messages.iter().map(|m| m.to_vec()).collect(),
    }
}
