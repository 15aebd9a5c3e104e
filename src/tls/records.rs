//! A limit on TLS records that bring nothing.
//!
//! A record costs the server work, whatever the record carries. A KeyUpdate costs the derivation of keys, and its record has 22 bytes. The
//! wrapper below TLS counts the records, and the wrapper above TLS counts the bytes that the records brought.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

/// The length of a record's head (RFC 8446, section 5.1).
const HEAD: usize = 5;

/// How many bytes a record must bring so that the record is not in vain. The shortest HTTP/2 frame has nine.
const WORTH: u64 = 8;

/// How many records in vain a peer may send in one burst. A used-up burst becomes full again in [`REFILL`].
const BURST: u64 = 1_000;
const REFILL: Duration = Duration::from_secs(30);

/// The peer's debt from which on the server reads the peer's records in small pieces, so that other tasks run in between.
const SUSPECT: u64 = 32 * WORTH;

/// How many records of a suspect peer are read before other tasks run.
const BATCH: u64 = 64;

/// How many bytes of a suspect peer are read at once: some 46 records.
const PIECE: usize = 1 << 10;

/// Counts the records of a peer, and what they are worth.
#[derive(Debug)]
struct Account {
    /// The head of the next record, and how many bytes of the head have arrived.
    head: [u8; HEAD],
    have: usize,
    /// How many bytes of the current record have not arrived.
    skip: usize,
    /// The records and the delivered bytes that are not in `debt`.
    records: u64,
    delivered: u64,
    /// [`WORTH`] bytes for each record, less the bytes that the records brought. Never below zero.
    debt: u64,
    /// The time up to which passed time has been taken off the debt.
    forgiven: Instant,
    /// How many records have been read since other tasks ran.
    batch: u64,
}

impl Account {
    fn new() -> Self {
        Self {
            head: [0; HEAD],
            have: 0,
            skip: 0,
            records: 0,
            delivered: 0,
            debt: 0,
            forgiven: Instant::now(),
            batch: 0,
        }
    }

    /// Counts the records that begin in `bytes`.
    fn read(&mut self, mut bytes: &[u8]) {
        while let Some(&byte) = bytes.first() {
            if self.skip > 0 {
                let n = self.skip.min(bytes.len());
                self.skip -= n;
                bytes = bytes.get(n..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.head.get_mut(self.have) {
                *place = byte;
            }
            self.have += 1;
            bytes = bytes.get(1..).unwrap_or_default();
            if self.have == HEAD {
                let [.., high, low] = self.head;
                self.skip = usize::from(u16::from_be_bytes([high, low]));
                self.have = 0;
                self.records += 1;
            }
        }
    }

    /// Called when all bytes of the records read so far have been delivered. Returns false if too many records were in vain.
    fn settle(&mut self, now: impl Fn() -> Instant) -> bool {
        self.batch += self.records;
        let due = self.debt + WORTH * self.records;
        self.debt = due.saturating_sub(self.delivered);
        (self.records, self.delivered) = (0, 0);
        if self.debt <= BURST * WORTH {
            return true;
        }
        let now = now();
        let passed = now.saturating_duration_since(self.forgiven).min(REFILL);
        let gained = passed.as_nanos() * u128::from(BURST * WORTH) / REFILL.as_nanos();
        if gained > 0 {
            self.debt -= u64::try_from(gained).unwrap_or(0);
            self.forgiven = now;
        }
        self.debt <= BURST * WORTH
    }
}

/// The byte stream below TLS.
#[derive(Debug)]
pub(super) struct Records<T> {
    io: T,
    /// `None` during the handshake.
    account: Option<Account>,
}

impl<T> Records<T> {
    pub(super) const fn new(io: T) -> Self {
        Self { io, account: None }
    }

    pub(super) fn into_inner(self) -> T {
        self.io
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Records<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(account) = &mut this.account else {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        };
        if !account.settle(Instant::now) {
            // The kind tells the connection's guard that the peer floods.
            return Poll::Ready(Err(ErrorKind::QuotaExceeded.into()));
        }
        let suspect = account.debt > SUSPECT;
        if !suspect {
            account.batch = 0;
        } else if account.batch >= BATCH {
            account.batch = 0;
            // The runtime polls the other tasks and its sockets before this one.
            let _ = pin!(yield_now()).poll(cx);
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let most = if suspect { PIECE } else { usize::MAX };
        let polled = poll_read_at_most(&mut this.io, cx, buf, most);
        account.read(buf.filled().get(before..).unwrap_or_default());
        polled
    }
}

fn poll_read_at_most<T: AsyncRead + Unpin>(
    io: &mut T,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    most: usize,
) -> Poll<io::Result<()>> {
    if buf.remaining() <= most {
        return Pin::new(io).poll_read(cx, buf);
    }
    let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
    let polled = Pin::new(io).poll_read(cx, &mut part);
    let read = part.filled().len();
    buf.advance(read);
    polled
}

/// A byte stream above TLS, after the handshake.
#[derive(Debug)]
pub(crate) struct Secured<T>(TlsStream<Records<T>>);

impl<T> Secured<T> {
    /// Begins to count the peer's records.
    pub(super) fn new(mut stream: TlsStream<Records<T>>) -> Self {
        stream.get_mut().0.account = Some(Account::new());
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
            if let Some(account) = &mut self.0.get_mut().0.account {
                account.delivered += u64::try_from(delivered).unwrap_or(0);
            }
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
    use super::*;

    /// Reads records of these lengths, which bring so many bytes.
    fn settle(account: &mut Account, records: &[u16], brought: u64, now: Instant) -> bool {
        for len in records {
            account.read(&[23, 3, 3]);
            account.read(&len.to_be_bytes());
            account.read(&vec![0; usize::from(*len)]);
        }
        account.delivered += brought;
        account.settle(|| now)
    }

    #[test]
    fn a_burst_of_records_in_vain_is_there_at_once_and_again_after_30_s() {
        let mut account = Account::new();
        let start = account.forgiven;
        let burst = |account: &mut Account, now| {
            (0..5_000)
                .take_while(|_| settle(account, &[22], 0, now))
                .count()
        };
        assert_eq!(burst(&mut account, start), 1_000);
        account.debt = BURST * WORTH;
        assert_eq!(burst(&mut account, start + REFILL / 10), 100);
        account.debt = BURST * WORTH;
        assert_eq!(burst(&mut account, start + 2 * REFILL), 1_000);
    }

    #[test]
    fn records_that_bring_a_frame_are_never_in_vain() {
        let mut account = Account::new();
        let now = account.forgiven;
        for _ in 0..100_000 {
            // A frame's head alone; a key update and a PING; one byte and the rest of a frame, as Java splits records.
            assert!(settle(&mut account, &[26], 9, now));
            assert!(settle(&mut account, &[22, 34], 17, now));
            assert!(settle(&mut account, &[18, 40], 24, now));
            assert!(account.debt <= SUSPECT);
        }
    }

    #[test]
    fn records_are_counted_in_pieces_of_any_size() {
        let mut bytes = Vec::new();
        for len in [0u16, 1, 300, 0, 0, 7] {
            bytes.extend([23, 3, 3]);
            bytes.extend(len.to_be_bytes());
            bytes.extend(vec![0xff; usize::from(len)]);
        }
        for size in 1..=bytes.len() {
            let mut account = Account::new();
            bytes.chunks(size).for_each(|piece| account.read(piece));
            assert_eq!(account.records, 6, "{size}");
        }
    }
}
