//! A connection of HTTP/1: its reads, writes, times and its part in the server's shutdown.

use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use httpdate::HttpDate;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::host::Host;
use super::lifetime::with_jitter;
use super::link::Link;
use super::phase::Phase;
use super::standing::{Doing, Standing};
use crate::http1::{self, Answer, Found, Heads, Outcome};
use crate::service::{ListenOptions, Service};

/// How many requests are answered before other tasks run.
const TURN: u32 = 16;

/// How many bytes are read at once.
const CHUNK: usize = 2 << 10;

/// Serves a connection of HTTP/1 until there is nothing more to answer. `opened` is called when the first head is complete. Returns whether
/// the peer may still send, so that the socket is to be closed with care.
pub(super) async fn serve<S, T>(
    host: &Host<S>,
    link: &Link,
    options: &ListenOptions,
    io: &mut T,
    opened: impl FnOnce(),
) -> bool
where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let config = &host.config;
    let mut opened = Some(opened);
    let mut heads = Heads::new(config.max_header_list());
    let age = config.max_connection_age.map(with_jitter);
    let leave_at = age.and_then(|age| Instant::now().checked_add(age));
    for n in 1_u32.. {
        if n % TURN == 0 {
            yield_now().await;
        }
        let answer = match next(host, link, &mut heads, leave_at, io).await {
            Next::Found(found) => {
                if let Some(opened) = opened.take() {
                    opened();
                }
                stand(host, link, Doing::Working);
                let is_old = leave_at.is_some_and(|at| at <= Instant::now());
                let last = is_old || is_leaving(link);
                http1::answer(&host.service, options, &found, last, now())
            }
            Next::Late => {
                host.counters.connections_timed_out.fetch_add(1, Relaxed);
                http1::timed_out(heads.asked(), now())
            }
            Next::End => return false,
            Next::Leave => return true,
        };
        count(host, &answer);
        if !send(host, link, &answer.bytes, io).await {
            return false;
        }
        if answer.close {
            return true;
        }
        stand(host, link, Doing::Idle);
    }
    // A connection with more requests than a number can count.
    true
}

/// The time of day. `None` if the clock is wrong by so much that HTTP cannot write the time.
fn now() -> Option<HttpDate> {
    /// The first second of the year 10000.
    const END: u64 = 253_402_300_800;
    let now = SystemTime::now();
    let since = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since.as_secs() < END).then(|| HttpDate::from(now))
}

fn is_leaving(link: &Link) -> bool {
    link.phase() >= Phase::Closing || link.is_to_leave()
}

fn stand<S: Service>(host: &Host<S>, link: &Link, doing: Doing) {
    link.set_standing(Standing::new(doing, host.millis(Instant::now())));
}

/// Counts a request. The server counts before the peer can see the answer.
fn count<S>(host: &Host<S>, answer: &Answer) {
    let counters = &host.counters;
    let counter = match answer.outcome {
        Outcome::Served => &counters.calls,
        Outcome::Refused => &counters.connection_errors,
        Outcome::Panicked => {
            counters.calls.fetch_add(1, Relaxed);
            &counters.panics
        }
    };
    counter.fetch_add(1, Relaxed);
}

fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Relaxed);
}

/// What comes next on a connection.
enum Next {
    Found(Found),
    /// The head of a request has not arrived in time.
    Late,
    /// The peer has closed the connection, or the server cuts the connection.
    End,
    /// The connection has been idle for too long, is too old, or the server shuts down.
    Leave,
}

/// Waits for the next request.
async fn next<S, T: AsyncRead + Unpin>(
    host: &Host<S>,
    link: &Link,
    heads: &mut Heads,
    leave_at: Option<Instant>,
    io: &mut T,
) -> Next {
    let within = |time: Duration| Instant::now().checked_add(time);
    let idle = host.config.max_connection_idle.and_then(within);
    let idle_until = [idle, leave_at].into_iter().flatten().min();
    let mut late_at = None;
    loop {
        if let Some(found) = heads.take() {
            return Next::Found(found);
        }
        let is_idle = heads.is_empty();
        if !is_idle && late_at.is_none() {
            late_at = within(host.config.header_block_timeout);
        }
        let until = if is_idle { idle_until } else { late_at };
        let read = wait(link, until, is_idle, |cx| read(host, link, heads, io, cx)).await;
        match read {
            Event::Done(0) | Event::Cut => return Next::End,
            Event::Done(n) => add(&host.counters.bytes_read, n),
            Event::Late if is_idle => return Next::Leave,
            Event::Late => return Next::Late,
            Event::Leave => return Next::Leave,
        }
    }
}

/// Reads once. Zero at the end of the input or after an error.
fn read<S, T: AsyncRead + Unpin>(
    host: &Host<S>,
    link: &Link,
    heads: &mut Heads,
    io: &mut T,
    cx: &mut Context<'_>,
) -> Poll<usize> {
    let mut chunk = [0; CHUNK];
    let mut buf = ReadBuf::new(&mut chunk);
    if let Err(error) = ready!(Pin::new(io).poll_read(cx, &mut buf)) {
        // TLS has counted too many records in vain.
        if error.kind() == ErrorKind::QuotaExceeded {
            host.counters.floods.fetch_add(1, Relaxed);
            link.set_flooded();
        }
        return Poll::Ready(0);
    }
    heads.push(buf.filled());
    Poll::Ready(buf.filled().len())
}

/// Writes an answer. False if the peer does not take the answer in time, or is gone.
async fn send<S, T: AsyncWrite + Unpin>(
    host: &Host<S>,
    link: &Link,
    mut bytes: &[u8],
    io: &mut T,
) -> bool {
    let until = Instant::now().checked_add(host.config.write_stall_timeout);
    let written = wait(link, until, false, |cx| {
        while !bytes.is_empty() {
            match ready!(Pin::new(&mut *io).poll_write(cx, bytes)) {
                Ok(n) if n > 0 => {
                    add(&host.counters.bytes_written, n);
                    bytes = bytes.get(n..).unwrap_or_default();
                }
                _ => return Poll::Ready(false),
            }
        }
        Pin::new(&mut *io)
            .poll_flush(cx)
            .map(|flushed| flushed.is_ok())
    });
    match written.await {
        Event::Done(written) => written,
        Event::Late => {
            host.counters.connections_timed_out.fetch_add(1, Relaxed);
            false
        }
        Event::Leave | Event::Cut => false,
    }
}

/// What ends a wait.
enum Event<R> {
    Done(R),
    Late,
    Leave,
    Cut,
}

/// Waits for `poll`, at most until `until`, or until the server cuts the connection or, if the connection `leaves`, shuts down.
async fn wait<R>(
    link: &Link,
    until: Option<Instant>,
    leaves: bool,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
) -> Event<R> {
    let mut time = pin!(async {
        match until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
    });
    poll_fn(|cx| {
        link.begin();
        loop {
            if link.phase() >= Phase::Cut {
                return Poll::Ready(Event::Cut);
            }
            if let Poll::Ready(done) = poll(cx) {
                return Poll::Ready(Event::Done(done));
            }
            if leaves && is_leaving(link) {
                return Poll::Ready(Event::Leave);
            }
            if time.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Late);
            }
            if link.park(cx.waker()) {
                return Poll::Pending;
            }
        }
    })
    .await
}
