//! The registry's errors.

use std::error::Error;
use std::fmt;

/// The reason why a registry did not do as asked.
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
    /// The status of a group is not set by hand.
    IsGroup,
    /// The name is leased, and a group's is not.
    IsLeased,
    /// A group would be its own member, directly or through other groups.
    GroupCycle,
    /// A group needs more members than it has.
    GroupTooSmall {
        /// How many critical members the group needs.
        needed: usize,
        /// How many critical members the group has.
        members: usize,
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
            Self::IsGroup => f.write_str("the service is a group, whose status is computed"),
            Self::IsLeased => f.write_str("the service is leased, and cannot be a group"),
            Self::GroupCycle => f.write_str("the group would be its own member"),
            Self::GroupTooSmall { needed, members } => {
                write!(
                    f,
                    "the group needs {needed} members to serve, and has {members}"
                )
            }
        }
    }
}

impl Error for RegistryError {}
