//! A lease: the right of a name to be shown as SERVING, for as long as a holder shows that it is alive.

use std::time::Duration;

use super::plane::Work;
use super::rings::{samples, tick_for};
use crate::registry::{Held, Registry, RegistryError};

/// A lease of a name, whose holder beats to keep the name SERVING; from [`Registry::lease`].
///
/// The holder calls [`beat`](Self::beat) once in each round of its loop. A name whose lease was not beaten for
/// the lease's time to live (*ttl*) is shown as NOT_SERVING, no later than `ttl` + max(`ttl` / 4, 10 ms) after
/// the last beat, and the next beat brings the name back within max(`ttl` / 8, 5 ms). Both hold while the
/// thread of the registry's [`Plane`](super::Plane) runs. Time in which that thread does not run, such as while the machine
/// is suspended, counts for no lease.
///
/// **Several leases of one name.** The name is SERVING while all of them are beaten. A lease that is dropped
/// leaves a gap: the name stays NOT_SERVING until a new lease of the name takes the place. When the last lease
/// is gone, the gaps are forgotten.
///
/// **Setting by hand.** [`ServiceHandle::set`](crate::ServiceHandle::set) changes a leased name at once, until
/// the leases change the name again: when one of them becomes stale, is beaten again, is dropped or is made.
///
/// **The end.** Dropping a lease shows the name as NOT_SERVING at once, so a panic or an early return of the
/// holder shows. [`release`](Self::release) ends the lease and leaves the name as it is.
///
/// ```
/// use std::time::Duration;
///
/// use grpc_health::{Registry, ServingStatus};
///
/// let registry = Registry::new();
/// let lease = registry.lease("shop.Worker", Duration::from_secs(5))?;
/// for _job in 0..3 {
///     lease.beat();
/// }
/// assert_eq!(registry.get_service_status("shop.Worker"), ServingStatus::Serving);
/// drop(lease);
/// assert_eq!(registry.get_service_status("shop.Worker"), ServingStatus::NotServing);
/// # Ok::<(), grpc_health::registry::RegistryError>(())
/// ```
#[derive(Debug)]
#[must_use = "a lease that is dropped shows the name as NOT_SERVING"]
pub struct Lease {
    held: Held,
    tick: Duration,
}

impl Registry {
    /// Leases a name: the name is shown as SERVING while the holder of the lease beats at least once in each
    /// `ttl`; see [`Lease`]. Registers the name if the name is new. The lease counts as beaten when it is made.
    ///
    /// `ttl` has a resolution of 4 ms. Something must run the registry's [`Plane`](super::Plane), or no lease
    /// ever becomes stale: a [`Server`](crate::Server) with a [`HealthService`](crate::HealthService) does.
    ///
    /// # Errors
    ///
    /// - [`RegistryError::IsGroup`] if the name is a group.
    /// - Another [`RegistryError`] if the name is new and exceeds the registry's
    ///   [`Limits`](crate::registry::Limits).
    pub fn lease(&self, name: &str, ttl: Duration) -> Result<Lease, RegistryError> {
        let held = self.hold(name)?;
        if let Some(work) = Work::of(self) {
            work.sample(held.pulse(), ttl);
        }
        let tick = tick_for(ttl);
        Ok(Lease { held, tick })
    }
}

impl Lease {
    /// Says that the holder is alive. This is one store to memory that only this lease uses: the call takes no
    /// lock, reads no clock and allocates nothing. Callable from any thread.
    #[inline]
    pub fn beat(&self) {
        self.held.beat();
    }

    /// Does `work` that may take long, but not for ever: while the work lasts, the lease may go without a beat
    /// for `at_most` in place of its `ttl`. Beats before and after the work. `at_most` is rounded up to the
    /// interval in which the lease is looked at; a value below the lease's `ttl` has no effect.
    ///
    /// One scope may be inside another, and the inner one counts. Scopes of one lease in several threads at
    /// once are mixed up: each thread should have a lease of its own.
    pub fn scope<R>(&self, at_most: Duration, work: impl FnOnce() -> R) -> R {
        let _end = End {
            held: &self.held,
            before: self.held.be_patient(samples(at_most, self.tick)),
        };
        work()
    }

    /// The leased name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.held.name()
    }

    /// Ends the lease, and leaves the name as it is. If the name has other leases, and waited for this one
    /// alone, then the name is SERVING again.
    pub fn release(self) {
        self.held.release();
    }
}

/// Ends a scope, also when the work panics.
struct End<'a> {
    held: &'a Held,
    before: u32,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.held.end_patience(self.before);
    }
}
