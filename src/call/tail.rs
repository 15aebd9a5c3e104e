//! The state that a call keeps until it is over, and the additions to the service's answer.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};

use super::answer::{Prebuilt, trailers_only};
use crate::observe::CallMeter;
use crate::service::{Decision, Kept, Part, RequestContext};
use crate::wire::code::Code;
use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// What a call keeps until the call is over.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// The state of a call of a method that needs metadata.
    pub(super) state: Option<Box<State>>,
    pub(super) meter: CallMeter,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) context: Option<RequestContext>,
    pub(super) decision: Option<Decision>,
    pub(super) kept: Kept,
    /// The answer's content type, if it is not protobuf's.
    pub(super) content_type: Option<HeaderValue>,
    /// Metadata for the answer's head, next to the service's own.
    pub(super) metadata: Option<Box<Metadata>>,
}

impl Tail {
    /// Sets the code with which the call ends, unless a later code replaces this one.
    #[inline]
    pub(crate) fn end(&mut self, code: Code) {
        self.meter.end(code);
        if let Some(state) = &mut self.state {
            state.kept.end(code);
        }
    }

    /// The head of an answer that begins with `part`.
    #[inline]
    pub(crate) fn head(&self, prebuilt: &Prebuilt, part: Option<&Part>) -> Response<()> {
        match part {
            None if self.state.is_none() => prebuilt.head(),
            part => self.head_with(prebuilt, part),
        }
    }

    /// Metadata for the answer's head, if there is any.
    fn extra(&self) -> Option<&Metadata> {
        let metadata = self.state.as_deref()?.metadata.as_deref()?;
        (!metadata.is_empty()).then_some(metadata)
    }

    fn head_with(&self, prebuilt: &Prebuilt, part: Option<&Part>) -> Response<()> {
        let mut head = match (part, self.extra()) {
            (None, None) => prebuilt.head(),
            (Some(part), None) => prebuilt.head_for(part),
            (part, Some(extra)) => prebuilt.head_with(part, extra),
        };
        self.dress(head.headers_mut());
        head
    }

    /// The whole answer without a message, which ends the call.
    pub(crate) fn trailers_only(&mut self, status: &Status) -> Response<()> {
        self.end(status.code());
        let mut answer = match self.extra() {
            None => trailers_only(status),
            Some(extra) => {
                let mut metadata = status.metadata().cloned().unwrap_or_default();
                metadata.absorb(extra);
                trailers_only(&status.clone().with_metadata(metadata))
            }
        };
        self.dress(answer.headers_mut());
        answer
    }

    /// The trailers of an answer whose head is sent. They end the call with OK, or with `status`.
    #[inline]
    pub(crate) fn trailers(
        &mut self,
        prebuilt: &Prebuilt,
        status: Option<&Status>,
        metadata: Option<&Metadata>,
    ) -> HeaderMap {
        self.end(status.map_or(Code::OK, Status::code));
        prebuilt.trailers(status, metadata)
    }

    fn dress(&self, head: &mut HeaderMap) {
        let state = self.state.as_deref();
        if let Some(content_type) = state.and_then(|state| state.content_type.as_ref()) {
            head.insert(CONTENT_TYPE, content_type.clone());
        }
    }
}
