//! The state that a call keeps until it is over, and the additions to the service's answer.

use std::time::Instant;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};

use super::answer::{Prebuilt, trailers_only};
use crate::observe::CallMeter;
use crate::service::{Decision, Kept, Part};
use crate::wire::code::Code;
use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// What a call keeps until the call is over.
#[derive(Debug)]
pub(crate) struct Tail {
    /// What a service has the host keep. Empty for methods that need no metadata.
    pub(super) kept: Kept,
    pub(super) extra: Option<Box<Extra>>,
    pub(super) meter: CallMeter,
}

/// What few calls have.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) decision: Option<Decision>,
    /// The answer's content type, if it is not protobuf's.
    pub(super) content_type: Option<HeaderValue>,
    /// Metadata for the answer's head, next to the service's own.
    pub(super) metadata: Option<Box<Metadata>>,
}

impl Tail {
    /// `clock` tells the host's time.
    pub(super) fn new(clock: fn() -> Instant) -> Self {
        Self {
            kept: Kept::new(clock),
            extra: None,
            meter: CallMeter::default(),
        }
    }

    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Sets the code with which the call ends, unless a later code replaces this one.
    #[inline]
    pub(crate) fn end(&mut self, code: Code) {
        self.meter.end(code);
        self.kept.end(code);
    }

    /// The head of an answer that begins with `part`.
    #[inline]
    pub(crate) fn head(&self, prebuilt: &Prebuilt, part: Option<&Part>) -> Response<()> {
        match part {
            None if self.extra.is_none() => prebuilt.head(),
            part => self.head_with(prebuilt, part),
        }
    }

    /// Metadata for the answer's head, if there is any.
    fn metadata(&self) -> Option<&Metadata> {
        let metadata = self.extra.as_deref()?.metadata.as_deref()?;
        (!metadata.is_empty()).then_some(metadata)
    }

    fn head_with(&self, prebuilt: &Prebuilt, part: Option<&Part>) -> Response<()> {
        let mut head = match (part, self.metadata()) {
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
        let mut answer = match self.metadata() {
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
        let extra = self.extra.as_deref();
        if let Some(content_type) = extra.and_then(|extra| extra.content_type.as_ref()) {
            head.insert(CONTENT_TYPE, content_type.clone());
        }
    }
}
