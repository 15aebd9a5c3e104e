//! From a request to an answer that has begun.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;
use tokio::time::{Instant, timeout_at};

use super::host::Host;
use super::replies::{Open, ResponseBody, Source};
use crate::call::{self, Call, Chunks, Collector, Incoming, Refusal, Turns};
use crate::observe::Meters;
use crate::service::{Answer, Head, Message, PeerInfo, Requests, Service, contain, panicked};
use crate::wire::code::Code;
use crate::wire::status::Status;

/// Answers one call up to the head of the answer.
pub(super) async fn answer<S: Service, B: Body + Send + 'static>(
    host: Arc<Host<S>>,
    mut request: Request<B>,
    body_timeout: Duration,
) -> Response<ResponseBody<S>> {
    let arrival = Instant::now();
    let peer = request.extensions_mut().remove::<PeerInfo>();
    let peer = Arc::new(peer.unwrap_or_default());
    let clock = || Instant::now().into_std();
    let mut meters = Meters::new(&host.observers);
    let judge = || {
        call::accept(
            &host.service,
            &mut request,
            usize::MAX,
            &peer,
            clock,
            &mut meters,
        )
    };
    let mut call = match contain(judge) {
        Ok(Ok(call)) => call,
        Ok(Err(refusal)) => return refuse(refusal),
        Err(_) => return only(call::trailers_only(&panicked())),
    };
    let body = request.into_body();
    let deadline = call.timeout.and_then(|after| arrival.checked_add(after));
    if !call.is_decided() {
        if let Err(refusal) = decide(&host.service, &mut call, &peer, deadline).await {
            return refuse(refusal);
        }
    }
    let source = if call.method.is_streaming() {
        let requests = Requests::new(Incoming::new(
            Data(Box::pin(body)),
            &call,
            host.turns.clone(),
        ));
        ask(&mut call, &peer, |head| {
            host.service.call_streaming(head, requests)
        })
    } else {
        let body_timeout = call.method.time_for_body().unwrap_or(body_timeout);
        let patience = Instant::now().checked_add(body_timeout);
        let late = || call::no_request(body_timeout);
        let until = match (deadline, patience) {
            (Some(at), patience) if patience.is_none_or(|patience| at <= patience) => {
                Some((at, call::deadline_exceeded()))
            }
            (_, patience) => patience.map(|at| (at, late())),
        };
        match collect(body, Collector::new(&call), &host.turns, until).await {
            Ok(message) => ask(&mut call, &peer, |head| host.service.call(head, message)),
            Err(status) => {
                return only(call.trailers_only(&status));
            }
        }
    };
    let mut open = Open::new(host, source, call, deadline);
    match poll_fn(|cx| open.poll_head(cx)).await {
        Ok(head) => head.map(|()| ResponseBody(Some(open))),
        Err(status) => only(open.refuse(&status)),
    }
}

/// An answer without a body.
fn only<S: Service>(answer: Response<()>) -> Response<ResponseBody<S>> {
    answer.map(|()| ResponseBody(None))
}

/// Answers a call that the mount or the service refuses.
fn refuse<S: Service>(refusal: Refusal) -> Response<ResponseBody<S>> {
    only(match refusal {
        Refusal::Answer(answer) => *answer,
        Refusal::Unprocessed => call::trailers_only(&Status::new(Code::UNAVAILABLE, "try again")),
    })
}

/// Waits until the service has decided whether a call may begin.
async fn decide<S: Service>(
    service: &S,
    call: &mut Call,
    peer: &PeerInfo,
    deadline: Option<Instant>,
) -> Result<(), Refusal> {
    let decided = poll_fn(|cx| {
        let poll = || call.poll_decision(service, peer, cx);
        match contain(poll) {
            Ok(decided) => decided.map(Ok),
            Err(_) => Poll::Ready(Err(panicked())),
        }
    });
    let decided = match deadline {
        None => decided.await,
        Some(at) => timeout_at(at, decided)
            .await
            .unwrap_or_else(|_| Err(call::deadline_exceeded())),
    };
    decided.unwrap_or_else(|status| Err(Box::new(call.trailers_only(&status)).into()))
}

/// Gives a request to the service.
fn ask<S: Service>(
    call: &mut Call,
    peer: &PeerInfo,
    ask: impl FnOnce(Head<'_>) -> Answer<S::Stream, S::Future>,
) -> Source<S> {
    match call.give(peer, ask) {
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
    turns: &Turns,
    until: Option<(Instant, Status)>,
) -> Result<Message, Status> {
    let mut data = Data(pin!(body));
    let read = async {
        while let Some(chunk) = poll_fn(|cx| data.poll_chunk(None, cx)).await {
            let mut chunk = Some(chunk?);
            poll_fn(|cx| match chunk.take() {
                Some(chunk) => collector.poll_push(chunk, cx, turns),
                None => collector.poll_rest(cx, turns),
            })
            .await?;
        }
        collector.finish()
    };
    match until {
        None => read.await,
        Some((at, status)) => timeout_at(at, read).await.unwrap_or(Err(status)),
    }
}

/// The data frames of a body.
struct Data<P>(Pin<P>);

impl<P> Chunks for Data<P>
where
    P: std::ops::DerefMut,
    P::Target: Body,
{
    fn poll_chunk(
        &mut self,
        _: Option<(usize, usize)>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Status>>> {
        loop {
            let Some(frame) = ready!(self.0.as_mut().poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            let Ok(frame) = frame else {
                return Poll::Ready(Some(Err(call::gone())));
            };
            // A server does not read trailers.
            if let Ok(mut data) = frame.into_data() {
                return Poll::Ready(Some(Ok(data.copy_to_bytes(data.remaining()))));
            }
        }
    }
}
