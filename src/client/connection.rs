//! An HTTP/2 connection of a client, from its handshake on.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::PingPong;
use h2::client::SendRequest;
use tokio::io::{AsyncRead, AsyncWrite};

use super::ConnectError;
use super::opening::describe;
use super::watched::{Opening, Processed, Watched};

/// The longest header list that the client accepts. The client's calls need a few hundred bytes.
const MAX_HEADER_LIST_SIZE: u32 = 16 * 1024;

/// The budget for frames of unread messages: h2 counts up to 256 bytes for each frame. h2's default is used up by 130 messages of 7 bytes,
/// and that many watches or calls may be open at once.
const DATA_FRAME_BUDGET: usize = 4 * 1024 * 1024;

/// A connection, which lives as long as this handle or a call on the connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) send: SendRequest<Bytes>,
    /// Which of the connection's streams the server may have processed.
    pub(super) processed: Arc<Processed>,
}

type Work = Pin<Box<dyn Future<Output = Result<(), h2::Error>> + Send>>;

/// The work of a connection: reads and writes. The future is ready when the connection is over; an error reaches every open call, too.
/// Dropping the future closes the connection.
pub(super) struct Driver {
    /// `None` after the end.
    work: Option<Work>,
    /// Sends PINGs. `None` after somebody has taken it.
    pub(super) pings: Option<PingPong>,
}

impl Future for Driver {
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Ready(Ok(()));
        };
        let end = work.as_mut().poll(cx);
        if end.is_ready() {
            self.work = None;
        }
        end
    }
}

impl Driver {
    /// Does the work on a task of the current runtime.
    pub(super) fn spawn(self) {
        tokio::spawn(self);
    }
}

impl Connection {
    /// Exchanges prefaces with a server. h2 ends the connection when the last handle is dropped. `secure` says whether `io` is TLS.
    pub(super) async fn open<T>(io: T, secure: bool) -> Result<(Self, Driver), ConnectError>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (io, opening, processed) = Watched::new(io);
        let (send, mut connection) = h2::client::Builder::new()
            .enable_push(false)
            .max_header_list_size(MAX_HEADER_LIST_SIZE)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .handshake(io)
            .await
            .map_err(ConnectError::handshake)?;
        let mut driver = Driver {
            pings: connection.ping_pong(),
            work: Some(Box::pin(connection)),
        };
        let mut opening = pin!(opening);
        let opening = poll_fn(|cx| {
            // At its end the work drops the byte stream, and with the byte stream what tells the opening.
            let _ = Pin::new(&mut driver).poll(cx);
            opening.as_mut().poll(cx)
        });
        let why = match opening.await {
            Ok(Opening::Http2) => return Ok((Self { send, processed }, driver)),
            Ok(Opening::Other(start)) if secure && start.is_empty() => BROKE_OFF.to_owned(),
            Ok(Opening::Other(start)) => describe(&start, false),
            Ok(Opening::Failed(why)) => why,
            // The work ended before it had read anything.
            Err(_) if secure => BROKE_OFF.to_owned(),
            Err(_) => describe(&[], false),
        };
        Err(ConnectError::refused(why))
    }
}

const BROKE_OFF: &str = "the server closed the connection before it said anything";
