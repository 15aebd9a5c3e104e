//! What a monitor knows of a pair.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use crate::client::{ConnectError, ReportedStatus, Target};
use crate::wire::{code::Code, status::Status};

/// The number of a pair that a [`Monitor`](super::Monitor) follows. A monitor gives no number twice; later pairs have higher numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PairId(pub(super) u64);

/// A pair of an endpoint and a service, and what the [`Monitor`](super::Monitor) knows of the pair. Clones are cheap.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pair {
    /// The number of the pair.
    pub id: PairId,
    /// The address of the endpoint.
    pub target: Arc<Target>,
    /// The name of the service. The empty name is the server as a whole.
    pub service: Arc<str>,
    /// What is known of the service.
    pub state: State,
    /// Since when the pair has the state, by the clock of this machine.
    pub since: Instant,
}

/// What a [`Monitor`](super::Monitor) knows of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// The first attempt is under way: nothing is known.
    Connecting,
    /// The server reports this status. [`ReportedStatus::SERVICE_UNKNOWN`] also stands for the `NOT_FOUND` (5) of a server that is asked
    /// with `Check`, and of a server that answers a `Watch` for an unknown name so.
    Reported(ReportedStatus),
    /// The endpoint cannot be reached, or does not answer as a health service does.
    Unreachable(Unreachable),
}

impl State {
    /// Whether the server reports [`SERVING`](ReportedStatus::SERVING). Any other state means: send no calls to the service.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        matches!(self, Self::Reported(status) if status.is_serving())
    }
}

/// Writes `CONNECTING`, the name or the number of the status, or `UNREACHABLE` with the reason.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.pad("CONNECTING"),
            Self::Reported(status) => status.fmt(f),
            Self::Unreachable(why) => write!(f, "UNREACHABLE: {}", why.reason()),
        }
    }
}

/// Why no status is known. Clones are cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Unreachable(Arc<Why>);

#[derive(PartialEq, Eq)]
struct Why {
    code: Code,
    reason: Box<str>,
    has_connection: bool,
}

/// The longest reason, in bytes. Servers write parts of reasons.
const MAX_REASON_LEN: usize = 256;

impl Unreachable {
    fn new(code: Code, text: &impl fmt::Display, has_connection: bool) -> Self {
        let mut reason = Reason(String::new());
        // Fails when the reason is full.
        let _ = write!(reason, "{text}");
        Self(Arc::new(Why {
            code,
            reason: reason.0.into_boxed_str(),
            has_connection,
        }))
    }

    pub(super) fn connecting(error: &ConnectError) -> Self {
        Self::new(Code::UNAVAILABLE, error, false)
    }

    /// The connection is over, for the reason `why`.
    pub(super) fn disconnected(why: &str) -> Self {
        Self::new(Code::UNAVAILABLE, &why, false)
    }

    /// A call has failed on a connection that lasts.
    pub(super) fn status(status: &Status) -> Self {
        let code = status.code();
        match status.message() {
            "" => Self::new(code, &format_args!("the server answers {code}"), true),
            text => Self::new(code, &text, true),
        }
    }

    /// The code of the call that failed. `UNAVAILABLE` (14) if there is no connection; a server or a proxy may answer with that code, too.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Whether there is a connection, on which a call has failed.
    #[must_use]
    pub fn has_connection(&self) -> bool {
        self.0.has_connection
    }

    /// The reason, for people: one line of up to 256 bytes. The server may have written a part of the reason. Characters that could
    /// control a terminal, that are invisible, or that change the direction of text are written as escapes of Rust.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
}

/// Writes the [reason](Self::reason).
impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.reason())
    }
}

impl fmt::Debug for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unreachable({}, {:?})", self.code(), self.reason())
    }
}

/// A text that is escaped and cut as it is written.
struct Reason(String);

/// What stands at the end of a text that was cut.
const CUT: &str = "...";

impl Write for Reason {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let before = self.0.len();
            if is_shown(c) {
                self.0.push(c);
            } else {
                self.0.extend(c.escape_default());
            }
            if self.0.len() > MAX_REASON_LEN - CUT.len() {
                self.0.truncate(before);
                self.0.push_str(CUT);
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

/// Whether a character shows itself and nothing else. `char::escape_debug` leaves printable characters as they are, and quotes.
fn is_shown(c: char) -> bool {
    match c {
        '"' | '\'' => true,
        '\\' => false,
        // Characters that are blank or that change their neighbours, and printable by Unicode's tables.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{34f}' => false,
        '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' => false,
        '\u{e0000}'..='\u{e0fff}' => false,
        c => c.escape_debug().len() == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        Unreachable::disconnected(text).reason().to_owned()
    }

    #[test]
    fn visible_text_stays_as_it_is() {
        for text in [
            "",
            "the server \"a\" isn't there",
            "\u{e9} \u{6f22} \u{1f980} ~",
        ] {
            assert_eq!(reason(text), text);
        }
    }

    #[test]
    fn nothing_controls_a_terminal() {
        for (text, shown) in [
            ("a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("a\nb\r\t", "a\\nb\\r\\t"),
            ("\u{9b}31m", "\\u{9b}31m"),
            (
                "\u{202e}\u{2066}\u{200b}\u{feff}\u{ad}",
                "\\u{202e}\\u{2066}\\u{200b}\\u{feff}\\u{ad}",
            ),
            (
                "\u{2028}\u{3164}\u{fe0f}\u{e0041}",
                "\\u{2028}\\u{3164}\\u{fe0f}\\u{e0041}",
            ),
            ("\\u{1b}", "\\\\u{1b}"),
            ("\0\x7f", "\\u{0}\\u{7f}"),
        ] {
            assert_eq!(reason(text), shown);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(reason(&"a".repeat(253)), "a".repeat(253));
        assert_eq!(reason(&"a".repeat(254)), format!("{}...", "a".repeat(253)));
        for c in ["\u{1f980}", "\x1b", "\u{e9}"] {
            let cut = reason(&c.repeat(1_000_000));
            assert!(cut.len() <= 256 && cut.ends_with(CUT), "{cut}");
            assert!(!cut.trim_end_matches('.').ends_with(['{', '\\']), "{cut}");
        }
    }

    #[test]
    fn states_in_words() {
        let unreachable = Unreachable::status(&Status::new(Code::PERMISSION_DENIED, ""));
        assert_eq!(unreachable.code(), Code::PERMISSION_DENIED);
        assert!(unreachable.has_connection());
        assert!(!Unreachable::disconnected("").has_connection());
        let shown = State::Unreachable(unreachable).to_string();
        assert!(
            shown.starts_with("UNREACHABLE: the server answers "),
            "{shown}"
        );
        let serving = State::Reported(ReportedStatus::SERVING);
        assert_eq!(serving.to_string(), "SERVING");
        assert!(serving.is_serving());
        assert!(!State::Reported(ReportedStatus::SERVICE_UNKNOWN).is_serving());
        assert_eq!(State::Connecting.to_string(), "CONNECTING");
    }
}
