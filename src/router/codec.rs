//! Messages of a handler, from and to bytes.

use bytes::{BufMut, Bytes, BytesMut};

use crate::service::Message;
use crate::wire::code::Code;
use crate::wire::encoding::{self, Encoding};
use crate::wire::envelope::{self, Envelope};
use crate::wire::status::Status;

/// What a handler can be given: every prost message, [`Raw`] bytes, or either [with](Compressed) how it came.
pub trait Decode: Sized + Send + 'static {
    /// Reads a request message.
    ///
    /// # Errors
    ///
    /// The status with which the call ends.
    fn decode(message: Message) -> Result<Self, Status>;
}

/// What a handler can answer: every prost message, [`Raw`] bytes, or either [with](Compressed) how it is to be sent.
pub trait Encode: Send + 'static {
    /// The length of the message, in bytes.
    fn encoded_len(&self) -> usize;

    /// Appends the message to `dst`.
    fn encode(&self, dst: &mut BytesMut);

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
    fn encoded_len(&self) -> usize {
        prost::Message::encoded_len(self)
    }

    fn encode(&self, dst: &mut BytesMut) {
        self.encode_raw(dst);
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
    fn decode(message: Message) -> Result<Self, Status> {
        Ok(Self(message.body))
    }
}

impl Encode for Raw {
    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, dst: &mut BytesMut) {
        dst.put_slice(&self.0);
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
    fn encoded_len(&self) -> usize {
        self.message.encoded_len()
    }

    fn encode(&self, dst: &mut BytesMut) {
        self.message.encode(dst);
    }

    fn compress(&self) -> bool {
        self.compressed
    }
}

/// The envelope of a reply, in a call whose replies have this encoding.
pub(super) fn envelope<T: Encode>(message: &T, encoding: Encoding) -> Result<Bytes, Status> {
    let len = message.encoded_len();
    if u32::try_from(len).is_err() {
        let message = format!("a reply of {len} bytes is more than an envelope can hold");
        return Err(Status::new(Code::RESOURCE_EXHAUSTED, message));
    }
    let mut encoded = BytesMut::new();
    if encoding == Encoding::Identity || !message.compress() {
        envelope::encode(&mut encoded, false, len, |dst| message.encode(dst));
    } else {
        message.encode(&mut encoded);
        let Envelope {
            compressed,
            message,
        } = encoding::compress(encoded.split().freeze(), encoding);
        let put = |dst: &mut BytesMut| dst.put_slice(&message);
        envelope::encode(&mut encoded, compressed, message.len(), put);
    }
    Ok(encoded.freeze())
}
