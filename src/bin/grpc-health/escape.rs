//! Shows text from a peer on a terminal safely.

use std::fmt::{self, Display, Write};

/// Ranges of characters that are invisible, break a line, or change the order of other characters. The control characters of ASCII and
/// Latin-1 are missing here, since `char::is_control` knows them.
const INVISIBLE: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),       // a hyphen that is mostly not there
    ('\u{34f}', '\u{34f}'),     // joins graphemes
    ('\u{61c}', '\u{61c}'),     // bidirectional mark of Arabic
    ('\u{115f}', '\u{1160}'),   // fillers of Hangul
    ('\u{17b4}', '\u{17b5}'),   // vowels of Khmer that are not shown
    ('\u{180b}', '\u{180f}'),   // selectors and separator of Mongolian
    ('\u{200b}', '\u{200f}'),   // zero width, and marks of direction
    ('\u{2028}', '\u{202e}'),   // line, paragraph, bidirectional embeddings and overrides
    ('\u{2060}', '\u{206f}'),   // joiners, operators, bidirectional isolates, deprecated formats
    ('\u{3164}', '\u{3164}'),   // filler of Hangul
    ('\u{fe00}', '\u{fe0f}'),   // variation selectors
    ('\u{feff}', '\u{feff}'),   // byte order mark
    ('\u{ffa0}', '\u{ffa0}'),   // filler of Hangul
    ('\u{fff0}', '\u{fffb}'),   // annotations
    ('\u{1bca0}', '\u{1bca3}'), // formats of shorthand
    ('\u{1d173}', '\u{1d17a}'), // formats of music
    ('\u{e0000}', '\u{e0fff}'), // tags, and more variation selectors
];

/// Shows text on one line that cannot control the terminal: invisible characters and the backslash become Rust escapes.
pub(crate) struct Escaped<T>(pub(crate) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c == '\\' || is_invisible(c) {
                write!(self.0, "{}", c.escape_default())?;
            } else {
                self.0.write_char(c)?;
            }
        }
        Ok(())
    }
}

pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || INVISIBLE
            .iter()
            .any(|&(first, last)| (first..=last).contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        Escaped(text).to_string()
    }

    #[test]
    fn what_is_visible_stays_as_it_is() {
        for text in ["", "shop.Cart", "é ß 漢字 עברית 🦀", "a b ~ \u{a0}!"] {
            assert_eq!(escaped(text), text);
        }
    }

    #[test]
    fn names_stay_on_their_line() {
        assert_eq!(
            escaped("a\tb\nc\\d\u{1b}[0m\u{9b}é\r"),
            "a\\tb\\nc\\\\d\\u{1b}[0m\\u{9b}é\\r"
        );
    }

    #[test]
    fn nothing_invisible_is_left() {
        let ranges = [
            0..=0x1f,
            0x7f..=0x9f,
            0xad..=0xad,
            0x61c..=0x61c,
            0x180e..=0x180e,
            0x200b..=0x200f,
            0x2028..=0x2029,
            0x202a..=0x202e,
            0x2060..=0x2064,
            0x2066..=0x2069,
            0x206a..=0x206f,
            0xfe00..=0xfe0f,
            0xfeff..=0xfeff,
            0xfff9..=0xfffb,
            0xe0001..=0xe0001,
            0xe0020..=0xe007f,
            0xe0100..=0xe01ef,
        ];
        for c in ranges.into_iter().flatten().filter_map(char::from_u32) {
            let shown = escaped(&c.to_string());
            assert!(shown.starts_with('\\'), "{:?}", u32::from(c));
            assert!(shown.bytes().all(|b| (b' '..=b'~').contains(&b)), "{shown}");
        }
    }

    /// Two texts that look the same are the same.
    #[test]
    fn no_text_looks_like_an_escape() {
        assert_eq!(escaped("\\u{1b}"), "\\\\u{1b}");
        assert_ne!(escaped("\\n"), escaped("\n"));
    }

    #[test]
    fn pieces_are_escaped_as_the_whole() {
        assert_eq!(
            Escaped(format_args!("{}{}", "a\u{202e}", '\n')).to_string(),
            "a\\u{202e}\\n"
        );
    }
}
