//! Every service and its serving status.
//!
//! A [`Registry`] holds the statuses; a [`ServiceHandle`] sets one; a [`Watcher`] follows one; a
//! [`Driver`] wakes the watchers. Nothing here needs a runtime.
//!
//! How it works, from the inside out: `word` is one service's state, packed into one atomic
//! `u64`. `slab` holds the words, in slots that never move. `names` finds a name's slot without a
//! lock. `waiters` lists who watches a slot, or waits in a bucket for a name that has none.
//! `queue` lists the slots that changed, `sweep` walks it, `driver` has it walked, and `seats` says
//! which driver. `shared` holds them all together.

mod driver;
mod error;
mod handle;
mod limits;
mod names;
mod queue;
#[allow(clippy::module_inception)]
mod registry;
mod seats;
mod shared;
mod slab;
mod status;
mod sweep;
mod waiters;
mod watch;
mod word;

#[cfg(all(test, grpc_health_loom))]
mod models;
#[cfg(test)]
mod tests;

pub use driver::Driver;
pub use error::RegistryError;
pub use handle::ServiceHandle;
pub use limits::Limits;
pub use registry::Registry;
pub use status::ServingStatus;
pub use watch::Watcher;
