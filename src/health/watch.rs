//! `Watch`: the status of one service now, and at every change.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::health::reply;
use crate::health::shares::Share;
use crate::observe::WatchMeter;
use crate::registry::Watcher;
use crate::service::Reply;

/// The stream of replies to one `Watch`: the current status, then every other status that the service takes. It never ends by itself.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct WatchStream {
    watcher: Watcher,
    _share: Share,
    _meter: WatchMeter,
}

impl WatchStream {
    pub(super) const fn new(watcher: Watcher, share: Share, meter: WatchMeter) -> Self {
        Self {
            watcher,
            _share: share,
            _meter: meter,
        }
    }
}

impl Stream for WatchStream {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        self.watcher
            .poll_next(cx)
            .map(|status| Some(Ok(reply::envelope(status).into())))
    }
}
