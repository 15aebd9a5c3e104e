//! JSON for programs, one object on a line.

use std::fmt::{self, Display, Write};

use crate::escape::is_invisible;

/// An object whose members are written in the order in which they are added.
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Self {
        Self("{".to_owned())
    }

    pub(crate) fn text(self, key: &str, value: impl Display) -> Self {
        self.member(key, Text(value))
    }

    /// A member that is `null` without a value.
    pub(crate) fn optional(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.member(key, "null"),
        }
    }

    /// A number or a truth value.
    pub(crate) fn plain(self, key: &str, value: impl Display) -> Self {
        self.member(key, value)
    }

    /// A member that is another object.
    pub(crate) fn object(self, key: &str, value: Self) -> Self {
        self.member(key, value.end())
    }

    /// A member that is a list of objects.
    pub(crate) fn list(mut self, key: &str, values: impl Iterator<Item = Self>) -> Self {
        self = self.member(key, "[");
        for (i, value) in values.enumerate() {
            self.0.push_str(if i == 0 { "" } else { "," });
            self.0.push_str(&value.end());
        }
        self.0.push(']');
        self
    }

    /// The text of the object.
    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn member(mut self, key: &str, value: impl Display) -> Self {
        let comma = if self.0.len() > 1 { "," } else { "" };
        // A String takes every write.
        let _ = write!(self.0, "{comma}{}:{value}", Text(key));
        self
    }
}

/// A string of JSON. Invisible characters are escaped, so that a terminal can show the text.
struct Text<T>(T);

impl<T: Display> Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        write!(Quoting(f), "{}", self.0)?;
        f.write_char('"')
    }
}

struct Quoting<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Quoting<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '"' | '\\' => write!(self.0, "\\{c}")?,
                c if is_invisible(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(self.0, "\\u{unit:04x}")?;
                    }
                }
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_order() {
        let object = Object::new()
            .text("a", "b")
            .plain("n", 1.5)
            .optional("none", None::<&str>)
            .object("in", Object::new().plain("yes", true))
            .list(
                "list",
                [Object::new(), Object::new().text("x", "")].into_iter(),
            )
            .text("last", "z");
        assert_eq!(
            object.end(),
            r#"{"a":"b","n":1.5,"none":null,"in":{"yes":true},"list":[{},{"x":""}],"last":"z"}"#
        );
        assert_eq!(Object::new().end(), "{}");
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        let object = Object::new().text("a\"\\", "\u{1b}[2J\n\u{202e}\u{e0041} é 漢");
        assert_eq!(
            object.end(),
            r#"{"a\"\\":"\u001b[2J\u000a\u202e\udb40\udc41 é 漢"}"#
        );
    }
}
