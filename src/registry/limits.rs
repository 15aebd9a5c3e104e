//! The limits of a registry.

/// How many names a registry may hold, and how long each name may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest number of names that may ever be registered, including `""` and cleared names. Range: 1 to
    /// 2^30; a number outside the range becomes the nearest one inside. Default: 16,384. Peers cannot
    /// register names.
    pub max_services: usize,
    /// The largest length of a name, in bytes; `""` always fits. Default: 200. A peer that asks for a longer
    /// name gets `RESOURCE_EXHAUSTED` (8).
    pub max_name_len: usize,
}

impl Limits {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_services: 16_384,
            max_name_len: 200,
        }
    }

    /// Sets [`max_services`](Self#structfield.max_services), the most names ever registered. Default: 16,384.
    #[must_use]
    pub const fn max_services(mut self, names: usize) -> Self {
        self.max_services = names;
        self
    }

    /// Sets [`max_name_len`](Self#structfield.max_name_len), the most bytes in a name. Default: 200.
    #[must_use]
    pub const fn max_name_len(mut self, bytes: usize) -> Self {
        self.max_name_len = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
