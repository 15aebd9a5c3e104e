//! A connection of HTTP/1, from its first byte to its end, and what the server answers.
//!
//! Input: a byte of conditions, the number of piece sizes, the piece sizes, and a program. Without the lowest bit of the conditions the
//! program is sent as it is; with it, each three bytes of the program are a request, whose answer is known.
//!
//! The answers are the same in any pieces, of what is read and of what is written. Each answer is whole, and has the fields that every
//! answer has, once. There is one answer to each head, up to the answer that closes the connection, and no answer behind that.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use grpc_health::server::ListenOptions;
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So that small inputs reach the limit.
const MAX_HEAD: u32 = 256;
/// Longer than any timer of the server takes.
const LONG: Duration = Duration::from_secs(24 * 3600);
const END: &[u8] = b"\r\n\r\n";

pub fn run(data: &[u8]) {
    let [conditions, count, rest @ ..] = data else {
        return;
    };
    let (sizes, program) = rest.split_at(rest.len().min(usize::from(*count)));
    if conditions & 1 == 0 {
        // What begins so is for h2.
        if !program.starts_with(b"PRI") {
            compare(program, sizes);
        }
        return;
    }
    let requests: Vec<Known> = program.chunks_exact(3).map(Known::of).collect();
    let sent: String = requests.iter().map(|known| known.text.as_str()).collect();
    let answers = compare(sent.as_bytes(), sizes);
    let mut expected = Vec::new();
    for known in requests {
        expected.push((known.status, known.closes));
        if known.closes {
            break;
        }
    }
    let found: Vec<_> = answers
        .iter()
        .map(|answer| (answer.status, answer.closes))
        .collect();
    assert_eq!(found, expected);
}

/// Sends the bytes in three ways, and judges the answers.
fn compare(sent: &[u8], sizes: &[u8]) -> Vec<Answer> {
    let whole = answered(sent, &[]);
    assert_eq!(text(&answered(sent, sizes)), text(&whole));
    assert_eq!(text(&answered(sent, &[1])), text(&whole));
    judge(sent, &whole)
}

/// What the server writes to a client that sends these bytes, in pieces of these sizes, over and over.
fn answered(sent: &[u8], sizes: &[u8]) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let registry = Registry::new();
        registry
            .set_service_status("down", ServingStatus::NotServing)
            .unwrap();
        let server = Server::builder()
            .max_header_list_size(MAX_HEAD)
            .service(HealthService::new(registry))
            .build();
        let written = Arc::new(Mutex::new(Vec::new()));
        let socket = Socket {
            sent: sent.to_vec(),
            read: 0,
            sizes: sizes.to_vec(),
            turn: 0,
            ready: false,
            written: Arc::clone(&written),
        };
        let listener = server.with_listen_options(ListenOptions::new().http1());
        let serving = tokio::spawn(listener.serve_connection(socket));
        let served = tokio::time::timeout(LONG, serving).await;
        served.expect("an end").expect("no panic");
        let stats = server.stats();
        assert_eq!((stats.connections_open, stats.panics), (0, 0));
        std::mem::take(&mut *written.lock().unwrap())
    })
}

/// A client's end that is one of the server's streams: the client sends in pieces, and takes the answers in pieces.
struct Socket {
    sent: Vec<u8>,
    read: usize,
    sizes: Vec<u8>,
    turn: usize,
    /// Whether the next piece is there: each comes after a wait.
    ready: bool,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Socket {
    /// The size of the next piece. `None` if the server must wait for the piece first.
    fn next(&mut self, cx: &Context<'_>) -> Option<usize> {
        if self.sizes.is_empty() {
            return Some(usize::MAX);
        }
        self.ready = !self.ready;
        if self.ready {
            cx.waker().wake_by_ref();
            return None;
        }
        let size = self.sizes[self.turn % self.sizes.len()];
        self.turn += 1;
        Some(usize::from(size).max(1))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let Some(size) = self.next(cx) else {
            return Poll::Pending;
        };
        let rest = &self.sent[self.read..];
        let n = rest.len().min(size).min(buf.remaining());
        buf.put_slice(&rest[..n]);
        self.read += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let Some(size) = self.next(cx) else {
            return Poll::Pending;
        };
        let n = bytes.len().min(size);
        self.written.lock().unwrap().extend_from_slice(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Answers as text, without the times of day.
fn text(written: &[u8]) -> String {
    let text = std::str::from_utf8(written).expect("answers are text");
    let lines = text.split_inclusive("\r\n");
    lines.filter(|line| !line.starts_with("date: ")).collect()
}

#[derive(Debug)]
struct Answer {
    status: u16,
    closes: bool,
}

/// Reads the answers to what was sent.
fn judge(sent: &[u8], mut written: &[u8]) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    let mut unanswered = sent;
    while !written.is_empty() {
        assert!(
            answers.last().is_none_or(|last| !last.closes),
            "an answer behind the last"
        );
        let (head, rest) = split(written, END).expect("a whole head");
        let head = std::str::from_utf8(head).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status: u16 = status.expect("a status")[..3].parse().unwrap();
        let fields: Vec<(&str, &str)> = lines
            .map(|line| line.split_once(": ").expect("a field"))
            .collect();
        let field = |name: &str| {
            let mut values = fields.iter().filter(|field| field.0 == name);
            let value = values.next().map(|field| field.1);
            assert!(values.next().is_none(), "{name} twice");
            value
        };
        assert!(
            [200, 400, 404, 405, 431, 503, 505].contains(&status),
            "{status}"
        );
        assert_eq!(field("date").expect("a date").len(), 29);
        assert_eq!(field("cache-control"), Some("no-store"));
        assert_eq!(field("x-content-type-options"), Some("nosniff"));
        assert!(field("content-type").is_some());
        assert_eq!(field("allow").is_some(), status == 405);
        let closes = field("connection").is_some_and(|value| value == "close");
        assert!(closes || [200, 404, 503].contains(&status), "{status}");
        // The first head that is not answered yet, or a part of it.
        let (asked, behind) = split(unanswered, END).unwrap_or((unanswered, &[]));
        assert!(!asked.is_empty() || closes, "an answer to nothing");
        unanswered = behind;
        let is_head = asked
            .strip_prefix(b"\r\n")
            .unwrap_or(asked)
            .starts_with(b"HEAD ");
        let length: usize = field("content-length").expect("a length").parse().unwrap();
        let length = if is_head { 0 } else { length };
        let (body, rest) = rest.split_at_checked(length).expect("a whole body");
        assert_eq!(body.is_empty(), is_head);
        written = rest;
        answers.push(Answer { status, closes });
    }
    // A connection that nobody closed has an answer to every head.
    let closed = answers.last().is_some_and(|last| last.closes);
    assert!(
        closed || split(unanswered, END).is_none(),
        "a head without an answer"
    );
    answers
}

/// What stands before and behind the first `mark`.
fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|found| found == mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

/// A request whose answer is known.
struct Known {
    text: String,
    status: u16,
    closes: bool,
}

impl Known {
    /// The three bytes say which method and target, which fields, and how long one field is.
    fn of(bytes: &[u8]) -> Self {
        let (line, fields, long) = (bytes[0], bytes[1], bytes[2]);
        let method = ["GET", "HEAD", "POST", "get"][usize::from(line & 3)];
        let is_old = line & 4 != 0;
        let version = if is_old { "HTTP/1.0" } else { "HTTP/1.1" };
        let (target, served) = [
            ("/readyz", 200),
            ("/healthz/down?verbose", 503),
            ("/nope", 404),
            ("http://a/livez?format=json", 200),
        ][usize::from((line >> 3) & 3)];
        let has = |bit: u8| fields & (1 << bit) != 0;
        let mut text = format!("{method} {target} {version}\r\n");
        let lines = [
            "host: a",
            "Host: b",
            "connection: x, Close",
            "content-length: 0",
            "Content-Length: 5",
            "transfer-encoding: chunked",
            "accept: application/json",
        ];
        for (bit, line) in lines.iter().enumerate() {
            if fields & (1 << bit) != 0 {
                text.push_str(line);
                text.push_str("\r\n");
            }
        }
        if has(7) {
            text.push_str("x: ");
            text.extend(std::iter::repeat_n('y', usize::from(long)));
            text.push_str("\r\n");
        }
        text.push_str("\r\n");

        let hosts = u8::from(has(0)) + u8::from(has(1));
        let lengths = u8::from(has(3)) + u8::from(has(4));
        let fits = if is_old { hosts <= 1 } else { hosts == 1 };
        let status = if text.len() > MAX_HEAD as usize {
            431
        } else if !fits || lengths > 1 || (has(5) && lengths > 0) {
            400
        } else if !matches!(method, "GET" | "HEAD") {
            405
        } else if has(4) || has(5) {
            400
        } else {
            served
        };
        Self {
            text,
            status,
            closes: ![200, 404, 503].contains(&status) || is_old || has(2),
        }
    }
}
