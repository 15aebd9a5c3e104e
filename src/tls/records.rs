//! A limit on TLS records that bring nothing: the byte streams below and above TLS.
//!
//! A record costs the server work, whatever the record carries. A KeyUpdate costs the derivation of keys, and its record has 27 bytes. The
//! wrapper below TLS counts the records, and the wrapper above TLS counts the bytes that the records brought.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use super::account::Account;
use super::turns::{Turns, Waiting};

/// The byte stream below TLS.
#[derive(Debug)]
pub(super) struct Records<T> {
    io: T,
    /// From the first byte on: one read of TLS may have the end of the handshake and the beginning of a later record.
    account: Account,
    /// The turns of all connections whose records are in vain.
    turns: Turns,
    waiting: Waiting,
    /// Whether a turn has come that no record has used.
    has_turn: bool,
    /// Bytes that were read and that TLS has not got: TLS decrypts at once whatever TLS gets.
    rest: Bytes,
}

impl<T> Records<T> {
    /// `turns` are those of all connections whose records are in vain.
    pub(super) fn new(io: T, turns: &Turns) -> Self {
        Self {
            io,
            account: Account::new(),
            turns: turns.clone(),
            waiting: Waiting::default(),
            has_turn: false,
            rest: Bytes::new(),
        }
    }

    pub(super) fn into_inner(self) -> T {
        self.io
    }

    /// Gives TLS the records that were read before, as many as TLS may have at once.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let len = self.rest.len().min(buf.remaining());
        let bytes = self.rest.get(..len).unwrap_or_default();
        let given = self.account.read(bytes);
        buf.put_slice(bytes.get(..given).unwrap_or_default());
        self.rest.advance(given);
    }

    /// Counts the records behind the first `before` bytes of `buf`, and keeps those that TLS may not have yet.
    fn take_in(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let new = buf.filled().get(before..).unwrap_or_default();
        let given = self.account.read(new);
        if given < new.len() {
            self.rest = Bytes::copy_from_slice(new.get(given..).unwrap_or_default());
            buf.set_filled(before + given);
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Records<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.account.settle(Instant::now) {
            // The kind tells the connection's guard that the peer floods.
            return Poll::Ready(Err(ErrorKind::QuotaExceeded.into()));
        }
        if this.account.needs_turn() && !this.has_turn {
            if cx.waker().will_wake(Waker::noop()) {
                // The connection polls again with the task's waker before the task yields.
                return Poll::Pending;
            }
            ready!(this.waiting.poll(&this.turns, cx));
            this.account.rested();
            this.has_turn = true;
        }
        if this.rest.is_empty() {
            let before = buf.filled().len();
            let polled = Pin::new(&mut this.io).poll_read(cx, buf);
            if polled.is_pending() {
                this.account.rested();
                return Poll::Pending;
            }
            this.take_in(buf, before);
            ready!(polled)?;
        } else {
            this.give(buf);
        }
        this.has_turn = false;
        Poll::Ready(Ok(()))
    }
}

/// A byte stream above TLS, after the handshake.
#[derive(Debug)]
pub(crate) struct Secured<T>(TlsStream<Records<T>>);

impl<T> Secured<T> {
    pub(super) const fn new(stream: TlsStream<Records<T>>) -> Self {
        Self(stream)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.0).poll_read(cx, buf);
        let delivered = buf.filled().len().saturating_sub(before);
        if delivered > 0 {
            self.0.get_mut().0.account.deliver(delivered);
        }
        polled
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Records<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    /// A record of a KeyUpdate's length.
    const RECORD: [u8; 27] = {
        let mut record = [0; 27];
        (record[0], record[1], record[2], record[4]) = (23, 3, 3, 22);
        record
    };

    /// Eight connections send records in vain. Each read is noted with the number of times that another task has run.
    #[tokio::test]
    async fn all_connections_whose_records_are_in_vain_read_16_of_them_each_time_that_others_have_run()
     {
        const CONNECTIONS: usize = 8;
        let others = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&others);
        let other = tokio::spawn(async move {
            loop {
                count.fetch_add(1, Relaxed);
                yield_now().await;
            }
        });
        let reads = Arc::new(Mutex::new(Vec::new()));
        let turns = Turns::default();
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (reads, others, turns) = (Arc::clone(&reads), Arc::clone(&others), turns.clone());
            connections.spawn(async move {
                let (mut peer, io) = tokio::io::duplex(1 << 16);
                peer.write_all(&RECORD.repeat(1_100)).await.unwrap();
                drop(peer);
                let mut records = Records::new(io, &turns);
                let mut all = 0;
                loop {
                    let mut buf = [0; 4_096];
                    // The end of the input comes if nobody counts.
                    let len = records.read(&mut buf).await.unwrap_or(0);
                    if len == 0 {
                        return all;
                    }
                    assert!(len <= 17 * RECORD.len(), "{len}");
                    all += len / RECORD.len();
                    reads.lock().unwrap().push(others.load(Relaxed));
                }
            });
        }
        while let Some(all) = connections.join_next().await {
            let all = all.unwrap();
            assert!((1_000..=1_032).contains(&all), "{all}");
        }
        other.abort();
        let reads = reads.lock().unwrap();
        // Each connection has two reads before the server takes the connection's records for records in vain.
        let (_, turns) = reads.split_at(2 * CONNECTIONS);
        assert!(turns.len() >= 60 * CONNECTIONS, "{}", turns.len());
        assert!(turns.windows(2).all(|two| two[0] < two[1]), "{turns:?}");
    }

    #[tokio::test]
    async fn bytes_that_tls_has_not_got_arrive_in_order_and_before_the_end() {
        let bytes: Vec<u8> = (0..=255_u8)
            .flat_map(|n| [23, 3, 3, 0, 3, n, n, n])
            .collect();
        let (mut peer, io) = tokio::io::duplex(1 << 16);
        peer.write_all(&bytes).await.unwrap();
        drop(peer);
        let mut records = Records::new(io, &Turns::default());
        let mut read = Vec::new();
        records.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, bytes);
    }
}
