//! The reflection service.

use std::future::Ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Index;
use super::answer::Session;
use crate::service::{
    Admission, Answer, Background, Drain, Head, Lifecycle, Message, Method, Part, Rejection, Reply,
    Requests, Service, Unimplemented,
};
use crate::wire::code::Code;
use crate::wire::status::Status;

/// The largest request message that the reflection service reads, in bytes; a client that sends a larger one gets `RESOURCE_EXHAUSTED` (8).
/// A request holds a host and one name.
pub const MAX_REQUEST: usize = 4096;

/// The services `grpc.reflection.v1.ServerReflection` and `grpc.reflection.v1alpha.ServerReflection` over an [`Index`]
/// ([server-reflection.md](https://github.com/grpc/grpc/blob/master/doc/server-reflection.md)).
///
/// | question | answer | error in the answer |
/// |---|---|---|
/// | a file by name, by symbol or by extension | the file, then its direct and indirect imports, each once a stream | `NOT_FOUND` (5) |
/// | the extension numbers of a message | the numbers in ascending order, perhaps none | `NOT_FOUND` (5) |
/// | the services | their names, sorted | |
/// | no question | | `INVALID_ARGUMENT` (3) |
///
/// An error in an answer does not end the stream. The stream ends with
///
/// - `INTERNAL` (13) after a message that is not protobuf,
/// - `RESOURCE_EXHAUSTED` (8) after a message of more than 4,096 bytes,
/// - `UNAVAILABLE` (14) when the server drains,
/// - OK when the client has no more questions.
///
/// The service reads the next question when the client has taken the previous answer.
///
/// Every client that can call the server can read how all indexed services are called, and the comments of their files if the descriptors
/// have comments. Where that is too much, do not serve reflection.
#[derive(Debug, Clone)]
pub struct Reflection {
    index: Arc<Index>,
}

impl Reflection {
    /// Makes a service that answers from `index`.
    #[must_use]
    pub fn new(index: Index) -> Self {
        Self {
            index: Arc::new(index),
        }
    }

    /// The index that the service answers from.
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
            // A client may keep its stream open for ever, so a drain must end the stream.
            Some("ServerReflectionInfo") => Ok(Method::new(0)
                .streaming()
                .max_request(MAX_REQUEST)
                .drain(Drain::End)),
            Some(_) => Err(Unimplemented::Method),
            None => Err(Unimplemented::Service),
        }
    }

    fn admit(&self, _: &mut Head<'_>) -> Result<Admission, Rejection> {
        Ok(Admission::Granted)
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

    fn lifecycle(&self, _: Lifecycle) {}

    fn background(&self) -> Option<Background> {
        None
    }
}

/// The stream of answers to one `ServerReflectionInfo` call.
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
