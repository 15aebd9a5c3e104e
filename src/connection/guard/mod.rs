//! What stands between a connection's socket and h2: it sees what h2 has no hook for, and ends what h2 would put up with.
//!
//! [`policy`] is the judgement, on the bytes alone; [`io`] is the wrapper that shows it the bytes and keeps the clock, [`linger`] what becomes of the socket in the end. A wrapper cannot
//! send a GOAWAY, and an error from it would make h2 leave without one. So it says nothing more, and the connection, told through the
//! [`Link`](super::link::Link), sends `ENHANCE_YOUR_CALM` and goes.

mod budget;
mod frames;
mod greeting;
mod held;
mod io;
#[cfg(test)]
mod io_tests;
mod late;
mod limits;
mod linger;
mod policy;
#[cfg(test)]
mod tests;

pub(super) use io::Guard;
pub(super) use limits::Limits;
pub(super) use linger::Lingering;

#[cfg(feature = "__internals")]
pub use policy::{Step, program};
