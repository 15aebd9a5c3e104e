//! The name of a service, for people.

use std::fmt::{self, Display};

use crate::escape::Escaped;

/// Writes a name so that every name can be seen: the empty name is `""`, and another name that begins with a quotation mark gets a
/// backslash in front. Two names that look the same are the same.
pub(crate) struct Named<'a>(pub(crate) &'a str);

impl Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str("\"\""),
            name if name.starts_with('"') => write!(f, "\\{}", Escaped(name)),
            name => Escaped(name).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_be_seen() {
        for (name, shown) in [
            ("", "\"\""),
            ("shop.Cart", "shop.Cart"),
            ("\"\"", "\\\"\""),
            ("\\\"\"", "\\\\\"\""),
            ("a\tb", "a\\tb"),
        ] {
            assert_eq!(Named(name).to_string(), shown);
        }
    }
}
