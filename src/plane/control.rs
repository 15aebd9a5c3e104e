//! The control service: statuses that are set from outside the process.

use std::future::Ready;
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;

use crate::proto::control::{
    BeatRequest, ClearRequest, ResumeRequest, SetRequest, ShutdownRequest, Status as Wanted,
};
use crate::registry::{Reason, Registry, RegistryError, ServingStatus};
use crate::service::{
    Admission, Answer, Background, Head, Lifecycle, Message, Method, Rejection, Reply, Service,
    Unimplemented, unknown_method,
};
use crate::wire::code::Code;
use crate::wire::status::Status;

/// The largest request message that the control service reads, in bytes; a client that sends a larger one gets `RESOURCE_EXHAUSTED` (8). A
/// request holds one name and one reason.
pub const MAX_CONTROL_REQUEST: usize = 4096;

pub(super) const PATH: &str = "/grpc_health.control.v1.Control/";

const SET: u32 = 0;
const CLEAR: u32 = 1;
const BEAT: u32 = 2;
const SHUTDOWN: u32 = 3;
const RESUME: u32 = 4;

/// Streams of replies, of which there are none.
type NoReplies = Pin<Box<dyn Stream<Item = Reply> + Send>>;

/// The empty message in its envelope: the answer of every method.
const DONE: Bytes = Bytes::from_static(&[0; 5]);

/// What a [`ControlService`] does for its clients.
///
/// A [`Registry`] does it for an application that has no leases. Implement the trait to refuse some names, or to renew leases.
pub trait Controlled: Send + Sync + 'static {
    /// Sets the status of a service, with the reason that the client gives, which may be empty.
    ///
    /// # Errors
    ///
    /// The status of the call, such as `FAILED_PRECONDITION` (9) for a service whose status the client may not set.
    fn set(&self, name: &str, status: ServingStatus, reason: Reason) -> Result<(), Status>;

    /// Makes a service unknown.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    fn clear(&self, name: &str) -> Result<(), Status>;

    /// Renews the lease of a service. Default: there are no leases.
    ///
    /// # Errors
    ///
    /// `NOT_FOUND` (5) if there is no lease of this name.
    fn beat(&self, name: &str) -> Result<(), Status> {
        let _ = name;
        Err(Status::new(Code::NOT_FOUND, "no lease of this name"))
    }

    /// Shows every service as not serving.
    ///
    /// # Errors
    ///
    /// The status of the call.
    fn shutdown(&self) -> Result<(), Status>;

    /// Undoes [`shutdown`](Self::shutdown).
    ///
    /// # Errors
    ///
    /// The status of the call.
    fn resume(&self) -> Result<(), Status>;
}

impl Controlled for Registry {
    fn set(&self, name: &str, status: ServingStatus, reason: Reason) -> Result<(), Status> {
        let service = self.settable(name).map_err(|error| refused(&error))?;
        service.set_with_reason(status, reason);
        Ok(())
    }

    fn clear(&self, name: &str) -> Result<(), Status> {
        Self::clear(self, name);
        Ok(())
    }

    fn shutdown(&self) -> Result<(), Status> {
        Self::shutdown(self);
        Ok(())
    }

    fn resume(&self) -> Result<(), Status> {
        Self::resume(self);
        Ok(())
    }
}

fn refused(error: &RegistryError) -> Status {
    let code = match error {
        RegistryError::NameTooLong { .. } => Code::INVALID_ARGUMENT,
        RegistryError::Full { .. } => Code::RESOURCE_EXHAUSTED,
        _ => Code::FAILED_PRECONDITION,
    };
    Status::new(code, error.to_string())
}

/// The service `grpc_health.control.v1.Control`, with which a shell script or a program in another language sets statuses. Its `.proto`
/// file is published in the crate's directory `proto/`.
///
/// **Every client that can call the service can set every status.** Serve the service on a Unix domain socket that only the process's own
/// user may open, with a [`Server`](crate::Server) of its own, and never beside the health service on a network:
///
/// ```no_run
/// use grpc_health::plane::ControlService;
/// use grpc_health::{Registry, Router, Server};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let registry = Registry::new();
/// let control = Router::empty().service(ControlService::new(registry.clone()));
/// let server = Server::builder().service(control).build();
/// server.bind_unix("/run/shop/control.sock").await?;
/// tokio::spawn(server.serve());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ControlService<C> {
    controlled: C,
}

impl<C: Controlled> ControlService<C> {
    /// Makes a service that controls `controlled`, such as a [`Registry`].
    pub const fn new(controlled: C) -> Self {
        Self { controlled }
    }

    fn answer(&self, method: u32, message: &[u8]) -> Result<(), Status> {
        match method {
            SET => {
                let request = decode::<SetRequest>(message)?;
                let status = status(request.status)?;
                let reason = Reason::from(request.reason);
                self.controlled.set(&request.service, status, reason)
            }
            CLEAR => {
                let request = decode::<ClearRequest>(message)?;
                self.controlled.clear(&request.service)
            }
            BEAT => {
                let request = decode::<BeatRequest>(message)?;
                self.controlled.beat(&request.service)
            }
            SHUTDOWN => {
                decode::<ShutdownRequest>(message)?;
                self.controlled.shutdown()
            }
            RESUME => {
                decode::<ResumeRequest>(message)?;
                self.controlled.resume()
            }
            _ => Err(unknown_method()),
        }
    }
}

fn decode<M: prost::Message + Default>(message: &[u8]) -> Result<M, Status> {
    M::decode(message).map_err(|error| {
        let text = format!("malformed request: {error}");
        Status::new(Code::INTERNAL, text)
    })
}

fn status(number: i32) -> Result<ServingStatus, Status> {
    match Wanted::try_from(number) {
        Ok(Wanted::Unknown) => Ok(ServingStatus::Unknown),
        Ok(Wanted::Serving) => Ok(ServingStatus::Serving),
        Ok(Wanted::NotServing) => Ok(ServingStatus::NotServing),
        Ok(Wanted::Unspecified) => Err(Status::new(
            Code::INVALID_ARGUMENT,
            "the request has no status",
        )),
        Err(_) => Err(Status::new(
            Code::INVALID_ARGUMENT,
            format!("no status has the number {number}"),
        )),
    }
}

impl<C: Controlled> Service for ControlService<C> {
    type Stream = NoReplies;
    type Future = Ready<Reply>;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        let name = path.strip_prefix(PATH).ok_or(Unimplemented::Service)?;
        let id = match name {
            "Set" => SET,
            "Clear" => CLEAR,
            "Beat" => BEAT,
            "Shutdown" => SHUTDOWN,
            "Resume" => RESUME,
            _ => return Err(Unimplemented::Method),
        };
        Ok(Method::new(id).max_request(MAX_CONTROL_REQUEST))
    }

    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
    }

    fn call(&self, head: Head<'_>, message: Message) -> Answer<NoReplies, Ready<Reply>> {
        let done = self.answer(head.method(), &message.body);
        Answer::Now(done.map(|()| DONE.into()))
    }

    fn lifecycle(&self, _: Lifecycle) {}

    fn background(&self) -> Option<Background> {
        None
    }
}
