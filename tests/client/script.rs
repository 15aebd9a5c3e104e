//! The scripted server.

use bytes::Bytes;
use grpc_health::client::Client;
use h2::{
    RecvStream, SendStream,
    server::{Connection, SendResponse},
};
use http::{HeaderMap, Request, Response};
use tokio::io::{DuplexStream, duplex};

pub(crate) type Respond = SendResponse<Bytes>;

/// A client, and the server's end of its connection.
pub(crate) async fn pair() -> (Client, Connection<DuplexStream, Bytes>) {
    let (ours, theirs) = duplex(64 * 1024);
    let (client, server) = tokio::join!(Client::handshake(ours), h2::server::handshake(theirs));
    (client.unwrap(), server.unwrap())
}

/// A client whose every call is answered by `script`.
pub(crate) async fn scripted(
    mut script: impl FnMut(Request<RecvStream>, Respond) + Send + 'static,
) -> Client {
    let (client, mut server) = pair().await;
    tokio::spawn(async move {
        while let Some(Ok((request, respond))) = server.accept().await {
            script(request, respond);
        }
    });
    client
}

pub(crate) fn head() -> Response<()> {
    Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .unwrap()
}

pub(crate) fn trailers(code: i32) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    trailers
}

pub(crate) fn envelope(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap();
    [&[0], &len.to_be_bytes()[..], message].concat()
}

pub(crate) fn serving() -> Vec<u8> {
    envelope(&[8, 1])
}

/// A whole reply: a proper head, one DATA frame, trailers.
pub(crate) fn reply(mut respond: Respond, data: impl Into<Bytes>, code: i32) {
    let mut stream = respond.send_response(head(), false).unwrap();
    stream.send_data(data.into(), false).unwrap();
    stream.send_trailers(trailers(code)).unwrap();
}

/// A reply that never ends, told of to the test.
pub(crate) fn open_reply(mut respond: Respond, data: impl Into<Bytes>) -> SendStream<Bytes> {
    let mut stream = respond.send_response(head(), false).unwrap();
    stream.send_data(data.into(), false).unwrap();
    stream
}
