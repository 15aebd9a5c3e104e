//! A client of the health service on raw h2, the same for every server.

use std::error::Error;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
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
    if !ok || length != SERVING_LEN {
        return Err(format!("not a good answer: {length} bytes, {trailers:?}").into());
    }
    Ok(())
}
