//! Listeners of a server on Unix domain sockets.

use std::io;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::server::{Listener, Server};
use super::unix::{DEFAULT_MODE, UnixServer, path_of};
use crate::service::Service;

impl<S: Service> Server<S> {
    /// Adds a listener on the Unix domain socket `path`, whose file only the server's own user may connect to: mode 0600.
    ///
    /// A file that a server left behind is replaced. It counts as left behind if it is a socket that refuses a connection; anything
    /// else in the place stays there, and is an error. (Linux refuses for want of a listener alone, other systems also where too many
    /// wait to be accepted.) Of two processes that start on one path at the same time one gets it; of three, two may believe so, and
    /// the file is the later one's. Keep it in a directory that only trusted users may write to.
    ///
    /// The file is removed when the listener closes, which a [shutdown](Self::shutdown) does first of all, if it is still the one
    /// made here. A process that is killed, or ends by `std::process::exit`, leaves it behind.
    ///
    /// A `path` that begins with `@` or with a NUL is a name in Linux's abstract namespace: there is no file, and no mode. Everyone
    /// in the network namespace may connect. The file `@x` is `./@x`.
    ///
    /// [`local_addrs`](Self::local_addrs) has only TCP; see [`unix_paths`](Self::unix_paths). The service is told who has connected:
    /// [`PeerInfo::credentials`](crate::service::PeerInfo::credentials).
    ///
    /// # Errors
    ///
    /// - `AddrInUse`: a server listens there, or one may: it cannot be asked.
    /// - `AlreadyExists`: there is a file that is not a socket.
    /// - `InvalidInput`: the path is empty, has a NUL in it, or is longer than the system allows (a hundred bytes or so).
    /// - `Unsupported`: an abstract name where there are none.
    /// - Those of making a socket and its file.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or in one without I/O enabled.
    pub async fn bind_unix(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.bind_unix_with_mode(path, DEFAULT_MODE).await
    }

    /// Does what [`bind_unix`](Self::bind_unix) does, with permissions other than 0600: to connect takes the one to write. They are
    /// set before anyone can connect, whatever the umask.
    ///
    /// # Errors
    ///
    /// Those of [`bind_unix`](Self::bind_unix), and `InvalidInput` for a mode above 0777.
    ///
    /// # Panics
    ///
    /// As [`bind_unix`](Self::bind_unix).
    pub async fn bind_unix_with_mode(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        let path = path.as_ref();
        let listener = UnixServer::bind(path, mode).await?;
        let mut listeners = self.listeners();
        listeners.unix.push(path.to_owned());
        listeners.bound.push(Listener::Unix(listener));
        Ok(())
    }

    /// Adds a listener made elsewhere, such as one that systemd passes to the process. Its file, if any, is left alone.
    ///
    /// # Errors
    ///
    /// Those of asking `listener` for its address.
    pub fn add_unix_listener(&self, listener: UnixListener) -> io::Result<()> {
        let path = path_of(&listener.local_addr()?).unwrap_or_default();
        let mut listeners = self.listeners();
        listeners.unix.push(path);
        listeners.bound.push(Listener::Unix(listener.into()));
        Ok(())
    }

    /// The paths of all listeners on Unix domain sockets, as they were given and in the order they were added.
    #[must_use]
    pub fn unix_paths(&self) -> Vec<PathBuf> {
        self.listeners().unix.clone()
    }
}
