//! Writes h2's bytes to the socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::super::farewell;
use super::{Guard, add};

impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.link.is_flooded() {
            ready!(this.poll_write_gathered(cx))?;
            return this.poll_write_farewell(cx, buf);
        }
        this.poll_write_as_it_is(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.greeting.is_some() || this.link.is_flooded() {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return Pin::new(this).poll_write(cx, first.map_or(&[], |buf| buf));
        }
        if let Some(taken) = ready!(this.poll_gather(cx, bufs))? {
            return Poll::Ready(Ok(taken));
        }
        this.offer(bufs);
        let result = Pin::new(this.io()?).poll_write_vectored(cx, bufs);
        this.note_write(result)
    }

    // h2 copies only small payloads if the socket writes vectored.
    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(T::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.is_to_write_all() || self.link.is_write_blocked() {
            ready!(self.poll_write_gathered(cx))?;
        }
        let result = Pin::new(self.io()?).poll_flush(cx);
        self.note(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Err(error) = ready!(self.poll_write_gathered(cx)) {
            return Poll::Ready(if is_gone(&error) { Ok(()) } else { Err(error) });
        }
        match Pin::new(self.io()?).poll_shutdown(cx) {
            // TLS sends close_notify here. A peer that is gone by then has made no error.
            Poll::Ready(Err(error)) if is_gone(&error) => Poll::Ready(Ok(())),
            result => result,
        }
    }
}

impl<T: AsyncWrite + Unpin> Guard<T> {
    /// Writes the server's first frame, or a part of it.
    #[cold]
    fn greet(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Some(mut greeting) = self.greeting.take() else {
            return Poll::Ready(Ok(0));
        };
        let bytes = greeting.bytes(buf);
        let result = Pin::new(self.io()?).poll_write(cx, bytes);
        if let Poll::Ready(Ok(n)) = &result {
            add(&self.link.bytes_written, *n);
            self.policy.wrote(bytes.get(..*n).unwrap_or(bytes));
            greeting.wrote(*n);
            self.link.add_malformed(self.policy.malformed());
        }
        if !greeting.is_over() {
            self.greeting = Some(greeting);
        }
        self.note(result)
    }

    fn poll_write_as_it_is(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.greeting.is_some() {
            return self.greet(cx, buf);
        }
        let bufs = &[IoSlice::new(buf)];
        if let Some(taken) = ready!(self.poll_gather(cx, bufs))? {
            return Poll::Ready(Ok(taken));
        }
        self.offer(bufs);
        let result = Pin::new(self.io()?).poll_write(cx, buf);
        self.note_write(result)
    }

    /// Gathers a large write, any write after a large one, and any write at all if the link says so, until the connection asks for all.
    /// Returns `None` if the socket has to take the write; the socket has been given everything before the write then.
    #[inline]
    fn poll_gather(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<Option<usize>>> {
        if self.link.is_write_blocked() || self.link.is_flooded() {
            return self.poll_write_gathered(cx).map_ok(|()| None);
        }
        let all = self.link.is_to_gather_all();
        let mut taken = self.gathered.take(bufs, all);
        if taken.is_none() && !self.gathered.is_empty() {
            ready!(self.poll_write_all(cx))?;
            taken = self.gathered.take(bufs, all);
        }
        if let Some(taken) = taken {
            self.offer(bufs);
            self.offered = self.offered.saturating_sub(taken);
            self.link.set_gathered(true);
        }
        Poll::Ready(Ok(taken))
    }

    /// Gives the gathered bytes to the socket.
    #[inline]
    fn poll_write_gathered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gathered.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.poll_write_all(cx)
    }

    #[inline(never)]
    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let io = self.io.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            let result = Pin::new(io).poll_write(cx, self.gathered.bytes());
            if result.is_pending() && !self.link.is_write_blocked() {
                self.gathered.fit();
            }
            let n = ready!(self.note(result))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            add(&self.link.bytes_written, n);
            self.gathered.wrote(n);
        }
        self.link.set_gathered(false);
        Poll::Ready(Ok(()))
    }

    /// Writes the bytes before the GOAWAY, or the GOAWAY with debug data.
    #[cold]
    fn poll_write_farewell(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // The policy has already seen the bytes that h2 offered before.
        let seen = self.offered.min(buf.len());
        let new = buf.get(seen..).unwrap_or_default();
        let (Some(text), Some(at)) = (
            self.policy.flood().map(farewell::text),
            farewell::find(self.policy.outgoing(), new),
        ) else {
            return self.poll_write_as_it_is(cx, buf);
        };
        let at = seen + at;
        if at > 0 {
            return self.poll_write_as_it_is(cx, buf.get(..at).unwrap_or(buf));
        }
        let (frame, mut written) = std::mem::take(&mut self.farewell);
        let frame = if frame.is_empty() {
            farewell::with_text(buf, text)
        } else {
            frame
        };
        let result = loop {
            let rest = frame.get(written..).unwrap_or_default();
            if rest.is_empty() {
                add(&self.link.bytes_written, frame.len());
                self.policy.wrote(&frame);
                return self.note(Poll::Ready(Ok(farewell::LEN)));
            }
            match Pin::new(self.io()?).poll_write(cx, rest) {
                Poll::Ready(Ok(n)) if n > 0 => written += n,
                result => break result,
            }
        };
        self.farewell = (frame, written);
        self.note(result)
    }
}

impl<T> Guard<T> {
    /// Shows the policy the bytes that h2 offers, before the socket takes them: h2 may have forgotten a stream as soon as h2 offers the
    /// stream's RST_STREAM.
    fn offer(&mut self, bufs: &[IoSlice<'_>]) {
        let mut known = self.offered;
        for buf in bufs {
            let new = buf.get(known..).unwrap_or_default();
            known = known.saturating_sub(buf.len());
            self.policy.wrote(new);
            self.offered += new.len();
        }
        self.link.add_malformed(self.policy.malformed());
    }

    fn note_write(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = &result {
            add(&self.link.bytes_written, *n);
            self.offered = self.offered.saturating_sub(*n);
        }
        self.note(result)
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}
