//! Large answers of reflection that clients ask for and do not take.

use grpc_health::reflection::{Index, Reflection};
use grpc_health::router::Router;
use grpc_health::{HealthService, Registry};
use tokio::time::{Instant, sleep};

use crate::arena::{MIB, SECOND, count};
use crate::memory::Memory;
use crate::stage::{KIB, Stage};
use crate::support::grpc::{Request, SERVING, envelope, field};
use crate::support::protobuf::large_file;

const PATH: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// The send budget that is the default.
const BUDGET: usize = 64 * MIB;

fn stage() -> Stage {
    let index = Index::builder().descriptors(large_file(MIB));
    let reflection = Reflection::new(index.build().unwrap());
    let router = Router::new(HealthService::new(Registry::new())).service(reflection);
    Stage::of(router, |server| server)
}

/// 256 answers of 1 MiB, from one connection and from eight: the server held all of them.
#[tokio::test(start_paused = true)]
async fn a31_answers_of_reflection_that_nobody_takes_stay_within_the_budget() {
    let question = envelope(0, &field(3, b"large.proto"));
    for connections in [1, count(8, 64)] {
        let stage = stage();
        let mut neighbour = stage.connect(1 << 16).await;
        assert_eq!(neighbour.check("").await, SERVING);
        let memory = Memory::mark();
        let mut peers = Vec::new();
        for _ in 0..connections {
            peers.push(stage.connect(0).await);
        }
        let each = count(256 / connections, 256);
        for _ in 0..each {
            for peer in &mut peers {
                // The stream stays open for more questions.
                let stream = peer.start_call(&Request::new(PATH)).await;
                peer.send_data(stream, false, &question).await;
                peer.ping().await;
            }
            assert_eq!(neighbour.check("").await, SERVING);
        }
        let held = memory.now();
        println!(
            "{connections} connections: {held} bytes, {} at most",
            memory.peak()
        );
        // One connection has a quarter of the budget.
        let share = if connections == 1 { BUDGET / 4 } else { BUDGET };
        // The answers, the one that is made, and what each call takes at both ends.
        let most = share + MIB + connections * each * 512;
        assert!(held > share / 2, "{held} bytes: nothing was answered");
        memory.assert_peak_below(most);
        // The answers that had waited longest have made room for others, and these end after 30 s.
        let asked = (connections * each) as u64;
        assert!(stage.stalled() >= asked - (share / MIB) as u64);
        let start = Instant::now();
        while stage.stalled() < asked {
            sleep(10 * SECOND).await;
            assert_eq!(neighbour.check("").await, SERVING);
            assert!(start.elapsed() <= 30 * SECOND, "for ever");
        }
        memory.assert_peak_below(most);
        drop(peers);
        sleep(2 * SECOND).await;
        memory.assert_below(64 * KIB);
    }
}
