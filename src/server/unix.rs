//! Unix domain sockets: the listener, and its file from the making to the removal.

use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, path};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::unix::{SocketAddr, UCred};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

use super::listener::Accept;
use super::server::{Listener, Server};
use crate::service::{PeerInfo, Service, UnixCredentials, UnixPeer};

/// Only the server's own user may connect.
const DEFAULT_MODE: u32 = 0o600;

/// As many connections may wait to be accepted as the system allows up to this, as tokio has it for TCP.
const BACKLOG: i32 = 1024;

/// How often a path is taken that another server takes away at the same time.
const ATTEMPTS: usize = 3;

/// Held while a path is taken, so that servers of one process take turns.
static BINDING: Mutex<()> = Mutex::const_new(());

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
    /// [`PeerInfo::credentials`].
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
        let addr = listener.local_addr()?;
        let path = path_of(&addr).unwrap_or_default();
        let mut listeners = self.listeners();
        listeners.unix.push(path);
        listeners.bound.push(Listener::Unix(UnixServer {
            _file: None,
            listener,
        }));
        Ok(())
    }

    /// The paths of all listeners on Unix domain sockets, as they were given and in the order they were added.
    #[must_use]
    pub fn unix_paths(&self) -> Vec<PathBuf> {
        self.listeners().unix.clone()
    }
}

/// A listener, and the file that goes with it.
#[derive(Debug)]
pub(super) struct UnixServer {
    // Dropped first: once the socket is closed, another file may get the number of this one's inode.
    _file: Option<SocketFile>,
    listener: UnixListener,
}

impl Accept for UnixServer {
    type Io = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, PeerInfo)> {
        let (io, addr) = self.listener.accept().await?;
        let local = io.local_addr().ok();
        let peer = UnixPeer {
            credentials: io.peer_cred().ok().map(credentials),
            remote_path: path_of(&addr).map(Arc::from),
            local_path: local.as_ref().and_then(path_of).map(Arc::from),
        };
        Ok((io, peer.into()))
    }
}

impl UnixServer {
    async fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        if mode > 0o777 {
            return Err(invalid("a socket's mode is one of 0000 to 0777"));
        }
        match path.as_os_str().as_bytes() {
            [] => Err(invalid("a socket needs a path")),
            [b'@' | 0] => Err(invalid("an abstract socket needs a name")),
            [b'@' | 0, name @ ..] => {
                if cfg!(not(any(target_os = "linux", target_os = "android"))) {
                    return Err(ErrorKind::Unsupported.into());
                }
                Ok(Self {
                    _file: None,
                    listener: UnixListener::bind(prefixed(0, name))?,
                })
            }
            bytes if bytes.contains(&0) => Err(invalid("a path has no NUL in it")),
            // The process may change its directory before the file is removed.
            _ => Self::bind_file(path, &path::absolute(path)?, mode).await,
        }
    }

    async fn bind_file(path: &Path, absolute: &Path, mode: u32) -> io::Result<Self> {
        let addr = SockAddr::unix(path)?;
        let aside = aside(path);
        // A path too long for this fails at the first start, and not at the one after a crash.
        SockAddr::unix(&aside)?;
        let _alone = BINDING.lock().await;
        for _ in 0..ATTEMPTS {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            match socket.bind(&addr) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    remove_stale(path, &aside).await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let file = SocketFile::new(absolute)?;
            fs::set_permissions(absolute, fs::Permissions::from_mode(mode))?;
            // Nobody can connect before this.
            socket.listen(BACKLOG)?;
            // Another server that starts may have found us between `bind` and `listen`, and taken our file for a stale one.
            if file.is_in_place() {
                socket.set_nonblocking(true)?;
                return Ok(Self {
                    _file: Some(file),
                    listener: UnixListener::from_std(OwnedFd::from(socket).into())?,
                });
            }
        }
        Err(in_use())
    }
}

/// The file of a socket, removed when this is dropped.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
        })
    }

    /// Whether the path still leads to this file and not to another server's.
    fn is_in_place(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_in_place() {
            // If it stays the next server replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the file at `path` if it is a socket without a server.
async fn remove_stale(path: &Path, aside: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                "there is a file that is not a socket",
            ));
        }
        Err(error) => return gone(error),
    }
    if !is_refused(path).await {
        return Err(in_use());
    }
    move_and_remove(path, aside).await
}

/// Removes the file at `path`, unless it has a server after all: one that started at the same time may have replaced the file since
/// it was asked. So it is moved out of everyone's way and asked again. Nothing portable removes a file only if it is a given one: in
/// this moment a third server finds the path free.
async fn move_and_remove(path: &Path, aside: &Path) -> io::Result<()> {
    if let Err(error) = fs::rename(path, aside) {
        return gone(error);
    }
    if is_refused(aside).await {
        return fs::remove_file(aside);
    }
    // Back, and not over what is there by now.
    match fs::hard_link(aside, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => fs::rename(aside, path)?,
        _ => fs::remove_file(aside)?,
    }
    Err(in_use())
}

/// Whether nobody listens. Any other failure, such as a missing permission or a full queue, says nothing of the kind.
async fn is_refused(path: &Path) -> bool {
    UnixStream::connect(path)
        .await
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// What is gone need not be removed.
fn gone(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

/// A name that nothing has, in the same directory.
fn aside(path: &Path) -> PathBuf {
    let random = RandomState::new().build_hasher().finish();
    path.with_file_name(format!(".{:08x}", random >> 32))
}

/// The path of an abstract socket: tokio wants a NUL before the name, people an `@`.
fn prefixed(prefix: u8, name: &[u8]) -> PathBuf {
    let mut path = vec![prefix];
    path.extend(name);
    OsString::from_vec(path).into()
}

/// The path of a socket, if it has one.
fn path_of(addr: &SocketAddr) -> Option<PathBuf> {
    match addr.as_pathname() {
        Some(path) => Some(path.to_owned()),
        None => abstract_name_of(addr).map(|name| prefixed(b'@', name)),
    }
}

fn credentials(cred: UCred) -> UnixCredentials {
    let user = UnixCredentials::new(cred.uid(), cred.gid());
    // Linux says 0 for a process that it does not show.
    match cred.pid() {
        None | Some(0) => user,
        Some(pid) => user.with_pid(pid),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_name_of(addr: &SocketAddr) -> Option<&[u8]> {
    addr.as_abstract_name()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_name_of(_: &SocketAddr) -> Option<&[u8]> {
    None
}

fn in_use() -> io::Error {
    io::Error::new(ErrorKind::AddrInUse, "a server listens there")
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as StdListener;

    use super::*;

    /// The race that no test can win: the file was found stale, and is a live server's by the time it is moved.
    #[tokio::test]
    async fn a_server_that_came_meanwhile_gets_its_file_back() {
        let dir = std::env::temp_dir().join(format!("grpc-health-unix-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let (path, aside) = (dir.join("health.sock"), dir.join("aside"));
        let live = StdListener::bind(&path).unwrap();
        let inode = fs::symlink_metadata(&path).unwrap().ino();

        let error = move_and_remove(&path, &aside).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), inode);
        assert!(!aside.exists());
        UnixStream::connect(&path).await.unwrap();

        drop(live);
        move_and_remove(&path, &aside).await.unwrap();
        assert!(fs::read_dir(&dir).unwrap().next().is_none());
        // Somebody else has removed it.
        move_and_remove(&path, &aside).await.unwrap();
        fs::remove_dir(&dir).unwrap();
    }
}
