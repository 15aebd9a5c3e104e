//! How much a registry may hold.

/// How many names a registry takes, and how long each may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most names ever registered, `""` and cleared ones included: 16,384 unless set. Between
    /// 1 and 2³⁰; what lies outside is brought inside.
    pub max_services: usize,
    /// The most bytes in a name: 200 unless set.
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
