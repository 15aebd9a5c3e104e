//! Finds the messages of a request in the chunks of the request's body.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::accepted::{Call, unsupported_encoding};
use crate::inflating::{Inflating, Turns};
use crate::service::Message;
use crate::wire::code::Code;
use crate::wire::encoding::{DecompressError, Encoding};
use crate::wire::envelope::{Decoder, Envelope, EnvelopeError};
use crate::wire::status::Status;

/// Finds messages in a body that arrives in chunks.
#[derive(Debug)]
pub(crate) struct Messages {
    decoder: Decoder,
    encoding: Option<Encoding>,
    limit: usize,
    /// The message that is being decompressed.
    inflating: Option<Inflating>,
}

impl Messages {
    pub(crate) fn new(call: &Call) -> Self {
        let limit = call.method.request_limit();
        Self {
            decoder: Decoder::new(limit),
            encoding: call.encoding,
            limit,
            inflating: None,
        }
    }

    /// Takes the next message off `chunk`. `None` if the message goes on in the next chunk; `chunk` is empty then. Pending while the
    /// message is decompressed. After an error the call is over, and the caller does not read the rest of the body.
    #[inline]
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &mut Bytes,
        turns: &Turns,
    ) -> Poll<Result<Option<Message>, Status>> {
        if self.inflating.is_none() {
            match self.decoder.decode(chunk).map_err(malformed)? {
                None => return Poll::Ready(Ok(None)),
                Some(Envelope {
                    compressed: false,
                    message: body,
                }) => {
                    let compressed = false;
                    return Poll::Ready(Ok(Some(Message { body, compressed })));
                }
                Some(envelope) => {
                    if let Some(message) = self.begin(envelope.message, turns) {
                        return Poll::Ready(message.map(Some));
                    }
                }
            }
        }
        self.poll_inflating(cx)
    }

    /// Decompresses a message. `None` if that takes a while.
    #[cold]
    fn begin(&mut self, message: Bytes, turns: &Turns) -> Option<Result<Message, Status>> {
        match self.encoding {
            None => Some(Err(unsupported_encoding("gzip"))),
            Some(encoding) => {
                let begun = Inflating::begin(turns, message, encoding, self.limit);
                begun.map_or_else(
                    |later| {
                        self.inflating = Some(later);
                        None
                    },
                    |now| Some(unpacked(now)),
                )
            }
        }
    }

    #[cold]
    fn poll_inflating(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>> {
        let Some(inflating) = &mut self.inflating else {
            return Poll::Ready(Ok(None));
        };
        let message = ready!(inflating.poll(cx));
        self.inflating = None;
        Poll::Ready(unpacked(message).map(Some))
    }

    /// Whether a message is being decompressed.
    pub(crate) const fn is_inflating(&self) -> bool {
        self.inflating.is_some()
    }

    /// How many bytes of the message under way have arrived, and how many bytes the message has. `None` between two messages.
    #[inline]
    pub(crate) fn partial(&self) -> Option<(usize, usize)> {
        self.decoder.partial()
    }

    /// Ends the body.
    pub(crate) fn finish(&self) -> Result<(), Status> {
        self.decoder.finish().map_err(malformed)
    }
}

/// Collects the one message of a unary or server-streaming request.
#[derive(Debug)]
pub(crate) struct Collector {
    messages: Messages,
    /// The rest of a chunk, while a message of the chunk is decompressed.
    rest: Bytes,
    message: Option<Message>,
    #[cfg(feature = "__internals")]
    bare: bool,
}

impl Collector {
    pub(crate) fn new(call: &Call) -> Self {
        Self {
            messages: Messages::new(call),
            rest: Bytes::new(),
            message: None,
            #[cfg(feature = "__internals")]
            bare: call.bare,
        }
    }

    /// Takes the next chunk of the body. Pending while a message of the chunk is decompressed; [`poll_rest`](Self::poll_rest) goes on then.
    /// After an error the call is over, and the caller does not read the rest of the body.
    #[inline]
    pub(crate) fn poll_push(
        &mut self,
        mut chunk: Bytes,
        cx: &mut Context<'_>,
        turns: &Turns,
    ) -> Poll<Result<(), Status>> {
        #[cfg(feature = "__internals")]
        if self.bare {
            return Poll::Ready(Ok(()));
        }
        loop {
            let next = self.messages.poll_next(cx, &mut chunk, turns);
            let Poll::Ready(next) = next else {
                self.rest = chunk;
                return Poll::Pending;
            };
            let Some(message) = next? else {
                return Poll::Ready(Ok(()));
            };
            if self.message.replace(message).is_some() {
                let message = "more than one message in the request";
                return Poll::Ready(Err(Status::new(Code::UNIMPLEMENTED, message)));
            }
        }
    }

    /// Goes on with the chunk of which a message is decompressed.
    #[cold]
    pub(crate) fn poll_rest(
        &mut self,
        cx: &mut Context<'_>,
        turns: &Turns,
    ) -> Poll<Result<(), Status>> {
        let rest = std::mem::take(&mut self.rest);
        self.poll_push(rest, cx, turns)
    }

    /// Whether a message is being decompressed.
    #[inline]
    pub(crate) const fn is_inflating(&self) -> bool {
        self.messages.is_inflating()
    }

    /// How many bytes of the message have arrived, and how many bytes the message has. `None` before the message, and once it is whole.
    #[inline]
    pub(crate) fn partial(&self) -> Option<(usize, usize)> {
        self.messages.partial()
    }

    /// Ends the body of `call`, and returns the message for the service: the request's one message, or what an alias stands for.
    #[inline]
    pub(crate) fn finish_for(&mut self, call: &mut Call) -> Result<Message, Status> {
        let Some(probing) = &mut call.probing else {
            return self.finish();
        };
        self.messages.finish()?;
        Ok(probing.request(self.message.take()))
    }

    /// Ends the body, and returns the request's one message.
    pub(crate) fn finish(&mut self) -> Result<Message, Status> {
        #[cfg(feature = "__internals")]
        if self.bare {
            return Ok(Message {
                body: Bytes::new(),
                compressed: false,
            });
        }
        self.messages.finish()?;
        self.message
            .take()
            .ok_or_else(|| Status::new(Code::UNIMPLEMENTED, "no message in the request"))
    }
}

/// A message that was compressed.
fn unpacked(body: Result<Bytes, DecompressError>) -> Result<Message, Status> {
    let body = body.map_err(|error| Status::new(error.code(), error.to_string()))?;
    Ok(Message {
        body,
        compressed: true,
    })
}

fn malformed(error: EnvelopeError) -> Status {
    Status::new(error.code(), error.to_string())
}
