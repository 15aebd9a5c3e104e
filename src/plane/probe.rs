//! What a check asks.

use std::future::{Future, pending};

use crate::registry::Reason;

/// A question that a [`Check`](super::Check) asks again and again.
///
/// A function that returns a future is a probe:
///
/// ```
/// use grpc_health::plane::Probe;
/// use grpc_health::registry::Reason;
///
/// fn database_is_up() -> impl Probe {
///     || async { Err::<(), _>(Reason::from("no connection in the pool")) }
/// }
/// # let _ = database_is_up();
/// ```
pub trait Probe: Send + 'static {
    /// Asks once. `Ok` is a success.
    ///
    /// The check drops the future at the check's timeout, and counts a failure. No two futures of one probe exist at a time. A panic is a
    /// failure, too, and the check goes on.
    ///
    /// # Errors
    ///
    /// The reason of the failure.
    fn probe(&mut self) -> impl Future<Output = Result<(), Reason>> + Send;

    /// Completes when the answer may have changed, so that the check asks before the period is over. The check drops the future when the
    /// period is over. Default: never completes.
    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        pending()
    }
}

impl<F, Fut> Probe for F
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), Reason>> + Send,
{
    fn probe(&mut self) -> impl Future<Output = Result<(), Reason>> + Send {
        self()
    }
}
