//! The health service.

use std::borrow::Cow;
use std::future::Ready;

use super::list::{self, LIST_LIMIT};
use super::probe;
use super::seen::{self, Seen};
use super::shares::Shares;
use super::watch::WatchStream;
use super::{reasons, reply, request};
use crate::registry::{Registry, RegistryError, ServingStatus};
use crate::service::{
    Admission, Answer, Background, Drain, Head, Lifecycle, Message, Method, Probe, ProbeAnswer,
    Rejection, Reply, Service, Unimplemented, unknown_method,
};
use crate::wire::code::Code;
use crate::wire::status::Status;

const CHECK: u32 = 0;
const WATCH: u32 = 1;
const LIST: u32 = 2;

/// The largest request message that the health service reads, in bytes; a client that sends a larger one gets `RESOURCE_EXHAUSTED` (8). A
/// request holds one name, whose own limit is [`Limits::max_name_len`](crate::registry::Limits).
pub const MAX_REQUEST: usize = 4096;

/// The default of [`HealthService::max_watches`]: at most 65,536 `Watch` calls may be open at once.
pub const MAX_WATCHES: usize = 65_536;

/// The service `grpc.health.v1.Health` over a [`Registry`]
/// ([health-checking.md](https://github.com/grpc/grpc/blob/master/doc/health-checking.md)).
///
/// | method | answer for a known name | answer for an unknown name |
/// |---|---|---|
/// | `Check` | its status | `NOT_FOUND` (5) |
/// | `Watch` | its status now, then every other status it takes | `SERVICE_UNKNOWN`, then as for a known name once it is registered |
/// | `List` | all names and their statuses, sorted by name | |
///
/// A name that is longer than [`Limits::max_name_len`](crate::registry::Limits) is answered with `RESOURCE_EXHAUSTED` (8), a request that
/// is not protobuf with `INTERNAL` (13). A `Watch` is a long-lived call: it lasts until the client cancels it, its deadline passes, the
/// connection ends, or the server drains, which ends it with `UNAVAILABLE` (14).
///
/// A server that begins to shut down [shuts the registry down](Registry::shutdown), and a server whose shutdown is taken back
/// [resumes](Registry::resume) the registry. All servers on one registry therefore show NOT_SERVING as soon as one of the servers shuts
/// down: the registry speaks for the process. Give a server that goes down alone a registry of its own.
#[derive(Debug, Clone)]
pub struct HealthService {
    registry: Registry,
    list_limit: usize,
    max_watches: usize,
    watches: Shares,
    reasons: bool,
    seen: Seen,
}

impl HealthService {
    /// Makes a service that serves the statuses of `registry`.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            list_limit: LIST_LIMIT,
            max_watches: MAX_WATCHES,
            watches: Shares::default(),
            reasons: false,
            seen: Seen::default(),
        }
    }

    /// Limits how many services `List` answers with. Default: 100. If the registry has more services, the client gets `RESOURCE_EXHAUSTED`
    /// (8).
    #[must_use]
    pub const fn list_limit(mut self, services: usize) -> Self {
        self.list_limit = services;
        self
    }

    /// Limits how many `Watch` calls may be open at once, on all connections together. Default: 65,536. A further `Watch` gets
    /// `RESOURCE_EXHAUSTED` (8). The last eighth of the calls is for IP addresses that have less than an equal share, and the first half of
    /// that eighth also for connections that have fewer than four. Peers without an address, such as those on Unix sockets, have no
    /// share: only the limit itself holds for them.
    /// [`Builder::max_long_lived_streams`](crate::server::Builder::max_long_lived_streams) limits those of one connection.
    #[must_use]
    pub const fn max_watches(mut self, watches: usize) -> Self {
        self.max_watches = watches;
        self
    }

    /// Says in the trailers of `Check` why a service has its status and since when, as
    /// [`Registry::status_of`](Registry::status_of) tells: the metadata [`REASON`](super::REASON) and [`SINCE`](super::SINCE), each only
    /// if the registry knows. The time is known once the registry [records history](Registry::record_history). Default: false.
    ///
    /// Reasons are for operators. Every client that may call `Check` reads them, so they must hold no secret. With reasons a `Check` takes
    /// a short lock and allocates.
    #[must_use]
    pub const fn reasons(mut self, tell: bool) -> Self {
        self.reasons = tell;
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

    fn check(&self, mirror: bool, message: &[u8]) -> Reply {
        let name = self.name(message)?;
        if self.reasons {
            return reasons::check(&self.registry, &name, mirror)
                .unwrap_or_else(|| Err(unknown_service()));
        }
        match self.registry.get_service_status(&name) {
            ServingStatus::ServiceUnknown => Err(unknown_service()),
            status if mirror && status != ServingStatus::Serving => Err(reply::mirrored(status)),
            status => Ok(reply::envelope(status).into()),
        }
    }

    fn watch(&self, head: &Head<'_>, message: &[u8]) -> Result<WatchStream, Status> {
        let name = self.name(message)?;
        let Some(open) = self.watches.open(self.max_watches, head.peer()) else {
            self.seen.too_many_watches(head.peer());
            return Err(Status::new(Code::RESOURCE_EXHAUSTED, "too many watches"));
        };
        let watcher = self
            .registry
            .watch(&name)
            .map_err(|error| refused(&error))?;
        let status = || self.registry.get_service_status(&name);
        let meter = head.metering().watched(|| seen::shown(status()));
        Ok(WatchStream::new(watcher, open, meter))
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
        let method = Method::new(id).max_request(MAX_REQUEST).drain(drain);
        Ok(if id == CHECK { method.probe() } else { method })
    }

    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
    }

    fn call(&self, head: Head<'_>, message: Message) -> Answer<WatchStream, Ready<Reply>> {
        let message = &message.body;
        match head.method() {
            CHECK => {
                let reply = self.check(head.is_mirrored(), message);
                head.metering().checked(|| seen::answered(&reply));
                Answer::Now(reply)
            }
            WATCH => match self.watch(&head, message) {
                Ok(stream) => Answer::Stream(stream),
                Err(status) => Answer::Now(Err(status)),
            },
            LIST => Answer::Now(list::answer(&self.registry, self.list_limit, message)),
            _ => Answer::Now(Err(unknown_method())),
        }
    }

    fn probe(&self, probe: Probe<'_>) -> Option<ProbeAnswer> {
        probe::answer(&self.registry, self.list_limit, &probe)
    }

    fn lifecycle(&self, event: Lifecycle) {
        match event {
            Lifecycle::Announce => self.registry.shutdown(),
            Lifecycle::Resume => self.registry.resume(),
            Lifecycle::Closing => {}
        }
    }

    fn background(&self) -> Option<Background> {
        Some(self.seen.background(&self.registry))
    }
}

fn unknown_service() -> Status {
    Status::new(Code::NOT_FOUND, "unknown service")
}

fn refused(error: &RegistryError) -> Status {
    Status::new(Code::RESOURCE_EXHAUSTED, error.to_string())
}
