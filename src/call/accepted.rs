//! A request that the host may read and give to the service, once the service has admitted the call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};

use super::probing::{Probing, spell_out};
use super::tail::Tail;
use crate::service::{
    Admission, CHECK, Head, Method, Panicked, PeerInfo, Rejection, RequestContext, Service, contain,
};
use crate::wire::code::Code;
use crate::wire::content_type;
use crate::wire::encoding::{self, Encoding};
use crate::wire::status::Status;

const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// A request that the host may read and give to the service, once the service [has decided](Call::is_decided).
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) timeout: Option<Duration>,
    /// `None` for gzip without feature `gzip`: uncompressed messages can be read all the same.
    pub(super) encoding: Option<Encoding>,
    /// The body is not read as gRPC.
    #[cfg(feature = "__internals")]
    pub(super) bare: bool,
    pub(super) probing: Option<Box<Probing>>,
    /// Whether the codec of the request is not protobuf's.
    pub(super) is_foreign: bool,
    /// Only of a method that needs metadata, until the service has the call.
    context: Option<RequestContext>,
    pub(crate) tail: Tail,
}

/// How the host refuses a request.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The host sends this answer: one HEADERS frame with END_STREAM.
    Answer(Box<Response<()>>),
    /// The host resets the stream with REFUSED_STREAM.
    Unprocessed,
}

impl From<Box<Response<()>>> for Refusal {
    fn from(answer: Box<Response<()>>) -> Self {
        Self::Answer(answer)
    }
}

impl Call {
    pub(super) fn new(
        method: Method,
        timeout: Option<Duration>,
        encoding: Option<Encoding>,
        probing: Option<Box<Probing>>,
        clock: fn() -> Instant,
    ) -> Self {
        Self {
            method,
            timeout,
            encoding,
            #[cfg(feature = "__internals")]
            bare: false,
            probing,
            is_foreign: false,
            context: None,
            tail: Tail::new(clock),
        }
    }

    /// A request whose head and body are not checked.
    #[cfg(feature = "__internals")]
    pub(super) fn bare(clock: fn() -> Instant) -> Self {
        let call = Self::new(Method::new(0), None, Some(Encoding::Identity), None, clock);
        Self { bare: true, ..call }
    }

    /// Keeps what the call needs of the head, and asks the service whether the call may begin.
    pub(super) fn admit<S: Service, B>(
        &mut self,
        service: &S,
        request: &mut Request<B>,
        peer: &Arc<PeerInfo>,
        clock: fn() -> Instant,
    ) -> Result<(), Refusal> {
        let uri = std::mem::take(request.uri_mut());
        let headers = std::mem::take(request.headers_mut());
        let content_type = if self.is_foreign {
            foreign(&headers)
        } else {
            None
        };
        if content_type.is_some() {
            self.tail.extra().content_type.clone_from(&content_type);
        }
        let deadline = self
            .timeout
            .and_then(|timeout| clock().checked_add(timeout));
        let mut context = RequestContext::arrived(uri, headers, Arc::clone(peer))
            .with_time(self.timeout, deadline)
            .with_content_type(content_type)
            .with_extensions(std::mem::take(request.extensions_mut()));
        // Interceptors decide about the method that the alias stands for.
        if self.is_alias() {
            context = context.with_path(CHECK);
        }
        self.context = Some(context);
        self.ask(service, peer)
    }

    /// Asks the service whether the call may begin.
    fn ask<S: Service>(&mut self, service: &S, peer: &PeerInfo) -> Result<(), Refusal> {
        // The code if the service panics here.
        self.tail.end(Code::UNKNOWN);
        let mut head = self.head(peer);
        let admission = service.admit(&mut head);
        let context = head.into_context();
        self.tail.end(Code::CANCELLED);
        self.context = context;
        let metadata = match &mut self.context {
            Some(context) => context.take_response_metadata(),
            None => self.tail.kept.take_said(),
        };
        if metadata.is_some() || self.tail.extra.is_some() {
            self.tail.extra().metadata = metadata;
        }
        match admission {
            Ok(Admission::Granted) => Ok(()),
            Ok(Admission::Later(decision)) => {
                self.tail.extra().decision = Some(decision);
                Ok(())
            }
            Err(rejection) => Err(self.refuse(rejection)),
        }
    }

    fn refuse(&mut self, rejection: Rejection) -> Refusal {
        match rejection {
            Rejection::Status(status) => Refusal::Answer(Box::new(self.trailers_only(&status))),
            Rejection::Unprocessed => {
                self.tail.end(Code::UNAVAILABLE);
                Refusal::Unprocessed
            }
        }
    }

    /// Whether the service has said that the call may begin.
    pub(crate) fn is_decided(&self) -> bool {
        let extra = self.tail.extra.as_deref();
        extra.is_none_or(|extra| extra.decision.is_none())
    }

    /// Waits until the service has said whether the call may begin.
    pub(crate) fn poll_decision<S: Service>(
        &mut self,
        service: &S,
        peer: &PeerInfo,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Refusal>> {
        loop {
            let Some(extra) = self.tail.extra.as_deref_mut() else {
                return Poll::Ready(Ok(()));
            };
            let Some(decision) = &mut extra.decision else {
                return Poll::Ready(Ok(()));
            };
            self.tail.kept.end(Code::UNKNOWN);
            let decided = Pin::new(decision).poll(cx);
            self.tail.kept.end(Code::CANCELLED);
            let decided = ready!(decided);
            extra.decision = None;
            match decided {
                Ok(context) => {
                    self.context = Some(context);
                    if let Err(refusal) = self.ask(service, peer) {
                        return Poll::Ready(Err(refusal));
                    }
                }
                Err(rejection) => return Poll::Ready(Err(self.refuse(rejection))),
            }
        }
    }

    /// Gives back memory that a call does not need while the call waits for its request.
    pub(crate) fn shrink(&mut self) {
        if let Some(context) = &mut self.context {
            context.shrink();
        }
    }

    /// Gives the call to the service: `ask` calls the service. An error means that the service has panicked.
    pub(crate) fn give<R>(
        &mut self,
        peer: &PeerInfo,
        ask: impl FnOnce(Head<'_>) -> R,
    ) -> Result<R, Panicked> {
        let head = self.head(peer);
        let answer = contain(|| ask(head));
        // The code unless the call ends in another way. The service may have begun to observe the call.
        self.tail.end(Code::CANCELLED);
        answer
    }

    /// The head that the service gets with the call.
    fn head<'a>(&'a mut self, peer: &'a PeerInfo) -> Head<'a> {
        let mirror = peer.is_mirror() || self.is_empty_probe();
        let metering = self.tail.meter.metering();
        let head = Head::new(self.method, self.timeout, peer)
            .mirrored(mirror)
            .metered(metering);
        if self.method.keeps_metadata() {
            head.with_context(self.context.take(), &mut self.tail.kept)
        } else {
            head
        }
    }

    /// Whether the request's path is an alias of `Check`.
    #[inline]
    pub(crate) fn is_alias(&self) -> bool {
        let probing = self.probing.as_deref();
        probing.is_some_and(Probing::is_alias)
    }

    /// Whether the request is a health check without a message, so that the answer has none, either.
    #[inline]
    pub(crate) fn is_empty_probe(&self) -> bool {
        let probing = self.probing.as_deref();
        probing.is_some_and(Probing::is_empty)
    }

    /// The whole answer of a call that ends before its first reply.
    pub(crate) fn trailers_only(&mut self, status: &Status) -> Response<()> {
        let mut answer = self.tail.trailers_only(status);
        if self.is_empty_probe() {
            answer = spell_out(answer, status.code());
        }
        if self.encoding.is_none() {
            say_what_is_accepted(answer.headers_mut());
        }
        answer
    }
}

/// The content type of a request whose codec is not protobuf's.
fn foreign(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get_all(CONTENT_TYPE).into_iter().next_back()?;
    let subtype = content_type::parse_any(value.as_bytes()).ok()??;
    Some(content_type::encode_subtype(subtype))
}

/// The status of a message or call with an unknown encoding. The answer must [list](say_what_is_accepted) the known encodings.
pub(super) fn unsupported_encoding(name: &str) -> Status {
    let message = format!("grpc-encoding \"{name}\" is not supported");
    Status::new(Code::UNIMPLEMENTED, message)
}

pub(super) fn say_what_is_accepted(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding::ACCEPT));
}
