//! The service itself.

use std::future::Ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Index;
use super::answer::Session;
use crate::service::{
    Answer, Drain, Head, Message, Method, Part, Reply, Requests, Service, Unimplemented,
};
use crate::wire::code::Code;
use crate::wire::status::Status;

/// The largest request message that the reflection service reads, in bytes. A request holds a host and one name.
pub const MAX_REQUEST: usize = 4096;

/// `grpc.reflection.v1.ServerReflection` and `grpc.reflection.v1alpha.ServerReflection` over an [`Index`].
///
/// | asked for | answered with | or, in the stream, with |
/// |---|---|---|
/// | a file by name, by symbol or by extension | that file, then its imports, direct and indirect, each once a stream | `NOT_FOUND` (5) |
/// | the extension numbers of a message | the numbers in ascending order, perhaps none | `NOT_FOUND` (5) |
/// | the services | their names, sorted | |
/// | nothing | | `INVALID_ARGUMENT` (3) |
///
/// Such an error is an answer like any other: the stream goes on. It ends with `INTERNAL` (13) at a message that is not protobuf, with
/// `RESOURCE_EXHAUSTED` (8) at one of more than 4,096 bytes, with `UNAVAILABLE` (14) when the server drains, and with OK when the client
/// has no more questions. The next one is read when the answer to the last has been taken.
///
/// Whoever can call a server can then read how all its services are called, and the comments in their files if these were kept. That is
/// what it is for; where it is too much, do not serve it.
#[derive(Debug, Clone)]
pub struct Reflection {
    index: Arc<Index>,
}

impl Reflection {
    /// Answers from `index`.
    #[must_use]
    pub fn new(index: Index) -> Self {
        Self {
            index: Arc::new(index),
        }
    }

    /// What is answered from.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }
}

impl Service for Reflection {
    type Stream = Answers;
    type Future = Ready<Reply>;

    fn method(&self, path: &str) -> Result<Method, Unimplemented> {
        let versions = [
            "/grpc.reflection.v1.ServerReflection/",
            "/grpc.reflection.v1alpha.ServerReflection/",
        ];
        let name = versions
            .iter()
            .find_map(|version| path.strip_prefix(version));
        match name {
            // A client may keep its stream open for as long as it likes.
            Some("ServerReflectionInfo") => Ok(Method::new(0)
                .streaming()
                .max_request(MAX_REQUEST)
                .drain(Drain::End)),
            Some(_) => Err(Unimplemented::Method),
            None => Err(Unimplemented::Service),
        }
    }

    fn call(&self, _: Head<'_>, _: Message) -> Answer<Answers, Ready<Reply>> {
        let status = Status::new(Code::UNIMPLEMENTED, "the request is a stream");
        Answer::Now(Err(status))
    }

    fn call_streaming(&self, _: Head<'_>, requests: Requests) -> Answer<Answers, Ready<Reply>> {
        Answer::Stream(Answers {
            session: Session::new(Arc::clone(&self.index)),
            requests,
        })
    }
}

/// The answers of one `ServerReflectionInfo`.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct Answers {
    session: Session,
    requests: Requests,
}

impl Stream for Answers {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        let request = ready!(Pin::new(&mut self.requests).poll_next(cx));
        Poll::Ready(request.map(|request| {
            let envelope = self.session.answer(&request?.body)?;
            Ok(Part::from(envelope))
        }))
    }
}
