//! `timeout_on_sleeping_server`, over h2 alone: tonic's client has a timer of its own for `grpc-timeout`, which runs beside the
//! server's and ends the call with CANCELLED.

use bytes::BytesMut;
use grpc_health::wire::envelope;
use http::Request;
use prost::Message;
use tokio::net::TcpStream;

use crate::cases::in_time;
use crate::{FULL_DUPLEX, output_request, start};

#[tokio::test]
async fn timeout_on_sleeping_server() {
    let server = start().await;
    let addr = server.local_addr().expect("an address");
    let stream = TcpStream::connect(addr).await.expect("a connection");
    let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("http://{addr}{FULL_DUPLEX}"))
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "1m")
        .body(())
        .expect("a request");
    let mut client = client.ready().await.expect("HTTP/2");
    let (response, mut requests) = client.send_request(request, false).expect("HTTP/2");
    let message = output_request(&[], 27_182);
    let mut body = BytesMut::new();
    envelope::encode(&mut body, false, message.encoded_len(), |body| {
        message.encode(body).expect("room");
    });
    // The server may have answered already. It has not been told that there are no more requests.
    let _ = requests.send_data(body.freeze(), false);

    let (head, mut body) = in_time(response).await.expect("an answer").into_parts();
    assert!(in_time(body.data()).await.is_none());
    let trailers = in_time(body.trailers()).await.expect("an end");
    let status = trailers.as_ref().unwrap_or(&head.headers);
    assert_eq!(status["grpc-status"], "4");
    assert_eq!(server.stats().deadlines_exceeded, 1);
    connection.abort();
}
