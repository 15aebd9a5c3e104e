//! What handlers answer.

use std::pin::Pin;

use futures_core::Stream;

use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// An answer: its message, or the stream of its messages, and the metadata that goes with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response<T> {
    message: T,
    initial: Metadata,
    trailing: Metadata,
    pub(super) head_first: bool,
}

impl<T> Response<T> {
    /// An answer without metadata.
    #[must_use]
    pub fn new(message: T) -> Self {
        Self {
            message,
            initial: Metadata::new(),
            trailing: Metadata::new(),
            head_first: false,
        }
    }

    /// Replaces the metadata in the answer's head, which the client reads before the first message.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.initial = metadata;
        self
    }

    /// Replaces the metadata in the answer's trailers, which the client reads after the last message.
    ///
    /// A stream that knows its trailers only at its end gives them with its last item: an error [with metadata](Status::with_metadata),
    /// whose code is OK if the call succeeded. An error's own metadata is sent in place of this metadata.
    #[must_use]
    pub fn with_trailers(mut self, metadata: Metadata) -> Self {
        self.trailing = metadata;
        self
    }

    /// The message.
    #[must_use]
    pub const fn get_ref(&self) -> &T {
        &self.message
    }

    /// The message, to be changed.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.message
    }

    /// The message alone.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.message
    }

    /// The same answer with another message.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Response<U> {
        Response {
            message: f(self.message),
            initial: self.initial,
            trailing: self.trailing,
            head_first: self.head_first,
        }
    }

    /// The metadata in the answer's head.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.initial
    }

    /// The metadata in the answer's head, to be changed.
    pub const fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.initial
    }

    /// The metadata in the answer's trailers.
    #[must_use]
    pub const fn trailers(&self) -> &Metadata {
        &self.trailing
    }

    /// The metadata in the answer's trailers, to be changed.
    pub const fn trailers_mut(&mut self) -> &mut Metadata {
        &mut self.trailing
    }

    /// The message, the metadata in the answer's head, and the metadata in its trailers.
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

/// A stream of replies of any type: what a handler with several answers, in one type that can be written down.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
