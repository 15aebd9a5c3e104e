//! The client of the control service.

use http::uri::PathAndQuery;

use crate::client::Client;
use crate::proto::control::{
    BeatRequest, BeatResponse, ClearRequest, ClearResponse, ResumeRequest, ResumeResponse,
    SetRequest, SetResponse, ShutdownRequest, ShutdownResponse, Status as Wanted,
};
use crate::registry::ServingStatus;
use crate::wire::status::Status;

/// A client of a [`ControlService`](super::ControlService), over the connection of a [`Client`].
///
/// The errors of each method are those of [`Client::check`], and those that `control.proto` names for the method.
///
/// ```no_run
/// use grpc_health::ServingStatus;
/// use grpc_health::client::Client;
/// use grpc_health::plane::ControlClient;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let control = ControlClient::new(Client::connect_unix("/run/shop/control.sock").await?);
/// control.set("shop.Cart", ServingStatus::NotServing, "stock is being counted").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ControlClient {
    client: Client,
}

impl ControlClient {
    /// Makes a client that calls over the connection of `client`.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sets the status of a service. `reason` may be empty. [`ServiceUnknown`](ServingStatus::ServiceUnknown) clears the service.
    ///
    /// # Errors
    ///
    /// The status of the call, such as `FAILED_PRECONDITION` (9) for a service that a check, a lease or a group decides.
    pub async fn set(
        &self,
        service: &str,
        status: ServingStatus,
        reason: &str,
    ) -> Result<(), Status> {
        let status = match status {
            ServingStatus::Unknown => Wanted::Unknown,
            ServingStatus::Serving => Wanted::Serving,
            ServingStatus::NotServing => Wanted::NotServing,
            ServingStatus::ServiceUnknown => return self.clear(service).await,
        };
        let request = SetRequest {
            service: service.to_owned(),
            status: status.into(),
            reason: reason.to_owned(),
        };
        let path = PathAndQuery::from_static("/grpc_health.control.v1.Control/Set");
        let SetResponse {} = self.client.ask(path, &request).await?;
        Ok(())
    }

    /// Makes a service unknown.
    ///
    /// # Errors
    ///
    /// The status of the call, such as `FAILED_PRECONDITION` (9) for a service that a check, a lease or a group decides.
    pub async fn clear(&self, service: &str) -> Result<(), Status> {
        let service = service.to_owned();
        let path = PathAndQuery::from_static("/grpc_health.control.v1.Control/Clear");
        let ClearResponse {} = self.client.ask(path, &ClearRequest { service }).await?;
        Ok(())
    }

    /// Renews the lease of a service.
    ///
    /// # Errors
    ///
    /// The status of the call, such as `NOT_FOUND` (5) for a service without a lease.
    pub async fn beat(&self, service: &str) -> Result<(), Status> {
        let service = service.to_owned();
        let path = PathAndQuery::from_static("/grpc_health.control.v1.Control/Beat");
        let BeatResponse {} = self.client.ask(path, &BeatRequest { service }).await?;
        Ok(())
    }

    /// Shows every service of the server as not serving, except pinned ones.
    ///
    /// # Errors
    ///
    /// The status of the call.
    pub async fn shutdown(&self) -> Result<(), Status> {
        let path = PathAndQuery::from_static("/grpc_health.control.v1.Control/Shutdown");
        let ShutdownResponse {} = self.client.ask(path, &ShutdownRequest {}).await?;
        Ok(())
    }

    /// Undoes [`shutdown`](Self::shutdown).
    ///
    /// # Errors
    ///
    /// The status of the call.
    pub async fn resume(&self) -> Result<(), Status> {
        let path = PathAndQuery::from_static("/grpc_health.control.v1.Control/Resume");
        let ResumeResponse {} = self.client.ask(path, &ResumeRequest {}).await?;
        Ok(())
    }
}
