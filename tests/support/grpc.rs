//! What gRPC puts on top of the frames: requests to send, and the answers they must get.

use super::frame::{self, Frame};
use super::hpack::{self, Fields};
use super::peer::Peer;
pub(crate) use super::protobuf::field;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
pub(crate) const LIST: &str = "/grpc.health.v1.Health/List";
pub(crate) const WATCH: &str = "/grpc.health.v1.Health/Watch";

pub(crate) const OK: u16 = 0;
pub(crate) const DEADLINE_EXCEEDED: u16 = 4;
pub(crate) const NOT_FOUND: u16 = 5;
pub(crate) const RESOURCE_EXHAUSTED: u16 = 8;
pub(crate) const UNIMPLEMENTED: u16 = 12;
pub(crate) const INTERNAL: u16 = 13;
pub(crate) const UNAVAILABLE: u16 = 14;

/// The whole body of a reply, prefix included.
pub(crate) const UNKNOWN: &[u8] = b"\0\0\0\0\0";
pub(crate) const SERVING: &[u8] = b"\0\0\0\0\x02\x08\x01";
pub(crate) const NOT_SERVING: &[u8] = b"\0\0\0\0\x02\x08\x02";
pub(crate) const SERVICE_UNKNOWN: &[u8] = b"\0\0\0\0\x02\x08\x03";

/// A request's header list, right until a test changes it.
#[derive(Clone, Debug)]
pub(crate) struct Request(Vec<(String, Vec<u8>)>);

impl Request {
    pub(crate) fn new(path: &str) -> Self {
        let fields = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ];
        Self(
            fields
                .map(|(name, value)| (name.to_owned(), value.into()))
                .into(),
        )
    }

    /// Appends a field.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Puts a field in front of all others.
    pub(crate) fn first(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.insert(0, (name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Replaces the value of a field, in its place.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let field = self
            .0
            .iter_mut()
            .find(|(n, _)| n == name)
            .expect("a field to replace");
        field.1 = value.as_ref().to_vec();
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(n, _)| n != name);
        self
    }

    /// What its fields count together (RFC 9113, section 6.5.2).
    pub(crate) fn size(&self) -> usize {
        let sizes = self.0.iter();
        sizes
            .map(|(name, value)| 32 + name.len() + value.len())
            .sum()
    }

    /// The header block.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in &self.0 {
            hpack::encode(&mut block, name.as_bytes(), value);
        }
        block
    }
}

/// The five-byte prefix and `message`.
pub(crate) fn envelope(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut envelope = prefix(flag, message.len() as u32);
    envelope.extend(message);
    envelope
}

/// Only the prefix, with any declared length.
pub(crate) fn prefix(flag: u8, len: u32) -> Vec<u8> {
    let mut prefix = vec![flag];
    prefix.extend(len.to_be_bytes());
    prefix
}

/// A `HealthCheckRequest` for `service`, in its envelope.
pub(crate) fn health_request(service: &str) -> Vec<u8> {
    envelope(0, &field(1, service.as_bytes()))
}

/// `grpc-message` is printable ASCII, well escaped and at most 1 KiB (row 56).
fn assert_message(fields: &Fields) {
    let Some(message) = fields.get("grpc-message") else {
        return;
    };
    assert!(!message.is_empty(), "an empty grpc-message is left out");
    assert!(
        message.len() <= 1024,
        "{} bytes of grpc-message",
        message.len()
    );
    let mut bytes = message.bytes();
    while let Some(byte) = bytes.next() {
        assert!((0x20..=0x7e).contains(&byte), "{message:?}");
        if byte == b'%' {
            let upper = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
            assert!(bytes.next().is_some_and(upper), "{message:?}");
            assert!(bytes.next().is_some_and(upper), "{message:?}");
        }
    }
}

fn assert_names(fields: &Fields, always: &[&str], maybe: &[&str]) {
    let names = fields.names();
    for name in always {
        assert!(fields.get(name).is_some(), "no {name} in {fields:?}");
    }
    for name in names {
        assert!(
            always.contains(&name) || maybe.contains(&name),
            "{name} in {fields:?}"
        );
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<T> {
    /// Opens a stream with `request` and leaves it open.
    pub(crate) async fn start_call(&mut self, request: &Request) -> u32 {
        let stream = self.open();
        self.send(&frame::headers(stream, false, &request.encode()))
            .await;
        stream
    }

    /// A whole request: HEADERS, and DATA with `body` and END_STREAM.
    pub(crate) async fn call(&mut self, request: &Request, body: &[u8]) -> u32 {
        let stream = self.start_call(request).await;
        self.send_data(stream, true, body).await;
        stream
    }

    /// HEADERS with END_STREAM, and no body.
    pub(crate) async fn call_without_body(&mut self, request: &Request) -> u32 {
        let stream = self.open();
        self.send(&frame::headers(stream, true, &request.encode()))
            .await;
        stream
    }

    /// Check of `service`, answered in full: its body.
    pub(crate) async fn check(&mut self, service: &str) -> Bytes {
        let stream = self
            .call(&Request::new(CHECK), &health_request(service))
            .await;
        self.expect_unary_ok(stream).await
    }

    /// Check of `service`, which is not known.
    pub(crate) async fn expect_not_found(&mut self, service: &str) {
        let stream = self
            .call(&Request::new(CHECK), &health_request(service))
            .await;
        self.expect_trailers_only(stream, NOT_FOUND).await;
    }

    /// Watch of `service`, open, its head read.
    pub(crate) async fn watch(&mut self, service: &str) -> u32 {
        let stream = self
            .call(&Request::new(WATCH), &health_request(service))
            .await;
        self.expect_head(stream).await;
        stream
    }

    /// HEADERS, with END_STREAM or without.
    pub(crate) async fn expect_headers(&mut self, stream: u32, last: bool) -> Fields {
        match self.recv_on(stream).await {
            Frame::Headers {
                end_stream, fields, ..
            } if end_stream == last => fields,
            other => panic!("expected HEADERS (END_STREAM: {last}), got {other:?}"),
        }
    }

    /// The initial HEADERS of an answer with messages.
    pub(crate) async fn expect_head(&mut self, stream: u32) {
        let head = self.expect_headers(stream, false).await;
        assert_names(
            &head,
            &[":status", "content-type"],
            &["grpc-accept-encoding"],
        );
        assert_eq!(head.get(":status"), Some("200"));
        assert_eq!(head.get("content-type"), Some("application/grpc"));
    }

    /// One DATA frame without END_STREAM.
    pub(crate) async fn expect_data(&mut self, stream: u32) -> Bytes {
        match self.recv_on(stream).await {
            Frame::Data {
                end_stream: false,
                payload,
                ..
            } => payload,
            other => panic!("expected DATA, got {other:?}"),
        }
    }

    /// The final HEADERS, after messages.
    pub(crate) async fn expect_trailers(&mut self, stream: u32, code: u16) -> Fields {
        let trailers = self.expect_headers(stream, true).await;
        assert_names(&trailers, &["grpc-status"], &["grpc-message"]);
        assert_eq!(
            trailers.get("grpc-status"),
            Some(code.to_string().as_str()),
            "{trailers:?}"
        );
        assert_message(&trailers);
        trailers
    }

    /// HEADERS · DATA · HEADERS with status 0; returns the body.
    pub(crate) async fn expect_unary_ok(&mut self, stream: u32) -> Bytes {
        self.expect_head(stream).await;
        let body = self.expect_data(stream).await;
        let trailers = self.expect_trailers(stream, OK).await;
        assert_eq!(trailers.names(), ["grpc-status"]);
        body
    }

    /// One HEADERS with END_STREAM and status 200: an error before any message.
    pub(crate) async fn expect_trailers_only(&mut self, stream: u32, code: u16) -> Fields {
        self.expect_error(stream, 200, code).await
    }

    /// One HEADERS with END_STREAM, an HTTP status and a gRPC code.
    pub(crate) async fn expect_error(&mut self, stream: u32, http: u16, code: u16) -> Fields {
        let fields = self.expect_headers(stream, true).await;
        let maybe = ["grpc-message", "grpc-accept-encoding", "allow"];
        assert_names(&fields, &[":status", "content-type", "grpc-status"], &maybe);
        assert_eq!(
            fields.get(":status"),
            Some(http.to_string().as_str()),
            "{fields:?}"
        );
        assert_eq!(fields.get("content-type"), Some("application/grpc"));
        assert_eq!(
            fields.get("grpc-status"),
            Some(code.to_string().as_str()),
            "{fields:?}"
        );
        assert!(http == 405 || fields.get("allow").is_none(), "{fields:?}");
        assert_message(&fields);
        fields
    }

    /// RST_STREAM with `code`, and before it nothing.
    pub(crate) async fn expect_reset(&mut self, stream: u32, code: u32) {
        assert_eq!(self.recv_on(stream).await, Frame::Reset { stream, code });
    }

    /// A good Check on this connection: what happened before has cost nobody else anything.
    pub(crate) async fn expect_alive(&mut self) {
        assert_eq!(self.check("").await, SERVING, "Check of the whole server");
    }

    /// GOAWAY with `code`.
    pub(crate) async fn expect_goaway(&mut self, code: u32) -> u32 {
        match self
            .skip_to(|frame| matches!(frame, Frame::GoAway { .. }))
            .await
        {
            Frame::GoAway {
                last, code: got, ..
            } if got == code => last,
            other => panic!("expected GOAWAY({code}), got {other:?}"),
        }
    }
}
