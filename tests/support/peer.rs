//! A scripted HTTP/2 client: it writes the bytes a test gives it and reads frames back.

use super::frame::{self, Frame, Head};
use super::hpack;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt as _, DuplexStream};

/// How long a peer waits before it declares the other side dead. On a paused clock this passes at
/// once when nobody has anything left to do; it is longer than any timer of the server.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
const REAL_PATIENCE: Duration = Duration::from_secs(60);

/// The bytes an in-memory pipe holds in each direction.
pub(crate) const PIPE: usize = 64 * 1024;

/// The client's end of one connection.
#[derive(Debug)]
pub(crate) struct Peer<T = DuplexStream> {
    io: T,
    received: BytesMut,
    hpack: hpack::Decoder,
    /// Frames read while looking for another one, in the order they came.
    inbox: VecDeque<Frame>,
    next_stream: u32,
    /// What the server allows us to send, on the connection and on a new stream.
    pub(crate) window: i64,
    pub(crate) stream_window: u32,
    /// Whether PINGs are answered as they are read.
    pub(crate) ack_pings: bool,
    patience: Duration,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<T> {
    /// A peer that has not sent anything yet.
    pub(crate) fn new(io: T) -> Self {
        Self {
            io,
            received: BytesMut::new(),
            hpack: hpack::Decoder::new(),
            inbox: VecDeque::new(),
            next_stream: 1,
            window: 65_535,
            stream_window: 65_535,
            ack_pings: true,
            patience: PATIENCE,
        }
    }

    /// Preface and SETTINGS both ways, everything acknowledged.
    pub(crate) async fn handshake(io: T, settings: &[(u16, u32)]) -> Self {
        let mut peer = Self::new(io);
        peer.start(settings).await;
        peer
    }

    /// As [`Peer::handshake`], for a runtime whose clock runs.
    pub(crate) async fn handshake_real_clock(io: T) -> Self {
        let mut peer = Self::new(io);
        peer.patience = REAL_PATIENCE;
        peer.start(&[]).await;
        peer
    }

    pub(crate) async fn start(&mut self, settings: &[(u16, u32)]) {
        let mut hello = frame::PREFACE.to_vec();
        hello.extend(frame::settings(settings));
        self.send(&hello).await;
        let Frame::Settings { ack: false, values } = self.recv().await else {
            panic!("the server speaks first, with SETTINGS");
        };
        for (id, value) in values {
            if id == frame::SETTINGS_INITIAL_WINDOW_SIZE {
                self.stream_window = value;
            }
        }
        self.send(&frame::settings_ack()).await;
        self.skip_to(|frame| matches!(frame, Frame::Settings { ack: true, .. }))
            .await;
    }

    /// A stream id not used before.
    pub(crate) fn open(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    /// Writes `bytes` as they are. What the server says before it reads on is read meanwhile.
    pub(crate) async fn send(&mut self, mut bytes: &[u8]) {
        let Self { io, received, .. } = self;
        let sent = poll_fn(|cx| {
            while !bytes.is_empty() {
                match Pin::new(&mut *io).poll_write(cx, bytes) {
                    Poll::Ready(n) => bytes = &bytes[n?..],
                    Poll::Pending => match pin!(io.read_buf(received)).poll(cx) {
                        Poll::Ready(Ok(1..)) => {}
                        _ => return Poll::Pending,
                    },
                }
            }
            Poll::Ready(std::io::Result::Ok(()))
        });
        let sent = tokio::time::timeout(self.patience, sent).await;
        sent.expect("the server reads")
            .expect("the server keeps the connection open");
    }

    /// Writes `bytes` as far as the server lets it, and returns everything that the server sends before it closes the connection.
    pub(crate) async fn flood(&mut self, bytes: &[u8]) -> Vec<Frame> {
        let (mut reader, mut writer) = tokio::io::split(&mut self.io);
        let received = &mut self.received;
        let both = async {
            let write = async {
                // The server stops to listen.
                let _ = writer.write_all(bytes).await;
            };
            let read = async { while let Ok(1..) = reader.read_buf(received).await {} };
            tokio::join!(write, read)
        };
        let both = tokio::time::timeout(self.patience, both).await;
        both.expect("the server closes the connection");
        self.recv_to_end().await
    }

    /// Writes a DATA frame once the connection's window has room for it.
    pub(crate) async fn send_data(&mut self, stream: u32, end_stream: bool, payload: &[u8]) {
        self.send_flow_controlled(frame::data(stream, end_stream, payload))
            .await;
    }

    /// Writes a frame whose whole length counts against the connection's window.
    pub(crate) async fn send_flow_controlled(&mut self, frame: Vec<u8>) {
        let len = (frame.len() - Head::LEN) as i64;
        while self.window < len {
            let frame = self.read_frame().await.expect("WINDOW_UPDATE, not the end");
            self.inbox.push_back(frame);
        }
        self.window -= len;
        self.send(&frame).await;
    }

    /// Closes our half of the connection.
    pub(crate) async fn finish(&mut self) {
        self.io.shutdown().await.expect("shutdown");
    }

    /// The next frame, of whatever kind.
    pub(crate) async fn recv(&mut self) -> Frame {
        match self.inbox.pop_front() {
            Some(frame) => frame,
            None => self
                .read_frame()
                .await
                .expect("a frame, not the end of the connection"),
        }
    }

    /// The next frame on `stream` that is not WINDOW_UPDATE; what comes on other streams waits for
    /// its own reader. Panics if the connection ends first.
    pub(crate) async fn recv_on(&mut self, stream: u32) -> Frame {
        let wanted = |frame: &Frame| {
            frame.stream() == stream && !matches!(frame, Frame::WindowUpdate { .. })
        };
        self.skip_to(wanted).await
    }

    /// The socket.
    pub(crate) fn io(&self) -> &T {
        &self.io
    }

    /// What has been read and not asked for.
    pub(crate) fn unread(&self) -> impl Iterator<Item = &Frame> {
        self.inbox.iter()
    }

    /// The next frame that is `wanted`; the others stay to be read.
    pub(crate) async fn skip_to(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        if let Some(at) = self.inbox.iter().position(&wanted) {
            return self.inbox.remove(at).expect("just found");
        }
        loop {
            match self.read_frame().await {
                Some(frame) if wanted(&frame) => return frame,
                Some(frame) => self.inbox.push_back(frame),
                None => panic!("the connection ended; unread: {:?}", self.inbox),
            }
        }
    }

    /// Everything the server sends before it closes the connection.
    pub(crate) async fn recv_to_end(&mut self) -> Vec<Frame> {
        while let Some(frame) = self.read_frame().await {
            self.inbox.push_back(frame);
        }
        self.inbox.drain(..).collect()
    }

    /// Everything the server sends until it has nothing left to do. Only on a paused clock, which
    /// moves when every task waits for something else.
    pub(crate) async fn recv_until_idle(&mut self) -> Vec<Frame> {
        let nap = Duration::from_millis(1);
        while let Ok(frame) = tokio::time::timeout(nap, self.read_frame_at_leisure()).await {
            match frame {
                Some(frame) => self.inbox.push_back(frame),
                None => break,
            }
        }
        self.inbox.drain(..).collect()
    }

    /// Nothing but SETTINGS, PING and WINDOW_UPDATE is unread, and nothing else comes while the
    /// clock stands still.
    pub(crate) async fn expect_silence(&mut self) {
        let frames = self.recv_until_idle().await;
        let housekeeping = |frame: &Frame| {
            matches!(
                frame,
                Frame::Settings { .. } | Frame::Ping { .. } | Frame::WindowUpdate { .. }
            )
        };
        assert!(
            frames.iter().all(housekeeping),
            "expected silence, got {frames:?}"
        );
    }

    /// One PING there and back: the server has read all that we sent before it.
    pub(crate) async fn ping(&mut self) {
        let payload = *b"scripted";
        self.send(&frame::ping(payload)).await;
        self.skip_to(|frame| *frame == Frame::Ping { ack: true, payload })
            .await;
    }

    /// Answers the PING that was read while `ack_pings` was off.
    pub(crate) async fn ack_ping(&mut self) {
        let ping = self
            .skip_to(|frame| matches!(frame, Frame::Ping { ack: false, .. }))
            .await;
        let Frame::Ping { payload, .. } = ping else {
            unreachable!("just matched")
        };
        self.send(&frame::ping_ack(payload)).await;
    }

    async fn read_frame(&mut self) -> Option<Frame> {
        let patience = self.patience;
        let read = tokio::time::timeout(patience, self.read_frame_at_leisure()).await;
        read.expect("the server answers")
    }

    /// Cancel safe: what has been read stays in `received`.
    async fn read_frame_at_leisure(&mut self) -> Option<Frame> {
        let (head, payload) = self.read_raw().await?;
        let frame = match head.kind {
            frame::HEADERS => {
                assert_eq!(
                    head.flags & (frame::PADDED | frame::PRIORITY),
                    0,
                    "plain HEADERS"
                );
                Frame::Headers {
                    stream: head.stream,
                    end_stream: head.flags & frame::END_STREAM != 0,
                    fields: self.hpack.decode(&payload),
                }
            }
            _ => Frame::load(head, payload),
        };
        match frame {
            Frame::Ping {
                ack: false,
                payload,
            } if self.ack_pings => {
                // A server on its way out may be gone already.
                let _ = self.io.write_all(&frame::ping_ack(payload)).await;
            }
            Frame::WindowUpdate {
                stream: 0,
                increment,
            } => self.window += i64::from(increment),
            _ => {}
        }
        Some(frame)
    }

    /// One frame, with the CONTINUATIONs of a HEADERS frame folded into it.
    async fn read_raw(&mut self) -> Option<(Head, Bytes)> {
        loop {
            if let Some(whole) = self.split_raw() {
                return Some(whole);
            }
            match self.io.read_buf(&mut self.received).await {
                Ok(0) | Err(_) => {
                    assert!(self.received.is_empty(), "the end inside a frame");
                    return None;
                }
                Ok(_) => {}
            }
        }
    }

    fn split_raw(&mut self) -> Option<(Head, Bytes)> {
        let mut payload = BytesMut::new();
        let (mut at, mut first) = (0, None);
        loop {
            let head = Head::parse(self.received.get(at..at + Head::LEN)?);
            let body = at + Head::LEN;
            payload.extend_from_slice(self.received.get(body..body + head.len)?);
            at = body + head.len;
            let first = *first.get_or_insert(head);
            if first.kind == frame::HEADERS && head.flags & frame::END_HEADERS == 0 {
                continue;
            }
            assert!(first.kind == head.kind || head.kind == frame::CONTINUATION);
            let _ = self.received.split_to(at);
            return Some((first, payload.freeze()));
        }
    }
}
