//! What a peer may send: a judgement on the bytes that pass, whatever pieces they come in, with the time passed in.

use std::time::Duration;

use super::budget::Budget;
use super::frames::{self, HEAD, Head, Heads};
use super::late::{self, Late};
use super::limits::Limits;
use super::resets::Resets;

/// What every client says first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Few clients make room again for less, for a stream and for the connection: Go's net/http does for each read of 4 KiB.
const PIECE: u32 = 1 << 10;

/// After so many resets in one poll no more is read in it. Another read brings 200 at most, for calls that have a message: together they
/// are fewer than the 256 that h2 allows.
const RESETS: u32 = 48;

/// What there was too much of.
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

/// The judge of one connection.
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
    /// Whether the head of the first SETTINGS is there, and whether all of it is.
    settings_begun: bool,
    settings_seen: bool,
    header_block: Block,
    /// The bytes of header blocks, less those of streams that were reset.
    headers: u64,
    /// Those of the last block.
    last_headers: u64,
    /// How many streams were reset since the headers were forgotten.
    resets: u32,
    /// Set for good by the first flood.
    flood: Option<Flood>,
    late: Late,
}

/// How far the preface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// So many of its bytes are here.
    Preface(usize),
    /// It is whole, and frames follow.
    Frames,
    /// It is none. h2 closes the connection, and what follows means nothing.
    Foreign,
}

/// The header block that is coming in: until it ends nothing else can (RFC 9113, section 4.3).
#[derive(Debug, Clone, Copy)]
struct Block {
    open: bool,
    /// Whether it ends with the current frame.
    ends: bool,
    /// Since when it is not whole; unknown before the bytes at hand are through.
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
            last_headers: 0,
            resets: 0,
            flood: None,
            late: Late::new(limits.late_streams, limits.stream_window),
        }
    }

    /// The bytes of header blocks that have come since [`forget_headers`](Self::forget_headers), and what is announced of the last. A
    /// stream that is reset takes those of the last block off.
    pub(super) const fn headers(&self) -> u64 {
        self.headers
    }

    pub(super) const fn forget_headers(&mut self) {
        self.headers = 0;
        self.resets = 0;
    }

    /// Whether the connection is to look at the streams that were reset before more is read. h2 has a limit to those that nobody has
    /// looked at, and a client that has had answers may be ahead of the server: it must not meet that limit because the server was slow.
    /// One that has had none must: such is a rapid reset.
    pub(super) const fn has_resets_to_look_at(&self) -> bool {
        self.resets >= RESETS && self.reset.is_above_burst()
    }

    /// So many calls were given up by the peer after they had been open for a while.
    pub(super) const fn excuse_resets(&mut self, resets: u32) {
        self.reset.credit(resets);
    }

    /// What is still to come of the current frame, if it is DATA.
    pub(super) fn data_left(&self) -> u64 {
        self.incoming.data_left().into()
    }

    /// Judges bytes of the peer. The time since the connection's beginning is asked for only when it matters.
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
            // A new head: the frame before it is whole.
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

    /// Where the next bytes of the peer stand, if some of them may be late.
    #[inline]
    pub(super) fn place(&self) -> Option<Heads> {
        self.late.is_active().then(|| self.incoming.clone())
    }

    /// Redirects the late frames in bytes that came at `place`. How many at the end are to wait for the rest of their frame, if that may
    /// have `largest` bytes.
    pub(super) fn redirect(&mut self, place: Heads, bytes: &mut [u8], largest: usize) -> usize {
        late::redirect_all(&mut self.late, place, bytes, largest)
    }

    /// Redirects a frame if it is late.
    pub(super) fn redirect_one(&mut self, head: &mut [u8; HEAD]) {
        self.late.redirect(head);
    }

    /// Takes note of bytes that the peer is sent. Each HEADERS and DATA frame gives it a PING and two WINDOW_UPDATEs: clients that
    /// measure the path answer what they read with as many. Each full [`PIECE`] of a DATA frame gives it two more. Each HEADERS frame
    /// gives it a reset too: one of a stream that has begun to be answered, or has been answered, costs it nothing.
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
                // What has to be acknowledged.
                frames::PING if !head.has(frames::ACK) => self.ping.credit(1),
                frames::SETTINGS if !head.has(frames::ACK) => self.settings.credit(1),
                _ => {}
            }
        }
    }

    /// How many streams h2 has reset since the last time because they were malformed.
    #[inline]
    pub(super) const fn malformed(&mut self) -> u64 {
        self.resets_written.take()
    }

    /// What has been written so far.
    pub(super) const fn outgoing(&self) -> &Heads {
        &self.outgoing
    }

    /// What there was too much of, if there was.
    pub(super) const fn flood(&self) -> Option<Flood> {
        self.flood
    }

    /// Since when a header block has been on its way.
    pub(super) const fn header_block_since(&self) -> Option<Duration> {
        self.header_block.since
    }

    /// Whether the preface is there and the SETTINGS that belong to it are not.
    pub(super) fn is_greeting(&self) -> bool {
        self.opening == Opening::Frames && !self.settings_seen
    }

    /// Whether the peer speaks something else.
    pub(super) fn is_foreign(&self) -> bool {
        self.opening == Opening::Foreign
    }

    /// Compares the preface and takes it off `bytes`.
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
                // What a client writes anyway may bring WINDOW_UPDATEs along: C-core does so, however little there is to make room for.
                self.window_update.credit(2);
                return Ok(());
            }
            frames::HEADERS => {
                self.begin_block(head);
                self.last_headers = 0;
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
                self.headers = self.headers.saturating_sub(self.last_headers);
                (&mut self.reset, Flood::Reset)
            }
            frames::SETTINGS => {
                self.settings_begun = true;
                (&mut self.settings, Flood::Settings)
            }
            frames::PING => (&mut self.ping, Flood::Ping),
            frames::WINDOW_UPDATE => (&mut self.window_update, Flood::WindowUpdate),
            // Of the types that there are only GOAWAY, which is of no use twice, and PUSH_PROMISE, an error.
            _ => (&mut self.unknown, Flood::Unknown),
        };
        budget.take(self.refill, now).then_some(()).ok_or(flood)
    }

    fn count_headers(&mut self, head: Head) {
        let len = u64::from(head.len);
        self.last_headers += len;
        self.headers += len;
    }

    const fn begin_block(&mut self, head: Head) {
        self.header_block = Block {
            open: true,
            ends: head.has(frames::END_HEADERS),
            since: None,
        };
    }

    /// After the last byte at hand: the header block is over, or on its way from now on.
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
