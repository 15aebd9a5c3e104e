//! The floor: what h2 itself costs for a Check, with nothing of gRPC in it.
//!
//! One task per connection; everything that is ready is accepted, then answered, then flushed
//! once; each reply is the same two `HeaderMap` clones and a constant body. Nothing of the request
//! is looked at: its body is read to the end and dropped.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, Connection, SendResponse};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

/// The default of the servers that are measured.
pub(crate) const MAX_STREAMS: u32 = 256;

/// An envelope with `HealthCheckResponse { status: SERVING }`.
pub(crate) const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

/// A call whose request has not arrived whole.
type Call = (RecvStream, SendResponse<Bytes>);

/// Accepts connections for ever.
pub(crate) async fn serve(listener: TcpListener, max_streams: u32) -> io::Result<()> {
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(async move {
            // A connection's error is its peer's business.
            let _ = serve_connection(socket, max_streams).await;
        });
    }
}

/// Answers every request on one connection with SERVING.
pub(crate) async fn serve_connection<T>(
    io: T,
    max_streams: u32,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = builder(max_streams).handshake(io).await?;
    let mut floor = Floor::new(max_streams);
    poll_fn(|cx| floor.poll(&mut connection, cx)).await?;
    Ok(())
}

/// h2 set up as the crate's server sets it up.
fn builder(max_streams: u32) -> Builder {
    let streams = max_streams as usize;
    let mut builder = Builder::new();
    builder
        .initial_window_size(64 * 1024)
        .initial_connection_window_size(max_streams * 64 * 1024)
        .max_frame_size(16_384)
        .max_header_list_size(8 * 1024)
        .header_table_size(4_096)
        .max_concurrent_streams(max_streams)
        .max_concurrent_reset_streams(streams)
        .reset_stream_duration(Duration::from_secs(5))
        .max_pending_accept_reset_streams(256)
        .max_local_error_reset_streams(Some(1_024))
        .max_send_buffer_size(64 * 1024)
        .data_frame_budget((32 * 1024 * streams).max(5 << 20));
    builder
}

struct Floor {
    head: HeaderMap,
    trailers: HeaderMap,
    calls: Vec<Call>,
    max_calls: usize,
}

impl Floor {
    fn new(max_streams: u32) -> Self {
        let mut head = HeaderMap::with_capacity(1);
        head.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let mut trailers = HeaderMap::with_capacity(1);
        let status = HeaderName::from_static("grpc-status");
        trailers.insert(status, HeaderValue::from_static("0"));
        Self {
            head,
            trailers,
            calls: Vec::new(),
            max_calls: max_streams as usize,
        }
    }

    fn poll<T>(
        &mut self,
        connection: &mut Connection<T, Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), h2::Error>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let mut noop = Context::from_waker(Waker::noop());
        loop {
            while self.calls.len() < self.max_calls {
                match connection.poll_accept(&mut noop) {
                    Poll::Ready(Some(accepted)) => self.accept(accepted?),
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending => break,
                }
            }
            self.answer(cx);
            // With the task's own waker: this one writes the replies out.
            match connection.poll_accept(cx) {
                Poll::Ready(Some(accepted)) => self.accept(accepted?),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn accept(&mut self, (request, respond): (http::Request<RecvStream>, SendResponse<Bytes>)) {
        // The parts are dropped here: a `HeaderMap` is the largest thing in a request.
        let (_, body) = request.into_parts();
        self.calls.push((body, respond));
    }

    /// Answers the calls whose request is whole; the others stay.
    fn answer(&mut self, cx: &mut Context<'_>) {
        let Self {
            head,
            trailers,
            calls,
            ..
        } = self;
        calls.retain_mut(|(body, respond)| match poll_end(body, cx) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => {
                // An error means that the peer has reset the stream: nothing is left to do.
                let _ = reply(respond, head.clone(), trailers.clone());
                false
            }
            Poll::Ready(Err(_)) => false,
        });
    }
}

fn reply(
    respond: &mut SendResponse<Bytes>,
    head: HeaderMap,
    trailers: HeaderMap,
) -> Result<(), h2::Error> {
    let mut response = Response::new(());
    *response.headers_mut() = head;
    let mut send = respond.send_response(response, false)?;
    send.send_data(Bytes::from_static(SERVING), false)?;
    send.send_trailers(trailers)
}

/// Reads a body to its end and drops what is in it.
fn poll_end(body: &mut RecvStream, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
    while let Some(chunk) = std::task::ready!(body.poll_data(cx)) {
        drop(chunk?);
    }
    Poll::Ready(Ok(()))
}
