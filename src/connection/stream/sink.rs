//! The answer as h2 takes it.

use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};

use crate::call::{Call, Prebuilt, Refusal, Tail};
use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// Refuses a call before any reply. When the call's handles are dropped, h2 resets the rest of the request (NO_ERROR).
pub(in crate::connection) fn refuse(
    respond: &mut SendResponse<Bytes>,
    call: &mut Call,
    status: &Status,
) {
    let _ = respond.send_response(call.trailers_only(status), true);
}

/// Sends the refusal of a request that may not begin.
pub(in crate::connection) fn send_refusal(respond: &mut SendResponse<Bytes>, refusal: Refusal) {
    match refusal {
        Refusal::Answer(answer) => {
            let _ = respond.send_response(*answer, true);
        }
        Refusal::Unprocessed => respond.send_reset(Reason::REFUSED_STREAM),
    }
}

/// Whether the peer has cancelled a call without a head so far. A call whose connection ended was not cancelled.
pub(in crate::connection) fn is_given_up(respond: &mut SendResponse<Bytes>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    matches!(respond.poll_reset(&mut cx), Poll::Ready(Ok(_)))
}

/// The destination of the replies.
pub(super) enum Sink {
    /// The head has not been sent.
    Head(SendResponse<Bytes>),
    Body(SendStream<Bytes>),
}

/// Returns how many of `wanted` bytes may be sent now, at least one; pending if none.
pub(super) fn room(
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
    /// Whether the peer has cancelled the call, or the stream is gone. If not, the sink wakes `cx` when that or the window changes.
    pub(super) fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        let reset = match self {
            Self::Head(respond) => respond.poll_reset(cx),
            Self::Body(stream) => stream.poll_reset(cx),
        };
        reset.is_ready()
    }

    /// Whether the peer has cancelled the call.
    pub(super) fn is_given_up(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self {
            Self::Head(respond) => is_given_up(respond),
            Self::Body(stream) => matches!(stream.poll_reset(&mut cx), Poll::Ready(Ok(_))),
        }
    }

    /// Returns the reserved capacity, so that an idle stream takes none of the connection's window from other streams.
    pub(super) fn give_room_back(&mut self) {
        if let Self::Body(stream) = self {
            stream.reserve_capacity(0);
        }
    }

    /// Ends the call with a reset, without an answer.
    pub(super) fn reset(&mut self, reason: Reason) {
        match self {
            Self::Head(respond) => respond.send_reset(reason),
            Self::Body(stream) => stream.send_reset(reason),
        }
    }

    /// Ends the answer with `status`, or with OK. An error means that the stream is gone, so no peer is left to inform.
    pub(super) fn finish(
        &mut self,
        status: Option<&Status>,
        trailing: Option<&Metadata>,
        prebuilt: &Prebuilt,
        tail: &mut Tail,
    ) {
        match (self, status) {
            (Self::Head(respond), Some(status)) => {
                let _ = respond.send_response(tail.trailers_only(status), true);
            }
            (Self::Head(respond), None) => {
                let head = tail.head(prebuilt, None);
                if let Ok(mut stream) = respond.send_response(head, false) {
                    let _ = stream.send_trailers(tail.trailers(prebuilt, None, trailing));
                }
            }
            (Self::Body(stream), status) => {
                let _ = stream.send_trailers(tail.trailers(prebuilt, status, trailing));
            }
        }
    }
}
