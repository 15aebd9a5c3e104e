//! Decompresses the messages of requests in turns, so that a message which takes long keeps nobody waiting.
//!
//! A message of 4 MiB may take half a second. The server therefore decompresses in slices of [`SLICE`]. A slice needs one of the server's
//! turns, of which there are as many as the runtime has workers. Before each slice the turn's owner yields to the runtime, which polls
//! every other task that is ready, and its sockets. So all connections together get one slice of each worker between two looks at the
//! sockets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, yield_now};

use crate::wire::encoding::{DecompressError, Encoding};
use crate::wire::gzip::{InflateError, Inflater};

/// How long a slice takes. A turn of a connection that answers a full batch of calls takes longer.
const SLICE: Duration = Duration::from_micros(250);

/// The bytes that a message reads and writes between two looks at the clock: at most some 60 µs, whatever the message.
const INPUT: usize = 512;
const OUTPUT: usize = 32 << 10;

/// How many steps of [`INPUT`] and [`OUTPUT`] bytes a slice has at most, whatever the clock says.
const STEPS: usize = 64;

/// A compressed message of at most this many bytes is decompressed at once if the server has time left.
const SMALL: usize = 4 * INPUT;

/// How many messages of more than [`SMALL`] bytes a server decompresses at the same time. Such a message holds some 47 KiB, and twice its
/// decompressed bytes.
const PLACES: usize = 16;

/// The turns of one server.
#[derive(Debug)]
struct Shared {
    turns: OnceLock<Semaphore>,
    places: Semaphore,
    /// The time that decompression has taken since the runtime last had its turn, in nanoseconds.
    spent: AtomicU64,
    /// How many slices there have been.
    #[cfg(test)]
    slices: AtomicU64,
}

/// Permission to decompress messages, for one server or for one connection of the server.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    shared: Arc<Shared>,
    /// A connection decompresses one message after the other. `None` where the connection is not known.
    connection: Option<Arc<Semaphore>>,
}

impl Turns {
    /// The turns of a server.
    pub(crate) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                turns: OnceLock::new(),
                places: Semaphore::new(PLACES),
                spent: AtomicU64::new(0),
                #[cfg(test)]
                slices: AtomicU64::new(0),
            }),
            connection: None,
        }
    }

    /// The turns of a connection of the server.
    pub(crate) fn of_connection(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            connection: Some(Arc::new(Semaphore::new(1))),
        }
    }
}

impl Shared {
    /// Waits for a turn, and for the runtime to poll everything else.
    async fn turn<R>(&self, work: impl FnOnce() -> R) -> R {
        let turns = self.turns.get_or_init(|| {
            let workers =
                Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
            Semaphore::new(workers.max(1))
        });
        // The semaphore is never closed.
        let turn = turns.acquire().await;
        yield_now().await;
        self.spent.store(0, Relaxed);
        let done = work();
        drop(turn);
        done
    }

    /// Decompresses until the message is complete, or `steps` or the time are used up.
    fn slice<B: AsRef<[u8]>>(
        &self,
        inflater: &mut Inflater<B>,
        steps: usize,
    ) -> Option<Result<Bytes, InflateError>> {
        #[cfg(test)]
        self.slices.fetch_add(1, Relaxed);
        let start = Instant::now();
        let mut done = None;
        let mut passed = Duration::ZERO;
        for _ in 0..steps {
            done = inflater.step(INPUT, OUTPUT).transpose();
            passed = start.elapsed();
            if done.is_some() || passed >= SLICE {
                break;
            }
        }
        let passed = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        self.spent.fetch_add(passed, Relaxed);
        done
    }

    /// Decompresses a small message within one slice. `None` if the message takes longer.
    fn brief(&self, compressed: &[u8], limit: usize) -> Option<Result<Bytes, InflateError>> {
        match Inflater::new(compressed, limit) {
            Ok(mut inflater) => self.slice(&mut inflater, SMALL / INPUT),
            Err(error) => Some(Err(error)),
        }
    }
}

/// A message that is being decompressed, in a task of its own. The owner of a turn must be polled, and a handler may leave its requests
/// unread for any time. Dropping the value ends the task.
#[derive(Debug)]
pub(crate) struct Inflating(JoinHandle<Result<Bytes, InflateError>>);

impl Inflating {
    /// Begins to decompress a message. Returns the message at once if the message is small, and the server has time left.
    pub(crate) fn begin(
        turns: &Turns,
        compressed: Bytes,
        encoding: Encoding,
        limit: usize,
    ) -> Result<Result<Bytes, DecompressError>, Self> {
        if encoding == Encoding::Identity {
            return Ok(Err(DecompressError::Identity));
        }
        let spent = turns.shared.spent.load(Relaxed);
        if compressed.len() <= SMALL && u128::from(spent) < SLICE.as_nanos() {
            if let Some(done) = turns.shared.brief(&compressed, limit) {
                return Ok(done.map_err(DecompressError::Gzip));
            }
        }
        let task = inflate(turns.clone(), compressed, limit);
        Err(Self(tokio::spawn(task)))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, DecompressError>> {
        // The task fails only when the runtime ends, and then nobody is left to see the error.
        let done = Pin::new(&mut self.0).poll(cx);
        done.map(|done| {
            let done = done.unwrap_or(Err(InflateError::Malformed));
            done.map_err(DecompressError::Gzip)
        })
    }
}

impl Drop for Inflating {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Decompresses a message in slices.
async fn inflate(turns: Turns, compressed: Bytes, limit: usize) -> Result<Bytes, InflateError> {
    let Turns { shared, connection } = turns;
    // No semaphore is ever closed.
    let _alone = match &connection {
        Some(connection) => Some(connection.acquire().await),
        None => None,
    };
    if compressed.len() <= SMALL {
        // A small message needs no place, so that large messages do not keep small ones waiting.
        if let Some(done) = shared.turn(|| shared.brief(&compressed, limit)).await {
            return done;
        }
    }
    let _place = shared.places.acquire().await;
    let mut inflater = Inflater::new(compressed, limit)?;
    loop {
        if let Some(done) = shared.turn(|| shared.slice(&mut inflater, STEPS)).await {
            return done;
        }
    }
}
