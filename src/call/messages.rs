//! Finds the messages of a request in the chunks of the request's body.

use bytes::Bytes;

use super::accepted::{Call, unsupported_encoding};
use crate::service::Message;
use crate::wire::code::Code;
use crate::wire::encoding::{self, Encoding};
use crate::wire::envelope::{Decoder, Envelope, EnvelopeError};
use crate::wire::status::Status;

/// Finds messages in a body that arrives in chunks.
#[derive(Debug)]
pub(crate) struct Messages {
    decoder: Decoder,
    encoding: Option<Encoding>,
    limit: usize,
}

impl Messages {
    pub(crate) fn new(call: &Call) -> Self {
        let limit = call.method.request_limit();
        Self {
            decoder: Decoder::new(limit),
            encoding: call.encoding,
            limit,
        }
    }

    /// Takes the next message off `chunk`. `None` if the message goes on in the next chunk; `chunk` is empty then. After an error the call
    /// is over, and the caller does not read the rest of the body.
    pub(crate) fn next(&mut self, chunk: &mut Bytes) -> Result<Option<Message>, Status> {
        let envelope = self.decoder.decode(chunk).map_err(malformed)?;
        envelope.map(|envelope| self.unpack(envelope)).transpose()
    }

    fn unpack(&self, envelope: Envelope) -> Result<Message, Status> {
        let compressed = envelope.compressed;
        let encoding = match self.encoding {
            None if compressed => return Err(unsupported_encoding("gzip")),
            encoding => encoding.unwrap_or(Encoding::Identity),
        };
        let body = encoding::decompress(envelope, encoding, self.limit)
            .map_err(|error| Status::new(error.code(), error.to_string()))?;
        Ok(Message { body, compressed })
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
    message: Option<Message>,
    #[cfg(feature = "__internals")]
    bare: bool,
}

impl Collector {
    pub(crate) fn new(call: &Call) -> Self {
        Self {
            messages: Messages::new(call),
            message: None,
            #[cfg(feature = "__internals")]
            bare: call.bare,
        }
    }

    /// Takes the next chunk of the body. After an error the call is over, and the caller does not read the rest of the body.
    #[inline]
    pub(crate) fn push(&mut self, mut chunk: Bytes) -> Result<(), Status> {
        #[cfg(feature = "__internals")]
        if self.bare {
            return Ok(());
        }
        while let Some(message) = self.messages.next(&mut chunk)? {
            if self.message.replace(message).is_some() {
                let message = "more than one message in the request";
                return Err(Status::new(Code::UNIMPLEMENTED, message));
            }
        }
        Ok(())
    }

    /// How many bytes of the message have arrived, and how many bytes the message has. `None` before the message, and once it is whole.
    #[inline]
    pub(crate) fn partial(&self) -> Option<(usize, usize)> {
        self.messages.partial()
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

fn malformed(error: EnvelopeError) -> Status {
    Status::new(error.code(), error.to_string())
}
