//! The response that a handler returns.

use std::pin::Pin;

use futures_core::Stream;

use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// A handler's response: the reply message, or the stream of reply messages, with metadata for the response's head and trailers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response<T> {
    message: T,
    initial: Metadata,
    trailing: Metadata,
    pub(super) head_first: bool,
}

impl<T> Response<T> {
    /// Makes a response without metadata.
    #[must_use]
    pub fn new(message: T) -> Self {
        Self {
            message,
            initial: Metadata::new(),
            trailing: Metadata::new(),
            head_first: false,
        }
    }

    /// Replaces the metadata in the response's head, which the client reads before the first message.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.initial = metadata;
        self
    }

    /// Replaces the metadata in the response's trailers, which the client reads after the last message.
    ///
    /// A stream that knows its trailers only at the end puts them into its last item: an `Err` [with metadata](Status::with_metadata),
    /// whose code is OK if the call succeeded. The metadata of that `Err` replaces the metadata set here.
    #[must_use]
    pub fn with_trailers(mut self, metadata: Metadata) -> Self {
        self.trailing = metadata;
        self
    }

    /// The reply message, or the stream of reply messages.
    #[must_use]
    pub const fn get_ref(&self) -> &T {
        &self.message
    }

    /// The reply message, or the stream of reply messages, for changes.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.message
    }

    /// Takes the message, or the stream of messages, out of the response and drops the metadata.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.message
    }

    /// Replaces the message with the result of `f`, and keeps the metadata.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Response<U> {
        Response {
            message: f(self.message),
            initial: self.initial,
            trailing: self.trailing,
            head_first: self.head_first,
        }
    }

    /// The metadata in the response's head.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.initial
    }

    /// The metadata in the response's head, for changes.
    pub const fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.initial
    }

    /// The metadata in the response's trailers.
    #[must_use]
    pub const fn trailers(&self) -> &Metadata {
        &self.trailing
    }

    /// The metadata in the response's trailers, for changes.
    pub const fn trailers_mut(&mut self) -> &mut Metadata {
        &mut self.trailing
    }

    /// Takes the response apart: the message, the metadata of the head, the metadata of the trailers.
    #[must_use]
    pub fn into_parts(self) -> (T, Metadata, Metadata) {
        (self.message, self.initial, self.trailing)
    }
}

impl<T> From<T> for Response<T> {
    fn from(message: T) -> Self {
        Self::new(message)
    }
}

/// A boxed stream of replies: one nameable type for handlers that return different streams.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
