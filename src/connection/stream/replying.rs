//! The replies: where they come from, and how far they have got.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_core::Stream;
use h2::Reason;

use super::super::config::Config;
use super::context::{Conditions, discard};
use super::sink::{Sink, room};
use crate::call::{self, Call, Prebuilt, Tail};
use crate::service::{Drain, Part, Reply, Service, Time, contain, panicked};
use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// A call whose answer is not complete.
pub(in crate::connection) struct Replying<S: Service> {
    source: Source<S>,
    sink: Sink,
    /// What is left of the current reply.
    unsent: Bytes,
    /// Whether part of the current reply has been sent.
    torn: bool,
    drain: Drain,
    /// How many bytes may wait to be written before the service is asked for more.
    send_buffer: u32,
    /// How many do.
    queued: usize,
    /// How long the peer may leave a reply without room, if its method says so.
    stall: Time,
    trailing: Option<Box<Metadata>>,
    /// Dropped with the call.
    tail: Tail,
}

/// What h2 keeps for a frame that waits to be written, in bytes, beside its payload: about as much.
const PER_FRAME: usize = 256;

/// What a reply that shares its frame counts for beside its bytes: those that cost no bytes are asked for in turns, too.
const PER_REPLY: usize = 32;

/// Up to this length, in bytes, a reply is cheaper to copy than to send in a frame of its own.
const SMALL: usize = 1 << 10;

/// How many of them share a frame, and its length: the largest that every peer takes.
const GATHERED: usize = 64;
const FRAME: usize = 16 << 10;

/// Where replies come from.
pub(super) enum Source<S: Service> {
    Stream(S::Stream),
    Future(S::Future),
    /// Nowhere any more; this is the call's status, `None` for OK.
    Ended(Option<Status>),
}

/// How far a poll got.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::connection) enum Progress {
    /// The answer is complete.
    Done,
    /// Something will wake the stream.
    Waiting,
    /// The stream is to be polled again once h2 has written everything.
    AfterFlush,
    /// The stream is gone.
    Cancelled,
}

impl<S: Service> Replying<S> {
    pub(super) fn new(source: Source<S>, sink: Sink, mut call: Call) -> Self {
        Self {
            source,
            sink,
            unsent: Bytes::new(),
            torn: false,
            drain: call.method.on_drain(),
            send_buffer: call.method.send_buffer_size(),
            stall: call.method.time_for_room(),
            queued: 0,
            trailing: None,
            tail: call.take_tail(),
        }
    }

    /// Goes on from an envelope and trailers that are yet to be sent.
    pub(super) fn resume(&mut self, envelope: Bytes, trailing: Option<Box<Metadata>>) {
        self.unsent = envelope;
        self.trailing = trailing;
    }

    /// Goes on with the answer. What is given to h2 between two flushes is limited: it has no limit of its own to what it queues for a
    /// peer with an open window that does not read its socket.
    pub(in crate::connection) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        prebuilt: &Prebuilt,
        conditions: Conditions,
        panics: &mut u64,
    ) -> Progress {
        // h2 wakes a stream that reserves capacity. While this one is polled that is no news to it, so its waker is left out.
        if self.sink.is_reset(&mut Context::from_waker(Waker::noop())) {
            return Progress::Cancelled;
        }
        let progress = self.advance(cx, prebuilt, conditions, panics);
        let goes_on = matches!(progress, Progress::Waiting | Progress::AfterFlush);
        if goes_on && self.sink.is_reset(cx) {
            return Progress::Cancelled;
        }
        progress
    }

    fn advance(
        &mut self,
        cx: &mut Context<'_>,
        prebuilt: &Prebuilt,
        conditions: Conditions,
        panics: &mut u64,
    ) -> Progress {
        if self.is_to_end(conditions) {
            self.unsent.clear();
            self.end(Some(call::going_away()), panics);
        }
        loop {
            if !self.unsent.is_empty() {
                match self.send(cx) {
                    Poll::Pending => return Progress::Waiting,
                    Poll::Ready(Err(_)) => return Progress::Cancelled,
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
                _ => {}
            }
            match self.poll_room(cx) {
                Poll::Pending => return Progress::Waiting,
                Poll::Ready(Err(_)) => return Progress::Cancelled,
                Poll::Ready(Ok(())) => {}
            }
            match self.next(cx, panics) {
                // Nothing is due.
                Poll::Pending if self.is_ended_by(conditions) => {
                    self.end(Some(call::going_away()), panics);
                }
                Poll::Pending => {
                    self.sink.give_room_back();
                    return Progress::Waiting;
                }
                Poll::Ready(Some(Ok(part))) => match self.take(part, prebuilt) {
                    // A head that is sent during a drain may be all there is to wait for.
                    Ok(true) if self.unsent.is_empty() && conditions.ending => {
                        return self.after_flush();
                    }
                    Ok(true) => self.gather(cx, panics),
                    // Nothing to send; but a stream of nothing else must not hold the task.
                    Ok(false) => return self.after_flush(),
                    Err(_) => return Progress::Cancelled,
                },
                Poll::Ready(Some(Err(status))) => self.end(Some(status), panics),
                Poll::Ready(None) => self.end(None, panics),
            }
        }
    }

    /// Whether a drain ends the call now. A reply that has not begun is given up for it: the peer may never make room.
    fn is_to_end(&self, conditions: Conditions) -> bool {
        let torn = self.torn && !self.unsent.is_empty();
        self.is_ended_by(conditions) && matches!(self.sink, Sink::Body(_)) && !torn
    }

    /// Whether a drain ends the call, once what is due has been sent.
    fn is_ended_by(&self, conditions: Conditions) -> bool {
        conditions.ending && self.drain == Drain::End && matches!(self.source, Source::Stream(_))
    }

    /// Asks the service for the next reply. After the reply of an `Answer::Future` there is none.
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

    /// There are no more replies.
    fn end(&mut self, status: Option<Status>, panics: &mut u64) {
        let source = std::mem::replace(&mut self.source, Source::Ended(status));
        discard(source, panics);
    }

    /// Takes a part of the answer, and sends the head if it is the first. False if it has nothing that goes out now.
    fn take(&mut self, mut part: Part, prebuilt: &Prebuilt) -> Result<bool, h2::Error> {
        self.unsent = part.take_envelope();
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
        if let Some(trailing) = part.into_trailing() {
            self.trailing = Some(trailing);
        }
        Ok(goes_out)
    }

    /// Puts the replies that are ready behind a small one, as far as there is room, so that not each of them takes a frame.
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
        let mut gathered = BytesMut::new();
        for _ in 1..GATHERED {
            let len = gathered.len().max(self.unsent.len());
            if len >= most || !matches!(self.source, Source::Stream(_)) {
                break;
            }
            match self.next(cx, panics) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(mut part))) => {
                    if gathered.is_empty() {
                        gathered.put(std::mem::take(&mut self.unsent));
                    }
                    gathered.put(part.take_envelope());
                    self.queued += PER_REPLY;
                    if let Some(trailing) = part.into_trailing() {
                        self.trailing = Some(trailing);
                    }
                }
                Poll::Ready(Some(Err(status))) => self.end(Some(status), panics),
                Poll::Ready(None) => self.end(None, panics),
            }
        }
        if !gathered.is_empty() {
            self.unsent = gathered.freeze();
        }
    }

    /// Whether as much as may be waits to be written.
    const fn has_its_fill(&self) -> bool {
        matches!(self.source, Source::Stream(_)) && self.queued > self.send_buffer as usize
    }

    const fn after_flush(&mut self) -> Progress {
        self.queued = 0;
        Progress::AfterFlush
    }

    /// Sends what the windows allow of the current reply.
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let Sink::Body(stream) = &mut self.sink else {
            return Poll::Ready(Ok(()));
        };
        while !self.unsent.is_empty() {
            let room = ready!(room(stream, self.unsent.len(), cx))?;
            let chunk = self.unsent.split_to(room.min(self.unsent.len()));
            self.queued = self.queued.saturating_add(chunk.len() + PER_FRAME);
            stream.send_data(chunk, false)?;
            self.torn = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until the peer takes more. What the service says before that would be old when it is sent.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        match &mut self.sink {
            Sink::Body(stream) if self.send_buffer == 0 => room(stream, 1, cx).map_ok(|_| ()),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Whether the peer has given the call up.
    pub(in crate::connection) fn is_given_up(&mut self) -> bool {
        self.sink.is_given_up()
    }

    /// How many bytes of the current reply the peer has not made room for.
    pub(in crate::connection) const fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// How long the peer may leave the current reply without room.
    pub(in crate::connection) fn stall_timeout(&self, config: &Config) -> Duration {
        self.stall.get().unwrap_or(config.send_stall_timeout)
    }

    /// Gives the call up: the peer does not take its reply.
    pub(in crate::connection) fn abandon(&mut self, config: &Config, prebuilt: &Prebuilt) {
        let status = call::no_room(self.stall_timeout(config));
        // To a client this is RESOURCE_EXHAUSTED as well, of bandwidth.
        self.cut(&status, Reason::ENHANCE_YOUR_CALM, prebuilt);
    }

    /// Ends the call because its deadline has passed.
    pub(in crate::connection) fn expire(&mut self, prebuilt: &Prebuilt) {
        self.cut(&call::deadline_exceeded(), Reason::CANCEL, prebuilt);
    }

    /// Ends the call with `status`, or, where that cannot be said, with a reset for `reason`.
    fn cut(&mut self, status: &Status, reason: Reason, prebuilt: &Prebuilt) {
        match &mut self.sink {
            // Trailers inside a message would be no answer.
            sink @ Sink::Body(_) if self.torn && !self.unsent.is_empty() => {
                self.tail.end(status.code());
                sink.reset(reason);
            }
            sink => sink.finish(Some(status), None, prebuilt, &mut self.tail),
        }
    }
}
