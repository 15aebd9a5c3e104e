//! Rows 21–32: request metadata.

use crate::fixture::{Fixture, connect};
use crate::support::frame::{self, CANCEL, Frame, NO_ERROR};
use crate::support::grpc::{
    CHECK, DEADLINE_EXCEEDED, INTERNAL, LIST, Request, SERVING, WATCH, envelope, health_request,
};
use crate::support::peer::{PIPE, Peer};
use std::time::Duration;
use tokio::time::Instant;

async fn expect_served(peer: &mut Peer, request: &Request) {
    let stream = peer.call(request, &health_request("up")).await;
    assert_eq!(peer.expect_unary_ok(stream).await, SERVING, "{request:?}");
}

async fn expect_400(peer: &mut Peer, request: &Request) {
    let stream = peer.call(request, &health_request("up")).await;
    peer.expect_error(stream, 400, INTERNAL).await;
    let stream = peer.start_call(request).await;
    peer.expect_error(stream, 400, INTERNAL).await;
    peer.expect_reset(stream, NO_ERROR).await;
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn row_21_timeouts_are_accepted() {
    let mut peer = connect().await;
    let values = [
        "1S",
        "1H",
        "1M",
        "1m",
        "99999999H",
        "99999999M",
        "99999999S",
        "99999999m",
        "99999999u",
        "99999999n",
        "00000001H",
    ];
    for value in values {
        expect_served(&mut peer, &Request::new(CHECK).with("grpc-timeout", value)).await;
    }
    peer.expect_silence().await;
}

/// The longest timeout is longer than any clock can add; the Watch simply stays open.
#[tokio::test(start_paused = true)]
async fn row_21_the_longest_timeout_does_not_overflow() {
    let mut peer = connect().await;
    let request = Request::new(WATCH).with("grpc-timeout", "99999999H");
    let stream = peer.call(&request, &health_request("up")).await;
    peer.expect_head(stream).await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    peer.expect_alive().await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_22_malformed_timeouts_are_400() {
    let mut peer = connect().await;
    let values = [
        "",
        "S",
        "1",
        "123456789S",
        "000000001S",
        "1x",
        "1s",
        "1h",
        "-1S",
        "+1S",
        "1.5S",
        "1 S",
        "1SS",
        "1S,2S",
        "0x1S",
        "\u{661}S",
    ];
    for value in values {
        expect_400(&mut peer, &Request::new(CHECK).with("grpc-timeout", value)).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_23_a_timeout_of_zero_is_4() {
    let mut peer = connect().await;
    for value in ["0n", "0H", "00000000S"] {
        for path in [CHECK, WATCH, LIST] {
            let request = Request::new(path).with("grpc-timeout", value);
            let stream = peer.call(&request, &health_request("up")).await;
            peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
            let stream = peer.start_call(&request).await;
            peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
            peer.expect_reset(stream, NO_ERROR).await;
            peer.expect_alive().await;
        }
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_24_of_two_timeouts_the_shorter_counts() {
    let mut peer = connect().await;
    let twice = |path, values: [&str; 2]| {
        values.iter().fold(Request::new(path), |request, value| {
            request.with("grpc-timeout", value)
        })
    };
    for values in [["5S", "3S"], ["3S", "5S"], ["3S", "3000m"]] {
        let start = Instant::now();
        let stream = peer
            .call(&twice(WATCH, values), &health_request("up"))
            .await;
        peer.expect_head(stream).await;
        peer.expect_data(stream).await;
        peer.expect_trailers(stream, DEADLINE_EXCEEDED).await;
        assert_eq!(start.elapsed().as_secs(), 3, "{values:?}");
    }
    let stream = peer
        .call(&twice(CHECK, ["9S", "0n"]), &health_request("up"))
        .await;
    peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
    for values in [["1S", "x"], ["x", "1S"]] {
        expect_400(&mut peer, &twice(CHECK, values)).await;
    }
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_25_a_deadline_ends_a_watch_with_trailers() {
    let fixture = Fixture::new();
    let mut peer = fixture.connect().await;
    let request = Request::new(WATCH).with("grpc-timeout", "5S");
    let start = Instant::now();
    let stream = peer.call(&request, &health_request("up")).await;
    peer.expect_head(stream).await;
    assert_eq!(peer.expect_data(stream).await, SERVING);
    peer.expect_silence().await;
    peer.expect_trailers(stream, DEADLINE_EXCEEDED).await;
    let elapsed = start.elapsed();
    let slack = Duration::from_millis(10);
    assert!((Duration::from_secs(5)..Duration::from_secs(5) + slack).contains(&elapsed));
    peer.expect_alive().await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_25_deadlines_fire_in_their_own_order() {
    let mut peer = connect().await;
    let mut streams = Vec::new();
    for millis in [3000, 1000, 2000] {
        let request = Request::new(WATCH).with("grpc-timeout", format!("{millis}m"));
        let stream = peer.call(&request, &health_request("up")).await;
        peer.expect_head(stream).await;
        assert_eq!(peer.expect_data(stream).await, SERVING);
        streams.push(stream);
    }
    for at in [1, 2, 0] {
        let ended = peer
            .skip_to(|frame| matches!(frame, Frame::Headers { .. }))
            .await;
        assert_eq!(ended.stream(), streams[at]);
    }
    peer.expect_alive().await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_25_a_deadline_ends_a_call_whose_body_never_comes() {
    let mut peer = connect().await;
    for path in [CHECK, WATCH, LIST] {
        let request = Request::new(path).with("grpc-timeout", "2S");
        let stream = peer.start_call(&request).await;
        peer.send_data(stream, false, &envelope(0, b"")[..3]).await;
        peer.expect_silence().await;
        peer.expect_trailers_only(stream, DEADLINE_EXCEEDED).await;
        peer.expect_reset(stream, NO_ERROR).await;
        peer.expect_alive().await;
    }
    peer.expect_silence().await;
}

/// Trailers need no window, so they are the answer as long as they do not cut a message in two.
#[tokio::test(start_paused = true)]
async fn row_25_a_deadline_behind_a_closed_window() {
    let fixture = Fixture::new();
    let no_window = [(frame::SETTINGS_INITIAL_WINDOW_SIZE, 0)];
    for path in [CHECK, WATCH] {
        for (window, code) in [(0, None), (3, Some(CANCEL))] {
            let mut peer = fixture.connect_with(PIPE, &no_window).await;
            let request = Request::new(path).with("grpc-timeout", "2S");
            let stream = peer.call(&request, &health_request("up")).await;
            peer.expect_head(stream).await;
            if window > 0 {
                peer.send(&frame::window_update(stream, window)).await;
                assert_eq!(peer.expect_data(stream).await, SERVING[..window as usize]);
            }
            peer.expect_silence().await;
            match code {
                Some(code) => peer.expect_reset(stream, code).await,
                None => drop(peer.expect_trailers(stream, DEADLINE_EXCEEDED).await),
            }
            peer.ping().await;
            peer.expect_silence().await;
            assert_eq!(fixture.server.stats().calls_waiting, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn row_26_binary_metadata_is_accepted() {
    let mut peer = connect().await;
    for value in ["AQI", "AQI=", "AQ,Ag", "AQ==,Ag==", "", "AQ, Ag"] {
        expect_served(&mut peer, &Request::new(CHECK).with("x-bin", value)).await;
    }
    let two = Request::new(CHECK)
        .with("x-bin", "AQ")
        .with("x-bin", "Ag==");
    expect_served(&mut peer, &two).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_27_malformed_binary_metadata_is_400() {
    let mut peer = connect().await;
    for value in ["!!", "A", "AQI!", "AQ,!!", "=", "AQ=I"] {
        expect_400(&mut peer, &Request::new(CHECK).with("x-bin", value)).await;
    }
    let second = Request::new(CHECK).with("x-bin", "AQ").with("x-bin", "!!");
    expect_400(&mut peer, &second).await;
    let other = Request::new(CHECK).with("a-bin", "AQ").with("b-bin", "!!");
    expect_400(&mut peer, &other).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_29_opaque_metadata_is_not_forwarded() {
    let mut peer = connect().await;
    expect_served(&mut peer, &Request::new(CHECK).with("x", b"\xe2\x98\xba")).await;
    peer.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn row_32_unknown_grpc_headers_are_ignored() {
    let mut peer = connect().await;
    let request = Request::new(CHECK)
        .with("grpc-trace-bin", "AAAB")
        .with("grpc-tags-bin", "AA")
        .with("grpc-previous-rpc-attempts", "1")
        .with("grpc-accept-encoding", "gzip, deflate")
        .with("grpc-message-type", "x.Y")
        .with("grpc-status", "7")
        .with("grpc-new", "new")
        .with("user-agent", "scripted/1");
    expect_served(&mut peer, &request).await;
    peer.expect_silence().await;
}
