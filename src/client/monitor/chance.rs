//! Chance, for the times that must not be the same for all clients.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A number that nobody can foresee and that no other call returns.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
