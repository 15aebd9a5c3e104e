//! An HTTP/2 connection of a client, from its handshake on.

use std::sync::Arc;

use bytes::Bytes;
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

impl Connection {
    /// Exchanges prefaces with a server, and spawns the connection's task. `secure` says whether `io` is TLS.
    pub(super) async fn open<T>(io: T, secure: bool) -> Result<Self, ConnectError>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (io, opening, processed) = Watched::new(io);
        let (send, connection) = h2::client::Builder::new()
            .enable_push(false)
            .max_header_list_size(MAX_HEADER_LIST_SIZE)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .handshake(io)
            .await
            .map_err(ConnectError::handshake)?;
        // The error reaches every open call; h2 ends the connection when the last handle is dropped.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let why = match opening.await {
            Ok(Opening::Http2) => return Ok(Self { send, processed }),
            Ok(Opening::Other(start)) if secure && start.is_empty() => BROKE_OFF.to_owned(),
            Ok(Opening::Other(start)) => describe(&start, false),
            Ok(Opening::Failed(why)) => why,
            // The task ended before it had read anything.
            Err(_) => BROKE_OFF.to_owned(),
        };
        Err(ConnectError::refused(why))
    }
}

const BROKE_OFF: &str = "the server closed the connection before it said anything";
