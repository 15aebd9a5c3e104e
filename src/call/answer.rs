//! The heads and trailers of answers.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, Response};

use crate::service::Part;
use crate::wire::code::Code;
use crate::wire::metadata::Metadata;
use crate::wire::status::{MAX_TRAILERS_SIZE, Status};
use crate::wire::{content_type, encoding};

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The status of a call whose `grpc-timeout` has passed.
pub(crate) fn deadline_exceeded() -> Status {
    Status::new(Code::DEADLINE_EXCEEDED, "the deadline has passed")
}

/// The status of a call whose client has not sent the request in time.
pub(crate) fn no_request(within: Duration) -> Status {
    let message = format!("the client did not send its request within {within:?}");
    Status::new(Code::DEADLINE_EXCEEDED, message)
}

/// The status of a call whose client has not made room for the reply in time.
pub(crate) fn no_room(within: Duration) -> Status {
    let message = format!("the client made no room for the reply within {within:?}");
    Status::new(Code::RESOURCE_EXHAUSTED, message)
}

/// The status of a call whose reply has to make room for other replies.
pub(crate) fn no_budget() -> Status {
    let message =
        "the replies that clients have not taken are more than the server's send budget allows";
    Status::new(Code::RESOURCE_EXHAUSTED, message)
}

/// The status of a call over the connection's limit of open calls.
pub(crate) fn too_many_calls() -> Status {
    let message = "too many open calls on this connection";
    Status::new(Code::RESOURCE_EXHAUSTED, message)
}

/// The status of a call for whose request the server has no memory.
pub(crate) fn exhausted() -> Status {
    let message = "the server has no room for the request";
    Status::new(Code::RESOURCE_EXHAUSTED, message)
}

/// The status of a call whose header list is `len` bytes long, uncompressed.
pub(crate) fn too_many_headers(len: usize, max: usize) -> Status {
    let message = format!("metadata of {len} bytes; the limit is {max}");
    Status::new(Code::RESOURCE_EXHAUSTED, message)
}

/// The status of a call that ends because the server shuts down.
pub(crate) fn going_away() -> Status {
    Status::new(Code::UNAVAILABLE, "the server is shutting down")
}

/// A whole answer without a message: one HEADERS frame with END_STREAM.
pub(crate) fn trailers_only(status: &Status) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.reserve(4);
    headers.insert(CONTENT_TYPE, content_type::encode());
    status.encode(headers);
    response
}

/// The headers of every successful call, made once and cloned for each call.
#[derive(Debug)]
pub(crate) struct Prebuilt {
    head: HeaderMap,
    trailers: HeaderMap,
}

impl Prebuilt {
    pub(crate) fn new() -> Self {
        let mut head = HeaderMap::with_capacity(1);
        head.insert(CONTENT_TYPE, content_type::encode());
        let mut trailers = HeaderMap::with_capacity(1);
        Status::new(Code::OK, "").encode(&mut trailers);
        Self { head, trailers }
    }

    /// The head of an answer that carries messages.
    pub(super) fn head(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.headers_mut() = self.head.clone();
        response
    }

    /// The head of an answer that begins with `part`.
    pub(super) fn head_for(&self, part: &Part) -> Response<()> {
        let mut head = self.head();
        if let Some((metadata, encoding)) = part.initial() {
            let fields = head.headers_mut();
            if let Some(encoding) = encoding {
                fields.insert(ENCODING, encoding::encode(encoding));
            }
            metadata.encode(MAX_TRAILERS_SIZE, fields);
        }
        head
    }

    /// The head of an answer that begins with `part`, with as much of `extra` as fits next to the part's own metadata.
    pub(super) fn head_with(&self, part: Option<&Part>, extra: &Metadata) -> Response<()> {
        let initial = part.and_then(Part::initial);
        let mut metadata = initial.map_or_else(Metadata::new, |(own, _)| own.clone());
        metadata.absorb(extra);
        let encoding = initial.and_then(|(_, encoding)| encoding);
        let part = Part::default().with_initial(metadata);
        self.head_for(&match encoding {
            None => part,
            Some(encoding) => part.with_encoding(encoding),
        })
    }

    /// The trailers of an answer whose head is sent: OK, or `status`.
    pub(super) fn trailers(
        &self,
        status: Option<&Status>,
        metadata: Option<&Metadata>,
    ) -> HeaderMap {
        let Some(status) = status else {
            let mut trailers = self.trailers.clone();
            if let Some(metadata) = metadata {
                metadata.encode(MAX_TRAILERS_SIZE, &mut trailers);
            }
            return trailers;
        };
        let mut trailers = HeaderMap::with_capacity(3);
        // An error's own metadata replaces the metadata of the parts.
        status.encode_with(metadata, &mut trailers);
        trailers
    }
}
