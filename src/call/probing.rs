//! Health checks of balancers that do not speak the whole of gRPC: aliases, a header with the service's name, and requests without a
//! message.

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::service::Message;
use crate::wire::code::Code;

/// What a call of a health check needs on a listener with aliases or a header.
#[derive(Debug)]
pub(super) struct Probing {
    is_alias: bool,
    /// The message that the alias or the header stands for.
    request: Option<Bytes>,
    /// Whether the request has come without a message.
    is_empty: bool,
}

impl Probing {
    pub(super) const fn new(is_alias: bool, request: Option<Bytes>) -> Self {
        Self {
            is_alias,
            request,
            is_empty: false,
        }
    }

    /// Whether the request's path is an alias.
    pub(super) const fn is_alias(&self) -> bool {
        self.is_alias
    }

    /// Whether the request has come without a message, so that the answer has none, either.
    pub(super) const fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Takes the message that was `sent`, and returns the message for the service.
    #[cold]
    pub(super) fn request(&mut self, sent: Option<Message>) -> Message {
        self.is_empty = sent.is_none();
        let plain = |body| Message {
            body,
            compressed: false,
        };
        let named = self.request.take().map(plain);
        named.or(sent).unwrap_or_else(|| plain(Bytes::new()))
    }
}

/// Makes the HTTP status of an answer say what `code` says.
#[cold]
pub(super) fn spell_out(mut answer: Response<()>, code: Code) -> Response<()> {
    *answer.status_mut() = match code {
        Code::OK => StatusCode::OK,
        Code::NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    answer
}
