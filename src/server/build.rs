//! From a builder to a server, and back.

use std::io;

use tokio::net::ToSocketAddrs;

use super::builder::{Builder, NoService};
use super::server::Server;
use crate::service::Service;

impl Server<NoService> {
    /// Begins a server with the default settings.
    pub fn builder() -> Builder<NoService> {
        Builder::new()
    }
}

impl<S: Service> Builder<S> {
    /// Makes a server without a listener.
    ///
    /// # Panics
    ///
    /// If [`initial_stream_window`](Self::initial_stream_window), [`initial_connection_window`](Self::initial_connection_window),
    /// [`max_frame_size`](Self::max_frame_size) or [`max_send_buffer_size`](Self::max_send_buffer_size) is out of range.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Server<S> {
        self.connection.check();
        Server::new(self.service, self.config, self.connection)
    }

    /// Makes a server that listens on the TCP address `addr`; see [`Server::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`Server::bind`].
    ///
    /// # Panics
    ///
    /// As [`build`](Self::build), and outside a tokio runtime with I/O enabled.
    pub async fn bind(self, addr: impl ToSocketAddrs) -> io::Result<Server<S>> {
        let server = self.build();
        server.bind(addr).await?;
        Ok(server)
    }

    /// Makes a server that listens on the Unix domain socket `path`; see [`Server::bind_unix`].
    ///
    /// # Errors
    ///
    /// As [`Server::bind_unix`].
    ///
    /// # Panics
    ///
    /// As [`build`](Self::build) and [`Server::bind_unix`].
    #[cfg(unix)]
    pub async fn bind_unix(self, path: impl AsRef<std::path::Path>) -> io::Result<Server<S>> {
        let server = self.build();
        server.bind_unix(path).await?;
        Ok(server)
    }
}
