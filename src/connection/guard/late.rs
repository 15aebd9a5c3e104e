//! Frames that come late: a peer sent them before it knew that the server had reset their stream (RFC 9113, section 5.1).
//!
//! They are to be ignored, and h2 does so for streams that it remembers. A frame for any other stream it counts as an error of the peer,
//! of which a connection has a fixed number for its life. A server that answers uploads early would use them up. So the guard remembers
//! the streams that were reset last, in four bytes each, and gives what comes for them another stream's number: that of one stream which
//! h2 remembers for good, the sink. h2 then ignores the frame, gives the connection its window back, and keeps HPACK in step. A frame is
//! passed on when it is whole ([`held`](super::held)): its stream may be reset in the middle of it.
//!
//! As many streams as a peer may have open are enough, at any rate and over any distance. A peer sends nothing for a stream once it has
//! read its RST_STREAM. The resets that the server writes after that one, and before the last late frame is here, are of streams that
//! were open with it.

use std::collections::VecDeque;

use super::frames::{self, HEAD, Head, Heads};

const STREAM_CLOSED: u32 = 0x5;

/// The streams of one connection that the server has reset.
#[derive(Debug)]
pub(super) struct Late {
    /// The last of them, as their resets were written.
    streams: VecDeque<u32>,
    /// How many are remembered.
    most: usize,
    /// The newest that ever was reset.
    newest: u32,
    /// Where late frames go; `None` before the first reset.
    sink: Option<u32>,
    /// How many more bytes may come late.
    allowance: u64,
    /// How many each reset adds: a stream's window.
    window: u64,
    /// The sink of the header block under way, if it is a late one.
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

    /// Whether there may be late frames.
    #[inline]
    pub(super) const fn is_active(&self) -> bool {
        self.sink.is_some()
    }

    /// The server writes an RST_STREAM; its code if that is at hand.
    #[cold]
    pub(super) fn reset(&mut self, stream: u32, code: Option<u32>) {
        if self.most == 0 {
            return;
        }
        let place = self.streams.iter().position(|reset| *reset == stream);
        if self.sink == Some(stream) && code == Some(STREAM_CLOSED) {
            // h2 has forgotten this one after all: it is no sink. Another is.
            let next = place.map_or(0, |place| place + 1);
            self.sink = self.streams.get(next).copied();
            return;
        }
        // h2 remembers the first streams that are reset, and these are among them.
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

    /// Where a frame of the peer's goes in place of its own stream. `None` if it is not late, or if more came late than a peer may have
    /// sent: h2 judges it.
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

    /// Changes the head of a late frame.
    pub(super) fn redirect(&mut self, bytes: &mut [u8; HEAD]) {
        let head = Head::parse(bytes);
        let Some(sink) = self.divert(head) else {
            return;
        };
        let [_, _, _, _, flags, stream @ ..] = bytes;
        *stream = sink.to_be_bytes();
        if head.kind == frames::DATA {
            // h2 has a budget for small frames that end nothing, for those that it ignores as well. Its state is past all ends.
            *flags |= frames::END_STREAM;
        }
    }
}

/// Changes the heads of all late frames in `bytes`, before which `heads` had seen all that came. How many bytes at the end are the
/// beginning of a frame of up to `largest` bytes: they have to wait for the rest of it, since its stream may be reset before that is here.
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
            // A head of which a part has been passed on already goes on as it is.
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

    /// The stream that such a frame goes to.
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
        // Three are remembered, and 9 has gone.
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
    fn nothing_is_remembered_if_nothing_is_to_be() {
        let mut late = Late::new(0, 65_536);
        late.reset(1, Some(0));
        assert!(!late.is_active());
    }
}
