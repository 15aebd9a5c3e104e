//! A service that answers every request with the same bytes, gRPC or not.

use std::future::Ready;

use bytes::Bytes;
use grpc_health::service::{
    Admission, Answer, Background, Head, Lifecycle, Message, Method, Part, Rejection, Reply,
    Service, Unimplemented,
};
use tokio_stream::Empty;

/// Enough of them that a client can make room for a part.
pub(crate) const BODY: &[u8] = b"HTTP/2 and nothing else\n";

#[derive(Debug)]
pub(crate) struct Bare;

impl Service for Bare {
    type Stream = Empty<Reply>;
    type Future = Ready<Reply>;

    fn is_bare_http(&self) -> bool {
        true
    }

    fn method(&self, _: &str) -> Result<Method, Unimplemented> {
        Ok(Method::new(0))
    }

    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
    }

    fn call(&self, _: Head<'_>, _: Message) -> Answer<Self::Stream, Self::Future> {
        Answer::Now(Ok(Part::from(Bytes::from_static(BODY))))
    }

    fn lifecycle(&self, _: Lifecycle) {}

    fn background(&self) -> Option<Background> {
        None
    }
}
