//! The wrapper between a connection's socket and h2. The guard sees the frames that h2 has no hook for, and ends connections that h2 would
//! let go on.
//!
//! [`policy`] judges the bytes and does no I/O. [`io`] is the wrapper: the wrapper shows the bytes to the policy and reads the clock.
//! [`linger`] closes the socket. A wrapper cannot send a GOAWAY, and after an I/O error h2 would end the connection without a GOAWAY. So
//! the wrapper stops reading, and tells the connection through the [`Link`](super::link::Link). The connection sends `ENHANCE_YOUR_CALM`
//! and ends.

mod authority;
mod block;
mod budget;
mod end;
mod farewell;
mod frames;
mod gathered;
mod greeting;
mod held;
mod huffman;
mod io;
#[cfg(test)]
mod io_tests;
mod late;
mod limits;
mod linger;
mod named;
mod policy;
mod portion;
#[cfg(feature = "__internals")]
mod program;
mod readers;
mod repair;
mod resets;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turn_tests;

pub(super) use io::Guard;
pub(super) use limits::Limits;
pub(super) use linger::Lingering;
#[cfg(feature = "http1")]
pub(super) use linger::linger;
pub(super) use readers::Readers;

#[cfg(feature = "__internals")]
pub use huffman::{decoded as huffman_decoded, encoded as huffman_encoded};
#[cfg(feature = "__internals")]
pub use program::{Step, program};
#[cfg(feature = "__internals")]
pub use repair::repaired;
