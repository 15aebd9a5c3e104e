//! `watch --all`: which services the servers have.

use std::{
    collections::BTreeSet,
    task::{Context, Poll},
    time::Duration,
};

use grpc_health::client::{Connector, Target};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::sleep,
};

use crate::query::{Failure, Method, connect};

/// The services of one server that are watched at most. Servers list 100 (grpc-java's and this crate's limit) or a few more.
pub(super) const MAX_NAMES: usize = 256;

/// What a server has said of its services.
pub(super) struct Listed {
    /// The number of the server.
    pub(super) server: usize,
    /// The first names in order.
    pub(super) names: Result<BTreeSet<String>, Failure>,
    /// How many names are left out.
    pub(super) more: usize,
}

/// The lists of several servers, each asked for again and again.
pub(super) struct Listings {
    sender: Sender<Listed>,
    receiver: Receiver<Listed>,
}

/// How a server is asked for its list.
pub(super) struct Lister {
    pub(super) connector: Connector,
    pub(super) addr: Target,
    /// How long the call may take.
    pub(super) timeout: Duration,
    /// The pause between two lists.
    pub(super) pause: Duration,
}

impl Listings {
    pub(super) fn new() -> Self {
        let (sender, receiver) = channel(1);
        Self { sender, receiver }
    }

    /// Asks one more server, on a task that ends with the `Listings`. Each list comes over a connection of its own.
    pub(super) fn ask(&self, server: usize, lister: Lister) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            loop {
                let (names, more) = match lister.list().await {
                    Ok((names, more)) => (Ok(names), more),
                    Err(failure) => (Err(failure), 0),
                };
                let listed = Listed {
                    server,
                    names,
                    more,
                };
                if sender.send(listed).await.is_err() {
                    return;
                }
                sleep(lister.pause).await;
            }
        });
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Listed> {
        match self.receiver.poll_recv(cx) {
            Poll::Ready(Some(listed)) => Poll::Ready(listed),
            // There is a sender as long as there is a receiver.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Lister {
    async fn list(&self) -> Result<(BTreeSet<String>, usize), Failure> {
        let client = connect(&self.connector, &self.addr).await?;
        let statuses = client.with_timeout(self.timeout).list().await;
        let failed = |status| Failure::calling(Method::List, &self.addr, &status);
        let mut names = statuses.map_err(failed)?.into_keys();
        let first = names.by_ref().take(MAX_NAMES).collect();
        Ok((first, names.count()))
    }
}
