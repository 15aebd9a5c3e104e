//! Probes of a host name whose lookup takes longer than a run.

use std::future::{Future, poll_fn};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;

use tokio::task::spawn_blocking;

use super::{Grpc, Http, Tcp};
use crate::client::table;
use crate::plane::Probe;

const HOST: &str = "outage.test";

/// An address at which nobody listens.
fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// How often the resolver was asked in three runs that ended before the resolver answered, and in one afterwards.
fn lookups(mut probe: impl Probe) -> usize {
    let (outage, end) = mpsc::channel::<()>();
    let (end, asked) = (Mutex::new(end), Arc::new(AtomicUsize::new(0)));
    let (addr, counted) = (refusing(), asked.clone());
    table::answer(HOST, move || {
        counted.fetch_add(1, SeqCst);
        let _ = end.lock().unwrap().recv();
        addr
    });
    // With one thread for blocking work, lookups run one after the other.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        for _ in 0..3 {
            let mut run = pin!(probe.probe());
            let first = poll_fn(|cx| Poll::Ready(run.as_mut().poll(cx)));
            assert!(first.await.is_pending());
        }
        drop(outage);
        assert!(probe.probe().await.is_err());
        // After every lookup that was begun.
        spawn_blocking(|| ()).await.unwrap();
    });
    asked.load(SeqCst)
}

/// An outage of the DNS took a thread for each run of each check, until no thread was left for other blocking work.
#[test]
fn a_lookup_that_is_not_answered_is_the_only_one() {
    assert_eq!(lookups(Tcp::new(format!("{HOST}:1"))), 1);
    assert_eq!(
        lookups(format!("http://{HOST}:1/").parse::<Http>().unwrap()),
        1
    );
    let target = format!("{HOST}:1").parse().unwrap();
    assert_eq!(lookups(Grpc::new(target, "")), 1);
}
