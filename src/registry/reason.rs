//! Why a service has its status, in a few words.

use std::borrow::Cow;
use std::fmt;

/// Why a service has its status, in a few words for an operator, such as `"db pool exhausted"`.
///
/// A reason has at most [`Reason::MAX_LEN`] bytes; a longer text is cut at the end of a character. A static
/// text is kept as it is, without an allocation.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// The longest reason, in bytes. With this length the percent-encoded reason of a `Check`'s trailers takes
    /// less than 1 KiB.
    pub const MAX_LEN: usize = 256;

    /// Makes a reason from a static text, without an allocation.
    #[must_use]
    pub fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(cut(text)))
    }

    /// The reason's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest start of `text` that a reason may have.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(Reason::MAX_LEN);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

impl From<&'static str> for Reason {
    fn from(text: &'static str) -> Self {
        Self::fixed(text)
    }
}

impl From<String> for Reason {
    fn from(mut text: String) -> Self {
        text.truncate(cut(&text).len());
        text.shrink_to_fit();
        Self(Cow::Owned(text))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_at_the_end_of_a_character() {
        let long = "☺".repeat(100);
        let kept = "☺".repeat(Reason::MAX_LEN / "☺".len());
        assert_eq!(Reason::from(long).as_str(), kept);
        let exact = "x".repeat(Reason::MAX_LEN);
        assert_eq!(Reason::from(exact.clone()).as_str(), exact);
        assert_eq!(Reason::from("short").as_str(), "short");
        assert!(matches!(Reason::from("static").0, Cow::Borrowed(_)));
    }
}
