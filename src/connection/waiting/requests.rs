//! The requests of waiting calls: what they hold, and which of them get room or are given up.

use tokio::time::Instant;

use super::{State, Waiting, body_timeout};
use crate::call::exhausted;
use crate::connection::stream::{Inbox, Turn, discard, refuse};
use crate::observe::Limit;
use crate::service::Service;

impl<S: Service> Waiting<S> {
    /// The requests that the connection itself reads, with the numbers of their places.
    pub(in crate::connection) fn inboxes(&mut self) -> impl Iterator<Item = (u32, &mut Inbox)> {
        self.calls
            .iter_mut()
            .filter_map(|(key, call)| match &mut call.state {
                State::Reading(reading) => {
                    // Nobody has asked for these bytes: the service decides about the call.
                    if !reading.call.is_decided() {
                        reading.inbox.drain(None);
                    }
                    Some((u32::try_from(key).ok()?, &mut reading.inbox))
                }
                _ => None,
            })
    }

    /// Lets the message of the call in place `key` arrive, for which `bytes` have been set aside. From now on the client has the time for a
    /// request again.
    pub(in crate::connection) fn grant(&mut self, key: u32, bytes: usize, at: &mut Turn<'_, S>) {
        let Some(call) = self.calls.get_mut(key as usize) else {
            return;
        };
        if let State::Reading(reading) = &mut call.state {
            reading.inbox.grant(bytes);
            let allowed = body_timeout(&reading.call, at);
            call.patience.await_request(allowed, Instant::now());
            call.arm(key, &mut self.deadlines);
        }
    }

    /// Refuses the call in place `key`, for whose request there is no room.
    pub(in crate::connection) fn give_up(&mut self, key: u32, at: &mut Turn<'_, S>) {
        let Some(mut call) = self.remove(key, at.sending) else {
            return;
        };
        if let Some(armed) = call.armed {
            self.deadlines.remove(armed, key);
        }
        at.refused_by(Limit::ReceiveBudget);
        if let State::Reading(reading) = &mut call.state {
            refuse(&mut reading.respond, &mut reading.call, &exhausted());
        }
        discard(call, &mut at.tally.panics);
    }
}
