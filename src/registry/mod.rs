//! Services and their serving statuses.
//!
//! A [`Registry`] holds the statuses. A [`ServiceHandle`] sets one, a [`Watcher`] follows one, and a
//! [`Driver`] wakes the watchers. Nothing in this module needs a runtime.
//!
//! The files, from the inside out: `word` is one service's state, packed into one atomic `u64`. `slab` holds
//! the words, in slots that never move. `names` finds a name's slot without a lock. `waiters` lists the
//! watchers of a slot, or of a bucket of unregistered names. `queue` lists the slots that changed. `sweep`
//! walks the queue, `driver` runs the sweep, and `seats` decides which driver works. `shared` holds them all.
//!
//! `ledger` keeps what some services have beside their words: `group` and `grouping`, `lease`, `damper`,
//! `history`. `hooked` changes the words of such services, and `details` and `follow` ask for them.

mod damper;
mod details;
mod driver;
mod error;
mod follow;
mod group;
mod grouping;
mod handle;
mod history;
mod hooked;
mod lease;
mod ledger;
mod limits;
mod names;
mod queue;
mod reason;
#[allow(clippy::module_inception)]
mod registry;
mod seats;
mod shared;
mod slab;
mod status;
mod sweep;
mod waiters;
mod watch;
mod weak;
mod word;

#[cfg(all(test, grpc_health_loom))]
mod models;
#[cfg(test)]
mod tests;

pub use driver::Driver;
pub use error::RegistryError;
pub use follow::Subscriber;
pub use group::{Group, Member};
pub use handle::ServiceHandle;
pub use history::{Moment, StatusDetails, Transition};
pub(crate) use lease::{Held, Pulse};
pub use limits::Limits;
pub use reason::Reason;
pub use registry::Registry;
pub use status::ServingStatus;
pub use watch::Watcher;
pub(crate) use weak::WeakRegistry;
