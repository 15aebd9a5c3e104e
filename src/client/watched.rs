//! An HTTP/2 byte stream that is watched as it passes: for the server's first bytes, and for GOAWAY, which says what the server has not
//! processed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::flood::{Flood, TOO_MANY};
use super::opening::{SETTINGS, START};
#[cfg(feature = "tls")]
use crate::tls::explain;

/// The length of a frame's head (RFC 9113, section 4.1), and of the head of a GOAWAY with the stream and the reason behind it (section
/// 6.8).
const HEAD: usize = 9;
const GOAWAY_HEAD: usize = HEAD + 8;

const GOAWAY: u8 = 7;

/// How the server's byte stream began.
#[derive(Debug)]
pub(super) enum Opening {
    Http2,
    /// With these bytes, which are not HTTP/2. Empty if the server closed the connection.
    Other(Vec<u8>),
    /// With an error of the byte stream, in words.
    Failed(String),
}

/// The calls of the connection, and the streams that the server may process: all streams, until the server sends a GOAWAY.
#[derive(Debug)]
pub(super) struct Processed {
    /// How many calls the client has made.
    calls: AtomicU32,
    last_stream: AtomicU32,
    /// The reason of the latest GOAWAY.
    reason: AtomicU32,
}

impl Processed {
    /// No GOAWAY has been seen.
    const ALL: u32 = u32::MAX;

    /// Called for each call that the client makes.
    pub(super) fn begin_call(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    /// Why the server goes away, if the server has sent a GOAWAY.
    pub(super) fn goaway(&self) -> Option<Reason> {
        let over = self.last_stream.load(Relaxed) != Self::ALL;
        over.then(|| self.reason.load(Relaxed).into())
    }

    /// Whether a GOAWAY says that the server does not process the stream.
    pub(super) fn is_without(&self, stream: u32) -> bool {
        stream > self.last_stream.load(Relaxed)
    }
}

/// The HTTP/2 byte stream of a connection.
#[derive(Debug)]
pub(super) struct Watched<T> {
    io: T,
    /// Present until it is known how the server's byte stream begins.
    opening: Option<oneshot::Sender<Opening>>,
    /// Bytes that were read before that and not passed to h2 yet.
    held: Vec<u8>,
    processed: Arc<Processed>,
    head: [u8; GOAWAY_HEAD],
    /// How many bytes of `head` are there.
    filled: usize,
    /// How many bytes of the present frame are left to skip.
    skip: usize,
    flood: Flood,
}

impl<T> Watched<T> {
    pub(super) fn new(io: T) -> (Self, oneshot::Receiver<Opening>, Arc<Processed>) {
        let (tell, opening) = oneshot::channel();
        // Relaxed: h2 hands the error on to the call under its lock, after the bytes were read.
        let processed = Arc::new(Processed {
            calls: AtomicU32::new(0),
            last_stream: AtomicU32::new(Processed::ALL),
            reason: AtomicU32::new(0),
        });
        let watched = Self {
            io,
            opening: Some(tell),
            held: Vec::new(),
            processed: Arc::clone(&processed),
            head: [0; GOAWAY_HEAD],
            filled: 0,
            skip: 0,
            flood: Flood::new(),
        };
        (watched, opening, processed)
    }

    /// Reads until it is known whether the server begins with SETTINGS, as HTTP/2 does (RFC 9113, section 3.4). Keeps the bytes for h2,
    /// which would give up earlier: three bytes can declare a frame that is too long.
    fn poll_opening(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        T: AsyncRead + Unpin,
    {
        let mut bytes = [0; START];
        while self.opening.is_some() {
            let mut bytes = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut bytes));
            // TLS has a special error for an end without close_notify.
            let read = read.or_else(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Ok(()),
                _ => Err(error),
            });
            let over = bytes.filled().is_empty();
            self.held.extend(bytes.filled());
            let (opening, read) = match (read, self.held.get(3)) {
                (Err(error), _) => (Opening::Failed(broken(&error)), Err(error)),
                (Ok(()), Some(&SETTINGS)) => (Opening::Http2, Ok(())),
                (Ok(()), None) if !over => continue,
                (Ok(()), _) => {
                    let start = self.held.clone();
                    (
                        Opening::Other(start),
                        Err(io::ErrorKind::InvalidData.into()),
                    )
                }
            };
            if let Some(tell) = self.opening.take() {
                // Fails if the connecting task has given up.
                let _ = tell.send(opening);
            }
            read?;
        }
        Poll::Ready(Ok(()))
    }

    /// Follows the frames, looks for GOAWAY, and counts the frames. Returns false if the server floods the client.
    fn walk(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let Some((&byte, rest)) = bytes.split_first() else {
                return true;
            };
            bytes = rest;
            if let Some(place) = self.head.get_mut(self.filled) {
                *place = byte;
            }
            self.filled += 1;
            let [a, b, c, kind, flags, _, _, _, _, s, t, u, v, reason @ ..] = self.head;
            let wanted = if self.filled >= 4 && kind == GOAWAY {
                GOAWAY_HEAD
            } else {
                HEAD
            };
            if self.filled == wanted {
                let len = u32::from_be_bytes([0, a, b, c]) as usize;
                if kind == GOAWAY {
                    let last = u32::from_be_bytes([s, t, u, v]) & (u32::MAX >> 1);
                    let reason = u32::from_be_bytes(reason);
                    self.processed.reason.store(reason, Relaxed);
                    self.processed.last_stream.fetch_min(last, Relaxed);
                }
                self.skip = len.saturating_sub(wanted - HEAD);
                self.filled = 0;
                let calls = self.processed.calls.load(Relaxed);
                if !self.flood.count(kind, flags, len, calls) {
                    return false;
                }
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_opening(cx))?;
        let before = buf.filled().len();
        if self.held.is_empty() {
            ready!(Pin::new(&mut self.io).poll_read(cx, buf)).map_err(plain)?;
        } else {
            let given = self.held.len().min(buf.remaining());
            buf.put_slice(self.held.get(..given).unwrap_or_default());
            self.held.drain(..given);
        }
        if !self.walk(buf.filled().get(before..).unwrap_or_default()) {
            buf.set_filled(before);
            let error = io::Error::new(io::ErrorKind::InvalidData, TOO_MANY);
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(not(feature = "tls"))]
const fn explain(_: &io::Error) -> Option<String> {
    None
}

/// A TLS error in words: a server may refuse the client's certificate only after the handshake.
fn plain(error: io::Error) -> io::Error {
    match explain(&error) {
        Some(words) => io::Error::new(error.kind(), words),
        None => error,
    }
}

fn broken(error: &io::Error) -> String {
    explain(error)
        .unwrap_or_else(|| format!("the connection broke before the server said anything: {error}"))
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goaway(last: u32) -> Vec<u8> {
        let payload = [&last.to_be_bytes()[..], &[0, 0, 0, 11], b"debug"].concat();
        frame(GOAWAY, &payload)
    }

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&len[1..], &[kind, 0, 0, 0, 0, 0], payload].concat()
    }

    #[test]
    fn a_goaway_is_found_in_any_pieces() {
        let bytes = [
            frame(SETTINGS, &[0; 12]),
            frame(0, &[GOAWAY; 300]),
            frame(SETTINGS, &[]),
            goaway(u32::MAX >> 1),
            frame(6, &[GOAWAY; 8]),
            goaway(5),
            frame(0, &[1]),
        ]
        .concat();
        for size in 1..=bytes.len() {
            let (mut watched, _, processed) = Watched::new(());
            for piece in bytes.chunks(size) {
                assert!(watched.walk(piece));
            }
            assert_eq!(processed.goaway(), Some(Reason::ENHANCE_YOUR_CALM));
            assert!(!processed.is_without(5));
            assert!(processed.is_without(7));
            assert_eq!((watched.filled, watched.skip), (0, 0));
        }
    }

    #[test]
    fn without_a_goaway_everything_may_have_been_processed() {
        let (mut watched, _, processed) = Watched::new(());
        assert!(watched.walk(&frame(0, &goaway(0))));
        // Cut short before its stream.
        assert!(watched.walk(&goaway(0)[..16]));
        assert_eq!(processed.goaway(), None);
        assert!(!processed.is_without(u32::MAX >> 1));
    }

    #[test]
    fn a_malformed_goaway_is_h2s_to_judge() {
        let (mut watched, _, _) = Watched::new(());
        assert!(watched.walk(&[frame(GOAWAY, &[]), vec![0; 8]].concat()));
        assert_eq!((watched.filled, watched.skip), (0, 0));
    }
}
