//! A Check allocates nothing on the heap beyond what h2 does: counted on the server's own thread,
//! beside the floor (h2 and the same replies, nothing of gRPC), with the same raw bytes sent to
//! both. And a large echo allocates no large buffer, once the first ones have been made.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait")]

#[path = "../benches/support/floor.rs"]
#[allow(dead_code, reason = "the benchmarks use all of it")]
mod floor;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::ready;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;

use grpc_health::router::{Raw, Request, Response, Router};
use grpc_health::{HealthService, Registry, Server};
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Where this thread's allocations are counted, if anywhere.
    static COUNTER: Cell<Option<&'static Counter>> = const { Cell::new(None) };
}

/// How large a buffer is that holds a large message, in bytes. h2 reads frames of 16 KiB into buffers of their own.
const LARGE: usize = 32 << 10;

#[derive(Default)]
struct Counter {
    all: AtomicU64,
    large: AtomicU64,
}

/// The system's allocator, counting what the threads that ask for it allocate.
struct Counting;

impl Counting {
    fn count(size: usize) {
        if let Some(counter) = COUNTER.get() {
            counter.all.fetch_add(1, SeqCst);
            counter.large.fetch_add(u64::from(size >= LARGE), SeqCst);
        }
    }
}

// SAFETY: every call is passed to `System` as it came; the counting itself does not allocate, since
// `COUNTER` is const-initialised and needs no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        Self::count(new_size);
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[derive(Clone, Copy)]
enum Peer {
    Ours,
    Floor,
}

impl Peer {
    async fn serve(self, listener: TcpListener) {
        match self {
            Self::Ours => {
                let health = HealthService::new(Registry::new());
                let echo = |request: Request<Raw>| ready(Ok(Response::new(request.into_inner())));
                let router = Router::new(health).unary("/large.Echo/Unary", echo);
                let server = Server::builder().service(router).build();
                server.serve_on(listener).await.unwrap();
            }
            Self::Floor => floor::serve(listener, floor::MAX_STREAMS).await.unwrap(),
        }
    }

    /// Starts the server on a thread of its own; returns where it listens and what it counts.
    fn spawn(self) -> (SocketAddr, &'static Counter) {
        let allocations: &'static Counter = Box::leak(Box::default());
        let (bound, address) = mpsc::channel();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                COUNTER.set(Some(allocations));
                self.serve(listener).await;
            });
        };
        let server = thread::Builder::new().name("server".to_owned());
        server.spawn(serve).unwrap();
        (address.recv().unwrap(), allocations)
    }

    /// The server's allocations for `batches` of `in_flight` Checks each, after a warm-up.
    fn allocations(self, in_flight: usize, batches: usize) -> u64 {
        let (address, allocations) = self.spawn();
        let mut client = RawClient::connect(address);
        for _ in 0..batches {
            client.checks(in_flight);
        }
        client.ping();
        let before = allocations.all.load(SeqCst);
        for _ in 0..batches {
            client.checks(in_flight);
        }
        client.ping();
        allocations.all.load(SeqCst) - before
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// An HTTP/2 client that writes and reads frames as bytes.
struct RawClient {
    socket: TcpStream,
    header_block: Vec<u8>,
    next_stream: u32,
    /// Received and not yet read.
    input: Vec<u8>,
}

impl RawClient {
    fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut client = Self {
            socket,
            header_block: request("/grpc.health.v1.Health/Check"),
            next_stream: 1,
            input: Vec::new(),
        };
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        frame(&mut hello, SETTINGS, 0, 0, &[]);
        frame(&mut hello, SETTINGS, ACK, 0, &[]);
        // The window of the connection, opened for good: the replies are never held up.
        let increment = (1u32 << 31) - 1 - 65_535;
        frame(&mut hello, WINDOW_UPDATE, 0, 0, &increment.to_be_bytes());
        client.socket.write_all(&hello).unwrap();
        client.ping();
        client
    }

    /// Sends `count` Checks in one write and reads until all are answered.
    fn checks(&mut self, count: usize) {
        let mut output = Vec::new();
        for _ in 0..count {
            frame(
                &mut output,
                HEADERS,
                END_HEADERS,
                self.next_stream,
                &self.header_block,
            );
            frame(&mut output, DATA, END_STREAM, self.next_stream, &[0; 5]);
            self.next_stream += 2;
        }
        self.socket.write_all(&output).unwrap();
        let mut messages = 0;
        let mut ended = 0;
        while ended < count {
            let (kind, flags, payload) = self.read();
            match kind {
                DATA => {
                    assert_eq!(payload, floor::SERVING);
                    messages += 1;
                }
                HEADERS => ended += usize::from(flags & END_STREAM != 0),
                SETTINGS | WINDOW_UPDATE | PING => {}
                _ => panic!("a frame of type {kind}"),
            }
        }
        assert_eq!(messages, count);
    }

    /// Sends a message in frames of 16 KiB, and reads the same message.
    fn echo(&mut self, message: &[u8]) {
        let (stream, block) = (self.next_stream, request("/large.Echo/Unary"));
        self.next_stream += 2;
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let envelope = [&[0], &length[..], message].concat();
        let mut output = Vec::new();
        frame(&mut output, HEADERS, END_HEADERS, stream, &block);
        for chunk in envelope.chunks(16 << 10) {
            frame(&mut output, DATA, 0, stream, chunk);
        }
        frame(&mut output, DATA, END_STREAM, stream, &[]);
        self.socket.write_all(&output).unwrap();
        let mut echoed = Vec::new();
        loop {
            match self.read() {
                (DATA, _, payload) => echoed.extend(payload),
                (HEADERS, flags, _) if flags & END_STREAM != 0 => break,
                _ => {}
            }
        }
        assert!(echoed == envelope, "{} bytes came back", echoed.len());
    }

    /// Returns when the server has done all that it does for what was sent before.
    fn ping(&mut self) {
        let mut output = Vec::new();
        frame(&mut output, PING, 0, 0, b"quiesced");
        self.socket.write_all(&output).unwrap();
        loop {
            let (kind, flags, payload) = self.read();
            if (kind, flags & ACK, payload.as_slice()) == (PING, ACK, b"quiesced") {
                return;
            }
        }
    }

    /// The next frame: type, flags and payload.
    fn read(&mut self) -> (u8, u8, Vec<u8>) {
        loop {
            if let Some(&[a, b, c, kind, flags, ..]) = self.input.get(..9) {
                let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
                if self.input.len() >= end {
                    let payload = self.input[9..end].to_vec();
                    self.input.drain(..end);
                    return (kind, flags, payload);
                }
            }
            let mut buffer = [0; 64 * 1024];
            let read = self.socket.read(&mut buffer).unwrap();
            assert_ne!(read, 0, "the server closed the connection");
            self.input.extend_from_slice(&buffer[..read]);
        }
    }
}

fn frame(output: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    output.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    output.extend_from_slice(&[kind, flags]);
    output.extend_from_slice(&stream.to_be_bytes());
    output.extend_from_slice(payload);
}

fn request(path: &str) -> Vec<u8> {
    header_block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ])
}

/// HPACK in its simplest form: every field a literal without indexing, with a new name.
fn header_block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for string in [name, value] {
            block.push(u8::try_from(string.len()).unwrap());
            block.extend_from_slice(string.as_bytes());
        }
    }
    block
}

fn assert_none_above_the_floor(in_flight: usize, batches: usize) {
    let floor = Peer::Floor.allocations(in_flight, batches);
    let ours = Peer::Ours.allocations(in_flight, batches);
    let checks = in_flight * batches;
    assert!(floor > 0, "the counter counts");
    assert!(
        ours <= floor,
        "{checks} checks, {in_flight} in flight: {ours} allocations, the floor {floor}"
    );
}

#[test]
fn one_in_flight_allocates_no_more_than_the_floor() {
    assert_none_above_the_floor(1, 1_000);
}

#[test]
fn a_batch_of_100_allocates_no_more_than_the_floor() {
    assert_none_above_the_floor(100, 20);
}

/// The buffers of the request, of the reply and of the write are those of earlier calls.
#[test]
fn large_messages_are_held_in_buffers_that_earlier_messages_have_used() {
    let (address, allocations) = Peer::Ours.spawn();
    let mut client = RawClient::connect(address);
    // It fits into the first window of either side.
    let message = vec![7; 60_000];
    // The second message may take the largest buffer of the first, so that one more is made.
    for _ in 0..3 {
        client.echo(&message);
    }
    assert!(allocations.large.load(SeqCst) > 0, "the counter counts");
    let before = allocations.large.load(SeqCst);
    for _ in 0..50 {
        client.echo(&message);
    }
    assert_eq!(allocations.large.load(SeqCst) - before, 0);
}
