//! The two health services with a bug: a Check of `panic` panics, and one of `grenade` with a payload that panics when it is dropped.

use std::panic::panic_any;

use grpc_health::HealthService;
use grpc_health::service::{Answer, Head, Message, Service, Wrapper};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// Panics when it is dropped, with another one of its kind.
struct Grenade(u32);

impl Drop for Grenade {
    fn drop(&mut self) {
        if let Some(left) = self.0.checked_sub(1) {
            panic_any(Self(left));
        }
    }
}

fn check(service: &[u8]) {
    match service {
        b"panic" => panic!("as told"),
        b"grenade" => panic_any(Grenade(3)),
        _ => {}
    }
}

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
        check(message.body.get(2..).unwrap_or_default());
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
        check(request.get_ref().service.as_bytes());
        self.0.check(request).await
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.0.watch(request).await
    }
}
