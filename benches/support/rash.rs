//! The two health services with a bug: a Check of `panic` panics.

use grpc_health::HealthService;
use grpc_health::service::{
    Answer, Background, Head, Lifecycle, Message, Method, Service, Unimplemented,
};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

const FATAL: &str = "panic";

pub(crate) struct Rash<S>(pub(crate) S);

impl Service for Rash<HealthService> {
    type Stream = <HealthService as Service>::Stream;
    type Future = <HealthService as Service>::Future;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        self.0.method(path)
    }

    fn call(&self, head: Head<'_>, message: Message) -> Answer<Self::Stream, Self::Future> {
        // The one field is tagged and counted in two bytes.
        assert!(message.body.get(2..) != Some(FATAL.as_bytes()), "as told");
        self.0.call(head, message)
    }

    fn lifecycle(&self, event: Lifecycle) {
        self.0.lifecycle(event);
    }

    fn background(&self) -> Option<Background> {
        self.0.background()
    }
}

#[async_trait]
impl<S: Health> Health for Rash<S> {
    type WatchStream = S::WatchStream;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        assert!(request.get_ref().service != FATAL, "as told");
        self.0.check(request).await
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.0.watch(request).await
    }
}
