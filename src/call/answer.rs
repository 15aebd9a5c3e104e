//! The heads and trailers of answers.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, Response};

use crate::service::Part;
use crate::wire::code::Code;
use crate::wire::metadata::Metadata;
use crate::wire::status::Status;
use crate::wire::{content_type, encoding};

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The status of a call whose `grpc-timeout` has passed.
pub(crate) fn deadline_exceeded() -> Status {
    Status::new(Code::DEADLINE_EXCEEDED, "the deadline has passed")
}

/// The status of a call that there is no room for.
pub(crate) fn too_many_calls() -> Status {
    let message = "too many open calls on this connection";
    Status::new(Code::RESOURCE_EXHAUSTED, message)
}

/// The status of a call whose header list is `len` bytes long, uncompressed.
pub(crate) fn too_many_headers(len: usize, max: usize) -> Status {
    let message = format!("metadata of {len} bytes; the limit is {max}");
    Status::new(Code::RESOURCE_EXHAUSTED, message)
}

/// The status of a call that is ended because the server goes away.
pub(crate) fn going_away() -> Status {
    Status::new(Code::UNAVAILABLE, "the server is shutting down")
}

/// A whole answer without a message: one HEADERS frame, to be sent with END_STREAM.
pub(crate) fn trailers_only(status: &Status) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.reserve(4);
    headers.insert(CONTENT_TYPE, content_type::encode());
    status.encode(headers);
    response
}

/// The heads that every successful call sends, made once and cloned for each.
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
    pub(crate) fn head(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.headers_mut() = self.head.clone();
        response
    }

    /// The head of an answer that begins with `part`.
    pub(crate) fn head_for(&self, part: &Part) -> Response<()> {
        let mut head = self.head();
        if let Some((metadata, encoding)) = part.initial() {
            let fields = head.headers_mut();
            if let Some(encoding) = encoding {
                fields.insert(ENCODING, encoding::encode(encoding));
            }
            metadata.encode(fields);
        }
        head
    }

    /// The trailers of an answer that has sent its head: OK unless there is another status.
    pub(crate) fn trailers(
        &self,
        status: Option<&Status>,
        metadata: Option<&Metadata>,
    ) -> HeaderMap {
        let mut trailers = match status {
            None => self.trailers.clone(),
            Some(status) => {
                let mut trailers = HeaderMap::with_capacity(3);
                status.encode(&mut trailers);
                trailers
            }
        };
        // An error's own metadata is there already, and in place of this.
        if let Some(metadata) = metadata.filter(|_| status.and_then(Status::metadata).is_none()) {
            metadata.encode(&mut trailers);
        }
        trailers
    }
}
