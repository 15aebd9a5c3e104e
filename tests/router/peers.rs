//! What a handler is told of the connection: addresses, and over a Unix socket who has connected.

use grpc_health::Server;
use grpc_health::router::{PeerInfo, Raw, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::fixture::{reply, router};
use crate::support::grpc::{Request as Call, envelope};
use crate::support::peer::Peer;

const PATH: &str = "/t.T/U";

/// A server that tells of the peer of each call, to its handler and to its interceptor.
fn server() -> (
    Server<impl grpc_health::service::Service>,
    UnboundedReceiver<PeerInfo>,
) {
    let (handled, seen) = unbounded_channel();
    let intercepted = handled.clone();
    let router = router()
        .unary(PATH, move |request: Request<Raw>| {
            let _ = handled.send(request.peer().clone());
            async { reply("") }
        })
        .intercept(move |head| {
            let _ = intercepted.send(head.peer().clone());
            Ok(())
        });
    (Server::builder().service(router).build(), seen)
}

/// What two calls of one connection tell.
async fn told<T>(io: T, seen: &mut UnboundedReceiver<PeerInfo>) -> PeerInfo
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut peer = Peer::handshake(io, &[]).await;
    for _ in 0..2 {
        let stream = peer.call(&Call::new(PATH), &envelope(0, b"")).await;
        peer.expect_unary_ok(stream).await;
    }
    let first = seen.recv().await.unwrap();
    for _ in 0..3 {
        assert_eq!(seen.recv().await.unwrap(), first);
    }
    first
}

/// The address that the client has reached, not the listener's, which is that of no address in particular.
#[tokio::test]
async fn both_addresses_of_a_tcp_connection_are_told() {
    let (server, mut seen) = server();
    server.bind("0.0.0.0:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let serving = tokio::spawn(server.serve());
    // Other systems have to be told of the second.
    let ips = [[127, 0, 0, 1], [127, 0, 0, 2]];
    for ip in ips
        .into_iter()
        .take(if cfg!(target_os = "linux") { 2 } else { 1 })
    {
        let io = TcpStream::connect((std::net::IpAddr::from(ip), port));
        let io = io.await.unwrap();
        let (ours, theirs) = (io.local_addr().unwrap(), io.peer_addr().unwrap());
        let told = told(io, &mut seen).await;
        assert_eq!(
            (told.remote_addr, told.local_addr),
            (Some(ours), Some(theirs))
        );
        assert_eq!((told.unix.as_ref(), told.credentials()), (None, None));
    }
    server.shutdown().await;
    serving.await.unwrap().unwrap();
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;

    use socket2::{Domain, SockAddr, Socket, Type};
    use tokio::net::UnixStream;

    use super::*;

    /// A directory of the test's own, removed with what is in it.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let name = format!("grpc-health-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn assert_is_this_process(peer: &PeerInfo, owner: &std::fs::Metadata) {
        let user = peer.credentials().unwrap();
        assert_eq!((user.uid, user.gid), (owner.uid(), owner.gid()));
        #[cfg(target_os = "linux")]
        assert_eq!(user.pid, i32::try_from(std::process::id()).ok());
        assert_eq!((peer.remote_addr, peer.local_addr), (None, None));
    }

    #[tokio::test]
    async fn credentials_and_paths_of_a_unix_connection_are_told() {
        let dir = Dir::new("peers");
        let (path, ours) = (dir.0.join("server"), dir.0.join("client"));
        let (server, mut seen) = server();
        server.bind_unix(&path).await.unwrap();
        let serving = tokio::spawn(server.serve());
        let file = std::fs::symlink_metadata(&path).unwrap();

        let told_of_nameless = told(UnixStream::connect(&path).await.unwrap(), &mut seen).await;
        assert_is_this_process(&told_of_nameless, &file);
        let unix = told_of_nameless.unix.unwrap();
        assert_eq!(unix.local_path.as_deref(), Some(&*path));
        assert_eq!(unix.remote_path, None);

        let named = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        named.bind(&SockAddr::unix(&ours).unwrap()).unwrap();
        named.connect(&SockAddr::unix(&path).unwrap()).unwrap();
        named.set_nonblocking(true).unwrap();
        let named = std::os::fd::OwnedFd::from(named).into();
        let told = told(UnixStream::from_std(named).unwrap(), &mut seen).await;
        assert_is_this_process(&told, &file);
        assert_eq!(told.unix.unwrap().remote_path.as_deref(), Some(&*ours));
        server.shutdown().await;
        serving.await.unwrap().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_abstract_name_is_told_with_its_at_sign() {
        let name = format!("@grpc-health-peers-{}", std::process::id());
        let (server, mut seen) = server();
        server.bind_unix(&name).await.unwrap();
        let serving = tokio::spawn(server.serve());
        let io = UnixStream::connect(name.replace('@', "\0")).await.unwrap();
        let unix = told(io, &mut seen).await.unix.unwrap();
        assert_eq!(
            unix.local_path.as_deref(),
            Some(std::path::Path::new(&name))
        );
        assert!(unix.credentials.is_some());
        server.shutdown().await;
        serving.await.unwrap().unwrap();
    }
}
