//! Reads the request: its body and its messages, up to the call of the service.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;

use super::context::Turn;
use super::replying::{Progress, Replying, Source};
use super::requests::Body;
use super::sink::{Sink, refuse, send_refusal};
use crate::call::{Call, Collector, Incoming, Prebuilt, Refusal, Turns};
use crate::service::{Answer, Head, Part, Requests, Service, contain, panicked};
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

/// Reads the bytes of a request's body that have arrived.
fn read(
    body: &mut RecvStream,
    collector: &mut Collector,
    turns: &Turns,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Broken>> {
    if collector.is_inflating() {
        if let Err(status) = ready!(collector.poll_rest(cx, turns)) {
            return Poll::Ready(Err(Broken::Refused(status)));
        }
        if body.is_end_stream() {
            return Poll::Ready(Ok(()));
        }
    }
    loop {
        let chunk = match ready!(body.poll_data(cx)) {
            Some(Ok(chunk)) => chunk,
            Some(Err(_)) => return Poll::Ready(Err(Broken::Gone)),
            // A server ignores trailers.
            None => return Poll::Ready(Ok(())),
        };
        let len = chunk.len();
        let pushed = collector.poll_push(chunk, cx, turns);
        if let Poll::Ready(Err(status)) = pushed {
            return Poll::Ready(Err(Broken::Refused(status)));
        }
        if pushed.is_ready() && body.is_end_stream() {
            return Poll::Ready(Ok(()));
        }
        // An error means that the stream is gone. The next poll reports the stream's end.
        let _ = body.flow_control().release_capacity(len);
        if pushed.is_pending() {
            return Poll::Pending;
        }
    }
}

/// A request whose body is being read.
#[derive(Debug)]
pub(in crate::connection) struct Reading {
    pub(in crate::connection) body: RecvStream,
    pub(in crate::connection) respond: SendResponse<Bytes>,
    pub(in crate::connection) collector: Collector,
    pub(in crate::connection) call: Call,
}

/// The result of a request that needs no more reading.
pub(in crate::connection) enum Finished<S: Service> {
    /// The call's answer is not complete.
    Replying(Replying<S>),
    /// The call's answer is complete.
    Done,
    /// The stream has ended or was reset.
    Gone,
}

impl Reading {
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
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        if self.call.method.is_streaming() {
            return Poll::Ready(Ok(()));
        }
        let read = read(&mut self.body, &mut self.collector, turns, cx);
        // The body is not read while a message is decompressed, so a reset would not be seen.
        if self.collector.is_inflating() && self.respond.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Broken::Gone));
        }
        read
    }

    /// Called at the body's end. Gives the message to the service, or refuses the call.
    pub(in crate::connection) fn finish<S: Service>(
        mut self,
        read: Result<(), Broken>,
        at: &mut Turn<'_, S>,
    ) -> Finished<S> {
        if self.call.method.is_streaming() {
            return begin(at, self.body, self.respond, self.call);
        }
        let message = match read {
            Ok(()) => self.collector.finish_for(&mut self.call),
            Err(Broken::Refused(status)) => Err(status),
            Err(Broken::Gone) => return Finished::Gone,
        };
        match message {
            Ok(message) => {
                let finished = dispatch(at, self.respond, self.call, |service, head| {
                    service.call(head, message)
                });
                // h2 returns the rest of the body's window to the connection only at the call's end. A call that goes on returns the window
                // here.
                if matches!(finished, Finished::Replying(_)) {
                    let flow = self.body.flow_control();
                    let _ = flow.release_capacity(flow.used_capacity());
                }
                finished
            }
            Err(status) => {
                refuse(&mut self.respond, &mut self.call, &status);
                Finished::Done
            }
        }
    }
}

/// Gives a stream of requests to the service.
pub(in crate::connection) fn begin<S: Service>(
    at: &mut Turn<'_, S>,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    call: Call,
) -> Finished<S> {
    let requests = Requests::new(Incoming::new(Body::new(body), &call, at.turns.clone()));
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
    let head = call.head(at.peer);
    let answer = contain(|| ask(&at.host.service, head));
    let source = match answer {
        Ok(Answer::Now(Ok(_))) if call.is_empty_probe() => {
            let answer = call.trailers_only(&Status::new(Code::OK, ""));
            let _ = respond.send_response(answer, true);
            return Finished::Done;
        }
        Ok(Answer::Now(Ok(reply))) => return send_whole(&at.host.prebuilt, respond, call, reply),
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
    prebuilt: &Prebuilt,
    mut respond: SendResponse<Bytes>,
    mut call: Call,
    mut reply: Part,
) -> Finished<S> {
    let plain = reply.is_plain();
    let head = call.tail.head(prebuilt, (!plain).then_some(&reply));
    let Ok(mut stream) = respond.send_response(head, false) else {
        return Finished::Gone;
    };
    let envelope = reply.take_envelope();
    let trailing = if plain { None } else { reply.into_trailing() };
    stream.reserve_capacity(envelope.len());
    if stream.capacity() < envelope.len() {
        let mut replying = Replying::new(Source::Ended(None), Sink::Body(stream), call);
        replying.resume(envelope, trailing);
        return Finished::Replying(replying);
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
