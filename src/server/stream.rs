//! One call on one HTTP/2 stream: reading its request, and writing its replies.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_core::Stream;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};

use super::host::Host;
use super::stats::Tally;
use crate::call::{self, Call, Collector, Prebuilt};
use crate::service::{Answer, Drain, Head, PeerInfo, Reply, Service, panicked};
use crate::wire::status::Status;

/// Why a request is not read to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// It is to be answered with this.
    Refused(Status),
    /// The stream is gone.
    Gone,
}

/// Reads what there is of a request's body.
pub(super) fn read(
    body: &mut RecvStream,
    collector: &mut Collector,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Broken>> {
    loop {
        let chunk = match ready!(body.poll_data(cx)) {
            Some(Ok(chunk)) => chunk,
            Some(Err(_)) => return Poll::Ready(Err(Broken::Gone)),
            // Trailers, if there are any, say nothing to a server.
            None => return Poll::Ready(Ok(())),
        };
        let len = chunk.len();
        if let Err(status) = collector.push(chunk) {
            return Poll::Ready(Err(Broken::Refused(status)));
        }
        if body.is_end_stream() {
            return Poll::Ready(Ok(()));
        }
        // An error means that the stream is gone, which the next poll tells.
        let _ = body.flow_control().release_capacity(len);
    }
}

/// Refuses a call before any reply. With its handles dropped, h2 resets what the peer still sends (NO_ERROR).
pub(super) fn refuse(respond: &mut SendResponse<Bytes>, status: &Status) {
    let _ = respond.send_response(call::trailers_only(status), true);
}

/// A request that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) body: RecvStream,
    pub(super) respond: SendResponse<Bytes>,
    pub(super) collector: Collector,
    pub(super) call: Call,
}

/// What comes of a request that is not read any further.
pub(super) enum Finished<S: Service> {
    /// Its answer is not complete.
    Replying(Replying<S>),
    /// Its answer is complete.
    Done,
    /// The stream is gone.
    Gone,
}

/// What calls need while they are polled.
pub(super) struct Turn<'a, S> {
    pub(super) host: &'a Host<S>,
    pub(super) peer: &'a PeerInfo,
    pub(super) tally: &'a mut Tally,
    pub(super) conditions: Conditions,
}

impl Reading {
    /// Goes on from how the body ended: gives the message to the service, or refuses the call.
    pub(super) fn finish<S: Service>(
        mut self,
        read: Result<(), Broken>,
        at: &mut Turn<'_, S>,
    ) -> Finished<S> {
        let message = match read {
            Ok(()) => self.collector.finish(),
            Err(Broken::Refused(status)) => Err(status),
            Err(Broken::Gone) => return Finished::Gone,
        };
        match message {
            // The body's handle goes first: it is not wanted while the service works.
            Ok(message) => {
                drop(self.body);
                dispatch(at, self.respond, &self.call, message)
            }
            Err(status) => {
                refuse(&mut self.respond, &status);
                Finished::Done
            }
        }
    }
}

/// A call whose answer is not complete.
pub(super) struct Replying<S: Service> {
    source: Source<S>,
    sink: Sink,
    /// What is left of the current reply.
    unsent: Bytes,
    /// Whether part of the current reply has been sent.
    torn: bool,
    drain: Drain,
}

/// Where replies come from.
enum Source<S: Service> {
    Stream(S::Stream),
    Later(S::Future),
    /// Nowhere any more; this is the call's status, `None` for OK.
    Ended(Option<Status>),
}

/// Where replies go to.
enum Sink {
    /// No head has been sent.
    Head(SendResponse<Bytes>),
    Body(SendStream<Bytes>),
}

/// How far a poll got.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The answer is complete.
    Done,
    /// Something will wake the stream.
    Waiting,
    /// The stream is to be polled again once h2 has written everything.
    AfterFlush,
    /// The stream is gone.
    Cancelled,
}

/// What the connection's state means to its streams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditions {
    /// The socket takes no more: no stream of the service is polled.
    pub(super) write_blocked: bool,
    /// Calls of methods that a drain ends are ended.
    pub(super) ending: bool,
}

/// Gives a whole request to the service, and sends a reply that is ready.
fn dispatch<S: Service>(
    at: &mut Turn<'_, S>,
    mut respond: SendResponse<Bytes>,
    call: &Call,
    message: Bytes,
) -> Finished<S> {
    let head = Head::new(call.method.id(), call.timeout, at.peer);
    let answer = catch_unwind(AssertUnwindSafe(|| at.host.service.call(&head, message)));
    let source = match answer {
        Ok(Answer::Now(Ok(reply))) => return send_whole(&at.host.prebuilt, respond, call, reply),
        Ok(Answer::Now(Err(status))) => {
            refuse(&mut respond, &status);
            return Finished::Done;
        }
        Ok(Answer::Stream(stream)) => Source::Stream(stream),
        Ok(Answer::Later(future)) => Source::Later(future),
        Err(_) => {
            at.tally.panics += 1;
            refuse(&mut respond, &panicked());
            return Finished::Done;
        }
    };
    Finished::Replying(Replying::new(
        source,
        Sink::Head(respond),
        Bytes::new(),
        call,
    ))
}

/// Answers with one reply, at once if the windows allow it.
fn send_whole<S: Service>(
    prebuilt: &Prebuilt,
    mut respond: SendResponse<Bytes>,
    call: &Call,
    reply: Bytes,
) -> Finished<S> {
    let Ok(mut stream) = respond.send_response(prebuilt.head(), false) else {
        return Finished::Gone;
    };
    stream.reserve_capacity(reply.len());
    if stream.capacity() < reply.len() {
        let source = Source::Ended(None);
        return Finished::Replying(Replying::new(source, Sink::Body(stream), reply, call));
    }
    let sent = stream
        .send_data(reply, false)
        .and_then(|()| stream.send_trailers(prebuilt.trailers()));
    if sent.is_ok() {
        Finished::Done
    } else {
        Finished::Gone
    }
}

impl<S: Service> Replying<S> {
    const fn new(source: Source<S>, sink: Sink, unsent: Bytes, call: &Call) -> Self {
        Self {
            source,
            sink,
            unsent,
            torn: false,
            drain: call.method.on_drain(),
        }
    }

    /// Goes on with the answer. At most one reply is given to h2 between two flushes: it has no limit of its own to what it queues
    /// for a peer with an open window that does not read its socket.
    pub(super) fn poll(
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
            self.source = Source::Ended(Some(call::going_away()));
        }
        loop {
            if !self.unsent.is_empty() {
                match self.send(cx, prebuilt) {
                    Poll::Pending => return Progress::Waiting,
                    Poll::Ready(Err(_)) => return Progress::Cancelled,
                    Poll::Ready(Ok(())) if matches!(self.source, Source::Stream(_)) => {
                        return Progress::AfterFlush;
                    }
                    Poll::Ready(Ok(())) => {}
                }
            }
            match &self.source {
                Source::Ended(status) => {
                    self.sink.finish(status.as_ref(), prebuilt);
                    return Progress::Done;
                }
                Source::Stream(_) if conditions.write_blocked => return Progress::AfterFlush,
                _ => {}
            }
            match self.poll_room(cx) {
                Poll::Pending => return Progress::Waiting,
                Poll::Ready(Err(_)) => return Progress::Cancelled,
                Poll::Ready(Ok(())) => {}
            }
            match self.next(cx, panics) {
                Poll::Pending => {
                    self.sink.give_room_back();
                    return Progress::Waiting;
                }
                Poll::Ready(Some(Ok(reply))) => {
                    self.unsent = reply;
                    self.torn = false;
                }
                Poll::Ready(Some(Err(status))) => self.source = Source::Ended(Some(status)),
                Poll::Ready(None) => self.source = Source::Ended(None),
            }
        }
    }

    /// Whether a drain ends the call now. A reply that has not begun is given up for it: the peer may never make room.
    fn is_to_end(&self, conditions: Conditions) -> bool {
        let torn = self.torn && !self.unsent.is_empty();
        conditions.ending
            && self.drain == Drain::End
            && matches!(
                (&self.source, &self.sink),
                (Source::Stream(_), Sink::Body(_))
            )
            && !torn
    }

    /// Asks the service for the next reply. After that of a `Later` there is none.
    fn next(&mut self, cx: &mut Context<'_>, panics: &mut u64) -> Poll<Option<Reply>> {
        let polled = catch_unwind(AssertUnwindSafe(|| match &mut self.source {
            Source::Stream(stream) => Pin::new(stream).poll_next(cx),
            Source::Later(future) => Pin::new(future).poll(cx).map(Some),
            Source::Ended(_) => Poll::Ready(None),
        }));
        let Ok(next) = polled else {
            *panics += 1;
            return Poll::Ready(Some(Err(panicked())));
        };
        if next.is_ready() && matches!(self.source, Source::Later(_)) {
            self.source = Source::Ended(None);
        }
        next
    }

    /// Sends the head, if that is to do, and what the windows allow of the current reply.
    fn send(&mut self, cx: &mut Context<'_>, prebuilt: &Prebuilt) -> Poll<Result<(), h2::Error>> {
        if let Sink::Head(respond) = &mut self.sink {
            self.sink = Sink::Body(respond.send_response(prebuilt.head(), false)?);
        }
        let Sink::Body(stream) = &mut self.sink else {
            return Poll::Ready(Ok(()));
        };
        while !self.unsent.is_empty() {
            let room = ready!(room(stream, self.unsent.len(), cx))?;
            let chunk = self.unsent.split_to(room.min(self.unsent.len()));
            stream.send_data(chunk, false)?;
            self.torn = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until the peer takes more. What the service says before that would be old when it is sent.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        match &mut self.sink {
            Sink::Head(_) => Poll::Ready(Ok(())),
            Sink::Body(stream) => room(stream, 1, cx).map_ok(|_| ()),
        }
    }

    /// Ends the call because its deadline has passed.
    pub(super) fn expire(&mut self, prebuilt: &Prebuilt) {
        match &mut self.sink {
            // Trailers inside a message would be no answer.
            Sink::Body(stream) if self.torn && !self.unsent.is_empty() => {
                stream.send_reset(Reason::CANCEL)
            }
            sink => sink.finish(Some(&call::deadline_exceeded()), prebuilt),
        }
    }
}

/// How many bytes may be sent now, of `wanted`; at least one.
fn room(
    stream: &mut SendStream<Bytes>,
    wanted: usize,
    cx: &mut Context<'_>,
) -> Poll<Result<usize, h2::Error>> {
    stream.reserve_capacity(wanted);
    loop {
        let capacity = stream.capacity();
        if capacity > 0 {
            return Poll::Ready(Ok(capacity));
        }
        match ready!(stream.poll_capacity(cx)) {
            Some(changed) => changed?,
            None => return Poll::Ready(Err(Reason::CANCEL.into())),
        };
    }
}

impl Sink {
    /// Whether the peer has given the call up, or the stream is gone; if not, `cx` is woken when that or the window changes.
    fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        let reset = match self {
            Self::Head(respond) => respond.poll_reset(cx),
            Self::Body(stream) => stream.poll_reset(cx),
        };
        reset.is_ready()
    }

    /// An idle stream keeps nothing of the connection's window from the others.
    fn give_room_back(&mut self) {
        if let Self::Body(stream) = self {
            stream.reserve_capacity(0);
        }
    }

    /// Ends the answer. An error means that the stream is gone, and nobody left to tell.
    fn finish(&mut self, status: Option<&Status>, prebuilt: &Prebuilt) {
        match (self, status) {
            (Self::Head(respond), Some(status)) => refuse(respond, status),
            (Self::Head(respond), None) => {
                if let Ok(mut stream) = respond.send_response(prebuilt.head(), false) {
                    let _ = stream.send_trailers(prebuilt.trailers());
                }
            }
            (Self::Body(stream), Some(status)) => {
                let _ = stream.send_trailers(call::trailers(status));
            }
            (Self::Body(stream), None) => {
                let _ = stream.send_trailers(prebuilt.trailers());
            }
        }
    }
}
