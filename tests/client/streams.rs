//! Watches, and calls that are given up.

use std::{future::poll_fn, time::Duration};

use grpc_health::{
    client::ReportedStatus,
    wire::{code::Code, timeout},
};
use h2::Reason;
use tokio::{sync::mpsc, time::Instant};

use crate::script::{envelope, head, open_reply, pair, reply, scripted, serving, trailers};

// --- Watch ---

#[tokio::test]
async fn a_watch_to_its_end() {
    let messages = [
        serving(),
        envelope(&[8, 2]),
        envelope(&[]),
        envelope(&[8, 3]),
    ]
    .concat();
    let client = scripted(move |_, respond| reply(respond, messages.clone(), 14)).await;
    let mut watch = client.watch("a").await.unwrap();
    for value in [1, 2, 0, 3] {
        assert_eq!(
            watch.next().await.unwrap().unwrap(),
            ReportedStatus::new(value)
        );
    }
    assert_eq!(
        watch.next().await.unwrap().unwrap_err().code(),
        Code::UNAVAILABLE
    );
    assert!(watch.next().await.is_none());

    let client = scripted(|_, respond| reply(respond, serving(), 0)).await;
    let mut watch = client.watch("a").await.unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVING
    );
    assert!(watch.next().await.is_none());
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_bad_message_ends_a_watch() {
    let (resets, mut seen) = mpsc::unbounded_channel();
    let client = scripted(move |_, respond| {
        let mut stream = open_reply(respond, [serving(), envelope(&[8])].concat());
        let resets = resets.clone();
        tokio::spawn(async move {
            resets
                .send(poll_fn(|cx| stream.poll_reset(cx)).await.unwrap())
                .unwrap();
        });
    })
    .await;
    let mut watch = client.watch("a").await.unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVING
    );
    assert_eq!(
        watch.next().await.unwrap().unwrap_err().code(),
        Code::INTERNAL
    );
    assert_eq!(seen.recv().await, Some(Reason::CANCEL));
    assert!(watch.next().await.is_none());
}

/// A `next` that is dropped half way through a message loses none of it.
#[tokio::test]
async fn next_is_cancel_safe() {
    let (streams, mut seen) = mpsc::unbounded_channel();
    let client =
        scripted(move |_, respond| streams.send(open_reply(respond, vec![0, 0, 0])).unwrap()).await;
    let mut watch = client.watch("a").await.unwrap();
    let mut stream = seen.recv().await.unwrap();
    for byte in [0, 2, 8] {
        tokio::select! {
            biased;
            _ = watch.next() => panic!("no message is complete yet"),
            // Time for what was sent to arrive: everything here is one thread's ready work.
            () = async { for _ in 0..20 { tokio::task::yield_now().await } } => {}
        }
        stream.send_data(vec![byte].into(), false).unwrap();
    }
    stream.send_data(vec![1].into(), false).unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVING
    );
}

#[tokio::test]
async fn dropping_a_call_cancels_it() {
    let (client, mut server) = pair().await;
    let (replies, mut seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok((_, respond))) = server.accept().await {
            replies.send(respond).unwrap();
        }
    });

    // Before the head of the reply.
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.check("").await }
    });
    let mut respond = seen.recv().await.unwrap();
    call.abort();
    assert_eq!(
        poll_fn(|cx| respond.poll_reset(cx)).await.unwrap(),
        Reason::CANCEL
    );

    // And after it.
    let (watch, mut stream) = tokio::join!(client.watch(""), async {
        open_reply(seen.recv().await.unwrap(), serving())
    });
    drop(watch.unwrap());
    assert_eq!(
        poll_fn(|cx| stream.poll_reset(cx)).await.unwrap(),
        Reason::CANCEL
    );
}

// --- Time ---

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long() {
    let (limits, mut seen) = mpsc::unbounded_channel();
    let client = scripted(move |request, mut respond| {
        let limit = timeout::parse(request.headers()["grpc-timeout"].as_bytes()).unwrap();
        let limits = limits.clone();
        tokio::spawn(async move {
            let reset = poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
            limits.send((limit, reset)).unwrap();
        });
    })
    .await;
    let limit = Duration::from_secs(3);
    let client = client.with_timeout(limit);
    for call in 0..3 {
        let start = Instant::now();
        let status = match call {
            0 => client.check("").await.unwrap_err(),
            1 => client.list().await.unwrap_err(),
            _ => client.watch("").await.unwrap_err(),
        };
        assert_eq!(status.code(), Code::DEADLINE_EXCEEDED);
        assert_eq!(start.elapsed().as_secs(), limit.as_secs());
        assert_eq!(seen.recv().await, Some((limit, Reason::CANCEL)));
    }
}

/// The limit is one for the whole watch, not one for each message.
#[tokio::test(start_paused = true)]
async fn a_watch_that_takes_too_long() {
    let client = scripted(|_, respond| {
        tokio::spawn(async move {
            let mut stream = open_reply(respond, serving());
            loop {
                tokio::time::sleep(Duration::from_secs(2)).await;
                if stream.send_data(serving().into(), false).is_err() {
                    break;
                }
            }
        });
    })
    .await
    .with_timeout(Duration::from_secs(5));
    let start = Instant::now();
    let mut watch = client.watch("").await.unwrap();
    for _ in 0..3 {
        assert_eq!(
            watch.next().await.unwrap().unwrap(),
            ReportedStatus::SERVING
        );
    }
    assert_eq!(
        watch.next().await.unwrap().unwrap_err().code(),
        Code::DEADLINE_EXCEEDED
    );
    assert_eq!(start.elapsed().as_secs(), 5);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_limit_beyond_the_clock_is_none() {
    let client = scripted(|_, respond| reply(respond, serving(), 0)).await;
    let client = client.with_timeout(Duration::MAX);
    assert_eq!(client.check("").await.unwrap(), ReportedStatus::SERVING);
}

/// h2 counts small frames until they are read; those of a dropped watch must not stay counted.
#[tokio::test]
async fn dropped_watches_leave_room_for_others() {
    let client = scripted(|_, mut respond| {
        let mut stream = respond.send_response(head(), false).unwrap();
        for _ in 0..100 {
            stream.send_data(serving().into(), false).unwrap();
        }
        stream.send_trailers(trailers(14)).unwrap();
    })
    .await;
    for _ in 0..400 {
        let mut watch = client.watch("").await.unwrap();
        assert_eq!(
            watch.next().await.unwrap().unwrap(),
            ReportedStatus::SERVING
        );
    }
}

// --- Times ---

/// A server that takes a call and says nothing is given up, before the head of the reply and after it.
#[tokio::test(start_paused = true)]
async fn a_watch_without_a_first_status_ends_after_20_s() {
    let mut open = Vec::new();
    let client = scripted(move |_, respond| open.push(respond)).await;
    let start = Instant::now();
    let ended = client.watch("a").await.unwrap_err();
    assert_eq!(ended.code(), Code::DEADLINE_EXCEEDED);
    assert_eq!(ended.message(), "the server has not answered within 20s");
    assert_eq!(start.elapsed().as_secs(), 20);
    // A call without a timeout, too.
    assert_eq!(client.check("").await.unwrap_err(), ended);

    let mut open = Vec::new();
    let client = scripted(move |_, respond| open.push(open_reply(respond, vec![0, 0]))).await;
    let client = client.with_first_answer_timeout(Duration::from_secs(3));
    let start = Instant::now();
    let mut watch = client.watch("a").await.unwrap();
    let ended = watch.next().await.unwrap().unwrap_err();
    assert_eq!(ended.message(), "the server has not answered within 3s");
    assert_eq!(start.elapsed().as_secs(), 3);
    assert!(watch.next().await.is_none());
}

/// A service that does not change is silent: only the first status has a time.
#[tokio::test(start_paused = true)]
async fn a_watch_may_be_silent_after_its_first_status() {
    let client = scripted(move |_, respond| {
        let mut stream = open_reply(respond, serving());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(86_400)).await;
            stream.send_data(envelope(&[8, 2]).into(), false).unwrap();
            stream.send_trailers(trailers(0)).unwrap();
        });
    })
    .await;
    let mut watch = client.watch("a").await.unwrap();
    for status in [ReportedStatus::SERVING, ReportedStatus::NOT_SERVING] {
        assert_eq!(watch.next().await.unwrap().unwrap(), status);
    }
    assert!(watch.next().await.is_none());
}

/// A call's own timeout is the only limit of the call, also if that is the longer one.
#[tokio::test(start_paused = true)]
async fn a_call_with_a_timeout_has_no_other() {
    let mut open = Vec::new();
    let client = scripted(move |_, respond| open.push(respond)).await;
    let client = client.with_timeout(Duration::from_secs(60));
    let start = Instant::now();
    let ended = client.check("a").await.unwrap_err();
    assert_eq!(ended.message(), "no answer within the call's timeout");
    assert_eq!(start.elapsed().as_secs(), 60);
    // The first status of a Watch has both; the earlier one ends the Watch.
    let ended = client.watch("a").await.unwrap_err();
    assert_eq!(ended.message(), "the server has not answered within 20s");
}

// --- Floods ---

/// The connection of a server that sends interim responses (1xx) without end is closed, and the call ends.
#[tokio::test]
async fn a_flood_of_interim_responses_ends_the_connection() {
    let (client, mut server) = pair().await;
    let flood = async {
        let (_, mut respond) = server.accept().await.unwrap().unwrap();
        let mut sent = 0;
        while respond
            .send_informational(http::Response::builder().status(103).body(()).unwrap())
            .is_ok()
        {
            sent += 1;
            let closed = poll_fn(|cx| {
                let closed = server.poll_closed(cx).is_ready();
                std::task::Poll::Ready(closed)
            });
            if closed.await {
                break;
            }
            tokio::task::yield_now().await;
        }
        sent
    };
    let (ended, sent) = tokio::join!(client.check("a"), flood);
    let ended = ended.unwrap_err();
    assert_eq!(ended.code(), Code::UNAVAILABLE);
    assert!(
        ended
            .message()
            .contains("too many frames that answer nothing"),
        "{ended}"
    );
    assert!((1_000..20_000).contains(&sent), "{sent}");
}
