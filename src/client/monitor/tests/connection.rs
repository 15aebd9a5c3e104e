//! One connection: who shares it, when it is replaced, and how its end is noticed.

use h2::Reason;
use tokio::time::{Instant, sleep};

use super::fixture::{Net, Peer, is_still, next, reports, secs, unreachable};
use crate::client::ReportedStatus;
use crate::client::monitor::Monitor;

const SERVING: ReportedStatus = ReportedStatus::SERVING;

#[tokio::test(start_paused = true)]
async fn the_services_of_an_endpoint_share_a_connection() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    for service in ["a", "b", "c"] {
        monitor.add_endpoint(&net.endpoint, service).unwrap();
    }
    let mut peer = net.accept().await;
    let mut watches = Vec::new();
    for _ in 0..3 {
        let call = peer.call().await;
        watches.push((call.service.clone(), call.open(SERVING)));
    }
    watches.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        watches
            .iter()
            .map(|watch| watch.0.as_str())
            .collect::<String>(),
        "abc"
    );
    assert!(net.is_quiet(secs(60)).await);
    watches[1].1.send(ReportedStatus::NOT_SERVING);
    let mut changes = monitor.changes();
    assert!(is_still(&mut changes.clone(), secs(0)).await || changes.try_next().is_some());
    while changes.try_next().is_some() {}
    let changed = next(&mut changes).await;
    assert_eq!(
        (&*changed.service, changed.state.to_string().as_str()),
        ("b", "NOT_SERVING")
    );
    let served: Vec<bool> = monitor
        .snapshot()
        .iter()
        .map(|pair| pair.state.is_serving())
        .collect();
    assert_eq!(served, [true, false, true]);
}

/// As servers do at a connection's greatest age.
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_replaced_in_order_is_no_change() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    for round in 0..3 {
        let mut peer = net.accept().await;
        let watch = peer.watch("a").await.open(SERVING);
        if round == 0 {
            reports(&mut changes, SERVING).await;
        }
        assert!(is_still(&mut changes, secs(30 * 60)).await);
        peer.go_away(Reason::NO_ERROR);
        // The client leaves in order: it cancels the call first.
        watch.cancelled().await;
        peer.closed().await;
    }
    drop(net.attempt().await);
    let why = unreachable(&mut changes).await;
    assert!(
        why.starts_with("the server closed the connection before"),
        "{why}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_state_without_a_connection_lasts_a_second() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    let _watch = peer.watch("a").await.open(SERVING);
    reports(&mut changes, SERVING).await;
    sleep(secs(60)).await;
    peer.go_away(Reason::NO_ERROR);
    // A server that takes the next connection and the call, and says nothing.
    let gone = Instant::now();
    let mut silent = net.accept().await;
    let _call = silent.watch("a").await;
    assert_eq!(unreachable(&mut changes).await, "the server is going away");
    assert_eq!((Instant::now() - gone).as_secs(), 1);
}

/// What a draining server of this crate sends: the last status, and GOAWAY.
#[tokio::test(start_paused = true)]
async fn a_status_before_a_goaway_counts() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    let mut watch = peer.watch("a").await.open(SERVING);
    reports(&mut changes, SERVING).await;
    sleep(secs(60)).await;
    watch.send(ReportedStatus::NOT_SERVING);
    peer.go_away(Reason::NO_ERROR);
    reports(&mut changes, ReportedStatus::NOT_SERVING).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_vanishes_is_noticed_by_a_ping() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let started = Instant::now();
    let attempt = net.attempt().await;
    let mut connection: h2::server::Connection<_, bytes::Bytes> =
        h2::server::handshake(attempt.io).await.unwrap();
    let (_, mut respond) = connection.accept().await.unwrap().unwrap();
    let mut stream = respond
        .send_response(super::fixture::head(), false)
        .unwrap();
    stream
        .send_data(super::fixture::status(SERVING), false)
        .unwrap();
    let polled = std::future::poll_fn(|cx| {
        let _ = connection.poll_closed(cx);
        std::task::Poll::Ready(())
    });
    polled.await;
    reports(&mut changes, SERVING).await;
    // From here on nobody reads the connection.
    assert_eq!(
        unreachable(&mut changes).await,
        "the server no longer answers"
    );
    assert_eq!((Instant::now() - started).as_secs(), 310 + 20);
    net.accept().await.watch("a").await.open(SERVING);
    drop(connection);
}

#[tokio::test(start_paused = true)]
async fn pings_are_as_rare_as_servers_allow() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let (pings, mut peer) = counted(&mut net).await;
    let _watch = peer.watch("a").await.open(SERVING);
    sleep(secs(3_600)).await;
    let pings = pings.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(pings, 3_600 / 310);
    assert!(net.is_quiet(secs(1)).await);
}

/// What a server says with GOAWAY, ENHANCE_YOUR_CALM and the text "too_many_pings".
#[tokio::test(start_paused = true)]
async fn a_server_with_too_many_pings_gets_half_as_many() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    for (interval, reason) in [
        (310, Reason::NO_ERROR),
        (310, Reason::ENHANCE_YOUR_CALM),
        (620, Reason::ENHANCE_YOUR_CALM),
        (1_240, Reason::INTERNAL_ERROR),
        (1_240, Reason::NO_ERROR),
    ] {
        let (pings, mut peer) = counted(&mut net).await;
        let _watch = peer.watch("a").await.open(SERVING);
        sleep(secs(2 * 3_600)).await;
        let pings = pings.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(pings, 2 * 3_600 / interval, "{interval}");
        peer.go_away(reason);
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_open_watch_there_are_no_pings() {
    let mut net = Net::new();
    let monitor = Monitor::builder()
        .backoff(secs(10_000), secs(10_000))
        .start();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let (pings, mut peer) = counted(&mut net).await;
    peer.watch("a").await.fail(7, "no");
    sleep(secs(3_600)).await;
    assert_eq!(pings.load(std::sync::atomic::Ordering::Relaxed), 0);
}

/// A peer behind a pipe that counts the PINGs of the client.
async fn counted(net: &mut Net) -> (std::sync::Arc<std::sync::atomic::AtomicUsize>, Peer) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let pings = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let client = net.attempt().await.io;
    let (server, between) = tokio::io::duplex(64 * 1024);
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(between);
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    tokio::spawn({
        let pings = std::sync::Arc::clone(&pings);
        async move {
            let mut preface = [0; 24];
            from_client.read_exact(&mut preface).await.unwrap();
            to_server.write_all(&preface).await.unwrap();
            loop {
                let mut head = [0; 9];
                if from_client.read_exact(&mut head).await.is_err() {
                    return;
                }
                // A PING that is no answer.
                if head[3] == 6 && head[4] & 1 == 0 {
                    pings.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
                let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                let mut payload = vec![0; len];
                from_client.read_exact(&mut payload).await.unwrap();
                let frame = [&head[..], &payload].concat();
                if to_server.write_all(&frame).await.is_err() {
                    return;
                }
            }
        }
    });
    let peer = Peer::new(server).await;
    (pings, peer)
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_not_answered_costs_the_others_nothing() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "good").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let mut peer = net.accept().await;
    let _good = peer.watch("good").await.open(SERVING);
    reports(&mut changes, SERVING).await;
    monitor.add_endpoint(&net.endpoint, "silent").unwrap();
    changes.next().await.unwrap();
    let begun = Instant::now();
    let mut held = vec![peer.watch("silent").await];
    let why = unreachable(&mut changes).await;
    assert_eq!(why, "the server has not answered within 20s");
    assert_eq!((Instant::now() - begun).as_secs(), 20);
    for _ in 0..10 {
        held.push(peer.watch("silent").await);
    }
    assert!(is_still(&mut changes, secs(60)).await);
    assert!(net.is_quiet(secs(1)).await);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_allows_few_calls() {
    let mut net = Net::new();
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    changes.next().await.unwrap();
    let attempt = net.attempt().await;
    let few = h2::server::Builder::new().max_concurrent_streams(1).clone();
    let mut peer = Peer::with(attempt.io, &few).await;
    let first = peer.watch("a").await.open(SERVING);
    reports(&mut changes, SERVING).await;
    let second = monitor.add_endpoint(&net.endpoint, "b").unwrap();
    changes.next().await.unwrap();
    let why = unreachable(&mut changes).await;
    assert_eq!(why, "the server allows only 1 calls at a time");
    // The first call makes room.
    assert!(monitor.remove(monitor.snapshot()[0].id));
    first.cancelled().await;
    let _open = peer.watch("b").await.open(SERVING);
    reports(&mut changes, SERVING).await;
    assert!(monitor.get(second).unwrap().state.is_serving());
}
