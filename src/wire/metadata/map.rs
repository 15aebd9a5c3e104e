//! A call's custom metadata, as an application reads and writes it.

use std::fmt;
use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::wire::encoding::{self, Encoding};

use super::{
    decode_binary_list, encode_binary, is_binary, is_reserved, is_valid_ascii_value, is_valid_name,
};

/// The largest size of metadata that an application may send at once, in bytes: names, values and 32 for each field, as HTTP/2 counts.
/// Peers allow as little as 8 KiB for a header block, and the status needs a part of the 8 KiB.
///
/// The metadata of a received request may be larger. A handler that returns such metadata unchanged has it sent if the whole header block
/// stays below 8 KiB; otherwise none of the metadata is sent.
pub const MAX_SIZE: usize = 6 << 10;

/// The overhead of a field, besides name and value, in RFC 9113.
pub(in crate::wire) const FIELD_OVERHEAD: usize = 32;

const RETRY_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Custom metadata: names with one or more values each. The values of a name are in order.
///
/// A name that ends in `-bin` has bytes as values, any other name has printable ASCII. A text has no blanks and tabs at either end, since
/// an HTTP/2 field's value has none ([RFC 9113, section 8.2.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.2.1)): `Metadata` removes
/// them. Names that gRPC and HTTP/2 write
/// themselves (see [`is_reserved`]) can be neither read nor written. All other names can be read and written, `user-agent` included,
/// which only requests have.
///
/// Two `Metadata` are equal if they have the same values for the same names.
#[derive(Clone, Default)]
pub struct Metadata {
    /// Holds received fields of gRPC and HTTP/2, too, which applications do not see.
    fields: HeaderMap,
}

/// Why metadata cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidMetadata {
    /// The name is empty or has characters other than `0-9 a-z _ - .`.
    Name,
    /// gRPC or HTTP/2 itself writes the field of this name: see [`is_reserved`].
    Reserved,
    /// The name and the kind of value do not match: names that end in `-bin` take bytes, all other names take text.
    Kind,
    /// The text has characters other than printable ASCII.
    Value,
    /// The metadata would be larger than [`MAX_SIZE`].
    TooLarge,
}

impl fmt::Display for InvalidMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name is not valid for metadata",
            Self::Reserved => "the name is reserved",
            Self::Kind => "names that end in -bin take bytes, all other names take text",
            Self::Value => "the value is not printable ASCII",
            Self::TooLarge => "the metadata is too large",
        })
    }
}

impl std::error::Error for InvalidMetadata {}

impl Metadata {
    /// Makes empty metadata.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Empty metadata to refer to.
    pub(crate) fn none() -> &'static Self {
        static NONE: LazyLock<Metadata> = LazyLock::new(Metadata::new);
        &NONE
    }

    /// The first value of `name`. `None` if there is no value, if the name is binary or reserved, or if the value is not printable ASCII.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// All values of `name`, in order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let wanted = !is_binary(name) && !is_reserved(name);
        let values = wanted.then(|| self.fields.get_all(name).into_iter());
        values.into_iter().flatten().filter_map(text)
    }

    /// The first value of `name`, a name that ends in `-bin`. `None` if there is no value or the value is not base64.
    #[must_use]
    pub fn get_binary(&self, name: &str) -> Option<Bytes> {
        self.get_all_binary(name).next()
    }

    /// All values of `name`, a name that ends in `-bin`, in order. Values that a peer joined with commas are separate.
    pub fn get_all_binary<'a>(&'a self, name: &str) -> impl Iterator<Item = Bytes> + use<'a> {
        let wanted = is_binary(name) && !is_reserved(name);
        let values = wanted.then(|| self.fields.get_all(name).into_iter());
        let values = values.into_iter().flatten();
        values
            .flat_map(|value| decode_binary_list(value.as_bytes()))
            .filter_map(Result::ok)
    }

    /// Every name, once for each of its values, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.visible().map(|(name, _)| name.as_str())
    }

    /// Whether there is no metadata.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// Adds a text value to `name`, without the blanks and tabs at either end of the value.
    ///
    /// # Errors
    ///
    /// [`InvalidMetadata`] if the name or value cannot be sent. The metadata stays as it was.
    pub fn append(&mut self, name: &str, value: &str) -> Result<(), InvalidMetadata> {
        if is_binary(name) {
            return Err(InvalidMetadata::Kind);
        }
        let value = value.trim_matches([' ', '\t']);
        if !is_valid_ascii_value(value.as_bytes()) {
            return Err(InvalidMetadata::Value);
        }
        let value = HeaderValue::from_str(value).map_err(|_| InvalidMetadata::Value)?;
        self.push(name, value)
    }

    /// Adds a value of bytes to `name`, a name that ends in `-bin`.
    ///
    /// # Errors
    ///
    /// [`InvalidMetadata`] if the name or value cannot be sent. The metadata stays as it was.
    pub fn append_binary(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidMetadata> {
        if !is_binary(name) {
            return Err(InvalidMetadata::Kind);
        }
        // Checked before encoding: bytes over the limit are over the limit in base64, too.
        if value.len() > MAX_SIZE {
            return Err(InvalidMetadata::TooLarge);
        }
        self.push(name, encode_binary(value))
    }

    /// Removes `name` and all its values.
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

    /// The metadata of a received request. Fields that are not metadata stay hidden.
    pub(crate) fn received(fields: HeaderMap) -> Self {
        Self { fields }
    }

    /// Drops the fields of a received request that nobody reads any more, and the room for more fields, if that saves memory.
    pub(crate) fn shrink(&mut self) {
        let is_read = |name: &&HeaderName| {
            let name = name.as_str();
            !is_reserved(name) || matches!(name, "host" | "grpc-accept-encoding")
        };
        let read = || self.fields.iter().filter(|(name, _)| is_read(name));
        let count = read().count();
        // A map's capacity grows by doubling, so a map with more fields would not be smaller.
        if 2 * count > self.fields.capacity() {
            return;
        }
        let mut kept = HeaderMap::with_capacity(count);
        for (name, value) in read() {
            kept.append(name, value.clone());
        }
        self.fields = kept;
    }

    /// Whether the sender of the request reads this encoding.
    pub(crate) fn accepts(&self, encoding: Encoding) -> bool {
        let mut lists = self.fields.get_all("grpc-accept-encoding").iter();
        lists.any(|list| encoding::accepts(list.as_bytes(), encoding))
    }

    /// Adds those fields of `other` that fit within [`MAX_SIZE`].
    pub(crate) fn absorb(&mut self, other: &Self) {
        let mut total: usize = self.visible().map(|(name, value)| size(name, value)).sum();
        for (name, value) in other.visible() {
            let with = total + size(name, value);
            if with <= MAX_SIZE {
                total = with;
                self.fields.append(name.clone(), value.clone());
            }
        }
    }

    /// How many times the client has tried the call before, from `grpc-previous-rpc-attempts`.
    pub(crate) fn previous_attempts(&self) -> u32 {
        let said = self.get("grpc-previous-rpc-attempts");
        said.and_then(|said| said.parse().ok()).unwrap_or(0)
    }

    /// The `host` of a request, which is not metadata.
    pub(crate) fn host(&self) -> Option<&str> {
        self.fields.get("host").and_then(text)
    }

    pub(in crate::wire) fn retry_pushback(&self) -> Option<&HeaderValue> {
        self.fields.get(RETRY_PUSHBACK)
    }

    /// Replaces any pushback. There is always room for one.
    pub(in crate::wire) fn set_retry_pushback(&mut self, millis: HeaderValue) {
        self.fields.insert(RETRY_PUSHBACK, millis);
    }

    /// The fields that may be sent.
    fn sendable(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        let fields = self.visible();
        fields.filter(|(name, value)| is_binary(name.as_str()) || text(value).is_some())
    }

    /// The size of the fields to send, as HTTP/2 counts. 0 if the size is over `room`: then nothing is sent. Only a request's metadata can
    /// be over.
    pub(in crate::wire) fn encoded_size(&self, room: usize) -> usize {
        let size = self.sendable().map(|(name, value)| size(name, value)).sum();
        if size <= room { size } else { 0 }
    }

    /// Writes the fields to send into `fields`, and returns their size.
    pub(crate) fn encode(&self, room: usize, fields: &mut HeaderMap) -> usize {
        let size = self.encoded_size(room);
        if size > 0 {
            for (name, value) in self.sendable() {
                fields.append(name.clone(), trimmed(value));
            }
        }
        size
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        let same = |name: &HeaderName| {
            let ours = self.fields.get_all(name).into_iter().map(octets);
            ours.eq(other.fields.get_all(name).into_iter().map(octets))
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
    let octets = octets(value);
    std::str::from_utf8(octets)
        .ok()
        .filter(|_| is_valid_ascii_value(octets))
}

/// The value as it is sent and compared. A request may have values with blanks or tabs at either end.
fn octets(value: &HeaderValue) -> &[u8] {
    value.as_bytes().trim_ascii()
}

/// A value with these octets.
fn trimmed(value: &HeaderValue) -> HeaderValue {
    let octets = octets(value);
    if octets.len() == value.len() {
        return value.clone();
    }
    // A part of a value is always a valid value; the fallback keeps this total.
    let mut part = HeaderValue::from_bytes(octets).unwrap_or_else(|_| HeaderValue::from_static(""));
    part.set_sensitive(value.is_sensitive());
    part
}

fn size(name: &HeaderName, value: &HeaderValue) -> usize {
    name.as_str().len() + octets(value).len() + FIELD_OVERHEAD
}

#[cfg(test)]
mod tests;
