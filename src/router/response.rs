//! What handlers answer.

use std::pin::Pin;

use futures_core::Stream;

use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// An answer: its message, or the stream of its messages, and what goes with it.
#[derive(Debug, Clone)]
pub struct Response<T> {
    message: T,
    initial: Metadata,
    trailing: Metadata,
}

impl<T> Response<T> {
    /// An answer without metadata.
    pub fn new(message: T) -> Self {
        Self {
            message,
            initial: Metadata::new(),
            trailing: Metadata::new(),
        }
    }

    /// The same answer with this metadata in its head.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.initial = metadata;
        self
    }

    /// The same answer with this metadata in its trailers. What a stream knows only at its end it says with its last item: an error, of
    /// code OK if it is none, [with metadata](Status::with_metadata).
    #[must_use]
    pub fn with_trailers(mut self, metadata: Metadata) -> Self {
        self.trailing = metadata;
        self
    }

    /// The message.
    pub const fn get_ref(&self) -> &T {
        &self.message
    }

    /// The message alone.
    pub fn into_inner(self) -> T {
        self.message
    }

    pub(super) fn into_parts(self) -> (T, Metadata, Metadata) {
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
