//! How much a registry may hold.

/// How many names a registry takes, and how long each may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most names ever registered, `""` and cleared ones included: 16,384 unless set. Between
    /// 1 and 2³⁰; what lies outside is brought inside.
    pub max_services: usize,
    /// The most bytes in a name: 200 unless set.
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
