//! Judges what a peer sends, from the bytes in any pieces and from times that the caller passes in.

use std::time::Duration;

use super::budget::Budget;
use super::frames::{self, HEAD, Head, Heads};
use super::late::{self, Late};
use super::limits::Limits;
use super::portion::Portion;
use super::resets::Resets;

/// The first bytes of every client (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The DATA bytes that earn a client two more WINDOW_UPDATEs, one for the stream and one for the connection. Few clients send
/// WINDOW_UPDATEs for fewer bytes: Go's net/http sends them for each read of 4 KiB.
const PIECE: u32 = 1 << 10;

/// After this many resets in one poll, a client with resets to its credit has to wait until the connection has accepted its streams. One
/// more read brings at most 200 resets of calls that have a message. Together they are fewer than the 256 that h2 allows.
const RESETS: u32 = 48;

/// The kind of frame that the peer has sent too many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flood {
    Ping,
    Settings,
    Priority,
    WindowUpdate,
    Reset,
    Unknown,
    Empty,
}

/// The policy's state for one connection.
#[derive(Debug)]
pub(super) struct Policy {
    refill: Duration,
    ping: Budget,
    settings: Budget,
    priority: Budget,
    window_update: Budget,
    reset: Budget,
    unknown: Budget,
    empty: Budget,
    opening: Opening,
    incoming: Heads,
    outgoing: Heads,
    resets_written: Resets,
    /// Whether the head of the first SETTINGS frame has arrived, and whether all of the frame has arrived.
    settings_begun: bool,
    settings_seen: bool,
    header_block: Block,
    /// The bytes of header blocks since the last [`begin_turn`](Self::begin_turn), without those of streams that were reset.
    headers: u64,
    /// The stream of the last header block, and the bytes of that block; 0 bytes after the stream's reset.
    last_headers: (u32, u64),
    /// How many HEADERS frames have begun since the connection's beginning.
    pub(super) heads: u64,
    /// How many streams the peer has reset since the last [`begin_turn`](Self::begin_turn).
    resets: u32,
    portion: Portion,
    /// Set by the first flood, and never cleared.
    flood: Option<Flood>,
    late: Late,
}

/// How much of the preface has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// This many bytes of the preface have arrived.
    Preface(usize),
    /// All of the preface has arrived, and frames follow.
    Frames,
    /// The bytes are not the preface. h2 closes the connection, and the policy ignores the following bytes.
    Foreign,
}

/// The header block under way. No other frame may arrive before the block's end (RFC 9113, section 4.3).
#[derive(Debug, Clone, Copy)]
struct Block {
    open: bool,
    /// Whether the block ends with the current frame.
    ends: bool,
    /// Since when the block has been incomplete; `None` until all bytes of the current read have been judged.
    since: Option<Duration>,
}

impl Block {
    const NONE: Self = Self {
        open: false,
        ends: false,
        since: None,
    };
}

impl Policy {
    pub(super) const fn new(limits: &Limits) -> Self {
        Self {
            refill: limits.refill,
            ping: Budget::new(limits.ping),
            settings: Budget::new(limits.settings),
            priority: Budget::new(limits.priority),
            window_update: Budget::new(limits.window_update),
            reset: Budget::new(limits.reset),
            unknown: Budget::new(limits.unknown),
            empty: Budget::new(limits.empty),
            opening: Opening::Preface(0),
            incoming: Heads::new(),
            outgoing: Heads::new(),
            resets_written: Resets::new(),
            settings_begun: false,
            settings_seen: false,
            header_block: Block::NONE,
            headers: 0,
            last_headers: (0, 0),
            heads: 0,
            resets: 0,
            portion: Portion::new(),
            flood: None,
            late: Late::new(limits.late_streams, limits.stream_window),
        }
    }

    /// The bytes of header blocks since the last [`begin_turn`](Self::begin_turn), as the frames' heads announce them. A reset
    /// subtracts the bytes of the last block, if that block and the reset have the same stream.
    pub(super) const fn headers(&self) -> u64 {
        self.headers
    }

    /// Forgets the headers, resets and DATA frames of the turn before. `busy` connections have much to read, this one included.
    pub(super) fn begin_turn(&mut self, busy: u32) {
        self.headers = 0;
        self.resets = 0;
        self.portion.begin_turn(busy);
    }

    /// The DATA frames since the last [`begin_turn`](Self::begin_turn).
    pub(super) const fn portion(&self) -> &Portion {
        &self.portion
    }

    /// Whether the connection must accept the streams that were reset before the guard reads more. h2 limits the streams that are reset
    /// before they are accepted. A client that has had answers must not meet that limit only because the server was slow. A client that has
    /// had no answers must meet that limit: its resets are a rapid reset.
    pub(super) const fn has_resets_to_look_at(&self) -> bool {
        self.resets >= RESETS && self.reset.is_above_burst()
    }

    /// Adds tokens for calls that the peer has cancelled after they had been open for a while.
    pub(super) const fn excuse_resets(&mut self, resets: u32) {
        self.reset.credit(resets);
    }

    /// How many bytes of the current frame have not arrived, if the frame is DATA; otherwise 0.
    pub(super) fn data_left(&self) -> u64 {
        self.incoming.data_left().into()
    }

    /// Judges bytes of the peer. `now` returns the time since the connection's beginning, and is called only if the time matters.
    pub(super) fn read(
        &mut self,
        mut bytes: &[u8],
        now: impl Fn() -> Duration,
    ) -> Result<(), Flood> {
        if let Some(flood) = self.flood {
            return Err(flood);
        }
        if self.opening != Opening::Frames {
            self.open(&mut bytes);
        }
        let mut judged = Ok(());
        while let Some(head) = self.incoming.next(&mut bytes) {
            // A new head has arrived, so the frame before is whole.
            self.settings_seen = self.settings_begun;
            if self.header_block.ends {
                self.header_block = Block::NONE;
            }
            judged = self.judge(head, &now);
            if judged.is_err() {
                break;
            }
        }
        self.settings_seen |= self.settings_begun && self.incoming.is_whole();
        self.flood = judged.err();
        if self.header_block.open {
            self.look_at_block(&now);
        }
        judged
    }

    /// The position of the peer's next bytes within their frame, if late frames are possible.
    #[inline]
    pub(super) fn place(&self) -> Option<Heads> {
        self.late.is_active().then(|| self.incoming.clone())
    }

    /// Redirects the late frames in `bytes`, which came at `place`. Returns how many bytes at the end must wait for the rest of their
    /// frame. A frame of more than `largest` bytes does not wait.
    pub(super) fn redirect(&mut self, place: Heads, bytes: &mut [u8], largest: usize) -> usize {
        late::redirect_all(&mut self.late, place, bytes, largest)
    }

    /// Redirects a frame if it is late.
    pub(super) fn redirect_one(&mut self, head: &mut [u8; HEAD]) {
        self.late.redirect(head);
    }

    /// Judges bytes that the server writes. Each HEADERS and DATA frame adds tokens for one PING and two WINDOW_UPDATEs, since clients that
    /// measure the path answer each frame with as many. Each full [`PIECE`] of a DATA frame adds two WINDOW_UPDATEs. Each HEADERS frame
    /// adds one reset, since a client may cancel a call whose answer has begun.
    pub(super) fn wrote(&mut self, mut bytes: &[u8]) {
        if self.resets_written.is_open() {
            self.resets_written.read(bytes);
        }
        while let Some(head) = self.outgoing.next(&mut bytes) {
            match head.kind {
                frames::DATA => {
                    self.ping.credit(1);
                    self.window_update.credit(2 + 2 * (head.len / PIECE));
                }
                frames::HEADERS => {
                    self.ping.credit(1);
                    self.window_update.credit(2);
                    self.reset.credit(1);
                }
                frames::RST_STREAM => {
                    let code = bytes.first_chunk().map(|code| u32::from_be_bytes(*code));
                    self.late.reset(head.stream, code);
                    self.resets_written.begin();
                    self.resets_written.read(bytes);
                }
                // The peer must acknowledge these frames.
                frames::PING if !head.has(frames::ACK) => self.ping.credit(1),
                frames::SETTINGS if !head.has(frames::ACK) => {
                    self.settings.credit(1);
                    self.late.widen(bytes);
                }
                _ => {}
            }
        }
    }

    /// Returns how many streams h2 has reset as malformed since the last call.
    #[inline]
    pub(super) const fn malformed(&mut self) -> u64 {
        self.resets_written.take()
    }

    /// The position in the server's frames, after all bytes written so far.
    pub(super) const fn outgoing(&self) -> &Heads {
        &self.outgoing
    }

    /// The flood, if there was one.
    pub(super) const fn flood(&self) -> Option<Flood> {
        self.flood
    }

    /// Since when the header block under way has been incomplete.
    pub(super) const fn header_block_since(&self) -> Option<Duration> {
        self.header_block.since
    }

    /// Whether something of the peer's is on its way that has a time: the handshake, or a header block.
    #[inline]
    pub(super) fn is_in_a_hurry(&self) -> bool {
        self.header_block.since.is_some() || self.is_greeting()
    }

    /// Whether the preface has arrived, but not all of the client's first SETTINGS frame.
    pub(super) fn is_greeting(&self) -> bool {
        self.opening == Opening::Frames && !self.settings_seen
    }

    /// Whether the peer speaks a protocol other than HTTP/2.
    pub(super) fn is_foreign(&self) -> bool {
        self.opening == Opening::Foreign
    }

    /// Compares `bytes` with the preface, and removes the preface from `bytes`.
    #[cold]
    fn open(&mut self, bytes: &mut &[u8]) {
        if let Opening::Preface(have) = self.opening {
            let missing = PREFACE.get(have..).unwrap_or_default();
            let n = missing.len().min(bytes.len());
            let (here, rest) = bytes.split_at(n);
            self.opening = if !missing.starts_with(here) {
                Opening::Foreign
            } else if n == missing.len() {
                Opening::Frames
            } else {
                Opening::Preface(have + n)
            };
            *bytes = rest;
        }
        if self.opening == Opening::Foreign {
            *bytes = &[];
        }
    }

    fn judge(&mut self, head: Head, now: &impl Fn() -> Duration) -> Result<(), Flood> {
        let is_last = head.has(frames::END_STREAM);
        let (budget, flood) = match head.kind {
            frames::DATA if head.len > 0 || is_last => {
                // Clients send WINDOW_UPDATEs together with other frames: C-core sends them for any number of bytes.
                self.window_update.credit(2);
                self.portion.count(head.len, is_last);
                return Ok(());
            }
            frames::HEADERS => {
                self.begin_block(head);
                self.heads += 1;
                self.last_headers = (head.stream, 0);
                self.count_headers(head);
                if head.len > 0 || is_last {
                    return Ok(());
                }
                (&mut self.empty, Flood::Empty)
            }
            frames::CONTINUATION => {
                let ends = head.has(frames::END_HEADERS);
                self.header_block.ends = ends && self.header_block.open;
                self.count_headers(head);
                if head.len > 0 || ends {
                    return Ok(());
                }
                (&mut self.empty, Flood::Empty)
            }
            frames::DATA => (&mut self.empty, Flood::Empty),
            frames::PRIORITY => (&mut self.priority, Flood::Priority),
            frames::RST_STREAM => {
                self.resets = self.resets.saturating_add(1);
                let (stream, len) = &mut self.last_headers;
                if *stream == head.stream {
                    self.headers = self.headers.saturating_sub(std::mem::take(len));
                }
                (&mut self.reset, Flood::Reset)
            }
            frames::SETTINGS => {
                self.settings_begun = true;
                (&mut self.settings, Flood::Settings)
            }
            frames::PING => (&mut self.ping, Flood::Ping),
            frames::WINDOW_UPDATE => (&mut self.window_update, Flood::WindowUpdate),
            // The only known types here are GOAWAY, of which one is enough, and PUSH_PROMISE, which is an error.
            _ => (&mut self.unknown, Flood::Unknown),
        };
        budget.take(self.refill, now).then_some(()).ok_or(flood)
    }

    fn count_headers(&mut self, head: Head) {
        let len = u64::from(head.len);
        self.last_headers.1 += len;
        self.headers += len;
    }

    const fn begin_block(&mut self, head: Head) {
        self.header_block = Block {
            open: true,
            ends: head.has(frames::END_HEADERS),
            since: None,
        };
    }

    /// Called after the last byte of a read. Notes whether the header block has ended or remains incomplete.
    fn look_at_block(&mut self, now: &impl Fn() -> Duration) {
        if self.header_block.ends && self.incoming.is_whole() {
            self.header_block = Block::NONE;
        } else if self.header_block.since.is_none() {
            self.header_block.since = Some(now());
        }
    }
}

#[cfg(any(test, feature = "__internals"))]
impl Policy {
    pub(super) fn verdict(&self) -> String {
        let budgets = [
            &self.ping,
            &self.settings,
            &self.priority,
            &self.window_update,
            &self.reset,
            &self.unknown,
            &self.empty,
        ];
        format!(
            "flood {:?}, settings {}, header block since {:?}, {:?}, left {:?}",
            self.flood,
            self.settings_seen,
            self.header_block.since,
            self.opening,
            budgets.map(Budget::left),
        )
    }
}
