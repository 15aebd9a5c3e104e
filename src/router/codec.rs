//! Messages of a handler, from and to bytes.

use bytes::{BufMut, Bytes, BytesMut};

use crate::service::{ContentSubtype, Message};
use crate::wire::code::Code;
use crate::wire::encoding::{self, Encoding};
use crate::wire::envelope::{self, Envelope, PREFIX_LEN};
use crate::wire::status::Status;

/// What a handler can be given: every prost message, [`Raw`] bytes, or either [with](Compressed) how it came.
pub trait Decode: Sized + Send + 'static {
    /// Which subtypes of `application/grpc` the requests of a method with such messages may have; others are answered with HTTP 415.
    /// Default: protobuf's. A codec in JSON says `ContentSubtype::Only("json")`.
    const SUBTYPE: ContentSubtype = ContentSubtype::PROTO;

    /// Reads a request message.
    ///
    /// # Errors
    ///
    /// The status with which the call ends.
    fn decode(message: Message) -> Result<Self, Status>;
}

/// Why a message cannot be encoded: any error, so that `?` makes one of what a serializer returns.
pub type EncodeError = Box<dyn std::error::Error + Send + Sync>;

/// What a handler can answer: every prost message, [`Raw`] bytes, or either [with](Compressed) how it is to be sent.
///
/// A codec of an application's own is a type that implements this trait and [`Decode`]:
///
/// ```
/// use bytes::{BufMut, BytesMut};
/// use grpc_health::router::{Encode, EncodeError};
///
/// /// A number, in decimal digits.
/// struct Decimal(f64);
///
/// impl Encode for Decimal {
///     fn encode(&self, dst: &mut BytesMut) -> Result<(), EncodeError> {
///         if !self.0.is_finite() {
///             return Err("no digits".into());
///         }
///         dst.put(self.0.to_string().as_bytes());
///         Ok(())
///     }
/// }
/// ```
pub trait Encode: Send + 'static {
    /// Appends the message to `dst`.
    ///
    /// # Errors
    ///
    /// Any error. The call ends with `INTERNAL` (13) and the error's text, and nothing of the message is sent.
    fn encode(&self, dst: &mut BytesMut) -> Result<(), EncodeError>;

    /// The length, in bytes, that the message is going to have, where the codec knows it before it encodes. A message that is too large is
    /// then refused before it is encoded, and the buffer is allocated once. Default: unknown.
    fn encoded_len(&self) -> Option<usize> {
        None
    }

    /// Whether this message is compressed where its method [compresses](super::Route::compress) and the client accepts it. It is, unless
    /// it says otherwise.
    fn compress(&self) -> bool {
        true
    }
}

impl<T: prost::Message + Default + 'static> Decode for T {
    fn decode(message: Message) -> Result<Self, Status> {
        let malformed = |error| Status::new(Code::INTERNAL, format!("malformed request: {error}"));
        T::decode(message.body).map_err(malformed)
    }
}

impl<T: prost::Message + 'static> Encode for T {
    fn encode(&self, dst: &mut BytesMut) -> Result<(), EncodeError> {
        self.encode_raw(dst);
        Ok(())
    }

    fn encoded_len(&self) -> Option<usize> {
        Some(prost::Message::encoded_len(self))
    }
}

/// A message as it is, for any codec. `Bytes`, `Vec<u8>` and `String` are not that, but prost's messages with one field (`BytesValue`,
/// `StringValue`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw(
    /// The message, without its prefix and not compressed.
    pub Bytes,
);

impl Decode for Raw {
    const SUBTYPE: ContentSubtype = ContentSubtype::Any;

    fn decode(message: Message) -> Result<Self, Status> {
        Ok(Self(message.body))
    }
}

impl Encode for Raw {
    fn encode(&self, dst: &mut BytesMut) -> Result<(), EncodeError> {
        dst.put_slice(&self.0);
        Ok(())
    }

    fn encoded_len(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// A message with how it was, or is to be, sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compressed<T> {
    /// The message.
    pub message: T,
    /// Whether it is compressed on the wire. A reply never is unless its method [compresses](super::Route::compress) and the client
    /// accepts it.
    pub compressed: bool,
}

impl<T: Decode> Decode for Compressed<T> {
    const SUBTYPE: ContentSubtype = T::SUBTYPE;

    fn decode(message: Message) -> Result<Self, Status> {
        let compressed = message.compressed;
        let message = T::decode(message)?;
        Ok(Self {
            message,
            compressed,
        })
    }
}

impl<T: Encode> Encode for Compressed<T> {
    fn encode(&self, dst: &mut BytesMut) -> Result<(), EncodeError> {
        self.message.encode(dst)
    }

    fn encoded_len(&self) -> Option<usize> {
        self.message.encoded_len()
    }

    fn compress(&self) -> bool {
        self.compressed
    }
}

/// How the replies of a call are encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) encoding: Encoding,
    /// The length of the largest, in bytes, before it is compressed.
    pub(super) max_reply: usize,
}

impl Format {
    /// The envelope of a reply.
    pub(super) fn envelope<T: Encode>(self, message: &T) -> Result<Bytes, Status> {
        let known = message.encoded_len();
        self.check(known.unwrap_or(0))?;
        let mut encoded = BytesMut::with_capacity(PREFIX_LEN + known.unwrap_or(0));
        encoded.put_bytes(0, PREFIX_LEN);
        let failed = |error| format!("the reply cannot be encoded: {error}");
        message
            .encode(&mut encoded)
            .map_err(|error| Status::new(Code::INTERNAL, failed(error)))?;
        let len = encoded.len().saturating_sub(PREFIX_LEN);
        self.check(len)?;
        if self.encoding != Encoding::Identity && message.compress() {
            let body = encoded.split_off(PREFIX_LEN).freeze();
            let Envelope {
                compressed,
                message,
            } = encoding::compress(body, self.encoding);
            encoded.clear();
            let put = |dst: &mut BytesMut| dst.put_slice(&message);
            envelope::encode(&mut encoded, compressed, message.len(), put);
        } else if let Some([_, length @ ..]) = encoded.first_chunk_mut::<PREFIX_LEN>() {
            *length = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
        }
        Ok(encoded.freeze())
    }

    fn check(self, len: usize) -> Result<(), Status> {
        // What an envelope can declare is the limit of every reply.
        let most = self.max_reply.min(u32::MAX as usize);
        if len <= most {
            return Ok(());
        }
        let message = format!("trying to send a message larger than max ({len} vs. {most})");
        Err(Status::new(Code::RESOURCE_EXHAUSTED, message))
    }
}
