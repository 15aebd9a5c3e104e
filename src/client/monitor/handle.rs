//! The handle of a monitor.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::changes::Changes;
use super::crowd::{Crowd, Door};
use super::dialling::Dialling;
use super::endpoint::Endpoint;
use super::follow::Following;
use super::line::Line;
use super::settings::Settings;
use super::state::{Pair, PairId};
use super::table::{Refused, Table};
use crate::client::{Connector, InvalidTarget, Target};

/// Follows the statuses of services on servers: any number of pairs of an endpoint and a service, up to
/// [`Builder::max_pairs`](super::Builder::max_pairs).
///
/// Each endpoint has one connection, which all its pairs share. Each pair has a `Watch` call on the connection. When the connection breaks
/// the monitor connects again, with [gRPC's backoff](https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md), and resolves the
/// endpoint's name anew. When a `Watch` ends, the monitor calls `Watch` again with the same backoff
/// ([gRFC A17](https://github.com/grpc/proposal/blob/master/A17-client-side-health-checking.md)). On a connection on which the server
/// answers a `Watch` with `UNIMPLEMENTED` (12), the monitor calls `Check` every [poll period](super::Builder::poll_period).
///
/// A server that closes a connection in order (a GOAWAY with `NO_ERROR`, as at a connection's greatest age) makes no change, if the
/// monitor has a status from the next connection within a second.
///
/// The monitor is one task of the runtime, connections included. Names are resolved on the runtime's threads for blocking calls. Dropping
/// the monitor ends the task, closes the connections, and ends each [`Changes`].
///
/// Servers are not trusted. A reply has up to 4 KiB, and header lists have up to 16 KiB. A server that sends more than 1,000 statuses for
/// a service in a burst, and more than 100 a second after that, loses the `Watch`. Reasons are cut and escaped
/// ([`Unreachable::reason`](super::Unreachable::reason)).
pub struct Monitor {
    table: Arc<Table>,
    door: Arc<Door>,
    settings: Arc<Settings>,
    /// The settings of endpoints that are given as targets.
    plain: Endpoint,
    task: AbortHandle,
}

impl Monitor {
    pub(super) fn start(settings: Settings, connector: Connector) -> Self {
        let door = Arc::new(Door::default());
        let table = Arc::new(Table::new());
        let crowd = Crowd::new(Arc::clone(&door));
        let closing = Closing(Arc::clone(&table));
        let task = tokio::spawn(async move {
            let _closing = closing;
            crowd.run().await;
        });
        // Only the settings count.
        let plain = Endpoint::new(Target::unix(""), connector);
        Self {
            table,
            door,
            settings: Arc::new(settings),
            plain,
            task: task.abort_handle(),
        }
    }

    /// Follows `service` at `target`, with the [connector](super::Builder::connector) of the monitor. The empty name asks for the server as
    /// a whole. Returns the number of the pair. A pair that is followed already keeps its number.
    ///
    /// `target` is a [`Target`], or a value that converts to a target: a text such as `localhost:50051`, a `SocketAddr`.
    ///
    /// # Errors
    ///
    /// If `target` is malformed, the monitor is full, or the monitor's runtime is gone.
    pub fn add<T>(&self, target: T, service: &str) -> Result<PairId, AddError>
    where
        T: TryInto<Target>,
        AddError: From<T::Error>,
    {
        let endpoint = self.plain.with_target(target.try_into()?);
        self.add_endpoint(&endpoint, service)
    }

    /// Follows `service` at `endpoint`, as [`add`](Self::add) does.
    ///
    /// # Errors
    ///
    /// If the monitor is full, or the monitor's runtime is gone.
    pub fn add_endpoint(&self, endpoint: &Endpoint, service: &str) -> Result<PairId, AddError> {
        let limit = self.settings.max_pairs;
        let added = self.table.add(
            endpoint,
            service,
            limit,
            || self.connect(endpoint),
            |id, service, line| {
                let (settings, table) = (Arc::clone(&self.settings), Arc::clone(&self.table));
                let following = Following::new(Arc::clone(line), settings, table, id, service);
                self.door.join(Box::pin(following.run()))
            },
        );
        added.map_err(|refused| {
            AddError(match refused {
                Refused::Full => Kind::Full(limit),
                Refused::Closed => Kind::Closed,
            })
        })
    }

    fn connect(&self, endpoint: &Endpoint) -> Arc<Line> {
        let line = Arc::new(Line::new());
        let dialling = Dialling {
            line: Arc::clone(&line),
            dial: endpoint.dial(),
            settings: Arc::clone(&self.settings),
            door: Arc::clone(&self.door),
        };
        // The endpoint ends with its last pair, in order.
        let _ = self.door.join(Box::pin(dialling.run()));
        line
    }

    /// Follows a pair no longer. With the last pair of an endpoint the endpoint's connection is closed. Returns false if the monitor has no
    /// such pair.
    #[expect(
        clippy::must_use_candidate,
        reason = "most programs know that the pair is there"
    )]
    pub fn remove(&self, id: PairId) -> bool {
        self.table.remove(id)
    }

    /// The present state of a pair. `None` if the monitor has no such pair.
    #[must_use]
    pub fn get(&self, id: PairId) -> Option<Pair> {
        self.table.get(id)
    }

    /// All pairs with their present states, in the order in which they were added.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Pair> {
        self.table.all()
    }

    /// How many pairs the monitor follows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether the monitor follows no pair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes a reader of the present states and of all later changes.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes::new(Arc::clone(&self.table))
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.task.abort();
        // The task may be polled on another thread, or never again.
        self.table.close();
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("pairs", &self.len())
            .finish_non_exhaustive()
    }
}

/// Ends the readers when the task ends.
struct Closing(Arc<Table>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The monitor does not follow the pair. The text says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddError(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Target(InvalidTarget),
    /// With the limit.
    Full(usize),
    Closed,
}

impl AddError {
    /// Whether the monitor has as many pairs as [`Builder::max_pairs`](super::Builder::max_pairs) allows.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self.0, Kind::Full(_))
    }
}

impl From<InvalidTarget> for AddError {
    fn from(error: InvalidTarget) -> Self {
        Self(Kind::Target(error))
    }
}

/// A value that is already a `Target` always converts.
impl From<std::convert::Infallible> for AddError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Target(error) => error.fmt(f),
            Kind::Full(limit) => write!(
                f,
                "the monitor follows {limit} pairs, and no more are allowed"
            ),
            Kind::Closed => f.write_str("the monitor's runtime is gone"),
        }
    }
}

impl Error for AddError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Target(error) => Some(error),
            Kind::Full(_) | Kind::Closed => None,
        }
    }
}
