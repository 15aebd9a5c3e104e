//! HTTP/2 frames (RFC 9113 §4 and §6) as a scripted peer writes and reads them: nothing is checked
//! on the way out, so that a test can send what it likes.

use super::hpack::Fields;
use bytes::Bytes;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;

pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const PRIORITY: u8 = 0x20;

pub(crate) const NO_ERROR: u32 = 0x0;
pub(crate) const PROTOCOL_ERROR: u32 = 0x1;
pub(crate) const STREAM_CLOSED: u32 = 0x5;
pub(crate) const REFUSED_STREAM: u32 = 0x7;
pub(crate) const CANCEL: u32 = 0x8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 0xb;

pub(crate) const SETTINGS_MAX_CONCURRENT_STREAMS: u16 = 0x3;
pub(crate) const SETTINGS_INITIAL_WINDOW_SIZE: u16 = 0x4;
pub(crate) const SETTINGS_MAX_HEADER_LIST_SIZE: u16 = 0x6;

/// What the other side sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Data {
        stream: u32,
        end_stream: bool,
        payload: Bytes,
    },
    Headers {
        stream: u32,
        end_stream: bool,
        fields: Fields,
    },
    Reset {
        stream: u32,
        code: u32,
    },
    Settings {
        ack: bool,
        values: Vec<(u16, u32)>,
    },
    Ping {
        ack: bool,
        payload: [u8; 8],
    },
    GoAway {
        last: u32,
        code: u32,
        debug: Bytes,
    },
    WindowUpdate {
        stream: u32,
        increment: u32,
    },
    Other {
        kind: u8,
        flags: u8,
        stream: u32,
        payload: Bytes,
    },
}

impl Frame {
    pub(crate) fn stream(&self) -> u32 {
        match *self {
            Self::Data { stream, .. }
            | Self::Headers { stream, .. }
            | Self::Reset { stream, .. }
            | Self::WindowUpdate { stream, .. }
            | Self::Other { stream, .. } => stream,
            Self::Settings { .. } | Self::Ping { .. } | Self::GoAway { .. } => 0,
        }
    }

    /// Reads any frame but HEADERS and CONTINUATION, which need the connection's HPACK state.
    pub(crate) fn load(head: Head, payload: Bytes) -> Self {
        let Head {
            kind,
            flags,
            stream,
            ..
        } = head;
        assert_eq!(
            flags & PADDED & if kind == DATA { 0xff } else { 0 },
            0,
            "unpadded DATA"
        );
        match kind {
            DATA => Self::Data {
                stream,
                end_stream: flags & END_STREAM != 0,
                payload,
            },
            RST_STREAM => Self::Reset {
                stream,
                code: u32_at(&payload, 0),
            },
            SETTINGS => {
                let pair = |p: &[u8]| (u16::from_be_bytes([p[0], p[1]]), u32_at(p, 2));
                assert_eq!(payload.len() % 6, 0, "SETTINGS length");
                let values = payload.chunks(6).map(pair).collect();
                Self::Settings {
                    ack: flags & ACK != 0,
                    values,
                }
            }
            PING => {
                let payload = payload[..].try_into().expect("8 bytes of PING");
                Self::Ping {
                    ack: flags & ACK != 0,
                    payload,
                }
            }
            GOAWAY => Self::GoAway {
                last: u32_at(&payload, 0),
                code: u32_at(&payload, 4),
                debug: payload.slice(8..),
            },
            WINDOW_UPDATE => Self::WindowUpdate {
                stream,
                increment: u32_at(&payload, 0),
            },
            _ => Self::Other {
                kind,
                flags,
                stream,
                payload,
            },
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

/// The nine bytes in front of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) len: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    pub(crate) const LEN: usize = 9;

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self {
            len: u32_at(&[0, bytes[0], bytes[1], bytes[2]], 0) as usize,
            kind: bytes[3],
            flags: bytes[4],
            stream: u32_at(bytes, 5) & 0x7fff_ffff,
        }
    }
}

/// A frame of any type, flags and stream.
pub(crate) fn raw(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in values {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    raw(SETTINGS, 0, 0, &payload)
}

pub(crate) fn settings_ack() -> Vec<u8> {
    raw(SETTINGS, ACK, 0, &[])
}

/// HEADERS with the whole block, split into CONTINUATIONs where it does not fit one frame.
pub(crate) fn headers(stream: u32, end_stream: bool, block: &[u8]) -> Vec<u8> {
    let mut chunks = block.chunks(16_384).peekable();
    let (mut kind, mut flags) = (HEADERS, if end_stream { END_STREAM } else { 0 });
    let mut frames = Vec::new();
    loop {
        let chunk = chunks.next().unwrap_or_default();
        let last = if chunks.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        frames.extend(raw(kind, flags | last, stream, chunk));
        if last != 0 {
            return frames;
        }
        (kind, flags) = (CONTINUATION, 0);
    }
}

pub(crate) fn data(stream: u32, end_stream: bool, payload: &[u8]) -> Vec<u8> {
    raw(
        DATA,
        if end_stream { END_STREAM } else { 0 },
        stream,
        payload,
    )
}

/// DATA or HEADERS with `pad` bytes of padding behind the payload.
pub(crate) fn padded(kind: u8, flags: u8, stream: u32, payload: &[u8], pad: u8) -> Vec<u8> {
    let mut padded = vec![pad];
    padded.extend(payload);
    padded.resize(padded.len() + usize::from(pad), 0);
    raw(kind, flags | PADDED, stream, &padded)
}

pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    raw(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub(crate) fn ping(payload: [u8; 8]) -> Vec<u8> {
    raw(PING, 0, 0, &payload)
}

pub(crate) fn ping_ack(payload: [u8; 8]) -> Vec<u8> {
    raw(PING, ACK, 0, &payload)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    raw(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}
