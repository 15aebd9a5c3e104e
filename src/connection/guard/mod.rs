//! What stands between a connection's socket and h2: it sees what h2 has no hook for, and ends what h2 would put up with.
//!
//! [`policy`] is the judgement, on the bytes alone; [`io`] is the wrapper that shows it the bytes and keeps the clock, [`linger`] what becomes of the socket in the end. A wrapper cannot
//! send a GOAWAY, and an error from it would make h2 leave without one. So it says nothing more, and the connection, told through the
//! [`Link`](super::link::Link), sends `ENHANCE_YOUR_CALM` and goes.

mod authority;
mod block;
mod budget;
mod end;
mod farewell;
mod frames;
mod greeting;
mod held;
mod huffman;
mod io;
#[cfg(test)]
mod io_tests;
mod late;
mod limits;
mod linger;
mod policy;
#[cfg(feature = "__internals")]
mod program;
mod repair;
mod resets;
#[cfg(test)]
mod tests;

pub(super) use io::Guard;
pub(super) use limits::Limits;
pub(super) use linger::Lingering;

#[cfg(feature = "__internals")]
pub use huffman::{decoded as huffman_decoded, encoded as huffman_encoded};
#[cfg(feature = "__internals")]
pub use program::{Step, program};
#[cfg(feature = "__internals")]
pub use repair::repaired;
