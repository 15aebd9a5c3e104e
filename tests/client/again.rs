//! Calls that the server has not processed: tried again once, on a new connection, and no others.

use std::{net::SocketAddr, time::Duration};

use grpc_health::{
    client::{Client, ReportedStatus},
    wire::{code::Code, timeout},
};
use h2::{Reason, server::Connection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};

use crate::script::{Respond, envelope, reply, serving};

/// What a server does with one connection.
enum Script {
    /// Resets each stream.
    Resets(Reason),
    /// Resets each stream after the head of its reply.
    ResetsLate(Reason),
    Serves,
    /// Sends GOAWAY with this last stream, once it has the first call, and closes the connection.
    GoesAway(u32),
    /// The same, without waiting for a call.
    IsGone(u32),
    /// Closes the connection once it has the first call.
    Breaks,
    Silent,
}

/// A server that follows one script after the other, and says of each call on which of its connections it came, with what timeout.
/// After the last it listens no more.
struct Server {
    addr: SocketAddr,
    calls: mpsc::UnboundedReceiver<(usize, Option<Duration>)>,
    accepting: JoinHandle<()>,
}

async fn server(scripts: impl IntoIterator<Item = Script>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, calls) = mpsc::unbounded_channel();
    let scripts: Vec<_> = scripts.into_iter().collect();
    let accepting = tokio::spawn(async move {
        for (number, script) in scripts.into_iter().enumerate() {
            let (tcp, _) = listener.accept().await.unwrap();
            let tell = tell.clone();
            let tell = move |timeout| {
                // The test may be over.
                let _ = tell.send((number, timeout));
            };
            tokio::spawn(follow(tcp, script, tell));
        }
    });
    Server {
        addr,
        calls,
        accepting,
    }
}

async fn follow(mut tcp: TcpStream, script: Script, tell: impl Fn(Option<Duration>)) {
    let goaway = |last: u32| {
        let head = [0, 0, 8, 7, 0, 0, 0, 0, 0];
        [&head[..], &last.to_be_bytes(), &[0; 4]].concat()
    };
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    match script {
        Script::Resets(reason) => each(tcp, tell, |mut respond| respond.send_reset(reason)).await,
        // Frame by frame: h2 drops what it has not written yet when a stream is reset.
        Script::ResetsLate(reason) => {
            tcp.write_all(&SETTINGS).await.unwrap();
            call(&mut tcp).await;
            tell(None);
            // `:status: 200`, and content-type by its place in the static table.
            let head = [&[0x88, 0x0f, 0x10, 16][..], b"application/grpc"].concat();
            let frames = [
                &[0, 0, 20, 1, 4, 0, 0, 0, 1][..],
                &head,
                &[0, 0, 4, 3, 0, 0, 0, 0, 1],
                &u32::from(reason).to_be_bytes(),
            ];
            tcp.write_all(&frames.concat()).await.unwrap();
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        }
        Script::Serves => each(tcp, tell, |respond| reply(respond, serving(), 0)).await,
        Script::GoesAway(last) => {
            tcp.write_all(&SETTINGS).await.unwrap();
            call(&mut tcp).await;
            tell(None);
            tcp.write_all(&goaway(last)).await.unwrap();
        }
        Script::IsGone(last) => {
            let both = [&SETTINGS[..], &goaway(last)].concat();
            tcp.write_all(&both).await.unwrap();
            // Until the client has hung up.
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        }
        Script::Breaks => {
            tcp.write_all(&SETTINGS).await.unwrap();
            call(&mut tcp).await;
            tell(None);
        }
        Script::Silent => {
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        }
    }
}

/// Reads until there is a call: the end of the message of a Check for "a".
async fn call(tcp: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(&envelope(&[10, 1, b'a'])) {
        read.push(tcp.read_u8().await.unwrap());
    }
}

async fn each(tcp: TcpStream, tell: impl Fn(Option<Duration>), answer: impl Fn(Respond)) {
    let mut connection: Connection<_, bytes::Bytes> = h2::server::handshake(tcp).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let limit = request.headers().get("grpc-timeout");
        tell(limit.map(|limit| timeout::parse(limit.as_bytes()).unwrap()));
        answer(respond);
    }
}

impl Server {
    async fn client(&self) -> Client {
        Client::connect(self.addr).await.unwrap()
    }

    /// The connections on which calls came.
    fn calls(&mut self) -> Vec<usize> {
        let mut calls = Vec::new();
        while let Ok((connection, _)) = self.calls.try_recv() {
            calls.push(connection);
        }
        calls
    }
}

#[tokio::test]
async fn a_call_that_was_not_processed_is_made_again_on_a_new_connection() {
    for (script, mut expected) in [
        (Script::Resets(Reason::REFUSED_STREAM), vec![0, 1]),
        (Script::GoesAway(0), vec![0, 1]),
        (Script::IsGone(0), vec![1]),
        (Script::IsGone(u32::MAX >> 1), vec![1]),
    ] {
        let mut server = server([script, Script::Serves]).await;
        let client = server.client().await;
        let status = client.check("a").await.unwrap();
        assert_eq!(status, ReportedStatus::SERVING);
        // The new connection is the client's.
        client.check("a").await.unwrap();
        expected.push(1);
        assert_eq!(server.calls(), expected);
    }
}

#[tokio::test]
async fn list_and_watch_too() {
    let scripts = || [Script::Resets(Reason::REFUSED_STREAM), Script::Serves];
    let mut refusing = server(scripts()).await;
    let mut watch = refusing.client().await.watch("a").await.unwrap();
    let status = watch.next().await.unwrap().unwrap();
    assert_eq!(status, ReportedStatus::SERVING);
    assert_eq!(refusing.calls(), [0, 1]);
    let mut refusing = server(scripts()).await;
    // The script's reply is none to List.
    refusing.client().await.list().await.unwrap_err();
    assert_eq!(refusing.calls(), [0, 1]);
}

#[tokio::test]
async fn never_more_than_once() {
    let refuse = || Script::Resets(Reason::REFUSED_STREAM);
    let mut refusing = server([refuse(), refuse(), Script::Serves]).await;
    let client = refusing.client().await;
    let error = client.check("a").await.unwrap_err();
    assert_eq!(error.code(), Code::UNAVAILABLE);
    assert_eq!(
        error.message(),
        "the server reset the call (REFUSED_STREAM)"
    );
    assert_eq!(refusing.calls(), [0, 1]);

    let mut leaving = server([Script::GoesAway(0), Script::GoesAway(0), Script::Serves]).await;
    let error = leaving.client().await.check("a").await.unwrap_err();
    assert_eq!(error.message(), "the server is going away");
    assert_eq!(leaving.calls(), [0, 1]);
}

#[tokio::test]
async fn never_when_the_call_may_have_been_processed() {
    for script in [
        Script::Resets(Reason::CANCEL),
        Script::Resets(Reason::INTERNAL_ERROR),
        Script::ResetsLate(Reason::REFUSED_STREAM),
        Script::GoesAway(1),
        Script::GoesAway(u32::MAX >> 1),
        Script::Breaks,
    ] {
        let mut server = server([script, Script::Serves]).await;
        let error = server.client().await.check("a").await.unwrap_err();
        assert_eq!(server.calls(), [0], "{error}");
        assert!(!server.accepting.is_finished());
    }
}

#[tokio::test]
async fn calls_that_are_sent_away_together_share_a_new_connection() {
    let scripts = [Script::Resets(Reason::REFUSED_STREAM), Script::Serves];
    let mut server = server(scripts).await;
    let client = server.client().await;
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.check("a").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), ReportedStatus::SERVING);
    }
    assert_eq!(server.calls().iter().filter(|&&on| on == 1).count(), 20);
}

#[tokio::test]
async fn one_deadline_for_both() {
    let scripts = [Script::Resets(Reason::REFUSED_STREAM), Script::Serves];
    let mut refusing = server(scripts).await;
    let client = refusing
        .client()
        .await
        .with_timeout(Duration::from_secs(60));
    client.check("a").await.unwrap();
    let (first, second) = (refusing.calls.recv().await, refusing.calls.recv().await);
    let limit = |call: Option<(usize, Option<Duration>)>| call.unwrap().1.unwrap();
    assert_eq!(limit(first), Duration::from_secs(60));
    assert!(limit(second) < Duration::from_secs(60));

    let scripts = [Script::Resets(Reason::REFUSED_STREAM), Script::Silent];
    let silent = server(scripts).await;
    let client = silent
        .client()
        .await
        .with_timeout(Duration::from_millis(200));
    let error = client.check("a").await.unwrap_err();
    assert_eq!(error.code(), Code::DEADLINE_EXCEEDED);
}

#[tokio::test]
async fn a_server_that_has_gone() {
    let server = server([Script::GoesAway(0)]).await;
    let client = server.client().await;
    // Nobody listens any more.
    server.accepting.await.unwrap();
    let error = client.check("a").await.unwrap_err();
    assert_eq!(error.code(), Code::UNAVAILABLE);
    let said = error.message();
    assert!(
        said.starts_with("the server is going away, and there is no other connection: "),
        "{said}"
    );
}
