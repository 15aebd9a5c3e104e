//! One connection, from its first byte to its end, and what the server writes meanwhile.
//!
//! Input: a byte of conditions, then a program. Without the lowest bit of the conditions the program is sent as it is; with it, a
//! preface comes first, and each step is an opcode and its operands, most of them frames. The clock is paused: to wait costs nothing.
//!
//! Whatever comes, once our side is closed the connection ends, nothing is left of it, and what the server has written is in order:
//! whole frames, of streams that we opened, nothing behind the end of an answer, and not more than what was asked for.

use std::collections::HashMap;
use std::time::Duration;

use grpc_health::router::{Raw, Request, Response, Route, Router, Streaming};
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const LIST: &str = "/grpc.health.v1.Health/List";
const UNARY: &str = "/t.T/Unary";
const COUNT: &str = "/t.T/Count";
const BIDI: &str = "/t.T/Bidi";
const SPAWNED: &str = "/t.T/Spawned";

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const WINDOW_UPDATE: u8 = 0x8;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const HEAD: usize = 9;

/// Longer than any timer of the server takes.
const LONG: Duration = Duration::from_secs(24 * 3600);
const MAX_STREAMS: u32 = 16;

pub fn run(data: &[u8]) {
    let Some((conditions, program)) = data.split_first() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(serve(*conditions, program));
}

async fn serve(conditions: u8, program: &[u8]) {
    let registry = Registry::new();
    let server = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .service(router(HealthService::new(registry.clone())))
        .build();
    let capacity = if conditions & 2 == 0 { 1 << 16 } else { 100 };
    let (ours, theirs) = tokio::io::duplex(capacity);
    let served = tokio::spawn(server.serve_connection(theirs));
    let (reader, writer) = tokio::io::split(ours);
    let mut client = Client {
        writer,
        registry,
        streams: 0,
        sent: 0,
        flips: 0,
    };
    // Some read all the time, others only when they have sent everything.
    let (sent, receive) = tokio::sync::oneshot::channel();
    let reading = tokio::spawn(async move {
        if conditions & 4 != 0 {
            let _ = receive.await;
        }
        read(reader).await
    });
    let whole = async {
        client.send_all(conditions, program).await;
        // The server may be gone by now.
        let _ = client.writer.shutdown().await;
        let _ = sent.send(());
        reading.await.expect("no panic")
    };
    let written = tokio::time::timeout(LONG, whole).await.expect("an end");
    tokio::time::timeout(LONG, served)
        .await
        .expect("an end")
        .expect("no panic");

    let stats = server.stats();
    let left = (stats.connections_open, stats.calls_waiting, stats.panics);
    assert_eq!(left, (0, 0, 0));
    // A short request for an unknown path is quoted in the answer, up to 1 KiB of it.
    let bound = (64 << 10) + 128 * client.sent + client.flips * MAX_STREAMS as usize * 32;
    assert!(written.len() <= bound, "{} bytes", written.len());
    judge(&written);
}

/// Methods that echo what they are sent, and one that counts it.
fn router(health: HealthService) -> Router<HealthService> {
    Router::new(health)
        .unary(UNARY, |request: Request<Raw>| async {
            Ok(Response::new(request.into_inner()))
        })
        .client_streaming(COUNT, |request: Request<Streaming<Raw>>| async {
            let mut messages = request.into_inner();
            let mut count = 0_u64;
            while messages.message().await?.is_some() {
                count += 1;
            }
            Ok(Response::new(count))
        })
        .bidi(BIDI, |request: Request<Streaming<Raw>>| async {
            Ok(Response::new(request.into_inner()))
        })
        .bidi(
            Route::new(SPAWNED).spawned(),
            |request: Request<Streaming<Raw>>| async { Ok(Response::new(request.into_inner())) },
        )
}

async fn read(mut reader: ReadHalf<DuplexStream>) -> Vec<u8> {
    let mut written = Vec::new();
    // A connection that is cut ends without an error as well.
    let _ = reader.read_to_end(&mut written).await;
    written
}

struct Client {
    writer: WriteHalf<DuplexStream>,
    registry: Registry,
    /// How many streams it has opened.
    streams: u32,
    sent: usize,
    flips: usize,
}

impl Client {
    async fn send_all(&mut self, conditions: u8, mut program: &[u8]) {
        if conditions & 1 == 0 {
            self.send(program).await;
            return;
        }
        let window = u32::from(conditions >> 4) * 4_681;
        self.send(PREFACE).await;
        self.send(&setting(4, window)).await;
        while let Some((opcode, rest)) = program.split_first() {
            program = rest;
            self.step(*opcode, &mut program).await;
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.sent += bytes.len();
        // The server may have closed the connection.
        let _ = self.writer.write_all(bytes).await;
    }

    fn open(&mut self) -> u32 {
        self.streams += 1;
        2 * self.streams - 1
    }

    /// One of the last streams, or one that is not open yet.
    fn pick(&self, operand: u8) -> u32 {
        (2 * self.streams + 1).saturating_sub(u32::from(operand % 8) * 2)
    }

    async fn step(&mut self, opcode: u8, program: &mut &[u8]) {
        let frame = match opcode % 16 {
            0 => {
                let path = match byte(program) % 8 {
                    0 => CHECK,
                    1 => WATCH,
                    2 => LIST,
                    3 => UNARY,
                    4 => COUNT,
                    5 => BIDI,
                    6 => SPAWNED,
                    _ => "/a/b",
                };
                raw(HEADERS, END_HEADERS, self.open(), &block(path))
            }
            1 => {
                let stream = self.pick(byte(program));
                raw(DATA, END_STREAM, stream, &request())
            }
            2 => {
                let (stream, flags) = (self.pick(byte(program)), byte(program));
                raw(DATA, flags, stream, some(program))
            }
            3 => {
                let stream = self.pick(byte(program));
                raw(RST_STREAM, 0, stream, &[0, 0, 0, byte(program)])
            }
            4 => {
                let stream = self.pick(byte(program));
                let increment = u32::from(byte(program)) << (byte(program) % 24);
                raw(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
            }
            5 => {
                let increment = u32::from(byte(program)) << (byte(program) % 24);
                raw(WINDOW_UPDATE, 0, 0, &increment.to_be_bytes())
            }
            6 => {
                let id = u16::from(byte(program) % 8);
                let value = u32::from(byte(program)) << (byte(program) % 24);
                setting(id, value)
            }
            7 => raw(PING, byte(program) & 1, 0, &[0; 8]),
            8 => {
                let (kind, flags) = (byte(program), byte(program));
                let stream = self.pick(byte(program));
                raw(kind, flags, stream, some(program))
            }
            9 => {
                let flags = END_HEADERS | byte(program) & END_STREAM;
                let stream = self.open();
                raw(HEADERS, flags, stream, some(program))
            }
            10 | 11 => {
                let path = if opcode % 16 == 10 { CHECK } else { WATCH };
                let stream = self.open();
                let mut call = raw(HEADERS, END_HEADERS, stream, &block(path));
                call.extend(raw(DATA, END_STREAM, stream, &request()));
                call
            }
            12 => {
                let time = Duration::from_millis(50) * u32::from(byte(program));
                return tokio::time::sleep(time).await;
            }
            13 => {
                let status = match byte(program) % 2 {
                    0 => ServingStatus::Serving,
                    _ => ServingStatus::NotServing,
                };
                self.flips += 1;
                return self.registry.set_service_status("", status).unwrap();
            }
            14 => return tokio::task::yield_now().await,
            _ => some(program).to_vec(),
        };
        self.send(&frame).await;
    }
}

/// The next operand.
fn byte(program: &mut &[u8]) -> u8 {
    let Some((byte, rest)) = program.split_first() else {
        return 0;
    };
    *program = rest;
    *byte
}

/// As many of the next bytes as the first of them says.
fn some<'a>(program: &mut &'a [u8]) -> &'a [u8] {
    let len = usize::from(byte(program)).min(program.len());
    let (some, rest) = program.split_at(len);
    *program = rest;
    some
}

fn raw(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    raw(SETTINGS, 0, 0, &payload)
}

fn request() -> [u8; 5] {
    [0; 5]
}

/// A request's headers: POST and http of the static table, the rest literally.
fn block(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let fields = [
        (":path", path),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    for (name, value) in fields {
        block.extend([0, name.len() as u8]);
        block.extend(name.as_bytes());
        block.push(value.len() as u8);
        block.extend(value.as_bytes());
    }
    block
}

/// How far the answer on a stream is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Begun,
    Ended,
    Reset,
}

fn judge(mut written: &[u8]) {
    let mut answers: HashMap<u32, Answer> = HashMap::new();
    // The last frame may be cut short with its connection.
    while let Some((head, rest)) = written.split_at_checked(HEAD) {
        let len = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        assert!(len <= 16_384, "a frame of {len} bytes");
        let Some((_, rest)) = rest.split_at_checked(len) else {
            break;
        };
        written = rest;
        if !matches!(kind, DATA | HEADERS | RST_STREAM) {
            continue;
        }
        assert_eq!(stream % 2, 1, "a stream of ours");
        let before = answers.get(&stream).copied();
        let after = match kind {
            RST_STREAM => Answer::Reset,
            _ if flags & END_STREAM != 0 => Answer::Ended,
            _ => Answer::Begun,
        };
        let in_order = match kind {
            DATA => before == Some(Answer::Begun),
            HEADERS => matches!(before, None | Some(Answer::Begun)),
            // It may say more than once that a stream is no more.
            _ => true,
        };
        assert!(in_order, "frame {kind} on stream {stream} after {before:?}");
        answers.insert(stream, after);
    }
}
