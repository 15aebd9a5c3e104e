//! Whether a call may begin: at once, or after a wait.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::contain::contain;
use super::context::RequestContext;
use super::request::Rejection;

/// The answer of [`Service::admit`](super::Service::admit) for a call that the service does not reject.
#[derive(Debug)]
#[non_exhaustive]
pub enum Admission {
    /// The call begins now.
    Granted,
    /// The service decides later: the host waits for the [`Decision`].
    Later(Decision),
}

impl Admission {
    /// Makes the call wait for `decision`. The future holds the request's context, which [`Head::take_context`](super::Head::take_context)
    /// gives, and returns the context. The host then asks [`admit`](super::Service::admit) again, with that context. To know that `admit`
    /// was asked before, the future leaves a value in the context's [extensions](RequestContext::extensions_mut).
    ///
    /// The host does not read the request's body meanwhile. An `Err` refuses the call.
    ///
    /// # Cancel safety
    ///
    /// The host drops the future when the client cancels the call, the call's deadline passes, the connection ends, or the deadline of a
    /// shutdown passes.
    pub fn later(
        decision: impl Future<Output = Result<RequestContext, Rejection>> + Send + 'static,
    ) -> Self {
        Self::Later(Decision(Some(Box::pin(decision))))
    }
}

/// A decision that a host waits for, made by [`Admission::later`]. A panic while the decision is dropped is caught.
pub struct Decision(Option<Deciding>);

type Deciding = Pin<Box<dyn Future<Output = Result<RequestContext, Rejection>> + Send>>;

impl Future for Decision {
    type Output = Result<RequestContext, Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(deciding) => deciding.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for Decision {
    fn drop(&mut self) {
        let deciding = self.0.take();
        let _ = contain(|| drop(deciding));
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision").finish_non_exhaustive()
    }
}
