//! How the commands that ask servers connect.

use std::time::Duration;

use clap::Args;
use grpc_health::client::{Client, Connector, Target};

use super::failure::Failure;
use crate::{output::Exit, tls::TargetTls, values::duration};

/// The arguments of a connection, whatever is asked.
#[derive(Debug, Args)]
pub(crate) struct Connecting {
    /// How long connecting may take, until the server shows that it speaks HTTP/2; such as 500ms, 1s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) connect_timeout: Duration,
    #[command(flatten)]
    tls: TargetTls,
}

impl Connecting {
    /// The settings of connections to `addr`. Reads the files of TLS. An error has been logged.
    pub(crate) fn connector(&self, addr: &Target) -> Result<Connector, Exit> {
        let connector = Connector::new().timeout(self.connect_timeout);
        self.tls.secure(connector, addr)
    }
}

pub(crate) async fn connect(connector: &Connector, addr: &Target) -> Result<Client, Failure> {
    let connected = connector.connect(addr).await;
    connected.map_err(|error| Failure::connecting(addr, &error))
}
