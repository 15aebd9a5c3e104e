//! The limits of a registry.

/// How many names a registry may hold, and how long each name may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest number of names that may ever be registered, including `""` and cleared names. Range: 1 to
    /// 2^30; a number outside the range becomes the nearest one inside. Default: 16,384. Peers cannot
    /// register names.
    pub max_services: usize,
    /// The largest length of a name, in bytes; `""` always fits. Default: 200. A peer that asks for a longer
    /// name gets `RESOURCE_EXHAUSTED` (8).
    pub max_name_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_services: 16_384,
            max_name_len: 200,
        }
    }
}
