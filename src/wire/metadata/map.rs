//! A call's custom metadata, as an application reads and writes it.

use std::fmt;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::wire::encoding::{self, Encoding};

use super::{
    decode_binary_list, encode_binary, is_binary, is_reserved, is_valid_ascii_value, is_valid_name,
};

/// The most metadata that an application may send at once, in bytes: names, values and 32 for each field, as HTTP/2 counts them. Peers
/// allow as little as 8 KiB for a header block, and the status needs some of it.
pub const MAX_SIZE: usize = 6 << 10;

/// What RFC 9113 adds to a field's name and value.
const FIELD_OVERHEAD: usize = 32;

/// Custom metadata: names, each with one or more values, in order for each name.
///
/// A name that ends in `-bin` has values of bytes, any other name values of printable ASCII. Names that belong to gRPC or to HTTP/2
/// (see [`is_reserved`]) are not in it: they cannot be read or written through it.
///
/// Two are equal if they have the same values for the same names.
#[derive(Clone, Default)]
pub struct Metadata {
    /// Those of gRPC and HTTP/2, too, if they were received: out of sight.
    fields: HeaderMap,
}

/// Why metadata cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidMetadata {
    /// The name is empty or has characters other than `0-9 a-z _ - .`.
    Name,
    /// The name belongs to gRPC or to HTTP/2.
    Reserved,
    /// The name and the kind of value do not match: a name that ends in `-bin` is for bytes, every other one for text.
    Kind,
    /// The text has characters other than printable ASCII.
    Value,
    /// There would be more than [`MAX_SIZE`] bytes.
    TooLarge,
}

impl fmt::Display for InvalidMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "not a metadata name",
            Self::Reserved => "the name is reserved",
            Self::Kind => "names that end in -bin, and no others, have values of bytes",
            Self::Value => "not printable ASCII",
            Self::TooLarge => "too much metadata",
        })
    }
}

impl std::error::Error for InvalidMetadata {}

impl Metadata {
    /// No metadata.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value of `name`. `None` if there is none, if the name is binary or reserved, and for a value that is not printable
    /// ASCII, which gRPC does not allow.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// The values of `name`, in their order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let wanted = !is_binary(name) && !is_reserved(name);
        let values = wanted.then(|| self.fields.get_all(name).into_iter());
        values.into_iter().flatten().filter_map(text)
    }

    /// The first value of `name`, which ends in `-bin`.
    #[must_use]
    pub fn get_binary(&self, name: &str) -> Option<Bytes> {
        self.get_all_binary(name).next()
    }

    /// The values of `name`, which ends in `-bin`, in their order; those that were joined with commas are taken apart.
    pub fn get_all_binary<'a>(&'a self, name: &str) -> impl Iterator<Item = Bytes> + use<'a> {
        let wanted = is_binary(name) && !is_reserved(name);
        let values = wanted.then(|| self.fields.get_all(name).into_iter());
        let values = values.into_iter().flatten();
        values
            .flat_map(|value| decode_binary_list(value.as_bytes()))
            .filter_map(Result::ok)
    }

    /// Every name, once for each of its values. Names come in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.visible().map(|(name, _)| name.as_str())
    }

    /// Whether there is no metadata.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// Adds a value to those of `name`.
    ///
    /// # Errors
    ///
    /// [`InvalidMetadata`] if it cannot be sent; then nothing is added.
    pub fn append(&mut self, name: &str, value: &str) -> Result<(), InvalidMetadata> {
        if is_binary(name) {
            return Err(InvalidMetadata::Kind);
        }
        if !is_valid_ascii_value(value.as_bytes()) {
            return Err(InvalidMetadata::Value);
        }
        let value = HeaderValue::from_str(value).map_err(|_| InvalidMetadata::Value)?;
        self.push(name, value)
    }

    /// Adds bytes to the values of `name`, which ends in `-bin`.
    ///
    /// # Errors
    ///
    /// [`InvalidMetadata`] if they cannot be sent; then nothing is added.
    pub fn append_binary(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidMetadata> {
        if !is_binary(name) {
            return Err(InvalidMetadata::Kind);
        }
        // Before it is encoded: what is too large as bytes is so in base64, too.
        if value.len() > MAX_SIZE {
            return Err(InvalidMetadata::TooLarge);
        }
        self.push(name, encode_binary(value))
    }

    /// Takes `name` and all its values out.
    pub fn remove(&mut self, name: &str) {
        if !is_reserved(name) {
            self.fields.remove(name);
        }
    }

    fn visible(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let fields = self.fields.iter();
        fields.filter(|(name, _)| !is_reserved(name.as_str()))
    }

    fn push(&mut self, name: &str, value: HeaderValue) -> Result<(), InvalidMetadata> {
        if is_reserved(name) {
            return Err(InvalidMetadata::Reserved);
        }
        if !is_valid_name(name) {
            return Err(InvalidMetadata::Name);
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| InvalidMetadata::Name)?;
        let others: usize = self.visible().map(|(name, value)| size(name, value)).sum();
        if others + size(&name, &value) > MAX_SIZE {
            return Err(InvalidMetadata::TooLarge);
        }
        self.fields.append(name, value);
        Ok(())
    }

    /// The metadata of a request or an answer, with the fields that are not: they stay out of sight.
    pub(crate) fn received(fields: HeaderMap) -> Self {
        Self { fields }
    }

    /// Whether the sender of a request reads this encoding.
    pub(crate) fn accepts(&self, encoding: Encoding) -> bool {
        let mut lists = self.fields.get_all("grpc-accept-encoding").iter();
        lists.any(|list| encoding::accepts(list.as_bytes(), encoding))
    }

    /// Adds the fields of `other` for which there is room within [`MAX_SIZE`].
    pub(crate) fn absorb(&mut self, other: &Self) {
        let mut total: usize = self.visible().map(|(name, value)| size(name, value)).sum();
        for (name, value) in other.visible() {
            total += size(name, value);
            if total > MAX_SIZE {
                return;
            }
            self.fields.append(name.clone(), value.clone());
        }
    }

    /// Writes it into the fields of an answer.
    pub(crate) fn encode(&self, fields: &mut HeaderMap) {
        for (name, value) in self.visible() {
            if is_binary(name.as_str()) || text(value).is_some() {
                fields.append(name.clone(), value.clone());
            }
        }
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        let same = |name: &HeaderName| {
            let (ours, theirs) = (self.fields.get_all(name), other.fields.get_all(name));
            ours == theirs
        };
        self.names().count() == other.names().count() && self.visible().all(|(name, _)| same(name))
    }
}

impl Eq for Metadata {}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.visible()).finish()
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    value
        .to_str()
        .ok()
        .filter(|text| is_valid_ascii_value(text.as_bytes()))
}

fn size(name: &HeaderName, value: &HeaderValue) -> usize {
    name.as_str().len() + value.len() + FIELD_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_order_and_kind() {
        let mut metadata = Metadata::new();
        metadata.append("k", "one").unwrap();
        metadata.append("k", "two").unwrap();
        metadata.append_binary("b-bin", &[0, 255]).unwrap();
        assert_eq!(metadata.get_all("k").collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(metadata.get("K"), Some("one"));
        assert_eq!(metadata.get_binary("b-bin").unwrap(), [0, 255].as_slice());
        assert_eq!(metadata.get("b-bin"), None);
        assert_eq!(metadata.get_binary("k"), None);
        assert_eq!(metadata.get(""), None);
        metadata.remove("k");
        assert_eq!(metadata.get("k"), None);
        assert!(!metadata.is_empty());
        metadata.remove("b-bin");
        assert!(metadata.is_empty());
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let mut metadata = Metadata::new();
        for (name, value, error) in [
            ("grpc-status", "0", InvalidMetadata::Reserved),
            ("content-type", "x", InvalidMetadata::Reserved),
            ("te", "x", InvalidMetadata::Reserved),
            (":path", "x", InvalidMetadata::Reserved),
            ("", "x", InvalidMetadata::Name),
            ("Upper", "x", InvalidMetadata::Name),
            ("sp ace", "x", InvalidMetadata::Name),
            ("k-bin", "x", InvalidMetadata::Kind),
            ("k", "\t", InvalidMetadata::Value),
            ("k", "ü", InvalidMetadata::Value),
        ] {
            assert_eq!(metadata.append(name, value), Err(error), "{name}: {value}");
        }
        assert_eq!(metadata.append_binary("k", b""), Err(InvalidMetadata::Kind));
        assert_eq!(
            metadata.append_binary("grpc-trace-bin", b""),
            Err(InvalidMetadata::Reserved)
        );
        assert!(metadata.is_empty());
    }

    #[test]
    fn there_is_a_limit_to_what_is_sent() {
        let mut metadata = Metadata::new();
        let value = "v".repeat(MAX_SIZE - FIELD_OVERHEAD - 1);
        assert_eq!(
            metadata.append("k", &format!("{value}v")),
            Err(InvalidMetadata::TooLarge)
        );
        metadata.append("k", &value).unwrap();
        assert_eq!(metadata.append("k", ""), Err(InvalidMetadata::TooLarge));
        metadata.remove("k");
        metadata.append("k", &value).unwrap();
        let bytes = vec![0; MAX_SIZE + 1];
        assert_eq!(
            metadata.append_binary("k-bin", &bytes),
            Err(InvalidMetadata::TooLarge)
        );
    }

    #[test]
    fn reserved_and_invalid_fields_of_a_request_are_not_seen() {
        let mut fields = HeaderMap::new();
        fields.insert("grpc-timeout", HeaderValue::from_static("1S"));
        fields.insert("user-agent", HeaderValue::from_static("x"));
        fields.insert("x", HeaderValue::from_bytes(b"\xff").unwrap());
        fields.append("x", HeaderValue::from_static("good"));
        fields.insert("y-bin", HeaderValue::from_static("AQ,Ag=="));
        let metadata = Metadata::received(fields);
        assert_eq!(metadata.get("grpc-timeout"), None);
        assert_eq!(metadata.get("user-agent"), None);
        assert_eq!(metadata.get("x"), Some("good"));
        let bytes: Vec<_> = metadata.get_all_binary("y-bin").collect();
        assert_eq!(bytes, [[1].as_slice(), [2].as_slice()]);
        assert_eq!(metadata.names().collect::<Vec<_>>(), ["x", "x", "y-bin"]);
        let mut echoed = HeaderMap::new();
        metadata.encode(&mut echoed);
        assert_eq!(echoed.len(), 2);
        let debug = format!("{metadata:?}");
        assert!(debug.contains("good") && !debug.contains("1S"), "{debug}");
    }

    #[test]
    fn what_is_out_of_sight_makes_no_difference() {
        let mut fields = HeaderMap::new();
        fields.insert("grpc-timeout", HeaderValue::from_static("1S"));
        fields.append("k", HeaderValue::from_static("one"));
        fields.append("k", HeaderValue::from_static("two"));
        let mut received = Metadata::received(fields);
        received.remove("grpc-timeout");
        let mut made = Metadata::new();
        for (name, value) in [("k", "one"), ("k", "two")] {
            assert_ne!(received, made);
            assert_ne!(made, received);
            made.append(name, value).unwrap();
        }
        assert_eq!(received, made);
        assert!(received.fields.contains_key("grpc-timeout"));
        let mut turned = Metadata::new();
        turned.append("k", "two").unwrap();
        turned.append("k", "one").unwrap();
        assert_ne!(received, turned);
        // Nor does it count for what is sent; what was received does.
        let room = MAX_SIZE - 3 * (1 + FIELD_OVERHEAD) - 6;
        let value = "v".repeat(room + 1);
        let too_large = Err(InvalidMetadata::TooLarge);
        assert_eq!(received.append("v", &value), too_large);
        assert_eq!(received.append("v", &value[1..]), Ok(()));
    }
}
