//! Whether a call may begin.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::contain::contain;
use super::context::RequestContext;
use super::request::Rejection;

/// What a service says of a call that it does not reject.
#[derive(Debug)]
#[non_exhaustive]
pub enum Admission {
    /// The call begins.
    Granted,
    /// It is not known yet.
    Later(Decision),
}

impl Admission {
    /// The call waits for `decision`, which has the request's context with it, as
    /// [`Head::take_context`](super::Head::take_context) gives it, and hands it back. [`admit`](super::Service::admit) is then asked again,
    /// with that context. To know that it has been asked before, it leaves a value in the context's
    /// [extensions](RequestContext::extensions_mut).
    ///
    /// Nothing of the request's body is read meanwhile. The future is dropped when the client cancels the call, when its deadline passes,
    /// when the connection ends, and when a shutdown's deadline does.
    pub fn later(
        decision: impl Future<Output = Result<RequestContext, Rejection>> + Send + 'static,
    ) -> Self {
        Self::Later(Decision(Some(Box::pin(decision))))
    }
}

/// A decision that is waited for: made by [`Admission::later`].
///
/// A panic when it is dropped ends nothing.
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
