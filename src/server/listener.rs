//! The accept loop. No error of `accept` ends it.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::connection;
use crate::service::PeerInfo;

/// The first pause after an error of `accept` that is likely to come again at once, such as too many open files.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause after an error of `accept`, and so the longest that a new client waits once the cause is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A source of connections.
pub(super) trait Accept {
    /// The byte stream of a connection.
    type Io;

    /// Waits for the next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Io, PeerInfo)>> + Send;

    /// The next connection that has arrived already, also if tokio has not heard of it yet. `WouldBlock` if there is none.
    fn arrived(&self) -> io::Result<(Self::Io, PeerInfo)>;
}

impl Accept for TcpListener {
    type Io = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, PeerInfo)> {
        let (io, addr) = Self::accept(self).await?;
        let peer = peer(&io, addr);
        Ok((io, peer))
    }

    fn arrived(&self) -> io::Result<(TcpStream, PeerInfo)> {
        let (socket, addr) = SockRef::from(self).accept()?;
        socket.set_nonblocking(true)?;
        let io = TcpStream::from_std(socket.into())?;
        // The socket itself does not tell the address of a client that has reset the connection.
        let addr = addr.as_socket().ok_or(ErrorKind::ConnectionAborted)?;
        let peer = peer(&io, addr);
        Ok((io, peer))
    }
}

fn peer(io: &TcpStream, addr: SocketAddr) -> PeerInfo {
    let mut peer = PeerInfo::from(addr);
    // Not the listener's: that may be bound to all addresses.
    peer.local_addr = io.local_addr().ok();
    peer
}

/// Gives each accepted connection to `connected` and each error of `accept` to `failed`, for ever.
async fn accept_loop<A: Accept>(
    listener: &A,
    connected: impl Fn(A::Io, PeerInfo),
    failed: impl Fn(&io::Error),
) {
    let mut pause = FIRST_PAUSE;
    loop {
        match listener.accept().await {
            Ok((io, peer)) => {
                pause = FIRST_PAUSE;
                connected(io, peer);
            }
            Err(error) => {
                failed(&error);
                if !is_of_one_connection(&error) {
                    sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

/// Gives each accepted connection to `connected` and each error of `accept` to `failed` until `closing` completes, and then those that have
/// arrived by now to `connected`, `most` at most. The system resets connections that nobody has accepted when a listener is closed, and
/// a client cannot know whether its first call has begun.
pub(super) async fn accept_until<A: Accept>(
    listener: &A,
    closing: impl Future<Output = ()>,
    most: u32,
    connected: impl Fn(A::Io, PeerInfo),
    failed: impl Fn(&io::Error),
) {
    let mut closing = pin!(closing);
    let mut accepting = pin!(accept_loop(listener, &connected, failed));
    poll_fn(|cx| match closing.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => accepting.as_mut().poll(cx),
    })
    .await;
    accept_arrived(listener, most, &connected);
}

fn accept_arrived<A: Accept>(listener: &A, most: u32, connected: impl Fn(A::Io, PeerInfo)) {
    for _ in 0..most {
        match listener.arrived() {
            Ok((io, peer)) => connected(io, peer),
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => return,
        }
    }
}

/// Whether the error means only that the connection went away before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}

/// Sets what is to be set of a TCP socket. Where that fails the connection is slower, or found dead later, and no worse.
pub(super) fn prepare(io: &TcpStream, config: &connection::Config) {
    // Replies are small and written once per turn: there is nothing to wait for.
    let _ = io.set_nodelay(true);
    // The kernel gives up on unacknowledged bytes when an unanswered PING would end the connection: gRFC A18.
    #[cfg(target_os = "linux")]
    if config.keepalive_interval.is_some() {
        let timeout = Some(config.keepalive_timeout);
        let _ = SockRef::from(io).set_tcp_user_timeout(timeout);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    /// Accepts as scripted, then never again.
    struct Script(Mutex<VecDeque<io::Result<u32>>>);

    impl Accept for Script {
        type Io = u32;

        async fn accept(&self) -> io::Result<(u32, PeerInfo)> {
            let next = self.0.lock().unwrap().pop_front();
            match next {
                Some(result) => result.map(|io| (io, PeerInfo::default())),
                None => std::future::pending().await,
            }
        }

        fn arrived(&self) -> io::Result<(u32, PeerInfo)> {
            let next = self.0.lock().unwrap().pop_front();
            let io = next.unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))?;
            Ok((io, PeerInfo::default()))
        }
    }

    /// The connections that are accepted before the listener closes.
    fn last(script: impl IntoIterator<Item = io::Result<u32>>, most: u32) -> Vec<u32> {
        let script = Script(Mutex::new(script.into_iter().collect()));
        let seen = RefCell::new(Vec::new());
        accept_arrived(&script, most, |io, _| seen.borrow_mut().push(io));
        seen.into_inner()
    }

    #[test]
    fn what_has_arrived_when_the_listener_closes_is_accepted_up_to_a_number() {
        let gone = || Err(ErrorKind::ConnectionAborted.into());
        assert_eq!(last([Ok(1), gone(), Ok(2)], 10), [1, 2]);
        assert_eq!(last([Ok(1), Ok(2), Ok(3)], 2), [1, 2]);
        assert_eq!(last([Ok(1), Err(emfile()), Ok(2)], 10), [1]);
    }

    /// Runs the loop over `script` and gives when, in ms, each connection came, and the number of errors.
    async fn run(script: impl IntoIterator<Item = io::Result<u32>>) -> (Vec<(u32, u128)>, usize) {
        let script: VecDeque<_> = script.into_iter().collect();
        let connections = script.iter().flatten().count();
        let script = Script(Mutex::new(script));
        let start = Instant::now();
        let seen = RefCell::new(Vec::new());
        let errors = RefCell::new(0);
        let done = tokio::sync::Notify::new();
        let accepting = accept_loop(
            &script,
            |io, _| {
                seen.borrow_mut().push((io, start.elapsed().as_millis()));
                if seen.borrow().len() == connections {
                    done.notify_one();
                }
            },
            |_| *errors.borrow_mut() += 1,
        );
        tokio::select! {
            () = accepting => unreachable!("the loop never ends"),
            () = done.notified() => {}
        }
        (seen.into_inner(), errors.into_inner())
    }

    fn emfile() -> io::Error {
        io::Error::from_raw_os_error(24)
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_out_of_descriptors_is_asked_again_later_and_later_up_to_a_second() {
        let mut script: Vec<io::Result<u32>> = (0..10).map(|_| Err(emfile())).collect();
        script.extend([Ok(1), Err(emfile()), Ok(2)]);
        let (seen, errors) = run(script).await;
        // 5 + 10 + … + 640 ms, twice a second, and 5 ms again after a success.
        assert_eq!(seen, [(1, 1275 + 2000), (2, 3280)]);
        assert_eq!(errors, 11);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_went_away_before_they_were_accepted_cost_no_time() {
        let script = [
            ErrorKind::ConnectionAborted,
            ErrorKind::ConnectionReset,
            ErrorKind::Interrupted,
        ]
        .map(|kind| Err(kind.into()))
        .into_iter()
        .chain([Ok(1)]);
        assert_eq!(run(script).await, (vec![(1, 0)], 3));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn unacknowledged_bytes_end_a_connection_when_a_ping_would() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        for interval in [None, Some(Duration::from_secs(60))] {
            let io = TcpStream::connect(addr).await.unwrap();
            let config = connection::Config {
                keepalive_interval: interval,
                keepalive_timeout: Duration::from_secs(7),
                ..connection::Config::default()
            };
            prepare(&io, &config);
            assert!(io.nodelay().unwrap());
            let set = SockRef::from(&io).tcp_user_timeout().unwrap();
            assert_eq!(set, interval.map(|_| Duration::from_secs(7)));
        }
    }
}
