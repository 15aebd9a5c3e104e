//! One case: what is sent, and what may be seen.

use crate::side::Side;
use crate::support::frame::{self, Frame, NO_ERROR};
use crate::support::peer::Peer;

/// The stream of the request that is to be answered when a case is over, and its connection is not.
const NEXT: u32 = 1001;

/// What comes of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// GOAWAY with this code, and the end of the connection.
    Connection(u32),
    /// RST_STREAM of the stream with this code; the next request is answered.
    Stream(u32),
    /// The stream is answered with 200, data and END_STREAM; so is the next request.
    Answer,
    /// The stream is answered with a status of 400 to 499; the next request is answered.
    Refusal,
    /// What the case looks for; the next request is answered.
    Sign,
    /// None of these; the next request is answered.
    Nothing,
}

pub(crate) struct Case {
    pub(crate) section: &'static str,
    pub(crate) what: &'static str,
    /// Each is sent when everything before it has been answered.
    sends: Vec<Vec<u8>>,
    stream: u32,
    sign: Option<fn(&[Frame]) -> bool>,
    /// No request may follow.
    last: bool,
    /// What the RFC allows.
    pub(crate) allowed: Vec<Seen>,
    /// What h2 does instead.
    pub(crate) gap: Option<Seen>,
}

pub(crate) fn case(section: &'static str, what: &'static str, send: Vec<u8>) -> Case {
    Case {
        section,
        what,
        sends: vec![send],
        stream: 1,
        sign: None,
        last: false,
        allowed: Vec::new(),
        gap: None,
    }
}

impl Case {
    /// And then.
    pub(crate) fn then(mut self, send: Vec<u8>) -> Self {
        self.sends.push(send);
        self
    }

    /// It is this stream that it is about.
    pub(crate) fn on(mut self, stream: u32) -> Self {
        self.stream = stream;
        self
    }

    /// An error of the connection.
    pub(crate) fn ends_with(mut self, code: u32) -> Self {
        self.allowed.push(Seen::Connection(code));
        self
    }

    /// An error of the stream, which a server may take for one of the connection (RFC 9113 §5.4.1).
    pub(crate) fn resets_with(mut self, code: u32) -> Self {
        self.allowed.push(Seen::Stream(code));
        self.ends_with(code)
    }

    /// A malformed request: an error of the stream, or an answer that says so (RFC 9113 §8.1.1).
    pub(crate) fn malformed(mut self) -> Self {
        self.allowed.push(Seen::Refusal);
        self.resets_with(frame::PROTOCOL_ERROR)
    }

    pub(crate) fn gets_an_answer(mut self) -> Self {
        self.allowed.push(Seen::Answer);
        self
    }

    /// No request may follow.
    pub(crate) fn comes_last(mut self) -> Self {
        self.last = true;
        self
    }

    pub(crate) fn has_no_effect(mut self) -> Self {
        self.allowed.push(Seen::Nothing);
        self
    }

    /// Among the frames that follow on the last that is sent there are such.
    pub(crate) fn shows(mut self, sign: fn(&[Frame]) -> bool) -> Self {
        self.allowed.push(Seen::Sign);
        self.sign = Some(sign);
        self
    }

    /// h2 ends the connection too, and says PROTOCOL_ERROR.
    pub(crate) fn but_h2_has_no_code(self) -> Self {
        self.but_h2(Seen::Connection(frame::PROTOCOL_ERROR))
    }

    pub(crate) fn but_h2(mut self, gap: Seen) -> Self {
        self.gap = Some(gap);
        self
    }

    /// Plays the case on a connection of its own.
    pub(crate) async fn put_to(&self, side: Side) -> Seen {
        let mut peer = Peer::handshake(side.dial(), &[]).await;
        let mut frames = Vec::new();
        for send in &self.sends {
            peer.send(send).await;
            frames = peer.recv_until_idle().await;
        }
        let goaway = |frame: &Frame| match *frame {
            Frame::GoAway { code, .. } if code != NO_ERROR => Some(code),
            _ => None,
        };
        if let Some(code) = frames.iter().find_map(goaway) {
            assert_eq!(peer.recv_to_end().await, [], "{}", self.what);
            return Seen::Connection(code);
        }
        if self.last {
            return self.judge(&frames);
        }
        // With room for its answer, whatever windows the case has set.
        let room = frame::settings(&[(frame::SETTINGS_INITIAL_WINDOW_SIZE, 65_535)]);
        peer.send(&[room, side.whole(NEXT)].concat()).await;
        let answer = peer.recv_until_idle().await;
        assert!(is_answered(&answer, NEXT), "{}: {answer:?}", self.what);
        self.judge(&frames)
    }

    fn judge(&self, frames: &[Frame]) -> Seen {
        let reset = |frame: &Frame| match *frame {
            // With NO_ERROR it is the rest of a request that is not wanted.
            Frame::Reset { stream, code } if code != NO_ERROR => {
                (stream == self.stream).then_some(code)
            }
            _ => None,
        };
        if let Some(code) = frames.iter().find_map(reset) {
            return Seen::Stream(code);
        }
        if let Some(sign) = self.sign {
            return if sign(frames) {
                Seen::Sign
            } else {
                Seen::Nothing
            };
        }
        if is_answered(frames, self.stream) {
            return Seen::Answer;
        }
        let refused = |frame: &Frame| match frame {
            Frame::Headers { stream, fields, .. } if *stream == self.stream => fields
                .get(":status")
                .is_some_and(|status| status.starts_with('4')),
            _ => false,
        };
        if frames.iter().any(refused) {
            Seen::Refusal
        } else {
            Seen::Nothing
        }
    }
}

/// 200, data and an end.
pub(crate) fn is_answered(frames: &[Frame], on: u32) -> bool {
    let ok = |frame: &Frame| match frame {
        Frame::Headers { stream, fields, .. } => {
            *stream == on && fields.get(":status") == Some("200")
        }
        _ => false,
    };
    let ends = |frame: &Frame| match *frame {
        Frame::Headers {
            stream, end_stream, ..
        }
        | Frame::Data {
            stream, end_stream, ..
        } => end_stream && stream == on,
        _ => false,
    };
    frames.iter().any(ok) && data(frames, on) > 0 && frames.iter().any(ends)
}

/// How many bytes of data came on a stream.
pub(crate) fn data(frames: &[Frame], on: u32) -> usize {
    let len = |frame: &Frame| match frame {
        Frame::Data {
            stream, payload, ..
        } if *stream == on => payload.len(),
        _ => 0,
    };
    frames.iter().map(len).sum()
}
