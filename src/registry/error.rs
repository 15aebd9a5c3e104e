//! The registry's errors.

use std::error::Error;
use std::fmt;

/// The reason why a name was not registered or not watched: the registry's [`Limits`](super::Limits) do not
/// admit the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// The registry has as many names as its limits allow. Cleared names count, because they keep their
    /// place.
    Full {
        /// The largest number of names: [`Limits::max_services`](super::Limits::max_services).
        max: usize,
    },
    /// The name is too long.
    NameTooLong {
        /// The name's length, in bytes.
        len: usize,
        /// The largest length, in bytes: [`Limits::max_name_len`](super::Limits::max_name_len).
        max: usize,
    },
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { max } => {
                write!(
                    f,
                    "the registry is full: {max} services, cleared ones included"
                )
            }
            Self::NameTooLong { len, max } => {
                write!(
                    f,
                    "service name of {len} bytes is longer than the {max} allowed"
                )
            }
        }
    }
}

impl Error for RegistryError {}
