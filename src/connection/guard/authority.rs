//! Repairs a value of `:authority`, so that h2 accepts the value.
//!
//! gRPC clients send values of `:authority` that are not the authority of a URI: the path of a Unix socket (escaped or not), a list of
//! addresses, the name of a proxy's cluster. h2 resets a stream if the `http` crate does not parse the stream's `:authority`. So [`repair`]
//! and [`repair_coded`] overwrite such a value with a value that parses. A value that parses is never changed.
//!
//! The new value has the same length as the old value, on the wire and decoded. So HPACK's dynamic table (RFC 7541, section 4.1) keeps the
//! size that the client counts, and later references to the entry are correct. The original text is lost: a handler sees
//! `tmp-2Fhealth.sock` for `tmp%2Fhealth.sock`. In a value that does not parse, a stand-in replaces each octet that has a meaning in an
//! authority (`:`, `[`, `]`, `@`) and each octet that is not allowed there (`/`, `%`, `|`, a blank, any octet that is not ASCII). The
//! stand-in depends on the octet alone. In rare Huffman strings no stand-in has the right length, and other octets change as well.
//!
//! These values cannot be repaired: a value that RFC 9113, section 8.2.1, lets a server refuse in any field (with a control character, or a
//! blank at either end), an empty value, a Huffman string with more than 13 bits for an octet on average, and a value longer than
//! [`LONGEST`].

use http::uri::Authority;

use super::huffman;

/// The length of the longest value that is repaired, in bytes on the wire: a list of some 400 addresses.
pub(super) const LONGEST: usize = 8 << 10;

/// Stand-ins: octets that are allowed anywhere in an authority, one for each length of code.
const STAND_INS: [(usize, u8); 7] = [
    (5, b'a'),
    (6, b'-'),
    (7, b'x'),
    (8, b';'),
    (10, b'!'),
    (11, b'+'),
    (13, b'~'),
];

/// Whether an octet is allowed anywhere in an authority, any number of times.
const fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

/// Whether a value is certainly a host and a port, as most values are. The check copies nothing.
#[derive(Debug, Default)]
struct Simple {
    len: usize,
    colons: usize,
    others: usize,
}

impl Simple {
    fn add(&mut self, octet: u8) {
        self.len += 1;
        self.colons += usize::from(octet == b':');
        self.others += usize::from(octet != b':' && !is_plain(octet));
    }

    const fn is_valid(&self) -> bool {
        self.len > 0 && self.colons <= 1 && self.others == 0
    }
}

/// Whether h2 accepts the value unchanged: the `http` crate decides.
fn is_valid(value: &[u8]) -> bool {
    Authority::try_from(value).is_ok()
}

/// Whether the value is allowed in a field at all.
fn is_field_value(value: &[u8]) -> bool {
    let blank = |octet: Option<&u8>| octet.is_none_or(|octet| *octet == b' ');
    let controls = value.iter().any(u8::is_ascii_control);
    !controls && !blank(value.first()) && !blank(value.last())
}

/// Returns the octet's replacement: the octet itself if it is allowed, otherwise the shortest stand-in whose code is at least as long as
/// the octet's, otherwise the longest stand-in.
fn stand_in(octet: u8) -> u8 {
    if is_plain(octet) {
        return octet;
    }
    at_least(huffman::bits(octet)).1
}

/// Returns the shortest stand-in with at least `bits` bits, or the longest stand-in.
fn at_least(bits: usize) -> (usize, u8) {
    let longest = (13, b'~');
    let mut all = STAND_INS.into_iter();
    all.find(|(have, _)| *have >= bits).unwrap_or(longest)
}

/// Returns the longest stand-in with at most `bits` bits, or the shortest stand-in.
fn at_most(bits: usize) -> (usize, u8) {
    let shortest = (5, b'a');
    let mut all = STAND_INS.into_iter().rev();
    all.find(|(have, _)| *have <= bits).unwrap_or(shortest)
}

/// Repairs a value that is not Huffman-coded. Returns false if the value was not changed.
pub(super) fn repair(value: &mut [u8]) -> bool {
    let mut simple = Simple::default();
    for octet in value.iter() {
        simple.add(*octet);
    }
    if simple.is_valid() || is_valid(value) || !is_field_value(value) {
        return false;
    }
    for octet in value {
        *octet = stand_in(*octet);
    }
    true
}

/// Repairs a value in HPACK's Huffman code. Returns false if the value was not changed.
pub(super) fn repair_coded(coded: &mut [u8]) -> bool {
    let mut simple = Simple::default();
    if !huffman::decode(coded, |octet| simple.add(octet)) || simple.is_valid() {
        return false;
    }
    let mut value = Vec::with_capacity(simple.len);
    huffman::decode(coded, |octet| value.push(octet));
    if is_valid(&value) || !is_field_value(&value) {
        return false;
    }
    for octet in &mut value {
        *octet = stand_in(*octet);
    }
    if !fit(&mut value, coded.len()) {
        return false;
    }
    huffman::encode(&value, coded);
    true
}

/// Replaces plain octets by others, from the end, until the code takes the right number of bytes. Returns false if that is impossible.
fn fit(value: &mut [u8], bytes: usize) -> bool {
    let most = 8 * bytes;
    let least = most.saturating_sub(7);
    let mut total: usize = value.iter().map(|octet| huffman::bits(*octet)).sum();
    // The lengths of neighbouring stand-ins differ by two bits at most, so a step that is too large still ends between `least` and `most`.
    for octet in value.iter_mut().rev() {
        let bits = huffman::bits(*octet);
        let (new, other) = if total < least {
            at_least(bits + (least - total))
        } else if total > most {
            at_most(bits.saturating_sub(total - most))
        } else {
            break;
        };
        total = total - bits + new;
        *octet = other;
    }
    (least..=most).contains(&total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(value: &[u8]) -> Vec<u8> {
        huffman::encoded(value)
    }

    fn decode(coded: &[u8]) -> Vec<u8> {
        huffman::decoded(coded).unwrap()
    }

    fn repaired(value: &[u8]) -> Vec<u8> {
        let mut value = value.to_vec();
        repair(&mut value);
        value
    }

    fn repaired_coded(value: &[u8]) -> Vec<u8> {
        let mut coded = code(value);
        repair_coded(&mut coded);
        decode(&coded)
    }

    #[test]
    fn values_of_real_clients_have_the_same_stand_ins_however_they_are_written() {
        let values = [
            ("tmp%2Fhealth.sock", "tmp-2Fhealth.sock"),
            ("/run/x.sock", "-run-x.sock"),
            ("127.0.0.1:1,127.0.0.1:2", "127.0.0.1x1,127.0.0.1x2"),
            ("[::1]:1,[::1]:2", "~xx1~x1,~xx1~x2"),
            (
                "outbound|50051||shop.default.svc.cluster.local",
                "outbound+50051++shop.default.svc.cluster.local",
            ),
            ("httproute/shop/cart/rule/0", "httproute-shop-cart-rule-0"),
            ("default/shop/50051/x", "default-shop-50051-x"),
            ("a b?c@", "a-b!c~"),
        ];
        for (sent, seen) in values {
            let text = |value: Vec<u8>| String::from_utf8(value).unwrap();
            assert_eq!(text(repaired(sent.as_bytes())), seen);
            assert_eq!(text(repaired_coded(sent.as_bytes())), seen);
        }
    }

    #[test]
    fn valid_values_are_left_alone() {
        let values = [
            "localhost",
            "localhost:50051",
            "[::1]:50051",
            "user:pass:word@host:1",
            "us%20er@host",
            "[fe80::1%25eth0]:1",
            "a,b;c=d!e$f&g'(h)*+~_",
            "host:",
        ];
        for value in values {
            assert!(is_valid(value.as_bytes()), "{value}");
            assert_eq!(repaired(value.as_bytes()), value.as_bytes());
            assert_eq!(repaired_coded(value.as_bytes()), value.as_bytes());
        }
    }

    #[test]
    fn what_no_field_may_have_stays() {
        for value in ["", " a/b", "a/b ", "a/\0", "a/\r\nb", "a/\tb", "a/\x7f"] {
            assert_eq!(repaired(value.as_bytes()), value.as_bytes());
            assert_eq!(repaired_coded(value.as_bytes()), value.as_bytes());
        }
    }

    #[test]
    fn a_code_without_a_stand_in_of_its_length_is_made_up_for_by_others() {
        // 12, 14, 15 and 19 bits.
        for value in ["#x", "a>", "^^^^^^^^abc", "<`{a}`>abc", "C:\\run\\x.sock"] {
            let seen = repaired_coded(value.as_bytes());
            assert_eq!(seen.len(), value.len());
            assert!(is_valid(&seen), "{value}: {seen:?}");
        }
        // Octets of 20 and more bits among too few others, and among enough.
        let long = "\u{e4}\u{e4}/";
        assert_eq!(repaired_coded(long.as_bytes()), long.as_bytes());
        assert!(is_valid(&repaired(long.as_bytes())));
        assert!(is_valid(&repaired_coded(
            "/run/b\u{e4}cker/shop.sock".as_bytes()
        )));
    }

    /// Octets that matter, and any.
    fn any_value() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![
            prop::sample::select(b"a1.:[]@%/?#|, -~\\<".as_slice()),
            any::<u8>()
        ];
        prop::collection::vec(octet, 0..40)
    }

    proptest! {
        #[test]
        fn valid_values_pass_and_others_are_repaired(value in any_value()) {
            let seen = repaired(&value);
            prop_assert_eq!(seen.len(), value.len());
            if is_valid(&value) || !is_field_value(&value) {
                prop_assert_eq!(seen, value);
            } else {
                prop_assert!(is_valid(&seen));
            }
        }

        #[test]
        fn so_are_coded_values_and_their_code_is_as_long(value in any_value()) {
            let coded = code(&value);
            let seen = repaired_coded(&value);
            prop_assert_eq!(seen.len(), value.len());
            prop_assert_eq!(code(&seen).len(), coded.len());
            if is_valid(&value) || !is_field_value(&value) {
                prop_assert_eq!(seen, value);
            } else if coded.len() * 8 < 13 * value.len() + 8 {
                prop_assert!(is_valid(&seen));
            } else {
                prop_assert_eq!(seen, value);
            }
        }

        #[test]
        fn what_seems_simple_is_valid(value in "[a-zA-Z0-9.,_:~-]{0,20}") {
            let mut simple = Simple::default();
            value.bytes().for_each(|octet| simple.add(octet));
            prop_assert!(!simple.is_valid() || is_valid(value.as_bytes()));
        }
    }
}
