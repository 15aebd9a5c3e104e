//! What an operator sees: the events of feature `tracing`, and the numbers of feature `metrics`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../support/mod.rs"]
mod support;

mod events;
mod example;
mod leases;
mod measured;
mod page;
mod router;
mod traced;

use support::frame::Frame;
use support::peer::Peer;

/// Reads on until the answer on `stream` is complete.
async fn answered(peer: &mut Peer, stream: u32) {
    let is_last = |frame: &Frame| match frame {
        Frame::Headers { end_stream, .. } | Frame::Data { end_stream, .. } => *end_stream,
        _ => false,
    };
    peer.skip_to(|frame| frame.stream() == stream && is_last(frame))
        .await;
}
