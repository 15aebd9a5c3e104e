//! An HTTP/2 connection, from its handshake.

use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::io::{AsyncRead, AsyncWrite};

use super::ConnectError;
use super::opening::describe;
use super::watched::{Opening, Processed, Watched};

/// The longest header list we take in. Our own calls need a few hundred bytes.
const MAX_HEADER_LIST_SIZE: u32 = 16 * 1024;

/// What the frames of unread messages may cost, by h2's count of at most 256 bytes each. Its own
/// choice is spent by 130 of our 7-byte messages, as many watches or calls at a time bring at once.
const DATA_FRAME_BUDGET: usize = 4 * 1024 * 1024;

/// A connection, which lasts as long as this or a call on it is held.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) send: SendRequest<Bytes>,
    /// Of its streams, those that the server may have processed.
    pub(super) processed: Arc<Processed>,
}

impl Connection {
    /// Exchanges prefaces with a server, and spawns the connection's task. `secure` if `io` is in TLS.
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
        // Its error reaches every call that is open; h2 ends it when nobody holds it any more.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let why = match opening.await {
            Ok(Opening::Http2) => return Ok(Self { send, processed }),
            Ok(Opening::Other(start)) if secure && start.is_empty() => BROKE_OFF.to_owned(),
            Ok(Opening::Other(start)) => describe(&start, false),
            Ok(Opening::Failed(why)) => why,
            // The task gave the connection up before it had read anything.
            Err(_) => BROKE_OFF.to_owned(),
        };
        Err(ConnectError::refused(why))
    }
}

const BROKE_OFF: &str = "the server closed the connection before it said anything";
