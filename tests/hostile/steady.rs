//! A client without a pause.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use grpc_health::{HealthService, Registry, Server};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, advance};

use crate::support::frame;
use crate::support::grpc::{CHECK, Request, health_request};

/// A socket on which the next request has arrived whenever the last one is answered.
struct Steady {
    arrived: Vec<u8>,
    next: u32,
    is_ready: bool,
}

impl Steady {
    fn new() -> Self {
        let hello = [
            frame::PREFACE.to_vec(),
            frame::settings(&[]),
            frame::settings_ack(),
            frame::window_update(0, 1 << 30),
        ];
        Self {
            arrived: hello.concat(),
            next: 1,
            is_ready: false,
        }
    }
}

impl AsyncRead for Steady {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_ready = !self.is_ready;
        if !self.is_ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.arrived.is_empty() {
            let headers = frame::headers(self.next, false, &Request::new(CHECK).encode());
            let data = frame::data(self.next, true, &health_request(""));
            self.next += 2;
            self.arrived = [headers, data].concat();
        }
        let len = self.arrived.len().min(buf.remaining());
        buf.put_slice(&self.arrived[..len]);
        self.arrived.drain(..len);
        self.is_ready = self.arrived.is_empty();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Steady {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The connection looked at the clock only when no request was left.
#[tokio::test(start_paused = true)]
async fn a_client_without_a_pause_is_as_old_as_it_is() {
    const AGE: Duration = Duration::from_secs(10);
    let server = Server::builder()
        .service(HealthService::new(Registry::new()))
        .max_connection_age(Some(AGE))
        .max_connection_age_grace(AGE)
        .build();
    let start = Instant::now();
    let mut served = pin!(server.serve_connection(Steady::new()));
    // One turn for each step of the clock.
    while poll_fn(|cx| Poll::Ready(served.as_mut().poll(cx).is_pending())).await {
        advance(Duration::from_millis(100)).await;
        assert!(start.elapsed() < 4 * AGE, "for ever");
    }
    let elapsed = start.elapsed();
    assert!(elapsed >= AGE * 19 / 10, "{elapsed:?}");
    // An age may be a tenth longer, and the last words take a moment.
    assert!(elapsed <= AGE * 22 / 10, "{elapsed:?}");
    assert!(server.stats().calls > 1_000, "{:?}", server.stats());
}
