//! Handlers on tasks of their own.

use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::handler::{BoxStream, Output};
use crate::service::{Contained, Panicked, Permit, Reply};
use crate::wire::code::Code;
use crate::wire::status::Status;

/// Runs what a handler answers on a task of its own. The task keeps `permit` until the handler is dropped: an aborted handler runs on until
/// its next `await`, and counts as a call in progress until then.
pub(super) fn spawn(output: Output, permit: Option<Permit>) -> Output {
    match output {
        Output::One(future) => {
            let task = tokio::spawn(async move {
                let reply = Contained::new(future).await;
                drop(permit);
                reply
            });
            Output::One(Box::pin(One(Task(task))))
        }
        Output::Many(stream) => {
            let (sender, replies) = mpsc::channel(1);
            let task = Task(tokio::spawn(Contained::new(Box::pin(send(
                stream, sender, permit,
            )))));
            Output::Many(Box::pin(Many { replies, task }))
        }
    }
}

/// Passes replies on. The task waits until the connection has taken the last reply, so a slow client slows the task down, too.
async fn send(mut stream: BoxStream, replies: mpsc::Sender<Reply>, permit: Option<Permit>) {
    while let Some(reply) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        if reply.is_err() {
            // The error ends the call: another call may begin now.
            drop((stream, permit));
            let _ = replies.send(reply).await;
            return;
        }
        if replies.send(reply).await.is_err() {
            return;
        }
    }
}

/// A task that is aborted when this handle is dropped.
struct Task<T>(JoinHandle<Result<T, Panicked>>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The outcome of a task. A handler's panic resumes in the connection's task, which catches and counts panics. The panic's payload stays
/// behind, since dropping the payload may panic.
fn outcome<T>(joined: Result<Result<T, Panicked>, JoinError>) -> Result<T, Status> {
    match joined {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(Panicked)) => resume_unwind(Box::new(())),
        Err(_) => Err(Status::new(
            Code::UNAVAILABLE,
            "the runtime is shutting down",
        )),
    }
}

struct One(Task<Reply>);

impl Future for One {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        let done = ready!(Pin::new(&mut self.0.0).poll(cx));
        Poll::Ready(outcome(done).and_then(|reply| reply))
    }
}

struct Many {
    replies: mpsc::Receiver<Reply>,
    task: Task<()>,
}

impl Stream for Many {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        if let Some(reply) = ready!(self.replies.poll_recv(cx)) {
            return Poll::Ready(Some(reply));
        }
        // There are no more replies: the task has returned, panicked or been aborted.
        let ended = ready!(Pin::new(&mut self.task.0).poll(cx));
        Poll::Ready(outcome(ended).err().map(Err))
    }
}
