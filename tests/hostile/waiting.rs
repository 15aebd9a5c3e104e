//! What calls cost that wait for the rest of their request.

use std::future::pending;

use bytes::Bytes;
use grpc_health::router::{Raw, Request as Call, Response, Router, Streaming};
use grpc_health::{HealthService, Registry, Server, Status};
use tokio::time::sleep;

use crate::arena::SECOND;
use crate::memory::Memory;
use crate::support::grpc::{CHECK, Request, prefix};
use crate::support::host;
use crate::support::peer::{PIPE, Peer};

const CALLS: usize = 255;

/// What a call with few headers takes at most, in bytes. The server's budget counts 3 KiB: other calls have more headers, and the allocator
/// takes its part.
pub(crate) const HELD: usize = 2 << 10;

/// How many bytes each of 255 waiting calls of a method takes, h2's memory included.
async fn each(path: &str) -> usize {
    let router = Router::new(HealthService::new(Registry::new()))
        .unary("/t.T/U", |_: Call<Raw>| async {
            Ok::<_, Status>(Response::new(Raw(Bytes::new())))
        })
        .bidi("/t.T/B", |call: Call<Streaming<Raw>>| async move {
            pending::<()>().await;
            Ok::<_, Status>(Response::new(call.into_inner()))
        });
    let server = Server::builder().ping_burst(1_000).service(router).build();
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let served = host::spawn(server.serve_connection(theirs));
    let mut peer = Peer::handshake(ours, &[]).await;
    let mut streams = Vec::with_capacity(CALLS);
    // The first call makes what the connection needs once.
    for memory in [false, true] {
        let memory = memory.then(Memory::mark);
        let count = if memory.is_some() { CALLS } else { 1 };
        for _ in 0..count {
            let stream = peer.start_call(&Request::new(path)).await;
            peer.send_data(stream, false, &prefix(0, 100)).await;
            streams.push(stream);
            peer.ping().await;
        }
        let Some(memory) = memory else { continue };
        assert_eq!(server.stats().calls_waiting, 1 + CALLS as u64);
        let each = memory.now() / CALLS;
        drop(peer);
        sleep(SECOND * 2).await;
        served.await.unwrap();
        return each;
    }
    unreachable!()
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_takes_no_more_than_the_budget_counts() {
    for path in [CHECK, "/t.T/U", "/t.T/B"] {
        let each = each(path).await;
        println!("{path}: {each} bytes");
        assert!(each <= HELD, "{path}: {each}");
    }
}
