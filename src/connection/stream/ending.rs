//! Ends a call whose answer is not complete.

use std::time::Duration;

use h2::Reason;

use super::super::config::Config;
use super::super::patience::Pace;
use super::replying::Replying;
use super::sink::Sink;
use crate::call::{self, Prebuilt};
use crate::service::Service;
use crate::wire::status::Status;

impl<S: Service> Replying<S> {
    /// Whether the peer has cancelled the call.
    pub(in crate::connection) fn is_given_up(&mut self) -> bool {
        self.sink.is_given_up()
    }

    /// How long the peer may leave the current reply without room.
    fn stall_timeout(&self, config: &Config) -> Duration {
        self.stall.get().unwrap_or(config.send_stall_timeout)
    }

    /// How fast the peer has to take the current reply.
    pub(in crate::connection) fn pace(&self, config: &Config) -> Pace {
        Pace {
            within: self.stall_timeout(config),
            bytes: config.send_stall_bytes,
        }
    }

    /// Ends the call because the peer does not take the reply.
    pub(in crate::connection) fn abandon(&mut self, config: &Config, prebuilt: &Prebuilt) {
        let status = call::no_room(self.stall_timeout(config));
        // gRPC clients read this code as RESOURCE_EXHAUSTED, too.
        self.cut(&status, Reason::ENHANCE_YOUR_CALM, prebuilt);
    }

    /// Ends the call so that other replies have room.
    pub(in crate::connection) fn make_room(&mut self, prebuilt: &Prebuilt) {
        self.cut(&call::no_budget(), Reason::ENHANCE_YOUR_CALM, prebuilt);
    }

    /// Ends the call because its deadline has passed.
    pub(in crate::connection) fn expire(&mut self, prebuilt: &Prebuilt) {
        self.cut(&call::deadline_exceeded(), Reason::CANCEL, prebuilt);
    }

    /// Ends the call with `status`, or with a reset for `reason` if the peer has got a part of a message.
    fn cut(&mut self, status: &Status, reason: Reason, prebuilt: &Prebuilt) {
        match &mut self.sink {
            // Trailers inside a message are not a valid answer.
            sink @ Sink::Body(_) if self.torn && !self.unsent.is_empty() => {
                self.tail.end(status.code());
                sink.reset(reason);
            }
            sink => sink.finish(Some(status), None, prebuilt, &mut self.tail),
        }
    }
}
