//! Sends the replies of a call.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use super::super::sending::{SMALL as UNCOUNTED, Sending};
use super::context::{Conditions, discard};
use super::sink::{Sink, room};
use crate::call::{self, Call, Prebuilt, Tail};
use crate::service::{Drain, Part, Reply, Service, Time, contain, panicked};
use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// A call whose answer is not complete.
pub(in crate::connection) struct Replying<S: Service> {
    source: Source<S>,
    pub(super) sink: Sink,
    /// The bytes of the current reply that h2 has not taken.
    pub(super) unsent: Bytes,
    /// The length of the current reply, or of the last one.
    size: usize,
    /// Whether h2 has taken a part of the current reply.
    pub(super) torn: bool,
    /// How many bytes of replies h2 has taken.
    given: u64,
    drain: Drain,
    /// How many bytes may wait to be written before the connection stops asking the service for replies.
    send_buffer: u32,
    /// How many bytes wait to be written.
    queued: usize,
    /// How long the peer may leave a reply without room, if the call's method sets that time.
    pub(super) stall: Time,
    trailing: Option<Box<Metadata>>,
    /// Dropped with the call.
    pub(super) tail: Tail,
}

/// The memory that h2 needs for each frame that waits to be written, in bytes, without the payload. The value is approximate.
const PER_FRAME: usize = 256;

/// What a reply in a shared frame counts for, in bytes, without its content. Replies without content count, too, so that a stream of them
/// yields to others.
const PER_REPLY: usize = 32;

/// Copying a reply of up to this many bytes is cheaper than sending the reply in a frame of its own.
const SMALL: usize = 1 << 10;

/// How many replies may share a frame, and the length of the frame in bytes: the largest that every peer accepts.
const GATHERED: usize = 256;
const FRAME: usize = 16 << 10;

/// The source of the replies.
pub(super) enum Source<S: Service> {
    Stream(S::Stream),
    Future(S::Future),
    /// There are no more replies. This is the call's status, `None` for OK.
    Ended(Option<Status>),
}

/// The result of a poll.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::connection) enum Progress {
    /// The answer is complete.
    Done,
    /// The call waits, and will be woken.
    Waiting,
    /// The connection has to poll the call again after h2 has written everything.
    AfterFlush,
    /// The connection has to poll the call again when the budgets of replies have room.
    AfterOthers,
    /// The stream is gone.
    Cancelled,
}

impl<S: Service> Replying<S> {
    pub(super) fn new(source: Source<S>, sink: Sink, call: Call) -> Self {
        Self {
            source,
            sink,
            unsent: Bytes::new(),
            size: 0,
            torn: false,
            given: 0,
            drain: call.method.on_drain(),
            send_buffer: call.method.send_buffer_size(),
            stall: call.method.time_for_room(),
            queued: 0,
            trailing: None,
            tail: call.tail,
        }
    }

    /// Sets the envelope and the trailing metadata that are still to be sent.
    pub(super) fn resume(&mut self, envelope: Bytes, trailing: Option<Box<Metadata>>) {
        self.size = envelope.len();
        self.unsent = envelope;
        self.trailing = trailing;
    }

    /// Continues the answer. Limits the bytes given to h2 between two flushes: h2 itself does not limit what h2 queues for a peer that
    /// opens its window and does not read its socket.
    pub(in crate::connection) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        prebuilt: &Prebuilt,
        conditions: Conditions,
        sending: &mut Sending,
        panics: &mut u64,
    ) -> Progress {
        // h2 wakes a stream that reserves capacity. The call is being polled and needs no such wake, so h2 gets no waker here.
        if self.sink.is_reset(&mut Context::from_waker(Waker::noop())) {
            return Progress::Cancelled;
        }
        let progress = self.advance(cx, prebuilt, conditions, sending, panics);
        let is_over = matches!(progress, Progress::Done | Progress::Cancelled);
        if !is_over && self.sink.is_reset(cx) {
            return Progress::Cancelled;
        }
        progress
    }

    fn advance(
        &mut self,
        cx: &mut Context<'_>,
        prebuilt: &Prebuilt,
        conditions: Conditions,
        sending: &mut Sending,
        panics: &mut u64,
    ) -> Progress {
        if self.is_to_end(conditions) {
            self.unsent.clear();
            self.end(Some(call::going_away()), panics);
        }
        loop {
            if !self.unsent.is_empty() {
                match self.send(sending, cx) {
                    Poll::Pending => return Progress::Waiting,
                    Poll::Ready(Err(_)) => return Progress::Cancelled,
                    Poll::Ready(Ok(())) if !self.unsent.is_empty() => {
                        sending.set_full();
                        return self.after_flush();
                    }
                    Poll::Ready(Ok(())) if self.has_its_fill() => return self.after_flush(),
                    Poll::Ready(Ok(())) => {}
                }
            }
            match &self.source {
                Source::Ended(status) => {
                    let trailing = self.trailing.as_deref();
                    self.sink
                        .finish(status.as_ref(), trailing, prebuilt, &mut self.tail);
                    return Progress::Done;
                }
                Source::Stream(_) if conditions.write_blocked => return self.after_flush(),
                Source::Stream(_) if self.is_large() && !sending.has_room_for(self.size) => {
                    return Progress::AfterOthers;
                }
                _ => {}
            }
            match self.poll_room(cx) {
                Poll::Pending => return Progress::Waiting,
                Poll::Ready(Err(_)) => return Progress::Cancelled,
                Poll::Ready(Ok(())) => {}
            }
            match self.next(cx, panics) {
                // No reply is ready.
                Poll::Pending if self.is_ended_by(conditions) => {
                    self.end(Some(call::going_away()), panics);
                }
                Poll::Pending => {
                    self.sink.give_room_back();
                    return Progress::Waiting;
                }
                Poll::Ready(Some(Ok(part))) => match self.take(part, prebuilt) {
                    // During a drain, the head may be the last thing that the call sends before its end.
                    Ok(true) if self.unsent.is_empty() && conditions.ending => {
                        return self.after_flush();
                    }
                    Ok(true) => self.gather(cx, panics),
                    // The part had nothing to send. The call waits for the flush, so that a stream of such parts does not hold the task.
                    Ok(false) => return self.after_flush(),
                    Err(_) => return Progress::Cancelled,
                },
                Poll::Ready(Some(Err(status))) => self.end(Some(status), panics),
                Poll::Ready(None) => self.end(None, panics),
            }
        }
    }

    /// Whether a drain ends the call now. A reply that h2 has taken no part of is discarded: the peer may never make room for the reply.
    fn is_to_end(&self, conditions: Conditions) -> bool {
        let torn = self.torn && !self.unsent.is_empty();
        self.is_ended_by(conditions) && matches!(self.sink, Sink::Body(_)) && !torn
    }

    /// Whether a drain ends the call after the current reply.
    fn is_ended_by(&self, conditions: Conditions) -> bool {
        conditions.ending && self.drain == Drain::End && matches!(self.source, Source::Stream(_))
    }

    /// Asks the service for the next reply. An `Answer::Future` has one reply.
    fn next(&mut self, cx: &mut Context<'_>, panics: &mut u64) -> Poll<Option<Reply>> {
        let polled = contain(|| match &mut self.source {
            Source::Stream(stream) => Pin::new(stream).poll_next(cx),
            Source::Future(future) => Pin::new(future).poll(cx).map(Some),
            Source::Ended(_) => Poll::Ready(None),
        });
        let Ok(next) = polled else {
            *panics += 1;
            return Poll::Ready(Some(Err(panicked())));
        };
        if next.is_ready() && matches!(self.source, Source::Future(_)) {
            self.end(None, panics);
        }
        next
    }

    /// Ends the replies with this status, `None` for OK.
    fn end(&mut self, status: Option<Status>, panics: &mut u64) {
        let source = std::mem::replace(&mut self.source, Source::Ended(status));
        discard(source, panics);
    }

    /// Takes a part of the answer, and sends the head with the first part. Returns false if nothing is sent now.
    fn take(&mut self, mut part: Part, prebuilt: &Prebuilt) -> Result<bool, h2::Error> {
        self.unsent = part.take_envelope();
        self.size = self.unsent.len();
        self.torn = false;
        let mut goes_out = !self.unsent.is_empty();
        if let Sink::Head(respond) = &mut self.sink {
            if goes_out || !part.is_plain() {
                self.sink = Sink::Body(
                    respond.send_response(self.tail.head(prebuilt, Some(&part)), false)?,
                );
                goes_out = true;
            }
        }
        keep_trailing(part, &mut self.trailing);
        Ok(goes_out)
    }

    /// Appends replies that are ready to a small reply, as far as the window has room, so that small replies share a frame.
    fn gather(&mut self, cx: &mut Context<'_>, panics: &mut u64) {
        let Sink::Body(stream) = &mut self.sink else {
            return;
        };
        let most = FRAME.min(self.send_buffer as usize);
        if self.unsent.is_empty() || self.unsent.len() > SMALL.min(most) {
            return;
        }
        stream.reserve_capacity(most);
        let most = most.min(stream.capacity());
        let Source::Stream(replies) = &mut self.source else {
            return;
        };
        let mut gathered = BytesMut::new();
        let (unsent, trailing) = (&mut self.unsent, &mut self.trailing);
        // The result is the end of the replies, if they have ended.
        let polled = contain(|| {
            for _ in 1..GATHERED {
                if gathered.len().max(unsent.len()) >= most {
                    break;
                }
                match Pin::new(&mut *replies).poll_next(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Some(Ok(mut part))) => {
                        if gathered.is_empty() {
                            gathered.reserve(SMALL);
                            gathered.extend_from_slice(&std::mem::take(unsent));
                        }
                        gathered.extend_from_slice(&part.take_envelope());
                        self.queued += PER_REPLY;
                        keep_trailing(part, trailing);
                    }
                    Poll::Ready(Some(Err(status))) => return Some(Some(status)),
                    Poll::Ready(None) => return Some(None),
                }
            }
            None
        });
        if !gathered.is_empty() {
            self.unsent = gathered.freeze();
            self.size = self.unsent.len();
        }
        match polled {
            Ok(None) => {}
            Ok(Some(end)) => self.end(end, panics),
            Err(_) => {
                *panics += 1;
                self.end(Some(panicked()), panics);
            }
        }
    }

    /// Whether the call may not ask the service for more replies before a flush.
    const fn has_its_fill(&self) -> bool {
        matches!(self.source, Source::Stream(_)) && self.queued > self.send_buffer as usize
    }

    const fn after_flush(&mut self) -> Progress {
        self.queued = 0;
        Progress::AfterFlush
    }

    /// Sends as much of the current reply as the windows and h2's queue allow. A large reply keeps its rest when the queue is full.
    fn send(&mut self, sending: &mut Sending, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let is_large = self.is_large();
        let Sink::Body(stream) = &mut self.sink else {
            return Poll::Ready(Ok(()));
        };
        while !self.unsent.is_empty() {
            let mut wanted = self.unsent.len();
            if is_large {
                if sending.room() == 0 {
                    // The reply takes nothing from the connection's window while it waits.
                    stream.reserve_capacity(0);
                    break;
                }
                wanted = wanted.min(sending.room());
            }
            // No more than that is reserved, so that each reply gets its turn in the connection's window.
            let room = ready!(room(stream, wanted, cx))?.min(wanted);
            let chunk = self.unsent.split_to(room);
            self.queued = self.queued.saturating_add(room + PER_FRAME);
            self.given = self.given.wrapping_add(room as u64);
            sending.give(room);
            stream.send_data(chunk, false)?;
            self.torn = true;
        }
        if is_large && self.unsent.is_empty() {
            sending.finish(self.size);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the current reply, or the last one, counts.
    const fn is_large(&self) -> bool {
        self.size > UNCOUNTED
    }

    /// How many bytes the current reply counts, as long as h2 has not taken the last one.
    pub(in crate::connection) const fn held(&self) -> usize {
        if self.unsent.is_empty() || !self.is_large() {
            0
        } else {
            self.size
        }
    }

    /// How many bytes of replies h2 has taken.
    pub(in crate::connection) const fn given(&self) -> u64 {
        self.given
    }

    /// With a send buffer of zero, waits until the peer's window has room: an earlier reply would be out of date when it is sent.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        match &mut self.sink {
            Sink::Body(stream) if self.send_buffer == 0 => room(stream, 1, cx).map_ok(|_| ()),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// How many bytes of the current reply wait for the peer's window.
    pub(in crate::connection) const fn unsent(&self) -> usize {
        self.unsent.len()
    }
}

/// Keeps the metadata for the trailers, if the part has any.
#[inline]
fn keep_trailing(part: Part, trailing: &mut Option<Box<Metadata>>) {
    if part.is_plain() {
        return;
    }
    if let Some(new) = part.into_trailing() {
        *trailing = Some(new);
    }
}
