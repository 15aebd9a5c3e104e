//! Servers that mean harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use h2::Reason;
use tokio::io::AsyncWriteExt;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::fixture::{Net, envelope, head, is_still, next, reports, secs, unreachable};
use crate::client::ReportedStatus;
use crate::client::monitor::{Changes, Monitor, State};
#[cfg(feature = "gzip")]
use crate::{client::Client, wire::code::Code};

const SERVING: ReportedStatus = ReportedStatus::SERVING;

/// A monitor of one pair, and a reader that has seen the pair.
fn one(net: &Net) -> (Monitor, Changes) {
    let monitor = Monitor::new();
    monitor.add_endpoint(&net.endpoint, "a").unwrap();
    let mut changes = monitor.changes();
    assert_eq!(changes.try_next().unwrap().state, State::Connecting);
    (monitor, changes)
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_statuses_ends_the_watch_and_resets_no_backoff() {
    let mut net = Net::new();
    let (_monitor, mut changes) = one(&net);
    let mut peer = net.accept().await;
    let mut last: Option<Instant> = None;
    for failures in 0..6 {
        let mut watch = peer.watch("a").await.open(SERVING);
        if let Some(last) = last {
            let gap = (Instant::now() - last).as_secs_f64() / 1.6_f64.powi(failures - 1);
            assert!((0.79..=1.21).contains(&gap), "{gap}");
        }
        last = Some(Instant::now());
        for i in 0..2_000 {
            watch.send(ReportedStatus::new(1 + i % 2));
        }
        loop {
            match next(&mut changes).await.state {
                State::Reported(_) => {}
                State::Unreachable(why) => {
                    assert_eq!(why.reason(), "the server sends statuses too fast");
                    break;
                }
                other => panic!("{other}"),
            }
        }
        watch.cancelled().await;
    }
    // The connection stays: other pairs may need the connection.
    assert!(net.is_quiet(secs(0)).await);
}

/// A message was limited before decompression alone. The longest message of a monitor has 4 KiB.
#[cfg(feature = "gzip")]
#[tokio::test(start_paused = true)]
async fn a_compressed_message_ignored_the_limit_of_the_client() {
    let limit = 4 * 1024;
    // A status, and behind it an unknown field that is as long as the message needs.
    let message = |len: usize| {
        let mut message = vec![8, 1, 122, 0, 0];
        let rest = u16::try_from(len - message.len()).unwrap();
        message[3] = (rest % 128) as u8 | 128;
        message[4] = (rest / 128) as u8;
        message.resize(len, 0);
        message
    };
    let (ours, io) = tokio::io::duplex(256 * 1024);
    tokio::spawn(async move {
        let mut connection = h2::server::handshake(io).await.unwrap();
        for len in [limit, limit + 1] {
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            let compressed = crate::wire::gzip::deflate(&message(len));
            assert!(compressed.len() < 100);
            let mut body = envelope(&compressed).to_vec();
            body[0] = 1;
            let mut response = head();
            let headers = response.headers_mut();
            headers.insert("grpc-encoding", "gzip".parse().unwrap());
            let mut stream = respond.send_response(response, false).unwrap();
            stream.send_data(bytes::Bytes::from(body), false).unwrap();
            stream
                .send_trailers(super::fixture::trailers(0, ""))
                .unwrap();
        }
        connection.accept().await
    });
    let mut client = Client::handshake(ours).await.unwrap().with_gzip();
    client.max_message = limit;
    assert_eq!(client.check("a").await, Ok(SERVING));
    let refused = client.check("a").await.unwrap_err();
    assert_eq!(refused.code(), Code::RESOURCE_EXHAUSTED);
}

/// The other tasks of the runtime, and so the other pairs and the readers, have a turn after each 16 statuses of a flood.
#[tokio::test(start_paused = true)]
async fn a_flood_keeps_no_others_from_their_turn() {
    const FLIPS: i32 = 900;
    let mut net = Net::new();
    let (_monitor, mut changes) = one(&net);
    let mut peer = net.accept().await;
    let mut flood = peer.watch("a").await.open(SERVING);
    assert!(next(&mut changes).await.state.is_serving());
    for i in 1..FLIPS {
        flood.send(ReportedStatus::new(1 + i % 2));
    }
    flood.send(ReportedStatus::UNKNOWN);
    let turns = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            count.fetch_add(1, Relaxed);
            yield_now().await;
        }
    });
    while next(&mut changes).await.state != State::Reported(ReportedStatus::UNKNOWN) {}
    other.abort();
    let turns = turns.load(Relaxed);
    assert!(turns >= 900 / 16, "{turns} turns");
}

#[tokio::test(start_paused = true)]
async fn replies_that_are_none() {
    let huge = envelope(&[0; 5_000]);
    let claims = bytes::Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]);
    let compressed = bytes::Bytes::from_static(&[1, 0, 0, 0, 2, 8, 1]);
    let garbage = envelope(&[0xff; 20]);
    for (data, reason) in [
        (huge, "4096"),
        (claims, "4096"),
        (compressed, "compressed"),
        (garbage, ""),
    ] {
        let mut net = Net::new();
        let (_monitor, mut changes) = one(&net);
        let mut peer = net.accept().await;
        let mut call = peer.watch("a").await;
        let mut stream = call.respond.send_response(head(), false).unwrap();
        stream.send_data(data, false).unwrap();
        let why = unreachable(&mut changes).await;
        assert!(why.contains(reason), "{why}");
        // The same connection, and the next Watch after a pause.
        let begun = Instant::now();
        let _watch = peer.watch("a").await.open(SERVING);
        assert!(begun.elapsed().as_millis() >= 799);
        reports(&mut changes, SERVING).await;
    }
}

#[tokio::test(start_paused = true)]
async fn heads_that_are_none() {
    for (status, kind) in [
        (200, "text/html\u{e9}"),
        (503, "application/grpc"),
        (200, ""),
    ] {
        let mut net = Net::new();
        let (_monitor, mut changes) = one(&net);
        let mut peer = net.accept().await;
        let mut call = peer.watch("a").await;
        let kind = http::HeaderValue::from_bytes(kind.as_bytes()).unwrap();
        let response = http::Response::builder()
            .status(status)
            .header("content-type", kind);
        let _stream = call
            .respond
            .send_response(response.body(()).unwrap(), false)
            .unwrap();
        let why = unreachable(&mut changes).await;
        assert!(why.is_ascii(), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reason_with_escape_sequences_is_escaped_and_cut() {
    let mut net = Net::new();
    let (_monitor, mut changes) = one(&net);
    let mut peer = net.accept().await;
    let text = format!("%1B[2J%0A%E2%80%AE{}", "x".repeat(8_000));
    peer.watch("a").await.fail(14, &text);
    let why = unreachable(&mut changes).await;
    assert!(why.starts_with("\\u{1b}[2J\\n\\u{202e}xxx"), "{why}");
    assert!(why.len() <= 256 && why.ends_with("..."), "{why}");
}

#[tokio::test(start_paused = true)]
async fn trailers_that_never_come() {
    let mut net = Net::new();
    let (_monitor, mut changes) = one(&net);
    let mut peer = net.accept().await;
    peer.watch("a").await.fail(12, "");
    // A status that nothing ends is no answer to a Check.
    let _open = peer.check("a").await.open(SERVING);
    let begun = Instant::now();
    // Without an open Watch the connection is closed at the same time. The reader gets that reason last, and may get the other one before.
    let mut why = unreachable(&mut changes).await;
    if why == "the server has not answered within 20s" {
        why = unreachable(&mut changes).await;
    }
    assert_eq!(why, "the server no longer answers");
    assert_eq!(begun.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_head_without_a_status() {
    let mut net = Net::new();
    let (_monitor, mut changes) = one(&net);
    let mut peer = net.accept().await;
    let mut call = peer.watch("a").await;
    let _stream = call.respond.send_response(head(), false).unwrap();
    let begun = Instant::now();
    assert_eq!(
        unreachable(&mut changes).await,
        "the server has not answered within 20s"
    );
    assert_eq!(begun.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn resets_of_calls() {
    let mut net = Net::new();
    let (_monitor, mut changes) = one(&net);
    let mut peer = net.accept().await;
    for reason in [
        Reason::INTERNAL_ERROR,
        Reason::REFUSED_STREAM,
        Reason::CANCEL,
    ] {
        peer.watch("a").await.respond.send_reset(reason);
        let why = unreachable(&mut changes).await;
        assert_eq!(why, format!("the server reset the call ({reason:?})"));
    }
}

/// SETTINGS, then frames without end that `frame` makes.
async fn raw(frame: &[u8]) -> (String, Net) {
    let mut net = Net::new();
    let (_monitor, mut changes) = one(&net);
    let mut io = net.attempt().await.io;
    let (mut read, mut write) = tokio::io::split(&mut io);
    let flood = async {
        write.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        // After the call: stream 1 must be open. Before the next attempt, whatever chance says.
        sleep(Duration::from_millis(500)).await;
        // Until the client closes the pipe. The client reads a bounded number.
        for _ in 0..1_000_000 {
            if write.write_all(frame).await.is_err() {
                return;
            }
        }
        panic!("the client reads without end");
    };
    let mut sink = tokio::io::sink();
    let reading = async { drop(tokio::io::copy(&mut read, &mut sink).await) };
    let why = async { unreachable(&mut changes).await };
    let (_, (), why) = tokio::join!(reading, flood, why);
    (why, net)
}

#[tokio::test(start_paused = true)]
async fn endless_headers() {
    // A field of 1,000 bytes that nothing indexes, in CONTINUATION frames that no END_HEADERS ends.
    let mut field = vec![0, 1, b'x', 0x7f, 0xe9, 0x06];
    field.extend([b'y'; 1_000]);
    let len = u32::try_from(field.len()).unwrap().to_be_bytes();
    let frame = [&len[1..], &[9, 0, 0, 0, 0, 1], &field].concat();
    let (_, mut net) = raw(&frame).await;
    // The next attempt waits.
    assert!(net.is_quiet(secs(0)).await);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings() {
    let (why, _) = raw(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]).await;
    assert!(why.contains("too many frames that answer nothing"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_interim_replies() {
    // `:status: 103`, without an end.
    let block = [0x08, 3, b'1', b'0', b'3'];
    let frame = [&[0, 0, 5, 1, 4, 0, 0, 0, 1][..], &block].concat();
    let (_, mut net) = raw(&frame).await;
    assert!(net.is_quiet(secs(0)).await);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_speak_http2() {
    let mut net = Net::new();
    let (_monitor, mut changes) = one(&net);
    let mut attempt = net.attempt().await;
    attempt
        .io
        .write_all(b"HTTP/1.1 400 \x1b[31m\r\n\r\n")
        .await
        .unwrap();
    let why = unreachable(&mut changes).await;
    assert!(
        why.starts_with("the server answers in HTTP/1") && !why.contains('\x1b'),
        "{why}"
    );
    for _ in 0..5 {
        let mut attempt = net.attempt().await;
        attempt
            .io
            .write_all(b"HTTP/1.1 400 \x1b[31m\r\n\r\n")
            .await
            .unwrap();
    }
    assert!(is_still(&mut changes, secs(2)).await);
}
