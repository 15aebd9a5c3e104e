//! Percent-encoding, as `grpc-message` uses it.
//!
//! Bytes outside `0x20..=0x7E`, and `%` itself, are written `%XX`. See [Status-Message][spec] in
//! PROTOCOL-HTTP2.
//!
//! [spec]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses

use std::borrow::Cow;

/// Encodes a text, with upper-case hexadecimal digits. Borrows the text if nothing needs encoding.
///
/// A space at either end is encoded too, since an HTTP/2 field value may not begin or end with a space ([RFC 9113, section
/// 8.2.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.2.1)).
#[must_use]
pub fn encode(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let ends_in_space = bytes.first() == Some(&b' ') || bytes.last() == Some(&b' ');
    if !ends_in_space && bytes.iter().all(|&byte| is_plain(byte)) {
        return Cow::Borrowed(text);
    }
    let last = bytes.len().saturating_sub(1);
    let mut encoded = String::with_capacity(bytes.len() + bytes.len() / 2);
    for (index, &byte) in bytes.iter().enumerate() {
        let at_an_end = index == 0 || index == last;
        if is_plain(byte) && !(byte == b' ' && at_an_end) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(hex_digit(byte >> 4));
            encoded.push(hex_digit(byte & 0xf));
        }
    }
    Cow::Owned(encoded)
}

/// Decodes a value. Never fails, as the specification demands: a `%` without two hexadecimal digits behind it stays, and bytes that are not
/// UTF-8 become U+FFFD.
#[must_use]
pub fn decode(value: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        let (byte, after) = unescape(rest).unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The longest beginning of `text`, in whole characters, that encodes to at most `max` bytes and,
/// if it is not all of `text`, does not end in a space.
pub(super) fn truncate(text: &str, max: usize) -> &str {
    if text.len().saturating_mul(3) <= max {
        return text;
    }
    let mut room = max;
    for (index, character) in text.char_indices() {
        let cost = match u8::try_from(character) {
            Ok(b' ') if index == 0 => 3,
            Ok(byte) if is_plain(byte) => 1,
            _ => 3 * character.len_utf8(),
        };
        let Some(left) = room.checked_sub(cost) else {
            return text.get(..index).unwrap_or_default().trim_end_matches(' ');
        };
        room = left;
    }
    // The whole text fits, except for a space at its end: encoded, the space takes two bytes more than counted.
    if text.ends_with(' ') && text.len() > 1 && room < 2 {
        return text.trim_end_matches(' ');
    }
    text
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'%'
}

fn hex_digit(nibble: u8) -> char {
    char::from(if nibble < 10 {
        b'0' + nibble
    } else {
        b'A' + (nibble - 10)
    })
}

/// The byte of an escape at the front of `value`, and the bytes behind the escape.
fn unescape(value: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, after @ ..] = value else {
        return None;
    };
    Some(((hex_value(*high)? << 4) | hex_value(*low)?, after))
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The message of the interop case `special_status_message`.
    const SPECIAL: &str = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    const SPECIAL_ENCODED: &str = "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA \
                                   and non-BMP %F0%9F%98%88%09%0A";

    #[test]
    fn vectors() {
        let cases = [
            ("", ""),
            ("unknown service", "unknown service"),
            ("100%", "100%25"),
            ("%41", "%2541"),
            ("a\u{7f}~", "a%7F~"),
            ("\0\u{1f}", "%00%1F"),
            ("ü", "%C3%BC"),
            (" a b ", "%20a b%20"),
            (" ", "%20"),
            ("  ", "%20%20"),
            (SPECIAL, SPECIAL_ENCODED),
        ];
        for (text, encoded) in cases {
            assert_eq!(encode(text), encoded);
            assert_eq!(decode(encoded.as_bytes()), text);
        }
    }

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(encode("nothing to do"), Cow::Borrowed(_)));
    }

    #[test]
    fn decoding_is_lenient() {
        let cases: &[(&[u8], &str)] = &[
            (b"%e2%98%ba", "☺"),
            (b"%", "%"),
            (b"a%", "a%"),
            (b"%4", "%4"),
            (b"%zz%41", "%zzA"),
            (b"%%41", "%A"),
            (b"%4%41", "%4A"),
            (b"%+1", "%+1"),
            ("☺ %41".as_bytes(), "☺ A"),
            (b"%FF", "\u{fffd}"),
            (b"\xff", "\u{fffd}"),
            (b"%E2%98", "\u{fffd}"),
        ];
        for (value, text) in cases {
            assert_eq!(decode(value), *text, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn truncation_keeps_escapes_and_characters_whole() {
        assert_eq!(truncate("abc", 3), "abc");
        assert_eq!(truncate("abcd", 3), "abc");
        assert_eq!(truncate("a%b", 3), "a");
        assert_eq!(truncate("a%b", 4), "a%");
        assert_eq!(truncate("☺☺", 17), "☺");
        assert_eq!(truncate("☺☺", 18), "☺☺");
        assert_eq!(truncate("ab c", 3), "ab");
        assert_eq!(truncate("ab ", 3), "ab");
        assert_eq!(truncate("ab ", 5), "ab ");
        assert_eq!(truncate(" ", 3), " ");
        assert_eq!(truncate(" ", 2), "");
        assert_eq!(truncate("   ", 6), "");
        assert_eq!(truncate("   ", 7), "   ");
        assert_eq!(truncate("x", 0), "");
    }

    proptest! {
        #[test]
        fn round_trip(text in any::<String>()) {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|byte| matches!(byte, 0x20..=0x7e)));
            prop_assert_eq!(decode(encoded.as_bytes()), text);
        }

        #[test]
        fn decoding_is_total(value in any::<Vec<u8>>()) {
            let text = decode(&value);
            prop_assert_eq!(decode(encode(&text).as_bytes()), text);
        }

        #[test]
        fn truncation_is_the_longest_beginning_that_fits(text in "[a %☺]{0,12}", max in 0usize..40) {
            let kept = truncate(&text, max);
            prop_assert!(text.starts_with(kept));
            prop_assert!(encode(kept).len() <= max);
            // The next longer beginning that does not end in a space does not fit.
            let next = text
                .char_indices()
                .map(|(index, character)| &text[..index + character.len_utf8()])
                .find(|longer| longer.len() > kept.len() && !longer.ends_with(' '));
            if let Some(next) = next {
                prop_assert!(encode(next).len() > max);
            }
        }
    }
}
