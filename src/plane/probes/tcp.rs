//! A TCP port that takes connections.

use std::io;
use std::net::SocketAddr;

use crate::client::{Lookup, port, reach};
use crate::plane::Probe;
use crate::registry::Reason;

/// A [`Probe`] that connects to a TCP port, and closes the connection at once. The probe sends nothing.
#[derive(Clone, Debug)]
pub struct Tcp {
    addr: String,
    lookup: Lookup,
}

impl Tcp {
    /// Makes a probe of `addr`: `IP:PORT`, or `HOST:PORT`. The probe looks a host name up at each run, and succeeds if one of the host's
    /// addresses takes the connection. While the system's resolver does not answer, the probe asks no second time.
    pub fn new(addr: impl Into<String>) -> Self {
        Self {
            addr: addr.into(),
            lookup: Lookup::default(),
        }
    }

    async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(addr) = self.addr.parse() {
            return Ok(vec![addr]);
        }
        let parts = self.addr.rsplit_once(':');
        match parts.and_then(|(host, text)| Some((host, port(text)?))) {
            Some((host, port)) => self.lookup.addresses(host, port).await,
            None => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "expected HOST:PORT",
            )),
        }
    }

    async fn connect(&self) -> io::Result<()> {
        reach(&self.addresses().await?).await.map(drop)
    }
}

impl Probe for Tcp {
    async fn probe(&mut self) -> Result<(), Reason> {
        let connected = self.connect().await;
        connected.map_err(|error| Reason::from(format!("{}: {error}", self.addr)))
    }
}
