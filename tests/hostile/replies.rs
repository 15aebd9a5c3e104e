//! What looks like a flood and is none: clients that measure the path answer whatever they are sent with a PING and WINDOW_UPDATEs
//! (protocol row 68). Without a burst of their own here, what replies earn is all they have.

use std::future::ready;

use grpc_health::router::{Raw, Request as Call, Response, Route, Router, Streaming};
use grpc_health::server::{Builder, NoService};
use grpc_health::service::Service;
use grpc_health::{HealthService, Registry, Server, ServingStatus, Status};
use tokio_stream::iter;

use crate::arena::count;
use crate::support::frame::{self, Frame};
use crate::support::grpc::{CHECK, Request, envelope, health_request};
use crate::support::host;
use crate::support::peer::{PIPE, Peer};

const PAYLOAD: [u8; 8] = *b"measured";

fn builder() -> Builder<NoService> {
    Server::builder().ping_burst(0).window_update_burst(0)
}

async fn connect<S: Service>(server: &Server<S>) -> Peer {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    host::spawn(server.serve_connection(theirs));
    Peer::handshake(ours, &[]).await
}

fn router(messages: usize, message: &'static [u8]) -> Router<HealthService> {
    let health = HealthService::new(Registry::new());
    // Each message goes in a frame of its own.
    let route = Route::new("/t.T/Stream").send_buffer(1);
    Router::new(health).server_streaming(route, move |_: Call<Raw>| async move {
        let message = Ok::<_, Status>(Raw(message.into()));
        Ok(Response::new(iter(std::iter::repeat_n(message, messages))))
    })
}

/// Reads `messages` DATA frames of one call, and answers each with a PING and room for as much again.
async fn answer_each(peer: &mut Peer, messages: usize, message: &[u8]) {
    let room = message.len() as u32;
    let mut acknowledged = 0;
    for _ in 0..messages {
        let stream = loop {
            match peer.recv().await {
                Frame::Data {
                    stream, payload, ..
                } => {
                    assert_eq!(payload, message);
                    break stream;
                }
                Frame::Ping { ack: true, payload } => {
                    assert_eq!(payload, PAYLOAD);
                    acknowledged += 1;
                }
                Frame::Headers {
                    end_stream: false, ..
                }
                | Frame::WindowUpdate { .. } => {}
                other => panic!("not {other:?}"),
            }
        };
        let answer = [
            frame::ping(PAYLOAD),
            frame::window_update(0, room),
            frame::window_update(stream, room),
        ];
        peer.send(&answer.concat()).await;
    }
    let acknowledgement = Frame::Ping {
        ack: true,
        payload: PAYLOAD,
    };
    while acknowledged < messages {
        peer.skip_to(|frame| *frame == acknowledgement).await;
        acknowledged += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn row_68_a_client_that_answers_every_reply_is_never_cut() {
    let registry = Registry::new();
    let server = builder().service(HealthService::new(registry)).build();
    let mut peer = connect(&server).await;
    let request = Request::new(CHECK).encode();
    let answer = [
        frame::ping(PAYLOAD),
        frame::window_update(0, 3),
        frame::window_update(0, 4),
    ];
    let calls = count(10_000, 100_000);
    for _ in 0..calls / 100 {
        let mut burst = Vec::new();
        for _ in 0..100 {
            let stream = peer.open();
            burst.extend(frame::headers(stream, false, &request));
            burst.extend(frame::data(stream, true, &health_request("")));
        }
        peer.send(&burst).await;
        let frames = peer.recv_until_idle().await;
        let replies = |frame: &&Frame| matches!(frame, Frame::Data { .. });
        assert_eq!(frames.iter().filter(replies).count(), 100);
        peer.send(&answer.concat().repeat(100)).await;
    }
    let stats = server.stats();
    assert_eq!((stats.calls, stats.floods), (calls as u64, 0));
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn row_68_a_client_that_answers_every_status_is_never_cut() {
    let registry = Registry::new();
    let server = builder()
        .service(HealthService::new(registry.clone()))
        .build();
    let mut peer = connect(&server).await;
    let stream = peer.watch("").await;
    peer.expect_data(stream).await;
    let answer = [
        frame::ping(PAYLOAD),
        frame::window_update(0, 7),
        frame::window_update(stream, 7),
    ];
    for _ in 0..count(10_000, 100_000) / 2 {
        for status in [ServingStatus::NotServing, ServingStatus::Serving] {
            registry.set_service_status("", status).unwrap();
            peer.expect_data(stream).await;
            peer.send(&answer.concat()).await;
            peer.skip_to(|frame| matches!(frame, Frame::Ping { ack: true, .. }))
                .await;
        }
    }
    assert_eq!(server.stats().floods, 0);
    peer.expect_alive().await;
}

#[tokio::test(start_paused = true)]
async fn row_68_a_client_that_answers_every_message_of_a_stream_is_never_cut() {
    static MESSAGE: [u8; 16] = [7; 16];
    let messages = count(10_000, 100_000);
    let server = builder().service(router(messages, &MESSAGE)).build();
    let mut peer = connect(&server).await;
    let request = Request::new("/t.T/Stream");
    let stream = peer.call(&request, &envelope(0, b"")).await;
    answer_each(&mut peer, messages, &envelope(0, &MESSAGE)).await;
    peer.expect_trailers(stream, 0).await;
    let stats = server.stats();
    assert_eq!((stats.calls, stats.floods), (1, 0));
    peer.expect_alive().await;
}

/// Go's net/http does, for whoever reads from it with a buffer of 4 KiB: eight WINDOW_UPDATEs for a frame of 16 KiB. It was cut after
/// three MiB of a stream, with the limits that are the defaults.
#[tokio::test(start_paused = true)]
async fn a_client_that_makes_room_for_each_4_kib_it_reads_is_never_cut() {
    static MESSAGE: [u8; 1 << 20] = [7; 1 << 20];
    const READ: usize = 4 << 10;
    let messages = count(10, 100);
    let server = Server::builder()
        .service(router(messages, &MESSAGE))
        .build();
    let mut peer = connect(&server).await;
    let request = Request::new("/t.T/Stream");
    let stream = peer.call(&request, &envelope(0, b"")).await;
    peer.expect_head(stream).await;
    let (mut missing, mut read) = (messages * (5 + MESSAGE.len()), 0);
    while missing > 0 {
        let len = peer.expect_data(stream).await.len();
        missing -= len;
        read += len;
        for _ in 0..read / READ {
            let update = [
                frame::window_update(0, READ as u32),
                frame::window_update(stream, READ as u32),
            ];
            peer.send(&update.concat()).await;
        }
        read %= READ;
    }
    peer.expect_trailers(stream, 0).await;
    assert_eq!(server.stats().floods, 0);
    peer.expect_alive().await;
}

/// gRPC's C-core does, for what it has read since: two with each message that it writes. Small replies share frames, which pay for a few.
#[tokio::test(start_paused = true)]
async fn a_client_that_makes_room_with_each_message_it_sends_is_never_cut() {
    const AT_ONCE: usize = 100;
    let echo = |request: Call<Streaming<Raw>>| ready(Ok(Response::new(request.into_inner())));
    let health = HealthService::new(Registry::new());
    let router = Router::new(health).bidi("/t.T/Echo", echo);
    let server = Server::builder().service(router).build();
    let mut peer = connect(&server).await;
    let stream = peer.start_call(&Request::new("/t.T/Echo")).await;
    let message = envelope(0, &[7; 16]);
    let room = message.len() as u32;
    let update = [
        frame::window_update(0, room),
        frame::window_update(stream, room),
    ]
    .concat();
    let rounds = count(10_000, 100_000) / AT_ONCE;
    for round in 0..rounds {
        for _ in 0..AT_ONCE {
            // In the first round there is nothing to make room for.
            if round > 0 {
                peer.send(&update).await;
            }
            peer.send_data(stream, false, &message).await;
        }
        let frames = peer.recv_until_idle().await;
        let len = |frame: &Frame| match frame {
            Frame::Data { payload, .. } => payload.len(),
            _ => 0,
        };
        let received: usize = frames.iter().map(len).sum();
        assert_eq!(received, AT_ONCE * message.len(), "{:?}", frames.last());
    }
    peer.send_data(stream, true, b"").await;
    peer.expect_trailers(stream, 0).await;
    assert_eq!(server.stats().floods, 0);
    peer.expect_alive().await;
}
