//! The accept loop. No error of `accept` ends it.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::sleep;

use super::fair_queue::FairQueue;
use super::listener::Accept;
use crate::service::{Address, PeerInfo};

/// The first pause after an error of `accept` that is likely to come again at once, such as too many open files.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause after an error of `accept`, and so the longest that a new client waits once the cause is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How many connections a turn of the accept loop takes from the system. tokio allows a task as many operations in a turn.
const ACCEPTED: usize = 128;

/// How many connections a turn of the accept loop opens. To accept a connection costs a tenth of what the connection's handshake costs. So
/// a crowd leaves the system's queue, which is first come, first served, long before all of the crowd are open.
const OPENED: usize = 16;

/// Accepted connections that are not open yet.
type Waiting<A> = FairQueue<(<A as Accept>::Io, PeerInfo)>;

/// Gives each accepted connection to `connected` and each error of `accept` to `failed`, for ever. Of connections that arrive faster than
/// they are opened, `most` wait in `waiting`, where addresses take turns, and the others wait in the system's queue.
async fn accept_loop<A: Accept>(
    listener: &A,
    waiting: &mut Waiting<A>,
    most: usize,
    connected: impl Fn(A::Io, PeerInfo),
    failed: impl Fn(&io::Error),
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut next = None;
        if waiting.is_empty() {
            next = Some(listener.accept().await);
        }
        for _ in 0..ACCEPTED {
            if next.is_none() && waiting.len() < most {
                next = at_once(listener.accept()).await;
            }
            match next.take() {
                Some(Ok((io, peer))) => {
                    pause = FIRST_PAUSE;
                    waiting.push(Address::of(&peer), (io, peer));
                }
                Some(Err(error)) => {
                    failed(&error);
                    if !is_of_one_connection(&error) {
                        open(waiting, usize::MAX, &connected);
                        sleep(pause).await;
                        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                    }
                }
                None => break,
            }
        }
        open(waiting, OPENED, &connected);
        if !waiting.is_empty() {
            yield_now().await;
        }
    }
}

/// The output of `future` if the output is there already.
async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Gives `most` of the connections that wait to `connected`.
fn open<Io>(
    waiting: &mut FairQueue<(Io, PeerInfo)>,
    most: usize,
    connected: impl Fn(Io, PeerInfo),
) {
    for _ in 0..most {
        let Some((io, peer)) = waiting.pop() else {
            return;
        };
        connected(io, peer);
    }
}

/// Gives each accepted connection to `connected` and each error of `accept` to `failed` until `closing` completes, and then those that have
/// arrived by now to `connected`, `backlog` at most. The system resets connections that nobody has accepted when a listener is closed, and
/// a client cannot know whether its first call has begun. `most` accepted connections wait to be opened.
pub(super) async fn accept_until<A: Accept>(
    listener: &A,
    closing: impl Future<Output = ()>,
    backlog: u32,
    most: usize,
    connected: impl Fn(A::Io, PeerInfo),
    failed: impl Fn(&io::Error),
) {
    let mut waiting = FairQueue::new();
    {
        let mut closing = pin!(closing);
        let accepting = accept_loop(listener, &mut waiting, most, &connected, failed);
        let mut accepting = pin!(accepting);
        poll_fn(|cx| match closing.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => accepting.as_mut().poll(cx),
        })
        .await;
    }
    open(&mut waiting, usize::MAX, &connected);
    accept_arrived(listener, backlog, &connected);
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Mutex;

    use tokio::time::Instant;

    use super::*;

    /// Accepts as scripted, then never again. The number of a connection, in thousands, is that of its peer's address.
    struct Script(Mutex<VecDeque<io::Result<u32>>>);

    impl Script {
        fn new(script: impl IntoIterator<Item = io::Result<u32>>) -> Self {
            Self(Mutex::new(script.into_iter().collect()))
        }

        fn next(&self) -> Option<io::Result<(u32, PeerInfo)>> {
            let next = self.0.lock().unwrap().pop_front()?;
            let peer = |io| PeerInfo::from(SocketAddr::from((Ipv4Addr::from_bits(io / 1_000), 1)));
            Some(next.map(|io| (io, peer(io))))
        }
    }

    impl Accept for Script {
        type Io = u32;

        async fn accept(&self) -> io::Result<(u32, PeerInfo)> {
            match self.next() {
                Some(result) => result,
                None => std::future::pending().await,
            }
        }

        fn arrived(&self) -> io::Result<(u32, PeerInfo)> {
            self.next()
                .unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))
        }
    }

    /// The connections that are accepted before the listener closes.
    fn last(script: impl IntoIterator<Item = io::Result<u32>>, most: u32) -> Vec<u32> {
        let script = Script::new(script);
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

    #[derive(Default)]
    struct Run {
        /// When, in ms, each connection was opened.
        opened: Vec<(u32, u128)>,
        /// How many accepted connections were not open, each time before one was opened.
        waiting: Vec<usize>,
        errors: usize,
    }

    impl Run {
        fn order(&self) -> Vec<u32> {
            self.opened.iter().map(|&(io, _)| io).collect()
        }
    }

    /// Runs the loop over `script`, with room for `most` connections that wait.
    async fn run_with(script: impl IntoIterator<Item = io::Result<u32>>, most: usize) -> Run {
        let script = Script::new(script);
        let left = || script.0.lock().unwrap().iter().flatten().count();
        let connections = left();
        let start = Instant::now();
        let run = RefCell::new(Run::default());
        let done = tokio::sync::Notify::new();
        let mut waiting = FairQueue::new();
        let connected = |io, _| {
            let mut run = run.borrow_mut();
            let waiting = connections - left() - run.opened.len();
            run.waiting.push(waiting);
            run.opened.push((io, start.elapsed().as_millis()));
            if run.opened.len() == connections {
                done.notify_one();
            }
        };
        let failed = |_: &io::Error| run.borrow_mut().errors += 1;
        let accepting = accept_loop(&script, &mut waiting, most, connected, failed);
        tokio::select! {
            () = accepting => unreachable!("the loop never ends"),
            () = done.notified() => {}
        }
        run.into_inner()
    }

    async fn run(script: impl IntoIterator<Item = io::Result<u32>>) -> (Vec<(u32, u128)>, usize) {
        let run = run_with(script, 10_000).await;
        (run.opened, run.errors)
    }

    /// 900 connections of one address, and then one of another.
    fn crowd() -> impl Iterator<Item = io::Result<u32>> {
        (0..900).chain([1_000]).map(Ok)
    }

    #[tokio::test]
    async fn a_crowd_of_one_address_does_not_keep_another_address_waiting() {
        let order = run_with(crowd(), 10_000).await.order();
        let waited = order.iter().position(|&io| io == 1_000).unwrap();
        // Eight turns take 901 connections from the system, and each of them opens 16.
        assert!(waited <= 8 * 16, "{waited} were opened before");
    }

    #[tokio::test]
    async fn no_connection_of_a_crowd_is_lost_however_few_may_wait() {
        for most in [0, 1, 10, 10_000] {
            let mut order = run_with(crowd(), most).await.order();
            order.retain(|&io| io != 1_000);
            assert_eq!(order, (0..900).collect::<Vec<_>>(), "{most}");
        }
    }

    #[tokio::test]
    async fn no_more_connections_wait_than_may() {
        for (most, longest) in [(0, 1), (1, 1), (10, 10), (100, 100)] {
            let waiting = run_with(crowd(), most).await.waiting;
            assert_eq!(waiting.into_iter().max(), Some(longest), "{most}");
        }
    }

    #[tokio::test]
    async fn a_turn_accepts_and_opens_a_bounded_number() {
        let waiting = run_with(crowd(), 10_000).await.waiting;
        assert_eq!(waiting[0], 128);
        assert_eq!(waiting[16], 128 - 16 + 128);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_wait_are_opened_before_a_pause() {
        let script = (0..100).map(Ok).chain([Err(emfile()), Ok(1_000)]);
        let (seen, _) = run(script).await;
        assert!(seen[..100].iter().all(|&(_, at)| at == 0), "{seen:?}");
        assert_eq!(seen[100], (1_000, 5));
    }

    #[tokio::test]
    async fn connections_that_wait_are_opened_when_the_listener_closes() {
        let script = Script::new(crowd());
        let seen = RefCell::new(Vec::new());
        let closing = async {
            while seen.borrow().is_empty() {
                yield_now().await;
            }
        };
        let connected = |io, _| seen.borrow_mut().push(io);
        accept_until(&script, closing, 1_000, 10_000, connected, |_| ()).await;
        let mut seen = seen.into_inner();
        seen.sort_unstable();
        assert_eq!(seen, (0..900).chain([1_000]).collect::<Vec<_>>());
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
}
