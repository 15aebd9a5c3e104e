//! The limits of a server as a whole, and their defaults. `connection` has those of each connection.

use std::time::Duration;

/// The limits that all connections share. [`Builder`](super::Builder) documents each;
/// `src/guide/limits.md` has them in one table.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) max_connections: usize,
    pub(super) max_connections_per_ip: Option<usize>,
    pub(super) max_handshakes: usize,
    pub(super) flood_wait: Duration,
    pub(super) backlog: u32,
    pub(super) shutdown_linger: Duration,
    pub(super) shutdown_deadline: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_connections_per_ip: None,
            max_handshakes: 2_048,
            flood_wait: Duration::from_secs(1),
            backlog: 1_024,
            shutdown_linger: Duration::from_secs(0),
            shutdown_deadline: Duration::from_secs(10),
        }
    }
}
