//! Reads the request: its body and its messages, up to the call of the service.

use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;

use super::super::sending::SMALL;
use super::context::Turn;
use super::inbox::{Inbox, Partial};
use super::replying::{Progress, Replying, Source};
use super::requests::{Bodies, Body};
use super::sink::{Sink, refuse, send_refusal};
use crate::call::{Call, Collector, Incoming, Refusal, Turns};
use crate::service::{Answer, Head, Message, Part, Requests, Service, contain, panicked};
use crate::wire::code::Code;
use crate::wire::status::Status;

/// Why the server stops reading a request.
#[derive(Debug)]
pub(in crate::connection) enum Broken {
    /// The server answers the request with this status.
    Refused(Status),
    /// The stream has ended or was reset.
    Gone,
}

/// A request whose body is being read.
#[derive(Debug)]
pub(in crate::connection) struct Reading {
    pub(in crate::connection) inbox: Inbox,
    pub(in crate::connection) respond: SendResponse<Bytes>,
    pub(in crate::connection) collector: Collector,
    pub(in crate::connection) call: Call,
}

/// The result of a request that needs no more reading.
#[allow(
    clippy::large_enum_variant,
    reason = "a box for each reply would cost more than the room"
)]
pub(in crate::connection) enum Finished<S: Service> {
    /// The call's answer is not complete.
    Replying(Replying<S>),
    /// The call's answer is complete.
    Done,
    /// The stream has ended or was reset.
    Gone,
}

impl Reading {
    pub(in crate::connection) fn new(
        stream: RecvStream,
        respond: SendResponse<Bytes>,
        call: Call,
    ) -> Self {
        Self {
            inbox: Inbox::new(stream),
            respond,
            collector: Collector::new(&call),
            call,
        }
    }

    /// Waits until the service has decided whether the call may begin. Returns `None` if the call may begin, otherwise how the call ended.
    pub(in crate::connection) fn decide<S: Service>(
        &mut self,
        cx: &mut Context<'_>,
        at: &mut Turn<'_, S>,
    ) -> Poll<Option<Progress>> {
        if self.respond.poll_reset(cx).is_ready() {
            return Poll::Ready(Some(Progress::Cancelled));
        }
        let call = &mut self.call;
        let poll = || call.poll_decision(&at.host.service, at.peer, cx);
        let refusal = match contain(poll) {
            Ok(decided) => match ready!(decided) {
                Ok(()) => return Poll::Ready(None),
                Err(refusal) => refusal,
            },
            Err(_) => {
                at.tally.panics += 1;
                Refusal::Answer(Box::new(self.call.trailers_only(&panicked())))
            }
        };
        send_refusal(&mut self.respond, refusal);
        Poll::Ready(Some(Progress::Done))
    }

    /// Reads the bytes of the request that have arrived, unless the service reads the request itself.
    pub(in crate::connection) fn read(
        &mut self,
        turns: &Turns,
        bodies: &Bodies,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        if self.call.method.is_streaming() {
            return Poll::Ready(Ok(()));
        }
        self.read_on(None, turns, bodies, cx)
    }

    /// Goes on reading after the result `pushed` of the last chunk, if there was one.
    fn read_on(
        &mut self,
        pushed: Option<Poll<Result<(), Status>>>,
        turns: &Turns,
        bodies: &Bodies,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let read = self.poll_body(pushed, turns, bodies, cx);
        // The body is not read while a message is decompressed, so a reset would not be seen.
        if self.collector.is_inflating() && self.respond.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Broken::Gone));
        }
        read
    }

    fn poll_body(
        &mut self,
        mut pushed: Option<Poll<Result<(), Status>>>,
        turns: &Turns,
        bodies: &Bodies,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        if pushed.is_none() && self.collector.is_inflating() {
            pushed = Some(self.collector.poll_rest(cx, turns));
        }
        loop {
            if let Some(pushed) = pushed {
                // The bytes of a message that is decompressed are still held.
                if let Err(status) = ready!(pushed) {
                    return Poll::Ready(Err(Broken::Refused(status)));
                }
                if self.inbox.is_at_end() {
                    return Poll::Ready(Ok(()));
                }
                match self.collector.partial() {
                    None => self.inbox.end_message(),
                    Some((have, len)) => {
                        if self.inbox.used(Some(Partial { have, len }), bodies.window) {
                            bodies.ask_for_room();
                        }
                    }
                }
            }
            let chunk = match ready!(self.inbox.poll(cx)) {
                Some(Ok(chunk)) => chunk,
                Some(Err(_)) => return Poll::Ready(Err(Broken::Gone)),
                // A server ignores trailers.
                None => return Poll::Ready(Ok(())),
            };
            pushed = Some(self.collector.poll_push(chunk, cx, turns));
        }
    }

    /// Called at the body's end. Gives the message to the service, or refuses the call.
    pub(in crate::connection) fn finish<S: Service>(
        mut self,
        read: Result<(), Broken>,
        at: &mut Turn<'_, S>,
    ) -> Finished<S> {
        if self.call.method.is_streaming() {
            return begin(at, self.inbox, self.respond, self.call);
        }
        let message = match read {
            Ok(()) => self.collector.finish_for(&mut self.call),
            Err(Broken::Refused(status)) => Err(status),
            Err(Broken::Gone) => return Finished::Gone,
        };
        let finished = answer(at, self.respond, self.call, message);
        // h2 returns the rest of the body's window to the connection only at the call's end. A call that goes on returns the window here.
        if matches!(finished, Finished::Replying(_)) {
            self.inbox.end_message();
        }
        finished
    }
}

/// Begins a call whose service gets the request as a whole. Answers the call if the request has arrived, and otherwise returns the request.
///
/// Most requests have one frame, and are answered here without the state that other requests need.
#[allow(
    clippy::result_large_err,
    reason = "the request is boxed when it has to wait"
)]
pub(in crate::connection) fn read<S: Service>(
    at: &mut Turn<'_, S>,
    mut stream: RecvStream,
    respond: SendResponse<Bytes>,
    mut call: Call,
) -> Result<Finished<S>, Reading> {
    // Most requests are complete by now, so the first read gets no waker.
    let mut cx = Context::from_waker(Waker::noop());
    let mut collector = Collector::new(&call);
    let (mut handed, mut pushed) = (0, None);
    if let Poll::Ready(Some(Ok(chunk))) = stream.poll_data(&mut cx) {
        handed = chunk.len();
        match collector.poll_push(chunk, &mut cx, at.turns) {
            Poll::Ready(Ok(())) if stream.is_end_stream() => {
                let message = collector.finish_for(&mut call);
                let finished = answer(at, respond, call, message);
                if matches!(finished, Finished::Replying(_)) {
                    let _ = stream.flow_control().release_capacity(handed);
                }
                return Ok(finished);
            }
            other => pushed = Some(other),
        }
    }
    let mut reading = Reading {
        inbox: Inbox::new(stream).after(handed),
        respond,
        collector,
        call,
    };
    match reading.read_on(pushed, at.turns, at.bodies, &mut cx) {
        Poll::Pending => Err(reading),
        Poll::Ready(read) => Ok(reading.finish(read, at)),
    }
}

/// Gives the message to the service, or refuses the call.
fn answer<S: Service>(
    at: &mut Turn<'_, S>,
    mut respond: SendResponse<Bytes>,
    mut call: Call,
    message: Result<Message, Status>,
) -> Finished<S> {
    match message {
        Ok(message) => dispatch(at, respond, call, |service, head| {
            service.call(head, message)
        }),
        Err(status) => {
            refuse(&mut respond, &mut call, &status);
            Finished::Done
        }
    }
}

/// Gives a stream of requests to the service.
pub(in crate::connection) fn begin<S: Service>(
    at: &mut Turn<'_, S>,
    inbox: Inbox,
    respond: SendResponse<Bytes>,
    mut call: Call,
) -> Finished<S> {
    call.shrink();
    let body = Body::new(inbox, at.bodies);
    let requests = Requests::new(Incoming::new(body, &call, at.turns.clone()));
    dispatch(at, respond, call, |service, head| {
        service.call_streaming(head, requests)
    })
}

/// Gives a request to the service, and sends the reply if the reply is ready.
fn dispatch<S: Service>(
    at: &mut Turn<'_, S>,
    mut respond: SendResponse<Bytes>,
    mut call: Call,
    ask: impl FnOnce(&S, Head<'_>) -> Answer<S::Stream, S::Future>,
) -> Finished<S> {
    let source = match call.give(at.peer, |head| ask(&at.host.service, head)) {
        Ok(Answer::Now(Ok(_))) if call.is_empty_probe() => {
            let answer = call.trailers_only(&Status::new(Code::OK, ""));
            let _ = respond.send_response(answer, true);
            return Finished::Done;
        }
        Ok(Answer::Now(Ok(reply))) => return send_whole(at, respond, call, reply),
        Ok(Answer::Now(Err(status))) => {
            refuse(&mut respond, &mut call, &status);
            return Finished::Done;
        }
        Ok(Answer::Stream(stream)) => Source::Stream(stream),
        Ok(Answer::Future(future)) => Source::Future(future),
        Err(_) => {
            at.tally.panics += 1;
            refuse(&mut respond, &mut call, &panicked());
            return Finished::Done;
        }
    };
    Finished::Replying(Replying::new(source, Sink::Head(respond), call))
}

/// Sends a single reply, at once if the windows have room.
fn send_whole<S: Service>(
    at: &mut Turn<'_, S>,
    mut respond: SendResponse<Bytes>,
    mut call: Call,
    mut reply: Part,
) -> Finished<S> {
    let prebuilt = &at.host.prebuilt;
    let plain = reply.is_plain();
    let head = call.tail.head(prebuilt, (!plain).then_some(&reply));
    let Ok(mut stream) = respond.send_response(head, false) else {
        return Finished::Gone;
    };
    let envelope = reply.take_envelope();
    let trailing = if plain { None } else { reply.into_trailing() };
    let len = envelope.len();
    let fits = len <= SMALL || (len <= at.sending.room() && !at.conditions.write_blocked);
    stream.reserve_capacity(if fits { len } else { 0 });
    if !fits || stream.capacity() < len {
        let mut replying = Replying::new(Source::Ended(None), Sink::Body(stream), call);
        replying.resume(envelope, trailing);
        return Finished::Replying(replying);
    }
    at.sending.give(len);
    if len > SMALL {
        at.sending.finish(len);
        at.sending.met(u64::try_from(len).unwrap_or(u64::MAX));
    }
    let trailers = call.tail.trailers(prebuilt, None, trailing.as_deref());
    let sent = stream
        .send_data(envelope, false)
        .and_then(|()| stream.send_trailers(trailers));
    if sent.is_ok() {
        Finished::Done
    } else {
        call.tail.end(Code::CANCELLED);
        Finished::Gone
    }
}
