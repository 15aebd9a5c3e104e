//! Streams opened to be reset, by either side.

use crate::arena::{Arena, MIB, count, goaway, until};
use crate::memory::Memory;
use crate::support::frame::{self, CANCEL, ENHANCE_YOUR_CALM, Frame};
use crate::support::grpc::{CHECK, Request, UNIMPLEMENTED, WATCH, health_request};
use crate::support::peer::Peer;

const PRIORITY: u8 = 0x2;

#[tokio::test(start_paused = true)]
async fn a01_streams_reset_at_once_end_their_connection() {
    let (arena, mut neighbour) = Arena::new().await;
    let block = Request::new(CHECK).encode();
    let attack: Vec<u8> = (0..1_000)
        .flat_map(|n| {
            let stream = 1 + 2 * n;
            let headers = frame::headers(stream, false, &block);
            [headers, frame::reset(stream, CANCEL)].concat()
        })
        .collect();
    let connections = count(10, 1_000);
    let memory = Memory::mark();
    let attack = async {
        for _ in 0..connections {
            let sent = arena.connect().await.flood(&attack).await;
            assert_eq!(goaway(&sent), (ENHANCE_YOUR_CALM, "too_many_resets"));
        }
    };
    neighbour.beside(attack).await;
    memory.assert_peak_below(MIB);
    let stats = arena.end(neighbour).await;
    assert_eq!(stats.connection_errors, connections as u64);
}

/// Each is accepted, and its handler waits for the rest of the request, before it is reset.
#[tokio::test(start_paused = true)]
async fn a02_streams_reset_once_accepted_end_their_connection() {
    let (arena, mut neighbour) = Arena::new().await;
    let connections = count(1, 100);
    let memory = Memory::mark();
    let attack = async {
        for _ in 0..connections {
            let mut peer = arena.connect().await;
            for _ in 0..1_000 {
                let stream = peer.start_call(&Request::new(CHECK)).await;
                until(|| arena.server.stats().calls_waiting == 1).await;
                peer.send(&frame::reset(stream, CANCEL)).await;
                until(|| arena.server.stats().calls_waiting == 0).await;
            }
            // The next one is one too many.
            let stream = peer.start_call(&Request::new(CHECK)).await;
            peer.send(&frame::reset(stream, CANCEL)).await;
            assert_eq!(goaway(&peer.recv_to_end().await).0, ENHANCE_YOUR_CALM);
        }
    };
    neighbour.beside(attack).await;
    memory.assert_peak_below(MIB);
    let stats = arena.end(neighbour).await;
    assert!(stats.calls_cancelled >= 1_000 * connections as u64);
}

/// What makes the server reset a stream, though the client never does.
type Provocation = (&'static str, fn(u32) -> Vec<u8>, u32);

fn watch(stream: u32) -> Vec<u8> {
    let headers = frame::headers(stream, false, &Request::new(WATCH).encode());
    [headers, frame::data(stream, true, &health_request("up"))].concat()
}

fn request(stream: u32, request: &Request) -> Vec<u8> {
    let headers = frame::headers(stream, false, &request.encode());
    [headers, frame::data(stream, true, &health_request("up"))].concat()
}

const PROVOCATIONS: &[Provocation] = &[
    (
        "WINDOW_UPDATE over the maximum",
        |stream| [watch(stream), frame::window_update(stream, i32::MAX as u32)].concat(),
        FLOW_CONTROL_ERROR,
    ),
    (
        "a request behind the end",
        |stream| {
            let again = frame::headers(stream, false, &Request::new(CHECK).encode());
            [watch(stream), again].concat()
        },
        frame::PROTOCOL_ERROR,
    ),
    (
        "a stream that depends on itself",
        |stream| {
            let itself = [&stream.to_be_bytes()[..], &[9]].concat();
            [watch(stream), frame::raw(PRIORITY, 0, stream, &itself)].concat()
        },
        frame::PROTOCOL_ERROR,
    ),
    (
        "a wrong content-length",
        |stream| request(stream, &Request::new(CHECK).with("content-length", "3")),
        frame::PROTOCOL_ERROR,
    ),
    (
        "a malformed request",
        |stream| request(stream, &Request::new(CHECK).without(":path")),
        frame::PROTOCOL_ERROR,
    ),
    (
        "a header of HTTP/1",
        |stream| request(stream, &Request::new(CHECK).set("te", "gzip")),
        frame::PROTOCOL_ERROR,
    ),
];

const FLOW_CONTROL_ERROR: u32 = 0x3;

/// Sends until the connection ends: how often the server has reset a stream.
async fn provoke(peer: &mut Peer, (what, attack, code): &Provocation) -> usize {
    for resets in 0..2_000 {
        let stream = peer.open();
        peer.send(&attack(stream)).await;
        let reply = |frame: &Frame| match frame {
            Frame::Reset { stream: reset, .. } => *reset == stream,
            frame => matches!(frame, Frame::GoAway { .. }),
        };
        match peer.skip_to(reply).await {
            Frame::Reset { code: got, .. } => assert_eq!(got, *code, "{what}"),
            Frame::GoAway { code, .. } => {
                assert_eq!(code, ENHANCE_YOUR_CALM, "{what}");
                peer.recv_to_end().await;
                return resets;
            }
            other => unreachable!("{other:?} is neither"),
        }
    }
    panic!("{what}: 2,000 resets")
}

#[tokio::test(start_paused = true)]
async fn a03_streams_that_the_server_is_made_to_reset_end_their_connection() {
    for provocation in PROVOCATIONS {
        let (arena, mut neighbour) = Arena::new().await;
        let mut peer = arena.connect().await;
        let memory = Memory::mark();
        let resets = neighbour.beside(provoke(&mut peer, provocation)).await;
        println!("{}: {resets}", provocation.0);
        assert!(resets <= 1_024, "{}: {resets}", provocation.0);
        // The attacker keeps what it was sent: about half of this.
        memory.assert_peak_below(2 * MIB);
        arena.end(neighbour).await;
    }
}

/// What is kept of streams that were answered before their upload was over: four bytes each for the last 256, and 16 of h2's.
#[tokio::test(start_paused = true)]
async fn early_answers_leave_a_few_kib() {
    let (arena, mut neighbour) = Arena::new().await;
    let mut peer = arena.connect().await;
    let refused = async |peer: &mut Peer| {
        let stream = peer.start_call(&Request::new("/no.Service/Method")).await;
        peer.expect_trailers_only(stream, UNIMPLEMENTED).await;
        peer.expect_reset(stream, frame::NO_ERROR).await;
        peer.send_data(stream, true, &[0; 1_000]).await;
    };
    refused(&mut peer).await;
    let memory = Memory::mark();
    let attack = async {
        for _ in 0..10_000 {
            refused(&mut peer).await;
        }
        peer.expect_alive().await;
    };
    neighbour.beside(attack).await;
    memory.assert_below(32 << 10);
    drop(peer);
    arena.end(neighbour).await;
}
