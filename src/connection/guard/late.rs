//! Redirects late frames: frames that a peer sent before the peer knew that the server had reset their stream (RFC 9113, section 5.1).
//!
//! A server must ignore late frames. h2 ignores late frames for streams that h2 remembers, and counts any other late frame as an error of
//! the peer. A connection has a fixed number of such errors for its life, and a server that answers uploads early would use them up. So the
//! guard remembers the numbers of the streams that were reset last, in four bytes each. The guard changes the stream number of a late frame
//! to the number of the sink, one stream that h2 remembers for good. h2 then ignores the frame, gives the connection's window back, and
//! keeps HPACK's table in step. The guard passes a frame on only when the frame is whole ([`held`](super::held)), since h2 may reset the
//! stream in the middle of the frame.
//!
//! The guard remembers as many streams as a peer may have open. That number is enough for any rate and any round-trip time. A peer sends
//! nothing for a stream after the peer has read the stream's RST_STREAM. Between that RST_STREAM and the last late frame, the server resets
//! only streams that were open at the same time.

use std::collections::VecDeque;

use super::frames::{self, HEAD, Head, Heads};

const STREAM_CLOSED: u32 = 0x5;
/// SETTINGS_INITIAL_WINDOW_SIZE.
const WINDOW: u8 = 0x4;

/// The streams of one connection that the server has reset.
#[derive(Debug)]
pub(super) struct Late {
    /// The streams that were reset last, in the order of their resets.
    streams: VecDeque<u32>,
    /// How many streams are remembered at most.
    most: usize,
    /// The highest number of a stream that was reset.
    newest: u32,
    /// The stream that gets the late frames; `None` before the first reset.
    sink: Option<u32>,
    /// How many more late bytes are redirected.
    allowance: u64,
    /// How many bytes each reset adds to `allowance`: a stream's window.
    window: u64,
    /// The sink, if the header block under way is late.
    block: Option<u32>,
}

impl Late {
    pub(super) const fn new(most: usize, window: u32) -> Self {
        Self {
            streams: VecDeque::new(),
            most,
            newest: 0,
            sink: None,
            allowance: 0,
            window: window as u64,
            block: None,
        }
    }

    /// Called when the server writes SETTINGS, with the bytes of the payload that are at hand. The server sends the streams' window alone.
    pub(super) fn widen(&mut self, payload: &[u8]) {
        if let Some([0, WINDOW, window @ ..]) = payload.first_chunk::<6>() {
            self.window = self.window.max(u32::from_be_bytes(*window).into());
        }
    }

    /// Whether late frames are possible.
    #[inline]
    pub(super) const fn is_active(&self) -> bool {
        self.sink.is_some()
    }

    /// Called when the server writes an RST_STREAM, with the error code if the code is at hand.
    #[cold]
    pub(super) fn reset(&mut self, stream: u32, code: Option<u32>) {
        if self.most == 0 {
            return;
        }
        let place = self.streams.iter().position(|reset| *reset == stream);
        if self.sink == Some(stream) && code == Some(STREAM_CLOSED) {
            // h2 has forgotten this sink, so another stream becomes the sink.
            let next = place.map_or(0, |place| place + 1);
            self.sink = self.streams.get(next).copied();
            return;
        }
        // h2 remembers for good the streams that were reset first, and this stream is among them.
        self.sink.get_or_insert(stream);
        if place.is_some() {
            return;
        }
        if self.streams.len() == self.most {
            self.streams.pop_front();
        }
        self.streams.push_back(stream);
        self.newest = self.newest.max(stream);
        self.allowance = self.allowance.saturating_add(self.window.max(1));
    }

    /// Returns the stream that a late frame goes to. `None` if the frame is not late, or if the peer has sent more late bytes than the
    /// windows allow: h2 judges such a frame.
    fn divert(&mut self, head: Head) -> Option<u32> {
        match head.kind {
            frames::DATA => self.spend(head),
            frames::HEADERS => {
                self.block = self.spend(head);
                self.block
            }
            frames::CONTINUATION => self.block,
            _ => None,
        }
    }

    fn spend(&mut self, head: Head) -> Option<u32> {
        if head.stream > self.newest || !self.streams.contains(&head.stream) {
            return None;
        }
        self.allowance = self.allowance.checked_sub(head.len.max(1).into())?;
        self.sink
    }

    /// Changes the stream number in `bytes` if `bytes` is the head of a late frame.
    pub(super) fn redirect(&mut self, bytes: &mut [u8; HEAD]) {
        let head = Head::parse(bytes);
        let Some(sink) = self.divert(head) else {
            return;
        };
        let [_, _, _, _, flags, stream @ ..] = bytes;
        *stream = sink.to_be_bytes();
        if head.kind == frames::DATA {
            // h2 counts small DATA frames without END_STREAM even if h2 ignores them. END_STREAM changes nothing for a stream that has been
            // reset.
            *flags |= frames::END_STREAM;
        }
    }
}

/// Changes the heads of all late frames in `bytes`. `heads` has seen all bytes before `bytes`. Returns how many bytes at the end are the
/// beginning of an incomplete frame of up to `largest` bytes. These bytes must wait for the rest of the frame, since h2 may reset the
/// stream before the rest arrives.
pub(super) fn redirect_all(
    late: &mut Late,
    mut heads: Heads,
    bytes: &mut [u8],
    largest: usize,
) -> usize {
    let len = bytes.len();
    let mut rest = 0;
    loop {
        let mut after = bytes.get(rest..).unwrap_or_default();
        let Some(head) = heads.next(&mut after) else {
            // h2 has already got a part of this head, so the rest of the head must not change.
            return Some(heads.partial()).filter(|n| *n <= len).unwrap_or(0);
        };
        rest = len - after.len();
        let Some(begin) = rest.checked_sub(HEAD) else {
            continue;
        };
        let payload = usize::try_from(head.len).unwrap_or(usize::MAX);
        if payload > after.len() && payload <= largest {
            return len - begin;
        }
        let frame = bytes.get_mut(begin..).unwrap_or_default();
        if let Some(head) = frame.first_chunk_mut() {
            late.redirect(head);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: u8, stream: u32) -> [u8; HEAD] {
        let [a, b, c, d] = stream.to_be_bytes();
        [0, 0, 100, kind, 0, a, b, c, d]
    }

    /// The stream that a frame of this type and stream goes to.
    fn redirected(late: &mut Late, kind: u8, stream: u32) -> u32 {
        let mut head = head(kind, stream);
        late.redirect(&mut head);
        Head::parse(&head).stream
    }

    #[test]
    fn frames_of_reset_streams_go_to_the_first_that_was_reset() {
        let mut late = Late::new(3, 65_536);
        assert_eq!(redirected(&mut late, frames::DATA, 1), 1);
        for stream in [9, 1, 5, 7] {
            late.reset(stream, Some(0));
        }
        // Three streams are remembered, and 9 is forgotten.
        assert_eq!(
            [1, 3, 5, 7, 11].map(|stream| redirected(&mut late, frames::DATA, stream)),
            [9, 3, 9, 9, 11]
        );
        let others = [frames::RST_STREAM, frames::WINDOW_UPDATE, frames::PRIORITY];
        assert!(
            others
                .iter()
                .all(|kind| redirected(&mut late, *kind, 5) == 5)
        );
    }

    #[test]
    fn a_header_block_goes_one_way() {
        let mut late = Late::new(9, 65_536);
        late.reset(3, None);
        late.reset(5, Some(0));
        assert_eq!(redirected(&mut late, frames::HEADERS, 5), 3);
        assert_eq!(redirected(&mut late, frames::CONTINUATION, 5), 3);
        assert_eq!(redirected(&mut late, frames::HEADERS, 7), 7);
        assert_eq!(redirected(&mut late, frames::CONTINUATION, 7), 7);
    }

    #[test]
    fn a_stream_that_h2_has_forgotten_is_no_sink() {
        let mut late = Late::new(9, 65_536);
        for stream in [1, 3, 5] {
            late.reset(stream, Some(0));
        }
        late.reset(1, Some(STREAM_CLOSED));
        assert_eq!(redirected(&mut late, frames::DATA, 5), 3);
        late.reset(3, Some(STREAM_CLOSED));
        late.reset(5, Some(STREAM_CLOSED));
        assert!(!late.is_active());
        late.reset(7, Some(0));
        assert_eq!(redirected(&mut late, frames::DATA, 1), 7);
    }

    #[test]
    fn no_more_comes_late_than_the_windows_had_room_for() {
        let mut late = Late::new(9, 250);
        late.reset(1, Some(0));
        late.reset(3, Some(0));
        // 100 bytes each, 500 in all.
        let sent: Vec<_> = (0..7)
            .map(|_| redirected(&mut late, frames::DATA, 3))
            .collect();
        assert_eq!(sent, [1, 1, 1, 1, 1, 3, 3]);
        late.reset(5, Some(0));
        assert_eq!(redirected(&mut late, frames::DATA, 3), 1);
    }

    #[test]
    fn wider_windows_have_room_for_more_late_bytes() {
        let mut late = Late::new(9, 100);
        late.widen(&[0, 4, 0, 0, 0, 200]);
        // Neither a smaller window, nor another setting, nor a part of a setting.
        late.widen(&[0, 4, 0, 0, 0, 1]);
        late.widen(&[0, 3, 0, 0, 9, 9]);
        late.widen(&[0, 4, 0, 9]);
        late.reset(1, Some(0));
        assert_eq!(late.allowance, 200);
    }

    #[test]
    fn nothing_is_remembered_if_nothing_is_to_be() {
        let mut late = Late::new(0, 65_536);
        late.reset(1, Some(0));
        assert!(!late.is_active());
    }
}
