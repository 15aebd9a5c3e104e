//! Requests, and what a server makes of them.

use bytes::BytesMut;

use crate::support::frame::{self, Frame};
use crate::support::grpc::{CHECK, Request, health_request};
use crate::support::peer::Peer;

/// A request of any kind, good or bad.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    request: Request,
    /// The body, in pieces that are seen one by one.
    chunks: Vec<Vec<u8>>,
    end: End,
}

/// What comes after the body.
#[derive(Clone, Copy, Debug)]
enum End {
    /// END_STREAM with the last piece, or with the head if there is none.
    Stream,
    /// Trailers.
    Trailers,
    /// Nothing.
    Open,
}

impl Script {
    /// A call of `path` with this body.
    pub(crate) fn new(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::of(Request::new(path), body)
    }

    pub(crate) fn of(request: Request, body: impl Into<Vec<u8>>) -> Self {
        Self {
            request,
            chunks: vec![body.into()],
            end: End::Stream,
        }
    }

    /// A good Check of `up`, but for its head.
    pub(crate) fn head(change: impl FnOnce(Request) -> Request) -> Self {
        Self::of(change(Request::new(CHECK)), health_request("up"))
    }

    /// The body in pieces of `len` bytes.
    pub(crate) fn in_pieces(mut self, len: usize) -> Self {
        self.chunks = self.chunks.concat().chunks(len).map(Vec::from).collect();
        self
    }

    pub(crate) fn without_body(mut self) -> Self {
        self.chunks.clear();
        self
    }

    pub(crate) fn unfinished(mut self) -> Self {
        self.end = End::Open;
        self
    }

    pub(crate) fn with_trailers(mut self) -> Self {
        self.end = End::Trailers;
        self
    }

    /// Sends it on a connection of its own and reads what comes, until nothing does.
    pub(crate) async fn run(&self, mut peer: Peer) -> Answer {
        let stream = peer.open();
        let ends = matches!(self.end, End::Stream);
        let head_ends = ends && self.chunks.is_empty();
        let head = self.request.encode();
        peer.send(&frame::headers(stream, head_ends, &head)).await;
        for (i, chunk) in self.chunks.iter().enumerate() {
            let last = ends && i + 1 == self.chunks.len();
            peer.send_data(stream, last, chunk).await;
            if self.chunks.len() > 1 {
                peer.ping().await;
            }
        }
        if let End::Trailers = self.end {
            let mut block = Vec::new();
            crate::support::hpack::encode(&mut block, b"x-trailer", b"1");
            peer.send(&frame::headers(stream, true, &block)).await;
        }
        Answer::of(&peer.recv_until_idle().await)
    }
}

/// What an answer means, however it is cut into frames. Names of fields are in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The fields of each HEADERS frame, and whether it has END_STREAM.
    pub(crate) headers: Vec<(Vec<(String, String)>, bool)>,
    pub(crate) data: BytesMut,
    /// Whether END_STREAM came with it, which gRPC's never does.
    pub(crate) data_ends: bool,
    pub(crate) reset: Option<u32>,
    pub(crate) goaway: Option<u32>,
}

impl Answer {
    fn of(frames: &[Frame]) -> Self {
        let mut answer = Self::default();
        for frame in frames {
            match frame {
                Frame::Headers {
                    end_stream, fields, ..
                } => {
                    // hyper's, and the only difference that is in every answer.
                    let names = fields.names().into_iter().filter(|name| *name != "date");
                    let value = |name: &str| fields.get(name).unwrap_or_default().to_owned();
                    let mut fields: Vec<_> =
                        names.map(|name| (name.to_owned(), value(name))).collect();
                    fields.sort();
                    answer.headers.push((fields, *end_stream));
                }
                Frame::Data {
                    payload,
                    end_stream,
                    ..
                } => {
                    answer.data.extend_from_slice(payload);
                    answer.data_ends |= end_stream;
                }
                Frame::Reset { code, .. } => answer.reset = Some(*code),
                Frame::GoAway { code, .. } => answer.goaway = Some(*code),
                _ => {}
            }
        }
        answer
    }

    /// The first value of `name` anywhere in it.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter().flat_map(|(fields, _)| fields);
        fields
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}
