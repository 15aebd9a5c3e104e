//! What the calls of a client send beside their message: metadata, the `user-agent`, and the encoding of the message.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_TYPE, TE, USER_AGENT},
};
use prost::Message;

use crate::wire::{
    content_type, envelope,
    metadata::{InvalidMetadata, MAX_SIZE, Metadata, is_valid_ascii_value},
};
#[cfg(feature = "gzip")]
use crate::wire::{
    encoding::{self, Encoding},
    gzip,
};

/// The client's own name.
const NAME: &str = concat!("grpc-health/", env!("CARGO_PKG_VERSION"));

/// What each call of one handle sends beside its message.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// What the application has set. Most handles have nothing, and each monitored server has a handle.
    custom: Option<Arc<Custom>>,
    /// Whether messages are compressed. Always false without feature `gzip`.
    gzip: bool,
}

#[derive(Clone, Debug, Default)]
struct Custom {
    user_agent: Option<HeaderValue>,
    metadata: Option<Metadata>,
}

impl Manner {
    pub(super) const fn new() -> Self {
        Self {
            custom: None,
            gzip: false,
        }
    }

    /// Puts `name` before the client's own name.
    pub(super) fn user_agent(&mut self, name: &str) -> Result<(), InvalidMetadata> {
        let name = name.trim_matches(' ');
        if !is_valid_ascii_value(name.as_bytes()) {
            return Err(InvalidMetadata::Value);
        }
        if name.len() > MAX_SIZE {
            return Err(InvalidMetadata::TooLarge);
        }
        let space = if name.is_empty() { "" } else { " " };
        let value = HeaderValue::try_from(format!("{name}{space}{NAME}"))
            .map_err(|_| InvalidMetadata::Value)?;
        self.custom().user_agent = Some(value);
        Ok(())
    }

    fn custom(&mut self) -> &mut Custom {
        Arc::make_mut(self.custom.get_or_insert_default())
    }

    pub(super) fn metadata(&mut self, metadata: Metadata) {
        self.custom().metadata = Some(metadata);
    }

    #[cfg(feature = "gzip")]
    pub(super) const fn gzip(&mut self) {
        self.gzip = true;
    }

    /// Whether replies may be compressed.
    pub(super) const fn accepts_gzip(&self) -> bool {
        self.gzip
    }

    /// Writes the fields of a request, without the timeout.
    pub(super) fn write(&self, fields: &mut HeaderMap) {
        fields.insert(TE, HeaderValue::from_static("trailers"));
        fields.insert(CONTENT_TYPE, content_type::GRPC);
        #[cfg(feature = "gzip")]
        if self.gzip {
            let accept = HeaderValue::from_static(encoding::ACCEPT);
            fields.insert("grpc-encoding", encoding::encode(Encoding::Gzip));
            fields.insert("grpc-accept-encoding", accept);
        }
        let custom = self.custom.as_deref();
        if let Some(metadata) = custom.and_then(|custom| custom.metadata.as_ref()) {
            metadata.encode(MAX_SIZE, fields);
        }
        // The metadata may have one of its own.
        if !fields.contains_key(USER_AGENT) {
            let user_agent = custom.and_then(|custom| custom.user_agent.clone());
            fields.insert(
                USER_AGENT,
                user_agent.unwrap_or(HeaderValue::from_static(NAME)),
            );
        }
    }

    /// The envelope of a request.
    pub(super) fn envelope(&self, request: &impl Message) -> Bytes {
        #[cfg(feature = "gzip")]
        if self.gzip {
            // Compressed even if that makes the message longer: whoever asks for gzip with such messages tries the server's gzip.
            let message = gzip::deflate(&request.encode_to_vec());
            return enveloped(true, message.len(), |dst| dst.extend_from_slice(&message));
        }
        enveloped(false, request.encoded_len(), |dst| {
            // Fails only without room in the buffer, and this buffer grows.
            let _ = request.encode(dst);
        })
    }
}

fn enveloped(compressed: bool, len: usize, write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut body = BytesMut::new();
    envelope::encode(&mut body, compressed, len, write);
    body.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_agent(name: &str) -> Result<String, InvalidMetadata> {
        let mut manner = Manner::new();
        manner.user_agent(name)?;
        let mut fields = HeaderMap::new();
        manner.write(&mut fields);
        Ok(fields["user-agent"].to_str().unwrap().to_owned())
    }

    #[test]
    fn the_name_of_a_program_comes_first() {
        assert_eq!(user_agent("prober/1"), Ok(format!("prober/1 {NAME}")));
        for blank in ["", " "] {
            assert_eq!(user_agent(blank), Ok(NAME.to_owned()), "{blank:?}");
        }
        for bad in ["a\nb", "\u{e9}"] {
            assert_eq!(user_agent(bad), Err(InvalidMetadata::Value), "{bad:?}");
        }
        let long = "a".repeat(MAX_SIZE + 1);
        assert_eq!(user_agent(&long), Err(InvalidMetadata::TooLarge));
        assert!(user_agent(&long[1..]).is_ok());
    }

    #[test]
    fn metadata_is_sent_beside_the_fields_of_the_protocol() {
        let mut metadata = Metadata::new();
        metadata.append("x-tenant", "shop").unwrap();
        metadata.append("x-tenant", "cart").unwrap();
        metadata.append_binary("trace-bin", &[1, 2]).unwrap();
        metadata.append("user-agent", "prober").unwrap();
        let mut manner = Manner::new();
        manner.metadata(metadata);
        let mut fields = HeaderMap::new();
        manner.write(&mut fields);
        let tenants: Vec<_> = fields.get_all("x-tenant").iter().collect();
        assert_eq!(tenants, ["shop", "cart"]);
        assert_eq!(fields["trace-bin"], "AQI");
        assert_eq!(fields.get_all("user-agent").iter().count(), 1);
        assert_eq!(fields["user-agent"], "prober");
        assert_eq!(fields["te"], "trailers");
    }
}
