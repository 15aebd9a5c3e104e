//! A client of the health service on raw h2, the same for every server.

use std::error::Error;
use std::future::poll_fn;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::header::{CONTENT_TYPE, TE};
use http::{Method, Request};
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// An envelope with `HealthCheckRequest { service: "" }`.
const WHOLE_SERVER: &[u8] = &[0; 5];

/// The length of an envelope with `HealthCheckResponse { status: SERVING }`.
const SERVING_LEN: usize = 7;

/// So large that the client's windows never hold a server up.
const WINDOW: u32 = (1 << 31) - 1;

/// One HTTP/2 connection; clones share it.
#[derive(Clone)]
pub(crate) struct Client {
    send: SendRequest<Bytes>,
    check: Request<()>,
}

impl Client {
    /// Opens a connection and spawns the task that drives it.
    pub(crate) async fn handshake<T>(io: T) -> Result<Self, BoxError>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = Builder::new();
        builder
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        // As many as the server allows, which its SETTINGS say.
        builder.initial_max_send_streams(0);
        let (send, connection) = builder.handshake(io).await?;
        tokio::spawn(async move {
            // The calls on it get the same error.
            let _ = connection.await;
        });
        let check = request("/grpc.health.v1.Health/Check")?;
        Ok(Self {
            send: send.ready().await?,
            check,
        })
    }

    /// One Check of `""`; an error unless it is answered with one message and status 0.
    #[allow(dead_code, reason = "not every user of this module needs it")]
    pub(crate) async fn check(&mut self) -> Result<(), BoxError> {
        let response = self.start(self.check.clone()).await?;
        finish_check(response).await
    }

    /// `count` Checks, all sent before the first answer is read.
    #[allow(dead_code, reason = "not every user of this module needs it")]
    pub(crate) async fn checks(
        &mut self,
        count: usize,
        responses: &mut Vec<ResponseFuture>,
    ) -> Result<(), BoxError> {
        for _ in 0..count {
            responses.push(self.start(self.check.clone()).await?);
        }
        for response in responses.drain(..) {
            finish_check(response).await?;
        }
        Ok(())
    }

    /// Opens a Watch of `""` and waits for its first message. The stream is open while the
    /// returned body is held.
    #[allow(dead_code, reason = "not every user of this module needs it")]
    pub(crate) async fn watch(&mut self) -> Result<RecvStream, BoxError> {
        let response = self
            .start(request("/grpc.health.v1.Health/Watch")?)
            .await?
            .await?;
        let mut body = response.into_body();
        let Some(first) = body.data().await else {
            return Err("the watch ended before its first message".into());
        };
        body.flow_control().release_capacity(first?.len())?;
        Ok(body)
    }

    /// Has a stream of messages echoed; an error unless all of it comes back, with status 0.
    #[allow(dead_code, reason = "not every user of this module needs it")]
    pub(crate) async fn echo(self, bytes: usize, messages: usize) -> Result<(), BoxError> {
        let mut send = self.send.ready().await?;
        let (response, mut body) = send.send_request(request("/bench.Echo/Bidi")?, false)?;
        let envelope = echoed(bytes);
        let sending = tokio::spawn(async move {
            for _ in 0..messages {
                send_all(&mut body, envelope.clone()).await?;
            }
            body.send_data(Bytes::new(), true)?;
            Ok::<_, BoxError>(())
        });
        let length = finish(response).await?;
        sending.await??;
        let expected = echoed(bytes).len() * messages;
        if length == expected {
            Ok(())
        } else {
            Err(format!("{length} bytes came back of {expected}").into())
        }
    }

    async fn start(&mut self, request: Request<()>) -> Result<ResponseFuture, BoxError> {
        // `ready` takes and returns the handle: it waits for a free stream.
        self.send = self.send.clone().ready().await?;
        let (response, mut body) = self.send.send_request(request, false)?;
        body.send_data(Bytes::from_static(WHOLE_SERVER), true)?;
        Ok(response)
    }
}

fn request(path: &str) -> http::Result<Request<()>> {
    Request::builder()
        .method(Method::POST)
        .uri(format!("http://localhost{path}"))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .body(())
}

async fn finish_check(response: ResponseFuture) -> Result<(), BoxError> {
    match finish(response).await? {
        SERVING_LEN => Ok(()),
        length => Err(format!("not a good answer: {length} bytes").into()),
    }
}

/// The length of an answer's body; an error unless its status is 0.
async fn finish(response: ResponseFuture) -> Result<usize, BoxError> {
    let mut body = response.await?.into_body();
    let mut length = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        length += chunk.len();
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let ok = trailers
        .get("grpc-status")
        .is_some_and(|status| status == "0");
    if ok {
        Ok(length)
    } else {
        Err(format!("not a good answer: {length} bytes, {trailers:?}").into())
    }
}

/// Sends all of a message, as the windows allow.
async fn send_all(body: &mut SendStream<Bytes>, mut message: Bytes) -> Result<(), BoxError> {
    while !message.is_empty() {
        body.reserve_capacity(message.len());
        let capacity = match body.capacity() {
            0 => match poll_fn(|cx| body.poll_capacity(cx)).await {
                Some(capacity) => capacity?,
                None => return Err("the stream is closed".into()),
            },
            capacity => capacity,
        };
        body.send_data(message.split_to(capacity.min(message.len())), false)?;
    }
    Ok(())
}

/// The envelope of a `bench.Payload` whose message has so many bytes in all, at least six.
fn echoed(bytes: usize) -> Bytes {
    let mut varint = BytesMut::new();
    let mut body = bytes.saturating_sub(2);
    // The length of the length is part of the message.
    while prost::length_delimiter_len(body) + body + 1 > bytes {
        body -= 1;
    }
    prost::encode_length_delimiter(body, &mut varint).expect("room");
    let mut envelope = BytesMut::new();
    envelope.put_u8(0);
    envelope.put_u32((1 + varint.len() + body) as u32);
    envelope.put_u8(0x0A);
    envelope.put(varint);
    envelope.put_bytes(7, body);
    envelope.freeze()
}
