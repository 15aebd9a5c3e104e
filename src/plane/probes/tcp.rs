//! A TCP port that takes connections.

use tokio::net::TcpStream;

use crate::plane::Probe;
use crate::registry::Reason;

/// A [`Probe`] that connects to a TCP port, and closes the connection at once. The probe sends nothing.
#[derive(Clone, Debug)]
pub struct Tcp {
    addr: String,
}

impl Tcp {
    /// Makes a probe of `addr`: `IP:PORT`, or `HOST:PORT`. The probe looks a host name up at each run, and succeeds if one of the host's
    /// addresses takes the connection.
    pub fn new(addr: impl Into<String>) -> Self {
        Self { addr: addr.into() }
    }
}

impl Probe for Tcp {
    async fn probe(&mut self) -> Result<(), Reason> {
        match TcpStream::connect(&self.addr).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Reason::from(format!("{}: {error}", self.addr))),
        }
    }
}
