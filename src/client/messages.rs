//! The reply to one call: its messages, then its status.

use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderMap, Response, StatusCode, header::CONTENT_TYPE};
use prost::Message;

use super::error::{from_envelope, from_h2};
#[cfg(feature = "gzip")]
use super::inflating::Inflating;
use super::watched::Processed;
#[cfg(feature = "gzip")]
use crate::wire::encoding;
use crate::wire::{
    code::Code,
    content_type,
    envelope::{Decoder, Envelope},
    status::Status,
};

/// The longest message that the client accepts: 4 MiB, as is customary in gRPC. A list of 16,384 names of 200 bytes fits.
pub(super) const MAX_MESSAGE_LEN: usize = 4 * 1024 * 1024;

/// The messages of one reply. Dropping a reply that has not ended cancels the call (RST_STREAM, CANCEL).
#[derive(Debug)]
pub(super) struct Messages {
    body: RecvStream,
    /// Which of the connection's streams the server may have processed.
    processed: Arc<Processed>,
    decoder: Decoder,
    /// Received and not decoded yet.
    chunk: Bytes,
    /// Whether compressed messages are gzip: the client accepts gzip, and the server has named gzip as the encoding of the reply.
    #[cfg(feature = "gzip")]
    gzip: bool,
    /// The longest message after decompression, in bytes.
    #[cfg(feature = "gzip")]
    max_len: usize,
    /// The compressed message whose turn is next.
    #[cfg(feature = "gzip")]
    inflating: Option<Box<Inflating>>,
    /// The head was the whole reply, with status OK.
    ended: bool,
    /// The trailers of a reply that has ended with OK. In a box: only one caller reads them, and open calls have none.
    trailers: Option<Box<HeaderMap>>,
}

impl Messages {
    /// Reads the head of a reply.
    ///
    /// A `grpc-status` counts in a head that ends the stream (Trailers-Only), and in a head whose HTTP status is not 200. Without a
    /// `grpc-status` the HTTP status decides. `gzip` says whether the client accepts compressed messages.
    pub(super) fn new(
        response: Response<RecvStream>,
        processed: &Arc<Processed>,
        #[cfg_attr(not(feature = "gzip"), expect(unused_variables))] gzip: bool,
    ) -> Result<Self, Status> {
        let (head, body) = response.into_parts();
        let mut ended = false;
        if body.is_end_stream() || head.status != StatusCode::OK {
            match Status::parse(&head.headers) {
                Some(status) if status.code() == Code::OK => ended = true,
                Some(status) => return Err(status),
                None => {}
            }
        }
        if !ended {
            if head.status != StatusCode::OK {
                let code = Code::from_http_status(head.status.as_u16());
                return Err(Status::new(code, format!("HTTP status {}", head.status)));
            }
            check_content_type(&head.headers)?;
        }
        Ok(Self {
            body,
            processed: Arc::clone(processed),
            decoder: Decoder::new(MAX_MESSAGE_LEN),
            chunk: Bytes::new(),
            #[cfg(feature = "gzip")]
            gzip: gzip
                && head
                    .headers
                    .get("grpc-encoding")
                    .is_some_and(|value| encoding::is_gzip(value.as_bytes())),
            #[cfg(feature = "gzip")]
            max_len: MAX_MESSAGE_LEN,
            #[cfg(feature = "gzip")]
            inflating: None,
            ended,
            trailers: None,
        })
    }

    /// Accepts messages of up to `max` bytes, before and after decompression. Called before the first message is read.
    pub(super) fn limited(mut self, max: usize) -> Self {
        self.decoder = Decoder::new(max);
        #[cfg(feature = "gzip")]
        {
            self.max_len = max;
        }
        self
    }

    /// Waits for the next message; `None` when the server has ended the call with OK.
    ///
    /// Cancel safe: received bytes stay in `self`.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        if self.ended {
            return Ok(None);
        }
        loop {
            #[cfg(feature = "gzip")]
            if let Some(inflating) = &mut self.inflating {
                let message = inflating.message().await?;
                self.inflating = None;
                return Ok(Some(message));
            }
            match self.decoder.decode(&mut self.chunk) {
                Ok(Some(Envelope {
                    compressed: false,
                    message,
                })) => return Ok(Some(message)),
                #[cfg(feature = "gzip")]
                Ok(Some(Envelope { message, .. })) if self.gzip => {
                    let inflating = Inflating::new(message, self.max_len)?;
                    self.inflating = Some(Box::new(inflating));
                    continue;
                }
                Ok(Some(_)) => {
                    let text = "the server sent a compressed message in an encoding that the client does not accept";
                    return Err(Status::new(Code::INTERNAL, text));
                }
                Ok(None) => {}
                Err(error) => return Err(from_envelope(&error)),
            }
            match self.body.data().await {
                Some(data) => {
                    let data = data.map_err(|error| from_h2(&error, &self.processed))?;
                    // The decoder limits what is kept, so the window need not.
                    self.body
                        .flow_control()
                        .release_capacity(data.len())
                        .map_err(|error| from_h2(&error, &self.processed))?;
                    self.chunk = data;
                }
                None => {
                    self.end().await?;
                    self.ended = true;
                    return Ok(None);
                }
            }
        }
    }

    /// Reads the end of a reply.
    async fn end(&mut self) -> Result<(), Status> {
        let trailers = self
            .body
            .trailers()
            .await
            .map_err(|error| from_h2(&error, &self.processed))?;
        let Some(trailers) = trailers else {
            return Err(Status::new(
                Code::INTERNAL,
                "the reply ended without trailers",
            ));
        };
        let Some(status) = Status::parse(&trailers) else {
            return Err(Status::new(
                Code::UNKNOWN,
                "the trailers have no grpc-status",
            ));
        };
        if status.code() != Code::OK {
            return Err(status);
        }
        self.trailers = Some(Box::new(trailers));
        self.decoder.finish().map_err(|error| from_envelope(&error))
    }

    /// The trailers of a reply that has ended with OK; none before the end, and after a reply without messages.
    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_deref()
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Status> {
    let value = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], |value| value.as_bytes());
    content_type::parse(value).map_err(|_| {
        let text = format!(
            "not a gRPC reply: content-type \"{}\"",
            value.escape_ascii()
        );
        Status::new(Code::UNKNOWN, text)
    })
}

pub(super) fn decode<R: Message + Default>(message: Bytes) -> Result<R, Status> {
    R::decode(message).map_err(|error| Status::new(Code::INTERNAL, error.to_string()))
}
