//! Why a name was not registered or watched.

use std::error::Error;
use std::fmt;

/// A name that the registry's [`Limits`](super::Limits) do not admit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// As many names as allowed have been registered. Cleared ones count: they keep their place.
    Full {
        /// The most names allowed.
        max: usize,
    },
    /// The name is too long.
    NameTooLong {
        /// Its length, in bytes.
        len: usize,
        /// The most bytes allowed.
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
