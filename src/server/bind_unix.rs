//! A server's listeners on Unix domain sockets.

use std::io;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::listeners::Listener;
use super::server::Server;
use super::unix::{DEFAULT_MODE, UnixServer, path_of};
use crate::service::Service;

impl<S: Service> Server<S> {
    /// Adds a listener on the Unix domain socket `path`. The socket's file has mode 0600: only the server's own user may connect.
    ///
    /// An existing file at `path` is replaced if it is a socket that refuses a connection, such as one that a killed server has left
    /// behind. Any other file stays, and is an error. (Linux refuses a connection only when nobody listens. Other systems also refuse when
    /// too many connections wait to be accepted.) Keep the file in a directory that only trusted users may write to. If two processes bind
    /// one path at the same time, one of them gets it. If three do, two may succeed, and the file is that of the later one.
    ///
    /// The file is removed when the listener closes, if the file is still the one made here. A [shutdown](Self::shutdown) closes the
    /// listeners first. A process that is killed, or that ends by `std::process::exit`, leaves its file behind.
    ///
    /// A `path` that begins with `@` or with a NUL is a name in Linux's abstract namespace, which has neither a file nor a mode: everyone
    /// in the network namespace may connect. Write `./@x` for a file named `@x`.
    ///
    /// [`unix_paths`](Self::unix_paths) has the path afterwards; [`local_addrs`](Self::local_addrs) has TCP listeners only. The service
    /// learns who has connected from [`PeerInfo::credentials`](crate::service::PeerInfo::credentials).
    ///
    /// # Errors
    ///
    /// - `AddrInUse`: a server listens at `path`, or there is a socket that cannot be asked whether one does.
    /// - `AlreadyExists`: there is a file that is not a socket.
    /// - `InvalidInput`: the path is empty, has a NUL in it, or is longer than the system allows (about a hundred bytes); or the server has
    ///   shut down.
    /// - `Unsupported`: an abstract name on a system without abstract names.
    /// - Errors of making a socket and its file.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub async fn bind_unix(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.bind_unix_with_mode(path, DEFAULT_MODE).await
    }

    /// Adds a listener on the Unix domain socket `path`, whose file has the permissions `mode` (0 to 0o777, whatever the umask); see
    /// [`bind_unix`](Self::bind_unix). A client needs the permission to write to connect. The mode is set before anyone can connect. An
    /// abstract name has no mode.
    ///
    /// # Errors
    ///
    /// As [`bind_unix`](Self::bind_unix), and `InvalidInput` for a mode above 0o777.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O enabled.
    pub async fn bind_unix_with_mode(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let path = path.as_ref();
        let listener = UnixServer::bind(path, mode, self.backlog()).await?;
        self.insert(Listener::Unix(listener), |state| {
            state.unix.push(path.to_owned());
        })
    }

    /// Adds a listener on a Unix domain socket that was made elsewhere, such as one that systemd passes to the process. The server never
    /// removes the socket's file.
    ///
    /// # Errors
    ///
    /// The error of asking `listener` for its address, and `InvalidInput` if the server has shut down.
    pub fn add_unix_listener(&self, listener: UnixListener) -> io::Result<()> {
        let path = path_of(&listener.local_addr()?).unwrap_or_default();
        self.insert(Listener::Unix(listener.into()), |state| {
            state.unix.push(path);
        })
    }

    /// The paths of all listeners on Unix domain sockets as they were given, in the order in which they were added.
    #[must_use]
    pub fn unix_paths(&self) -> Vec<PathBuf> {
        self.listeners().state().unix.clone()
    }
}
