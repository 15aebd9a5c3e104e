//! The connection, from its first byte to its last.

use std::error::Error;

use grpc_health::{
    client::{Client, ReportedStatus},
    wire::code::Code,
};
use h2::Reason;
use tokio::{
    io::{AsyncWriteExt, duplex},
    net::{TcpListener, TcpSocket},
    sync::mpsc,
};

use crate::script::{envelope, open_reply, pair, reply, scripted, serving};

#[tokio::test]
async fn a_connection_that_breaks() {
    let (client, mut server) = pair().await;
    let (check, ()) = tokio::join!(client.check(""), async {
        let call = server.accept().await.unwrap().unwrap();
        drop((call, server));
    });
    assert_eq!(check.unwrap_err().code(), Code::UNAVAILABLE);
    for _ in 0..2 {
        assert_eq!(
            client.check("").await.unwrap_err().code(),
            Code::UNAVAILABLE
        );
        assert_eq!(
            client.watch("").await.unwrap_err().code(),
            Code::UNAVAILABLE
        );
    }
}

#[tokio::test]
async fn a_connection_the_server_shuts() {
    for reason in [
        Reason::NO_ERROR,
        Reason::ENHANCE_YOUR_CALM,
        Reason::PROTOCOL_ERROR,
    ] {
        let (client, mut server) = pair().await;
        let (check, ()) = tokio::join!(client.check(""), async {
            let _call = server.accept().await.unwrap().unwrap();
            server.abrupt_shutdown(reason);
            assert!(
                server
                    .accept()
                    .await
                    .is_none_or(|accepted| accepted.is_err())
            );
        });
        assert_eq!(check.unwrap_err().code(), Code::UNAVAILABLE, "{reason}");
    }
}

#[tokio::test]
async fn the_connection_lasts_as_long_as_it_is_held() {
    let (client, mut server) = pair().await;
    let (replies, mut seen) = mpsc::unbounded_channel();
    let connection = tokio::spawn(async move {
        while let Some(Ok((_, respond))) = server.accept().await {
            replies.send(respond).unwrap();
        }
    });

    let clone = client.clone();
    drop(client);
    let (watch, mut stream) = tokio::join!(clone.watch(""), async {
        open_reply(seen.recv().await.unwrap(), serving())
    });
    let mut watch = watch.unwrap();
    drop(clone);
    // The watch alone holds it now.
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::SERVING
    );
    stream.send_data(envelope(&[8, 2]).into(), false).unwrap();
    assert_eq!(
        watch.next().await.unwrap().unwrap(),
        ReportedStatus::NOT_SERVING
    );
    drop((watch, stream));
    connection.await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_speak_http2() {
    // Whatever the pieces are that it comes in.
    for size in [1, 3, 4, 100] {
        let (ours, mut theirs) = duplex(1024);
        let answer = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
        let (refused, ()) = tokio::join!(Client::handshake(ours), async {
            for piece in answer.chunks(size) {
                // The client may have had enough.
                let _ = theirs.write_all(piece).await;
                tokio::task::yield_now().await;
            }
        });
        let said = refused.unwrap_err().to_string();
        assert!(
            said.starts_with("the server answers in HTTP/1 (\"HTTP"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_at_once() {
    let (ours, mut theirs) = duplex(1024);
    theirs.shutdown().await.unwrap();
    let said = Client::handshake(ours).await.unwrap_err().to_string();
    assert!(
        said.starts_with("the server closed the connection before it said anything"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing() {
    let start = tokio::time::Instant::now();
    let (ours, theirs) = duplex(1024);
    let said = Client::handshake(ours).await.unwrap_err().to_string();
    assert_eq!(start.elapsed().as_secs(), 20);
    assert!(said.contains("said nothing within 20s"), "{said}");
    drop(theirs);
}

/// No text is h2's, in which a server that goes away is "not a result of an error".
#[tokio::test]
async fn what_went_wrong_in_words() {
    for (reason, words) in [
        (Reason::NO_ERROR, "the server is going away"),
        (
            Reason::ENHANCE_YOUR_CALM,
            "the server closed the connection (ENHANCE_YOUR_CALM)",
        ),
    ] {
        let (client, mut server) = pair().await;
        let (check, ()) = tokio::join!(client.check(""), async {
            let _call = server.accept().await.unwrap().unwrap();
            server.abrupt_shutdown(reason);
            assert!(
                server
                    .accept()
                    .await
                    .is_none_or(|accepted| accepted.is_err())
            );
        });
        assert_eq!(check.unwrap_err().message(), words);
        assert_eq!(client.check("").await.unwrap_err().message(), words);
    }
    let client = scripted(|_, mut respond| respond.send_reset(Reason::INTERNAL_ERROR)).await;
    let said = client.check("").await.unwrap_err();
    assert_eq!(said.message(), "the server reset the call (INTERNAL_ERROR)");
}

#[tokio::test]
async fn a_stream_that_takes_no_preface() {
    let (ours, theirs) = duplex(1024);
    drop(theirs);
    let error = Client::handshake(ours).await.unwrap_err();
    assert!(
        error.to_string().starts_with("HTTP/2 handshake: "),
        "{error}"
    );
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_port_that_nobody_listens_on() {
    // Bound, so that nobody else takes the port meanwhile, and not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    let error = Client::connect(addr).await.unwrap_err();
    let source = error
        .source()
        .unwrap()
        .downcast_ref::<std::io::Error>()
        .unwrap();
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn connect_names_the_address_it_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(tcp).await.unwrap();
        let (request, respond) = connection.accept().await.unwrap().unwrap();
        assert_eq!(
            request.uri().authority().unwrap().as_str(),
            addr.to_string()
        );
        reply(respond, serving(), 0);
        // Until the client has hung up.
        while connection.accept().await.is_some() {}
    };
    let client = async {
        let client = Client::connect(addr).await.unwrap();
        assert_eq!(client.check("").await.unwrap(), ReportedStatus::SERVING);
    };
    tokio::join!(server, client);
}
