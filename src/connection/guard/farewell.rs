//! Adds debug data to the GOAWAY that ends a flood; h2 cannot set debug data.
//!
//! gRPC clients read the debug data: grpc-go and C-core ping less often after a GOAWAY with `ENHANCE_YOUR_CALM` and `too_many_pings` ([gRFC
//! A8](https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md)). The wrapper writes a longer frame in place of h2's. When
//! the last byte of the longer frame is written, the wrapper tells h2 that h2's frame is written.

use super::frames::{GOAWAY, Heads};
use super::policy::Flood;

/// The length of a GOAWAY without debug data, head included.
pub(super) const LEN: usize = 17;

/// The debug data of the GOAWAY for a flood. gRPC defines the text for PINGs.
pub(super) const fn text(flood: Flood) -> &'static str {
    match flood {
        Flood::Ping => "too_many_pings",
        Flood::Settings => "too_many_settings",
        Flood::Priority => "too_many_priorities",
        Flood::WindowUpdate => "too_many_window_updates",
        Flood::Reset => "too_many_resets",
        Flood::Unknown => "too_many_unknown_frames",
        Flood::Empty => "too_many_empty_frames",
    }
}

/// Returns the place in `bytes` of a GOAWAY with `ENHANCE_YOUR_CALM` and without debug data. `heads` has seen all bytes before `bytes`.
pub(super) fn find(heads: &Heads, bytes: &[u8]) -> Option<usize> {
    let mut heads = heads.clone();
    let mut rest = bytes;
    while let Some(head) = heads.next(&mut rest) {
        if head.kind == GOAWAY && matches!(rest, [_, _, _, _, 0, 0, 0, 0xb, ..]) && head.len == 8 {
            return (bytes.len() - rest.len() + 8).checked_sub(LEN);
        }
    }
    None
}

/// Returns the GOAWAY at the beginning of `bytes`, with debug data added.
pub(super) fn with_text(bytes: &[u8], text: &str) -> Vec<u8> {
    let len = u32::try_from(8 + text.len()).unwrap_or(8);
    let mut frame = len.to_be_bytes().get(1..).unwrap_or_default().to_vec();
    frame.extend_from_slice(bytes.get(3..LEN).unwrap_or_default());
    frame.extend_from_slice(text.as_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: &[u8; LEN] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x03\0\0\0\x0b";

    #[test]
    fn it_is_found_behind_other_frames_and_in_no_payload() {
        let data = [b"\0\0\x11\0\0\0\0\0\x01", &CALM[..]].concat();
        let closing = b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0";
        let written = [&data[..], closing, CALM].concat();
        assert_eq!(find(&Heads::new(), &written), Some(26 + LEN));
        let mut heads = Heads::new();
        while heads.next(&mut &written[..12]).is_some() {}
        assert_eq!(find(&heads, &written[12..]), Some(14 + LEN));
        assert_eq!(find(&Heads::new(), &written[..written.len() - 1]), None);
        let frame = with_text(CALM, "too_many_pings");
        assert_eq!(frame[..9], *b"\0\0\x16\x07\0\0\0\0\0");
        assert_eq!(frame[9..17], CALM[9..]);
        assert_eq!(frame[17..], *b"too_many_pings");
    }
}
