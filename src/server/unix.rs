//! A listener on a Unix domain socket, and the socket's file from its making to its removal.

use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, path};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::unix::{SocketAddr, UCred};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

use super::listener::Accept;
use crate::service::{PeerInfo, UnixCredentials, UnixPeer};

/// The mode of a socket's file: only the server's own user may connect.
pub(super) const DEFAULT_MODE: u32 = 0o600;

/// How often to bind a path when other servers remove it at the same time.
const ATTEMPTS: usize = 3;

/// Held while a path is bound, so that the servers of one process take turns.
static BINDING: Mutex<()> = Mutex::const_new(());

/// A listener and its socket's file.
#[derive(Debug)]
pub(super) struct UnixServer {
    // Dropped first: once the socket is closed, another file may get this file's inode number.
    _file: Option<SocketFile>,
    listener: UnixListener,
}

impl UnixServer {
    /// Moves the listener to the current runtime.
    pub(super) fn moved_here(self) -> io::Result<Self> {
        let Self { _file, listener } = self;
        let listener = UnixListener::from_std(listener.into_std()?)?;
        Ok(Self { _file, listener })
    }
}

impl Accept for UnixServer {
    type Io = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, PeerInfo)> {
        let (io, addr) = self.listener.accept().await?;
        let peer = peer(&io, &addr);
        Ok((io, peer))
    }

    fn arrived(&self) -> io::Result<(UnixStream, PeerInfo)> {
        let (socket, _) = SockRef::from(&self.listener).accept()?;
        socket.set_nonblocking(true)?;
        let io = UnixStream::from_std(OwnedFd::from(socket).into())?;
        let peer = peer(&io, &io.peer_addr()?);
        Ok((io, peer))
    }
}

fn peer(io: &UnixStream, addr: &SocketAddr) -> PeerInfo {
    let local = io.local_addr().ok();
    let peer = UnixPeer {
        credentials: io.peer_cred().ok().map(credentials),
        remote_path: path_of(addr).map(Arc::from),
        local_path: local.as_ref().and_then(path_of).map(Arc::from),
    };
    peer.into()
}

impl From<UnixListener> for UnixServer {
    /// Takes a listener that was made elsewhere, whose file is never removed.
    fn from(listener: UnixListener) -> Self {
        Self {
            _file: None,
            listener,
        }
    }
}

impl UnixServer {
    pub(super) async fn bind(path: &Path, mode: u32, backlog: u32) -> io::Result<Self> {
        if mode > 0o777 {
            return Err(invalid("the socket's mode is not between 0000 and 0777"));
        }
        match path.as_os_str().as_bytes() {
            [] => Err(invalid("the socket's path is empty")),
            [b'@' | 0] => Err(invalid("the abstract socket's name is empty")),
            [b'@' | 0, name @ ..] => {
                if cfg!(not(any(target_os = "linux", target_os = "android"))) {
                    return Err(ErrorKind::Unsupported.into());
                }
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.bind(&SockAddr::unix(prefixed(0, name))?)?;
                Ok(Self {
                    _file: None,
                    listener: listen(socket, backlog)?,
                })
            }
            bytes if bytes.contains(&0) => Err(invalid("the socket's path contains a NUL")),
            // The process may change its working directory before the file is removed.
            _ => Self::bind_file(path, &path::absolute(path)?, mode, backlog).await,
        }
    }

    async fn bind_file(path: &Path, absolute: &Path, mode: u32, backlog: u32) -> io::Result<Self> {
        let addr = SockAddr::unix(path)?;
        let aside = aside(path);
        // Checked at every start: a path that is too long for `aside` must not fail only at the start after a crash.
        SockAddr::unix(&aside)?;
        let _alone = BINDING.lock().await;
        for _ in 0..ATTEMPTS {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            let file = match bind_closed(&socket, &addr, absolute, mode) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AddrInUse => {
                    remove_stale(path, &aside).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let listener = listen(socket, backlog)?;
            // Between `bind` and `listen`, another server may have taken our file for a stale one and removed it.
            if file.is_in_place() {
                return Ok(Self {
                    _file: Some(file),
                    listener,
                });
            }
        }
        Err(in_use())
    }
}

fn listen(socket: Socket, backlog: u32) -> io::Result<UnixListener> {
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(OwnedFd::from(socket).into())
}

/// Binds a socket to the file at `path`, which has its mode before anybody can connect: nobody can before `listen`.
fn bind_closed(socket: &Socket, addr: &SockAddr, path: &Path, mode: u32) -> io::Result<SocketFile> {
    socket.bind(addr)?;
    let file = SocketFile::new(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(file)
}

/// The file of a socket. Dropping this removes the file.
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
            // A file that cannot be removed stays, and the next server replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the file at `path` if it is a socket that nobody listens on.
async fn remove_stale(path: &Path, aside: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                "the path belongs to a file that is not a socket",
            ));
        }
        Err(error) => return gone(error),
    }
    if !is_refused(path).await {
        return Err(in_use());
    }
    move_and_remove(path, aside).await
}

/// Removes the stale file at `path` without removing a live server's: a server that starts now may have replaced the file since it was
/// found stale. So the file is first moved to `aside` and asked again there. No portable call removes a file only if it is a given one, so
/// for a moment a third server finds the path free.
async fn move_and_remove(path: &Path, aside: &Path) -> io::Result<()> {
    if let Err(error) = fs::rename(path, aside) {
        return gone(error);
    }
    if is_refused(aside).await {
        return fs::remove_file(aside);
    }
    // Moves the live server's file back, unless another file is there by now.
    match fs::hard_link(aside, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => fs::rename(aside, path)?,
        _ => fs::remove_file(aside)?,
    }
    Err(in_use())
}

/// Whether nobody listens on the socket at `path`. Any other failure, such as a missing permission or a full queue, does not show that.
async fn is_refused(path: &Path) -> bool {
    UnixStream::connect(path)
        .await
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Takes the absence of a file for its removal.
fn gone(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

/// An unused name in the directory of `path`.
fn aside(path: &Path) -> PathBuf {
    let random = RandomState::new().build_hasher().finish();
    path.with_file_name(format!(".{:08x}", random >> 32))
}

/// The path of an abstract socket: `name` behind a NUL for tokio, or behind an `@` for people.
fn prefixed(prefix: u8, name: &[u8]) -> PathBuf {
    let mut path = vec![prefix];
    path.extend(name);
    OsString::from_vec(path).into()
}

/// The path of a socket, if it has one.
pub(super) fn path_of(addr: &SocketAddr) -> Option<PathBuf> {
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
    io::Error::new(
        ErrorKind::AddrInUse,
        "the path belongs to a running server, or may",
    )
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as StdListener;

    use super::*;

    #[tokio::test]
    async fn the_file_has_its_mode_before_anybody_can_connect() {
        let dir = std::env::temp_dir().join(format!("grpc-health-mode-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let path = dir.join("health.sock");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        let addr = SockAddr::unix(&path).unwrap();
        let file = bind_closed(&socket, &addr, &path, 0o640).unwrap();
        let mode = fs::symlink_metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert!(is_refused(&path).await);
        drop(file);
        fs::remove_dir(&dir).unwrap();
    }

    /// A race that a test cannot run through `bind`: the file was found stale, and is a live server's by the time it is moved.
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
