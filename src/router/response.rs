//! The response that a handler returns.

use std::pin::Pin;

use futures_core::Stream;

use crate::wire::metadata::Metadata;
use crate::wire::status::Status;

/// A handler's response: the reply message, or the stream of reply messages, with metadata for the response's head and trailers.
#[derive(Debug, Clone, Default)]
pub struct Response<T> {
    message: T,
    /// Boxed, since few responses have metadata.
    ends: Option<Box<Ends>>,
    pub(super) head_first: bool,
}

/// The metadata at the two ends of a response: in the head and in the trailers.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    pub(super) initial: Metadata,
    pub(super) trailing: Metadata,
}

impl Ends {
    pub(super) fn is_empty(&self) -> bool {
        self.initial.is_empty() && self.trailing.is_empty()
    }
}

impl<T: PartialEq> PartialEq for Response<T> {
    fn eq(&self, other: &Self) -> bool {
        self.message == other.message
            && self.metadata() == other.metadata()
            && self.trailers() == other.trailers()
            && self.head_first == other.head_first
    }
}

impl<T: Eq> Eq for Response<T> {}

impl<T> Response<T> {
    /// Makes a response without metadata.
    #[must_use]
    pub const fn new(message: T) -> Self {
        Self {
            message,
            ends: None,
            head_first: false,
        }
    }

    fn ends(&mut self) -> &mut Ends {
        self.ends.get_or_insert_default()
    }

    /// Replaces the metadata in the response's head, which the client reads before the first message.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.ends().initial = metadata;
        self
    }

    /// Replaces the metadata in the response's trailers, which the client reads after the last message.
    ///
    /// A stream that knows its trailers only at the end puts them into its last item: an `Err` [with metadata](Status::with_metadata),
    /// whose code is OK if the call succeeded. The metadata of that `Err` replaces the metadata set here.
    #[must_use]
    pub fn with_trailers(mut self, metadata: Metadata) -> Self {
        self.ends().trailing = metadata;
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
            ends: self.ends,
            head_first: self.head_first,
        }
    }

    /// The metadata in the response's head.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        match &self.ends {
            None => Metadata::none(),
            Some(ends) => &ends.initial,
        }
    }

    /// The metadata in the response's head, for changes.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.ends().initial
    }

    /// The metadata in the response's trailers.
    #[must_use]
    pub fn trailers(&self) -> &Metadata {
        match &self.ends {
            None => Metadata::none(),
            Some(ends) => &ends.trailing,
        }
    }

    /// The metadata in the response's trailers, for changes.
    pub fn trailers_mut(&mut self) -> &mut Metadata {
        &mut self.ends().trailing
    }

    /// Takes the response apart: the message, the metadata of the head, the metadata of the trailers.
    #[must_use]
    pub fn into_parts(self) -> (T, Metadata, Metadata) {
        let (message, ends) = self.split();
        let ends = ends.map_or_else(Ends::default, |ends| *ends);
        (message, ends.initial, ends.trailing)
    }

    /// Takes the response apart: the message, and the metadata if there is any.
    pub(super) fn split(self) -> (T, Option<Box<Ends>>) {
        (self.message, self.ends)
    }
}

impl<T> From<T> for Response<T> {
    fn from(message: T) -> Self {
        Self::new(message)
    }
}

/// A boxed stream of replies: one nameable type for handlers that return different streams.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
