//! The scripted server.

use bytes::Bytes;

pub(crate) type Respond = SendResponse<Bytes>;

/// A client, and the server's end of its connection.
pub(crate) async fn pair() -> (Client, Connection<DuplexStream, Bytes>) {
    let (ours, theirs) = duplex(64 * 1024);
    let (client, server) = tokio::join!(Client::handshake(ours), h2::server::handshake(theirs));
    (client.unwrap(), server.unwrap())
}

/// A client whose every call is answered by `script`.
pub(crate) async fn scripted(mut script: impl FnMut(Request<RecvStream>, Respond) + Send + 'static) -> Client {
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

/// A server that sends `data` and leaves the reply open: what the client makes of it, and with
/// what it resets the stream.
pub(crate) async fn open_ended(data: impl Into<Bytes>) -> (Result<ReportedStatus, Status>, Reason) {
    let (reset_tx, reset) = oneshot::channel();
    let mut script = Some((data.into(), reset_tx));
    let client = scripted(move |_, respond| {
        let (data, reset) = script.take().unwrap();
        let mut stream = open_reply(respond, data);
        tokio::spawn(async move {
            reset
                .send(poll_fn(|cx| stream.poll_reset(cx)).await.unwrap())
                .unwrap();
        });
    })
    .await;
    let result = client.check("").await;
    (result, reset.await.unwrap())
}

pub(crate) async fn check_code(script: impl FnMut(Request<RecvStream>, Respond) + Send + 'static) -> Code {
    scripted(script).await.check("").await.unwrap_err().code()
}

