//! How a handler's messages are decoded and encoded.

use bytes::{BufMut, Bytes, BytesMut};

use crate::buffers::Buffer;
use crate::service::{ContentSubtype, Message};
use crate::wire::code::Code;
use crate::wire::encoding::{self, Encoding};
use crate::wire::envelope::{self, Envelope, PREFIX_LEN};
use crate::wire::status::Status;

/// A type that a handler can take as its request message. Every prost message, [`Raw`] and [`Compressed`] implement `Decode`.
pub trait Decode: Sized + Send + 'static {
    /// The subtypes of `application/grpc` that a request for a method with this message type may have. The server answers any other subtype
    /// with HTTP status 415. Default: protobuf's subtype. A JSON codec sets `ContentSubtype::Only("json")`.
    const SUBTYPE: ContentSubtype = ContentSubtype::PROTO;

    /// Decodes a request message.
    ///
    /// # Errors
    ///
    /// The status with which the call ends.
    fn decode(message: Message) -> Result<Self, Status>;
}

/// The error of an [`Encode`] implementation. Any error converts to this type, so `?` works on the errors of a serializer.
pub type EncodeError = Box<dyn std::error::Error + Send + Sync>;

/// A type that a handler can return as its reply message. Every prost message, [`Raw`] and [`Compressed`] implement `Encode`.
///
/// An application adds a codec by implementing this trait and [`Decode`] for a type:
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
    /// Encodes the message and appends the bytes to `dst`.
    ///
    /// # Errors
    ///
    /// Any error. The call then ends with `INTERNAL` (13) and the error's text, and the server sends nothing of the message.
    fn encode(&self, dst: &mut BytesMut) -> Result<(), EncodeError>;

    /// The length of the encoded message in bytes, if the codec knows the length before it encodes; default: `None`. With a known length
    /// the server allocates the buffer once, and refuses a message over [`Route::max_reply`](super::Route::max_reply) before it encodes the
    /// message.
    fn encoded_len(&self) -> Option<usize> {
        None
    }

    /// Whether the server may compress this message. The server compresses a message if this function returns `true`, the method
    /// [compresses](super::Route::compress) and the client accepts gzip. Default: `true`.
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

/// The bytes of a message, neither decoded nor encoded, for methods of any codec. `Bytes`, `Vec<u8>` and `String` do not stand for raw
/// bytes: for prost they are the messages `BytesValue` and `StringValue`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Raw(
    /// The message, uncompressed and without its 5-byte prefix.
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

/// A message, and whether the message is compressed on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compressed<T> {
    /// The message.
    pub message: T,
    /// In a request: whether the client compressed the message. In a reply: whether the server may compress the message, if the method
    /// [compresses](super::Route::compress) and the client accepts gzip.
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

/// A reply of up to this many bytes goes into a block that it shares with other replies.
const SMALL: usize = 256;
const BLOCK: usize = 1 << 10;

/// A block for the small replies of a stream. The host copies small replies into frames, so the next replies mostly find the block free.
#[derive(Debug, Default)]
pub(super) struct Block(BytesMut);

impl Block {
    /// Gives the memory back.
    pub(super) fn clear(&mut self) {
        if self.0.capacity() > 0 {
            self.0 = BytesMut::new();
        }
    }
}

/// How the replies of a call are encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    pub(super) encoding: Encoding,
    /// The largest allowed length of a reply in bytes, before compression.
    pub(super) max_reply: usize,
}

impl Format {
    /// Encodes a reply of a stream into its envelope.
    pub(super) fn envelope_in<T: Encode>(
        self,
        message: &T,
        Block(block): &mut Block,
    ) -> Result<Bytes, Status> {
        let small = message.encoded_len().filter(|&len| len <= SMALL);
        let (Some(known), Encoding::Identity) = (small, self.encoding) else {
            return self.envelope(message);
        };
        self.check(known)?;
        let len = PREFIX_LEN + known;
        if block.capacity() < len {
            block.reserve(if block.capacity() == 0 { BLOCK } else { len });
        }
        block.extend_from_slice(&[0; PREFIX_LEN]);
        let encoded = self.encode(message, block);
        let mut envelope = block.split();
        declare(&mut envelope, encoded?);
        Ok(envelope.freeze())
    }

    /// Encodes a reply into its envelope.
    pub(super) fn envelope<T: Encode>(self, message: &T) -> Result<Bytes, Status> {
        let known = message.encoded_len();
        self.check(known.unwrap_or(0))?;
        let mut encoded = Buffer::with_capacity(PREFIX_LEN + known.unwrap_or(0));
        encoded.extend_from_slice(&[0; PREFIX_LEN]);
        let len = self.encode(message, &mut encoded)?;
        if self.encoding != Encoding::Identity && message.compress() {
            let body = encoded.split_off(PREFIX_LEN).freeze();
            let Envelope {
                compressed,
                message,
            } = encoding::compress(body, self.encoding);
            encoded.clear();
            let put = |dst: &mut BytesMut| dst.put_slice(&message);
            envelope::encode(&mut encoded, compressed, message.len(), put);
        } else {
            declare(&mut encoded, len);
        }
        Ok(encoded.freeze())
    }

    /// Encodes a reply behind an empty prefix. Returns the reply's length.
    fn encode<T: Encode>(self, message: &T, dst: &mut BytesMut) -> Result<usize, Status> {
        let failed = |error| format!("the reply cannot be encoded: {error}");
        message
            .encode(dst)
            .map_err(|error| Status::new(Code::INTERNAL, failed(error)))?;
        let len = dst.len().saturating_sub(PREFIX_LEN);
        self.check(len)?;
        Ok(len)
    }

    #[inline]
    fn check(self, len: usize) -> Result<(), Status> {
        // A prefix cannot declare a longer reply.
        let most = self.max_reply.min(u32::MAX as usize);
        if len <= most {
            Ok(())
        } else {
            Err(too_large(len, most))
        }
    }
}

#[cold]
fn too_large(len: usize, most: usize) -> Status {
    let message = format!("trying to send a message larger than max ({len} vs. {most})");
    Status::new(Code::RESOURCE_EXHAUSTED, message)
}

/// Writes the length of an uncompressed reply into its prefix.
fn declare(encoded: &mut BytesMut, len: usize) {
    if let Some([_, length @ ..]) = encoded.first_chunk_mut::<PREFIX_LEN>() {
        *length = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    }
}
