//! How the replies of one connection share the room that there is: which reply gets more time, and which has to end so that others have
//! room.

use tokio::time::Instant;

use super::patience::{Taken, Verdict};
use super::stream::{Turn, discard, refuse};
use super::waiting::{State, Waiting, body_timeout};
use crate::call::{deadline_exceeded, exhausted, no_request};
use crate::observe::Limit;
use crate::service::Service;

impl<S: Service> Waiting<S> {
    /// Polls the calls that wait for room in the budgets, until one of them has to wait again. Returns whether a call had room.
    pub(super) fn poll_others(&mut self, at: &mut Turn<'_, S>) -> bool {
        let mut had_room = false;
        while let Some(entry) = self.after_others.pop_front() {
            let Some(call) = entry.call(&mut self.calls) else {
                continue;
            };
            call.after_others = false;
            self.poll_call(entry.key, at);
            let call = entry.call(&mut self.calls);
            if call.is_some_and(|call| call.after_others) {
                // The call is the last now, and goes back to its place.
                self.after_others.rotate_right(1);
                return had_room;
            }
            had_room = true;
        }
        at.sending.leave_queue();
        had_room
    }

    /// Ends the calls whose deadline has passed at `now`.
    pub(super) fn expire(&mut self, now: Instant, at: &mut Turn<'_, S>) {
        while let Some(key) = self.deadlines.pop_expired(now) {
            if self.excuse(key, now, at) {
                continue;
            }
            let Some(mut call) = self.remove(key, at.sending) else {
                continue;
            };
            let verdict = call.patience.due(now);
            let given_up = verdict == Some(Verdict::Stalled);
            match &mut call.state {
                State::Replying(replying) if given_up => {
                    replying.abandon(&at.host.config, &at.host.prebuilt);
                }
                State::Replying(replying) => replying.expire(&at.host.prebuilt),
                State::Reading(reading)
                    if verdict == Some(Verdict::Unasked)
                        && reading.inbox.wanted(at.bodies.window).is_some() =>
                {
                    at.refused_by(Limit::ReceiveBudget);
                    refuse(&mut reading.respond, &mut reading.call, &exhausted());
                }
                State::Reading(reading) if verdict == Some(Verdict::Unasked) => {
                    let within = body_timeout(&reading.call, at);
                    refuse(&mut reading.respond, &mut reading.call, &no_request(within));
                }
                State::Reading(reading) => {
                    refuse(
                        &mut reading.respond,
                        &mut reading.call,
                        &deadline_exceeded(),
                    );
                }
                State::Over => {}
            }
            if given_up {
                at.refused_by(Limit::SendStall);
            }
            at.tally.stalled += u64::from(given_up);
            at.tally.expired += u64::from(!given_up);
            discard(call, &mut at.tally.panics);
        }
    }

    /// Ends the replies that have waited for the peer for the longest time, until they make room for `bytes`.
    #[cold]
    pub(super) fn make_room(&mut self, bytes: usize, at: &mut Turn<'_, S>) {
        let mut freed = 0;
        while freed < bytes {
            let counted = self.calls.iter().filter(|(_, call)| call.held > 0);
            let longest = counted.min_by_key(|(_, call)| call.patience.waits_since());
            let key = longest.and_then(|(key, _)| u32::try_from(key).ok());
            let Some(key) = key else { return };
            freed += self.end_for_room(key, at);
        }
    }

    /// Ends a call so that other replies have room. Returns how much that is.
    fn end_for_room(&mut self, key: u32, at: &mut Turn<'_, S>) -> usize {
        let held = self.calls.get(key as usize).map_or(0, |call| call.held);
        let Some(mut call) = self.remove(key, at.sending) else {
            return held;
        };
        if let Some(armed) = call.armed {
            self.deadlines.remove(armed, key);
        }
        if let State::Replying(replying) = &mut call.state {
            replying.make_room(&at.host.prebuilt);
        }
        at.tally.stalled += 1;
        at.refused_by(Limit::SendBudget);
        discard(call, &mut at.tally.panics);
        held
    }

    pub(super) fn taken(at: &Turn<'_, S>) -> Taken {
        Taken {
            at_pace: at.sending.at_pace(),
            by_socket: at.sending.taken(),
        }
    }

    /// Gives a stalled reply more time if the reply only waits for its turn among the connection's replies.
    pub(super) fn excuse(&mut self, key: u32, now: Instant, at: &mut Turn<'_, S>) -> bool {
        let taken = Self::taken(at);
        let replies = self.calls.iter().filter(|(_, call)| call.unsent() > 0);
        let is_blocked = at.conditions.write_blocked;
        let round = (replies.count() + 1).saturating_mul(at.sending.queue());
        let round = u64::try_from(round).unwrap_or(u64::MAX);
        let Some(call) = self.calls.get_mut(key as usize) else {
            return false;
        };
        let pace = match &call.state {
            State::Replying(replying) => replying.pace(&at.host.config),
            _ => return false,
        };
        let is_stalled = call.patience.due(now) == Some(Verdict::Stalled);
        if !is_stalled || !call.patience.excuse(now, pace, taken, round, is_blocked) {
            return false;
        }
        call.armed = None;
        call.arm(key, &mut self.deadlines);
        true
    }
}
