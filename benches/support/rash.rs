//! The two health services with a bug: a Check of `panic` panics.

use grpc_health::HealthService;
use grpc_health::service::{Answer, Head, Message, Service, Wrapper};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

const FATAL: &str = "panic";

pub(crate) struct Rash<S>(pub(crate) S);

impl Wrapper for Rash<HealthService> {
    type Inner = HealthService;

    fn inner(&self) -> &HealthService {
        &self.0
    }

    fn call(
        &self,
        head: Head<'_>,
        message: Message,
    ) -> Answer<<HealthService as Service>::Stream, <HealthService as Service>::Future> {
        // The one field is tagged and counted in two bytes.
        assert!(message.body.get(2..) != Some(FATAL.as_bytes()), "as told");
        self.0.call(head, message)
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
