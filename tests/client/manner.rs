//! What the calls of a client send beside their message, and the compressed replies.

use std::time::Duration;

use grpc_health::{
    Code,
    client::{Client, Connector, ProbeError, ProbeOptions, ReportedStatus, probe},
    wire::metadata::{InvalidMetadata, Metadata},
};
use http::HeaderMap;
use tokio::{net::TcpListener, sync::mpsc};

use crate::script::{reply, serving};

/// A server on the loopback interface that shows the fields of each request, and is SERVING; or that never answers.
async fn listening(answers: bool) -> (std::net::SocketAddr, mpsc::UnboundedReceiver<HeaderMap>) {
    let (tell, told) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (io, _) = listener.accept().await.unwrap();
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(io).await.unwrap();
                let mut kept = Vec::new();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    let _ = tell.send(request.headers().clone());
                    if answers {
                        reply(respond, serving(), 0);
                    } else {
                        kept.push(respond);
                    }
                }
            });
        }
    });
    (addr, told)
}

#[tokio::test]
async fn metadata_and_user_agent_arrive_with_each_call() {
    let (addr, mut told) = listening(true).await;
    let named = Connector::new().user_agent("prober/1").unwrap();
    let mut metadata = Metadata::new();
    metadata.append("x-tenant", "shop").unwrap();
    let client = named.connect(addr).await.unwrap();
    let with = client.clone().with_metadata(metadata);
    for (client, tenant) in [(&client, None), (&with, Some("shop")), (&client, None)] {
        client.check("").await.unwrap();
        let fields = told.recv().await.unwrap();
        let agent = concat!("prober/1 grpc-health/", env!("CARGO_PKG_VERSION"));
        assert_eq!(fields["user-agent"], agent);
        let found = fields.get("x-tenant").map(|value| value.to_str().unwrap());
        assert_eq!(found, tenant);
    }
    let refused = Connector::new().user_agent("a\r\nb").unwrap_err();
    assert_eq!(refused, InvalidMetadata::Value);
}

#[tokio::test]
async fn a_probe_asks_once() {
    let (addr, mut told) = listening(true).await;
    let mut metadata = Metadata::new();
    metadata.append("x-tenant", "shop").unwrap();
    let options = ProbeOptions::new(addr).service("a").metadata(metadata);
    assert_eq!(probe(&options).await.unwrap(), ReportedStatus::SERVING);
    let fields = told.recv().await.unwrap();
    assert_eq!(fields["x-tenant"], "shop");
    assert!(fields.contains_key("grpc-timeout"));
}

#[tokio::test]
async fn a_probe_has_one_time_limit() {
    let limit = Duration::from_millis(100);
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = ProbeOptions::new(silent.local_addr().unwrap()).timeout(limit);
    match probe(&options).await.unwrap_err() {
        ProbeError::Connect(error) => assert!(error.is_timeout(), "{error}"),
        other => panic!("{other}"),
    }
    let (addr, _told) = listening(false).await;
    match probe(&ProbeOptions::new(addr).timeout(limit)).await {
        Err(ProbeError::Call(status)) => assert_eq!(status.code(), Code::DEADLINE_EXCEEDED),
        other => panic!("{other:?}"),
    }
    // The connector's own limit counts, if it is shorter.
    let connector = Connector::new().timeout(limit);
    let options = ProbeOptions::new(silent.local_addr().unwrap())
        .timeout(Duration::from_secs(3600))
        .connector(connector);
    assert!(matches!(
        probe(&options).await,
        Err(ProbeError::Connect(error)) if error.is_timeout()
    ));
}

#[tokio::test]
async fn a_probe_that_is_dropped_closes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = ProbeOptions::new(listener.local_addr().unwrap()).timeout(Duration::MAX);
    let probing = tokio::spawn(async move { probe(&options).await });
    let (io, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(io).await.unwrap();
    let _open = connection.accept().await.unwrap().unwrap();
    probing.abort();
    assert!(connection.accept().await.is_none());
}

#[tokio::test]
async fn localhost_is_this_machine() {
    let (addr, _told) = listening(true).await;
    for name in ["localhost", "LocalHost", ""] {
        let client = Client::connect(format!("{name}:{}", addr.port()))
            .await
            .unwrap();
        assert_eq!(client.check("").await.unwrap(), ReportedStatus::SERVING);
    }
}

/// Replies that are compressed.
#[cfg(feature = "gzip")]
mod gzip {
    use std::collections::BTreeMap;
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    };

    use bytes::Bytes;
    use grpc_health::{
        proto::health::{HealthCheckResponse, HealthListResponse},
        wire::gzip::deflate,
    };
    use prost::Message;

    use super::*;
    use crate::script::scripted;

    /// A client with gzip, whose calls are all answered with this message, compressed.
    async fn answered(message: &[u8], encoding: &'static str) -> Client {
        let member = deflate(message);
        let len = u32::try_from(member.len()).unwrap().to_be_bytes();
        let envelope = Bytes::from([&[1], &len[..], &member].concat());
        let client = scripted(move |request, mut respond| {
            let fields = request.headers();
            assert_eq!(fields["grpc-encoding"], "gzip");
            let mut head = crate::script::head();
            let headers = head.headers_mut();
            headers.insert("grpc-encoding", encoding.parse().unwrap());
            let mut stream = respond.send_response(head, false).unwrap();
            let envelope = envelope.clone();
            tokio::spawn(async move {
                stream.send_data(envelope, false).unwrap();
                stream.send_trailers(crate::script::trailers(0)).unwrap();
            });
        })
        .await;
        client.with_gzip()
    }

    #[tokio::test]
    async fn a_reply_may_be_compressed() {
        for encoding in ["gzip", "GZip"] {
            let client = answered(&[8, 1], encoding).await;
            assert_eq!(client.check("").await.unwrap(), ReportedStatus::SERVING);
            let watched = client.watch("").await.unwrap().next().await;
            assert_eq!(watched.unwrap().unwrap(), ReportedStatus::SERVING);
        }
        for encoding in ["identity", "br"] {
            let client = answered(&[8, 1], encoding).await;
            let code = client.check("").await.unwrap_err().code();
            assert_eq!(code, Code::INTERNAL, "{encoding}");
        }
    }

    /// The longest list that the client takes without compression, and one byte more.
    #[tokio::test]
    async fn a_reply_is_limited_after_decompression() {
        let serving = HealthCheckResponse { status: 1 };
        let statuses = |last: usize| {
            let names = (0..19_000).map(|i| format!("{i:0200}"));
            let statuses = names.chain(["0".repeat(last)]).map(|name| (name, serving));
            let statuses: BTreeMap<_, _> = statuses.collect();
            HealthListResponse {
                statuses: statuses.into_iter().collect(),
            }
            .encode_to_vec()
        };
        const LIMIT: usize = 4 * 1024 * 1024;
        let shortest = statuses(100_000).len();
        assert!(shortest < LIMIT);
        let fits = statuses(100_000 + LIMIT - shortest);
        let over = statuses(100_000 + LIMIT - shortest + 1);
        assert_eq!((fits.len(), over.len()), (LIMIT, LIMIT + 1));
        let client = answered(&fits, "gzip").await;
        assert_eq!(client.list().await.unwrap().len(), 19_001);
        let client = answered(&over, "gzip").await;
        let code = client.list().await.unwrap_err().code();
        assert_eq!(code, Code::RESOURCE_EXHAUSTED);
    }

    #[tokio::test]
    async fn other_tasks_have_their_turn_while_a_reply_is_decompressed() {
        let client = answered(&vec![0; 4 << 20], "gzip").await;
        let done = Arc::new(AtomicBool::new(false));
        let other = tokio::spawn({
            let done = Arc::clone(&done);
            async move {
                let mut turns = 0;
                while !done.load(Relaxed) {
                    turns += 1;
                    tokio::task::yield_now().await;
                }
                turns
            }
        });
        // Zeros are no message: what counts is how long it takes to find that out.
        client.check("").await.unwrap_err();
        done.store(true, Relaxed);
        let turns = other.await.unwrap();
        // 128 steps of 32 KiB, with a turn after each eighth.
        assert!(turns >= 16, "{turns}");
    }
}
