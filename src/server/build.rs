//! From a builder to a server, and back.

use std::io;

use tokio::net::ToSocketAddrs;

use super::builder::{Builder, NoService};
use super::server::Server;
use super::shared::Shared;
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
    /// - If [`initial_stream_window`](Self::initial_stream_window), [`initial_connection_window`](Self::initial_connection_window) or
    ///   [`max_stream_window`](Self::max_stream_window) is 0, or more than 2^31 - 1 bytes.
    /// - If [`receive_budget`](Self::receive_budget) is less than 1,048,576 bytes.
    /// - If [`max_frame_size`](Self::max_frame_size) is less than 16,384 bytes, or more than 16,777,215 bytes.
    /// - If [`max_send_buffer_size`](Self::max_send_buffer_size) is 0, or more than 2^32 - 1 bytes.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> Server<S> {
        self.connection.check();
        Server::new(Shared::new(
            self.service,
            self.config,
            self.connection,
            self.thread,
        ))
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

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::time::Duration;

    use super::*;

    /// The entries of a builder as it prints them, which is all that it holds.
    fn entries(builder: &impl Debug) -> Vec<String> {
        let printed = format!("{builder:?}");
        printed.split(", ").map(str::to_owned).collect()
    }

    macro_rules! setters {
        ($($(#[$condition:meta])? $name:ident($value:expr),)*) => {
            [$($(#[$condition])? (
                stringify!($name),
                format!("{:?}", $value),
                entries(&Server::builder().$name($value)),
            )),*]
        };
    }

    #[test]
    fn every_setter_sets_what_it_is_called_after_and_nothing_else() {
        let odd = Duration::from_secs(7_777);
        let setters = setters![
            max_concurrent_streams(7_777),
            max_long_lived_streams(7_777),
            initial_stream_window(7_777),
            initial_connection_window(7_777),
            max_stream_window(7_777),
            receive_budget(7_777),
            max_frame_size(17_777),
            max_header_list_size(7_777),
            header_table_size(7_777),
            max_concurrent_reset_streams(7_777),
            max_pending_accept_reset_streams(7_777),
            max_local_error_reset_streams(7_777),
            max_send_buffer_size(7_777),
            data_frame_budget(7_777),
            ping_burst(7_777),
            settings_burst(7_777),
            priority_burst(7_777),
            window_update_burst(7_777),
            reset_burst(7_777),
            unknown_frame_burst(7_777),
            empty_frame_burst(7_777),
            burst_refill(odd),
            header_block_timeout(odd),
            read_budget(7_777),
            header_budget(7_777),
            handshake_timeout(odd),
            body_timeout(odd),
            send_stall_timeout(odd),
            send_stall_bytes(7_777),
            send_budget(7_777),
            write_stall_timeout(odd),
            max_connection_idle(Some(odd)),
            max_connection_age(Some(odd)),
            max_connection_age_grace(odd),
            keepalive_interval(Some(odd)),
            keepalive_timeout(odd),
            max_connections(7_777),
            max_connections_per_ip(Some(7_777)),
            max_handshakes(7_777),
            flood_wait(odd),
            backlog(7_777),
            shutdown_linger(odd),
            shutdown_deadline(odd),
            thread_name("odd"),
            #[cfg(all(feature = "affinity", target_os = "linux"))]
            thread_cpu(7_777),
        ];
        let defaults = entries(&Server::builder());
        // All but the service.
        assert_eq!(setters.len(), defaults.len() - 1);
        for (name, value, set) in setters {
            assert_eq!(set.len(), defaults.len(), "{name}");
            let changed: Vec<_> = set
                .iter()
                .zip(&defaults)
                .filter(|(set, default)| set != default)
                .map(|(set, _)| set)
                .collect();
            let [changed] = changed[..] else {
                panic!("{name} sets {changed:?}")
            };
            // The first of each struct stands behind the struct's name.
            let (_, last) = changed.rsplit_once("{ ").unwrap_or(("", changed));
            assert!(
                last.starts_with(&format!("{name}: ")) && last.contains(&value),
                "{name} sets {changed}"
            );
        }
    }
}
