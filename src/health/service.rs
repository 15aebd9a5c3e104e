//! The service itself.

use std::borrow::Cow;
use std::future::Ready;

use super::list::{self, LIST_LIMIT};
use super::watch::WatchStream;
use super::{reply, request};
use crate::registry::{Registry, RegistryError, ServingStatus};
use crate::service::{
    Answer, Background, Drain, Head, Lifecycle, Limit, Message, Method, Reply, Service,
    Unimplemented, unknown_method,
};
use crate::wire::code::Code;
use crate::wire::status::Status;

const CHECK: u32 = 0;
const WATCH: u32 = 1;
const LIST: u32 = 2;

/// The largest request message that the health service reads, in bytes. A request holds one name; see
/// [`Limits::max_name_len`](crate::registry::Limits).
pub const MAX_REQUEST: usize = 4096;

/// The number of `Watch` calls that may be open at once unless [`HealthService::max_watches`] says otherwise.
pub const MAX_WATCHES: usize = 65_536;

/// `grpc.health.v1.Health` over a [`Registry`].
///
/// | method | known name | unknown name |
/// |---|---|---|
/// | `Check` | its status | `NOT_FOUND` (5) |
/// | `Watch` | its status now, then each other status it takes | `SERVICE_UNKNOWN`, then as for a known one once it is registered |
/// | `List` | every name and status, sorted by name | |
///
/// A name over the registry's limit is answered with `RESOURCE_EXHAUSTED` (8), a request that is not protobuf with `INTERNAL` (13).
/// `Watch` has no end of its own; when the server drains it ends with `UNAVAILABLE` (14).
#[derive(Debug, Clone)]
pub struct HealthService {
    registry: Registry,
    list_limit: usize,
    max_watches: usize,
    watches: Limit,
}

impl HealthService {
    /// Serves the statuses of `registry`.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            list_limit: LIST_LIMIT,
            max_watches: MAX_WATCHES,
            watches: Limit::default(),
        }
    }

    /// Sets how many services `List` answers with at most; with more it answers `RESOURCE_EXHAUSTED` (8). Default: 100.
    #[must_use]
    pub const fn list_limit(mut self, services: usize) -> Self {
        self.list_limit = services;
        self
    }

    /// Sets how many `Watch` calls may be open at once, on all connections together; a further one is answered with
    /// `RESOURCE_EXHAUSTED` (8). Default: 65,536. How many one connection may have is the server's
    /// [`max_long_lived_streams`](crate::server::Builder::max_long_lived_streams).
    #[must_use]
    pub const fn max_watches(mut self, watches: usize) -> Self {
        self.max_watches = watches;
        self
    }

    /// The registry whose statuses are served.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    fn name<'a>(&self, message: &'a [u8]) -> Result<Cow<'a, str>, Status> {
        let name = request::decode(message).map_err(request::malformed)?;
        let max = self.registry.limits().max_name_len;
        if name.len() > max {
            return Err(refused(&RegistryError::NameTooLong {
                len: name.len(),
                max,
            }));
        }
        Ok(name)
    }

    fn check(&self, message: &[u8]) -> Reply {
        let name = self.name(message)?;
        match self.registry.get_service_status(&name) {
            ServingStatus::ServiceUnknown => Err(Status::new(Code::NOT_FOUND, "unknown service")),
            status => Ok(reply::envelope(status).into()),
        }
    }

    fn watch(&self, message: &[u8]) -> Result<WatchStream, Status> {
        let name = self.name(message)?;
        let open = self
            .watches
            .open(self.max_watches)
            .ok_or_else(|| Status::new(Code::RESOURCE_EXHAUSTED, "too many watches"))?;
        let watcher = self
            .registry
            .watch(&name)
            .map_err(|error| refused(&error))?;
        Ok(WatchStream::new(watcher, open))
    }
}

impl Service for HealthService {
    type Stream = WatchStream;
    type Future = Ready<Reply>;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        let name = path
            .strip_prefix("/grpc.health.v1.Health/")
            .ok_or(Unimplemented::Service)?;
        let (id, drain) = match name {
            "Check" => (CHECK, Drain::Finish),
            "Watch" => (WATCH, Drain::End),
            "List" => (LIST, Drain::Finish),
            _ => return Err(Unimplemented::Method),
        };
        Ok(Method::new(id).max_request(MAX_REQUEST).drain(drain))
    }

    fn call(&self, head: Head<'_>, message: Message) -> Answer<WatchStream, Ready<Reply>> {
        let message = &message.body;
        match head.method() {
            CHECK => Answer::Now(self.check(message)),
            WATCH => match self.watch(message) {
                Ok(stream) => Answer::Stream(stream),
                Err(status) => Answer::Now(Err(status)),
            },
            LIST => Answer::Now(list::answer(&self.registry, self.list_limit, message)),
            _ => Answer::Now(Err(unknown_method())),
        }
    }

    fn lifecycle(&self, event: Lifecycle) {
        match event {
            Lifecycle::Announce => self.registry.shutdown(),
            Lifecycle::Resume => self.registry.resume(),
            Lifecycle::Closing => {}
        }
    }

    fn background(&self) -> Option<Background> {
        Some(Box::pin(self.registry.driver()))
    }
}

fn refused(error: &RegistryError) -> Status {
    Status::new(Code::RESOURCE_EXHAUSTED, error.to_string())
}
