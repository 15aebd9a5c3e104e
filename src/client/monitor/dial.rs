//! The way from an endpoint to a connection.

use std::future::Future;
use std::pin::Pin;

use crate::client::connection::Driver;
use crate::client::connector::Origin;
use crate::client::{Client, ConnectError};

/// A connection that was opened: its calls, and its work, which whoever opened it has to do.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) driver: Driver,
}

pub(super) type Dialled<'a> =
    Pin<Box<dyn Future<Output = Result<Opened, ConnectError>> + Send + 'a>>;

/// Opens connections to one endpoint.
pub(super) trait Dial: Send + Sync {
    fn dial(&self) -> Dialled<'_>;
}

/// Resolves the name anew for each connection.
impl Dial for Origin {
    fn dial(&self) -> Dialled<'_> {
        Box::pin(async {
            let (client, driver) = Client::new(self.connect().await?, None);
            Ok(Opened { client, driver })
        })
    }
}
