//! Handlers whose messages are wrapped in the types that the generator was told.

use std::sync::Arc;

use grpc_health::Status;
use grpc_health::router::{BoxStream, Compressed, Request, Response, Router, Streaming};
use tokio_stream::StreamExt;
use tonic::Code;

use crate::calls::serve;
use crate::protos::odd::Parent;
use crate::protos::odd::coded::coded_server::{self, Coded, EACH_PATH, ECHO_PATH, NOTHING_PATH};

/// An application's own type.
pub(crate) type Wrapped<T> = Compressed<T>;

struct Echo;

impl Coded for Echo {
    async fn echo(
        &self,
        request: Request<Wrapped<Parent>>,
    ) -> Result<Response<Wrapped<Parent>>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn nothing(&self, _: Request<Wrapped<()>>) -> Result<Response<Wrapped<()>>, Status> {
        Ok(Response::new(Wrapped::default()))
    }

    async fn each(
        &self,
        requests: Request<Streaming<Compressed<Parent>>>,
    ) -> Result<Response<BoxStream<Compressed<Parent>>>, Status> {
        let replies = requests.into_inner().map(|request| {
            let Compressed {
                message,
                compressed,
            } = request?;
            let text = format!("{} {compressed}", message.text);
            let message = Parent { text };
            Ok(Compressed {
                message,
                compressed,
            })
        });
        Ok(Response::new(Box::pin(replies)))
    }
}

#[tokio::test]
async fn messages_go_through_the_types_that_the_generator_was_told() {
    let mut client = serve(coded_server::add(Router::empty(), Arc::new(Echo))).await;
    let text = |text: &str| Parent { text: text.into() };
    assert_eq!(
        client.one::<_, Parent>(ECHO_PATH, text("a")).await,
        text("a")
    );
    client.one::<_, ()>(NOTHING_PATH, ()).await;
    let requests = vec![text("a"), text("b")];
    let replies = client.call::<_, Parent>(EACH_PATH, requests).await;
    assert_eq!(replies, (vec![text("a false"), text("b false")], Code::Ok));
}
