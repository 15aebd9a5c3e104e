//! A server, and a neighbour of the attacker that must not notice anything.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::time::Duration;

use grpc_health::server::{Builder, NoService, Stats};
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::io::DuplexStream;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::frame::{self, Frame};
use crate::support::grpc::SERVING;
use crate::support::host;
use crate::support::peer::{PIPE, Peer};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MIB: usize = 1 << 20;

/// How many to send: `few` with the other tests, `many` when all of it is asked for.
pub(crate) fn count(few: usize, many: usize) -> usize {
    match std::env::var("GRPC_HEALTH_HOSTILE").as_deref() {
        Ok("full") => many,
        _ => few,
    }
}

/// A server on in-memory pipes, and the tasks of the attackers' connections.
pub(crate) struct Arena {
    pub(crate) registry: Registry,
    pub(crate) server: Server<HealthService>,
    tasks: RefCell<JoinSet<()>>,
}

impl Arena {
    /// A server with the default limits.
    pub(crate) async fn new() -> (Self, Neighbour) {
        Self::with(Server::builder()).await
    }

    pub(crate) async fn with(builder: Builder<NoService>) -> (Self, Neighbour) {
        let registry = Registry::new();
        registry
            .set_service_status("up", ServingStatus::Serving)
            .unwrap();
        let server = builder
            .service(HealthService::new(registry.clone()))
            .build();
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let task = host::spawn(server.serve_connection(theirs));
        let mut peer = Peer::handshake(ours, &[]).await;
        // Room for as many answers as it takes.
        peer.send(&frame::window_update(0, 1 << 30)).await;
        let neighbour = Neighbour { peer, task };
        let arena = Self {
            registry,
            server,
            tasks: RefCell::default(),
        };
        (arena, neighbour)
    }

    /// A connection's bytes, `capacity` of them in flight each way.
    pub(crate) fn dial(&self, capacity: usize) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(capacity);
        let mut tasks = self.tasks.borrow_mut();
        // A task that is over takes as much memory as before until it is joined, and it is the server's that is measured.
        while let Some(served) = tasks.try_join_next() {
            served.expect("no panic");
        }
        tasks.spawn(self.server.serve_connection(theirs));
        ours
    }

    pub(crate) async fn connect(&self) -> Peer {
        self.connect_with(&[]).await
    }

    pub(crate) async fn connect_with(&self, settings: &[(u16, u32)]) -> Peer {
        Peer::handshake(self.dial(PIPE), settings).await
    }

    pub(crate) fn set(&self, status: ServingStatus) {
        self.registry.set_service_status("up", status).unwrap();
    }

    /// The attackers are gone, and then the neighbour: nothing is left of any of them.
    pub(crate) async fn end(self, mut neighbour: Neighbour) -> Stats {
        let mut tasks = self.tasks.into_inner();
        while let Some(served) = tasks.join_next().await {
            served.expect("no panic");
        }
        neighbour.peer.expect_alive().await;
        let stats = self.server.stats();
        assert_eq!((stats.connections_open, stats.calls_waiting), (1, 0));
        drop(neighbour.peer);
        neighbour.task.await.expect("no panic");
        let stats = self.server.stats();
        assert_eq!((stats.connections_open, stats.panics), (0, 0));
        stats
    }
}

/// A client that asks for a status, again and again.
pub(crate) struct Neighbour {
    pub(crate) peer: Peer,
    task: JoinHandle<()>,
}

impl Neighbour {
    /// Asks while `attack` goes on, twenty times at once and as often again each time the attacker has nothing to do for a second.
    pub(crate) async fn beside<R>(&mut self, attack: impl Future<Output = R>) -> R {
        let over = Cell::new(false);
        let attack = async {
            let result = attack.await;
            over.set(true);
            result
        };
        let checks = async {
            for _ in 0..100 {
                for _ in 0..20 {
                    assert_eq!(self.peer.check("").await, SERVING);
                }
                if over.get() {
                    return;
                }
                tokio::time::sleep(SECOND).await;
            }
            panic!("an attack of 100 s");
        };
        tokio::join!(attack, checks).0
    }
}

/// Lets the server work until `done`.
pub(crate) async fn until(done: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if done() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the server has not come to it");
}

/// The code of the GOAWAY that a connection ended with, and what it said besides.
pub(crate) fn goaway(frames: &[Frame]) -> (u32, &str) {
    match frames.last() {
        Some(Frame::GoAway { code, debug, .. }) => {
            (*code, std::str::from_utf8(debug).expect("words"))
        }
        other => panic!("GOAWAY, not {other:?} after {} frames", frames.len()),
    }
}
