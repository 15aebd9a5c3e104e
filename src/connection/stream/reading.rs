//! The request: its body, its message or messages, and what the service makes of that.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;

use super::context::Turn;
use super::replying::{Progress, Replying, Source};
use super::requests::Body;
use super::sink::{Sink, refuse, send_refusal};
use crate::call::{Call, Collector, Incoming, Prebuilt, Refusal};
use crate::service::{Answer, Head, Part, Requests, Service, contain, panicked};
use crate::wire::code::Code;
use crate::wire::status::Status;

/// Why a request is not read to its end.
#[derive(Debug)]
pub(in crate::connection) enum Broken {
    /// It is to be answered with this.
    Refused(Status),
    /// The stream is gone.
    Gone,
}

/// Reads what there is of a request's body.
fn read(
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

/// A request that is being read.
#[derive(Debug)]
pub(in crate::connection) struct Reading {
    pub(in crate::connection) body: RecvStream,
    pub(in crate::connection) respond: SendResponse<Bytes>,
    pub(in crate::connection) collector: Collector,
    pub(in crate::connection) call: Call,
}

/// What comes of a request that is not read any further.
pub(in crate::connection) enum Finished<S: Service> {
    /// Its answer is not complete.
    Replying(Replying<S>),
    /// Its answer is complete.
    Done,
    /// The stream is gone.
    Gone,
}

impl Reading {
    /// Waits until the service has decided whether the call may begin: `None` if it may, and else how it has ended.
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

    /// Reads what there is of the request, if the service does not do so itself.
    pub(in crate::connection) fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.call.method.is_streaming() {
            return Poll::Ready(Ok(()));
        }
        read(&mut self.body, &mut self.collector, cx)
    }

    /// Goes on from how the body ended: gives the message to the service, or refuses the call.
    pub(in crate::connection) fn finish<S: Service>(
        mut self,
        read: Result<(), Broken>,
        at: &mut Turn<'_, S>,
    ) -> Finished<S> {
        if self.call.method.is_streaming() {
            return begin(at, self.body, self.respond, self.call);
        }
        let message = match read {
            Ok(()) => self.collector.finish(),
            Err(Broken::Refused(status)) => Err(status),
            Err(Broken::Gone) => return Finished::Gone,
        };
        match message {
            Ok(message) => {
                let finished = dispatch(at, self.respond, self.call, |service, head| {
                    service.call(head, message)
                });
                // h2 keeps the last of it from the connection's window until the call is over. One that goes on gives it back here.
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

/// Gives a request that is a stream to the service.
pub(in crate::connection) fn begin<S: Service>(
    at: &mut Turn<'_, S>,
    body: RecvStream,
    respond: SendResponse<Bytes>,
    call: Call,
) -> Finished<S> {
    let requests = Requests::new(Incoming::new(Body::new(body), &call));
    dispatch(at, respond, call, |service, head| {
        service.call_streaming(head, requests)
    })
}

/// Gives a request to the service, and sends a reply that is ready.
fn dispatch<S: Service>(
    at: &mut Turn<'_, S>,
    mut respond: SendResponse<Bytes>,
    mut call: Call,
    ask: impl FnOnce(&S, Head<'_>) -> Answer<S::Stream, S::Future>,
) -> Finished<S> {
    let head = call.head(at.peer);
    let answer = contain(|| ask(&at.host.service, head));
    let source = match answer {
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

/// Answers with one reply, at once if the windows allow it.
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
