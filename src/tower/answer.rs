//! From a request to an answer that has begun.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;
use tokio::time::{Instant, timeout_at};

use super::Host;
use super::replies::{Open, ResponseBody, Source};
use crate::call::{self, Call, Chunks, Collector, Incoming, Refusal};
use crate::service::{Answer, Head, Message, PeerInfo, Requests, Service, panicked};
use crate::wire::code::Code;
use crate::wire::status::Status;

/// Answers one call, as far as its head.
pub(super) async fn answer<S: Service, B: Body + Send + 'static>(
    host: Arc<Host<S>>,
    request: Request<B>,
    body_timeout: Duration,
) -> Response<ResponseBody<S>> {
    let arrival = Instant::now();
    let (mut parts, body) = request.into_parts();
    let peer: PeerInfo = parts.extensions.remove().unwrap_or_default();
    let judge = || {
        call::accept(&host.service, &mut parts, usize::MAX, &peer, || {
            arrival.into_std()
        })
    };
    let mut call = match catch_unwind(AssertUnwindSafe(judge)) {
        Ok(Ok(call)) => call,
        Ok(Err(Refusal::Answer(answer))) => return answer.map(|()| ResponseBody(None)),
        Ok(Err(Refusal::Unprocessed)) => {
            return refuse(&Status::new(Code::UNAVAILABLE, "try again"));
        }
        Err(_) => return refuse(&panicked()),
    };
    let deadline = call.timeout.and_then(|after| arrival.checked_add(after));
    let source = if call.method.is_streaming() {
        let requests = Requests::new(Incoming::new(Data(Box::pin(body)), &call));
        ask(&mut call, &peer, |head| {
            host.service.call_streaming(head, requests)
        })
    } else {
        let patience = arrival.checked_add(body_timeout);
        let until = [deadline, patience].into_iter().flatten().min();
        match collect(body, Collector::new(&call), until).await {
            Ok(message) => ask(&mut call, &peer, |head| host.service.call(head, message)),
            Err(status) => return refuse(&status),
        }
    };
    let mut open = Open::new(host, source, call, deadline);
    match poll_fn(|cx| open.poll_head(cx)).await {
        Ok(head) => head.map(|()| ResponseBody(Some(open))),
        Err(status) => refuse(&status),
    }
}

/// Refuses a call before any reply.
fn refuse<S: Service>(status: &Status) -> Response<ResponseBody<S>> {
    call::trailers_only(status).map(|()| ResponseBody(None))
}

/// Gives a request to the service.
fn ask<S: Service>(
    call: &mut Call,
    peer: &PeerInfo,
    ask: impl FnOnce(Head<'_>) -> Answer<S::Stream, S::Future>,
) -> Source<S> {
    let head = call.head(peer);
    match catch_unwind(AssertUnwindSafe(|| ask(head))) {
        Ok(Answer::Now(reply)) => Source::Now(Some(reply)),
        Ok(Answer::Stream(stream)) => Source::Stream(stream),
        Ok(Answer::Future(future)) => Source::Future(future),
        Err(_) => Source::Now(Some(Err(panicked()))),
    }
}

/// Reads a request of one message.
async fn collect<B: Body>(
    body: B,
    mut collector: Collector,
    until: Option<Instant>,
) -> Result<Message, Status> {
    let mut data = Data(pin!(body));
    let read = async {
        while let Some(chunk) = poll_fn(|cx| data.poll_chunk(cx)).await {
            collector.push(chunk?)?;
        }
        collector.finish()
    };
    match until {
        None => read.await,
        Some(at) => timeout_at(at, read)
            .await
            .unwrap_or_else(|_| Err(call::deadline_exceeded())),
    }
}

/// The data of a body.
struct Data<P>(Pin<P>);

impl<P> Chunks for Data<P>
where
    P: std::ops::DerefMut,
    P::Target: Body,
{
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            let Some(frame) = ready!(self.0.as_mut().poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            let Ok(frame) = frame else {
                return Poll::Ready(Some(Err(call::gone())));
            };
            // Trailers say nothing to a server.
            if let Ok(mut data) = frame.into_data() {
                return Poll::Ready(Some(Ok(data.copy_to_bytes(data.remaining()))));
            }
        }
    }
}
