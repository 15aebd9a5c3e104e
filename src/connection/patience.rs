//! The time limits of one call. The functions get the time as an argument.

use std::time::Duration;

use tokio::time::Instant;

/// Why a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The call's timeout has passed.
    Expired,
    /// The peer does not send its request.
    Unasked,
    /// The peer does not take its reply.
    Stalled,
}

/// The time limits of one call.
#[derive(Debug)]
pub(super) struct Patience {
    /// When the client's `grpc-timeout` passes.
    deadline: Option<Instant>,
    /// When the server stops waiting for the peer; `None` while the server waits for something else.
    until: Option<Instant>,
    /// Which bytes of the call's replies the peer has to take until then; `None` for a request.
    span: Option<Span>,
    /// How many bytes of the call's replies have been counted as taken at their pace.
    met: u64,
}

/// How fast the peer has to take a reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Within this time the peer has to take `bytes`, or what is left of the reply.
    pub(super) within: Duration,
    pub(super) bytes: usize,
}

/// What the peer has taken of the replies of a connection, in bytes since the connection began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    /// The bytes of the replies that were taken at their pace.
    pub(super) at_pace: u64,
    /// The bytes of all replies that the socket has taken.
    pub(super) by_socket: u64,
}

#[derive(Debug)]
struct Span {
    since: Instant,
    /// How many bytes of the call's replies have to be taken at the span's end.
    end: u64,
    /// What the socket had taken of all replies when the span began, and what the peer had taken when `until` was set.
    first: u64,
    last: Taken,
}

impl Patience {
    /// Returns the time limits of a call that arrived at `now`. A timeout too far in the future to be represented is ignored.
    pub(super) fn new(timeout: Option<Duration>, now: Instant) -> Self {
        Self {
            deadline: timeout.and_then(|timeout| now.checked_add(timeout)),
            until: None,
            span: None,
            met: 0,
        }
    }

    /// Lets the rest of the request take the time `allowed`, from `now` on.
    pub(super) fn await_request(&mut self, allowed: Duration, now: Instant) {
        self.span = None;
        self.until = now.checked_add(allowed);
    }

    /// Called while `left` bytes of a reply wait for the peer, who has taken `given` bytes of the call's replies. Each time that the peer
    /// has taken enough, the peer has the whole time again. The clock is read only when the time matters. Returns how many bytes the peer
    /// has taken at the pace.
    pub(super) fn await_room(
        &mut self,
        left: usize,
        given: u64,
        pace: Pace,
        taken: Taken,
        now: impl Fn() -> Instant,
    ) -> u64 {
        let waits = |span: &Span| left > 0 && given < span.end;
        if self.span.as_ref().is_some_and(waits) {
            return 0;
        }
        let met = given.saturating_sub(std::mem::replace(&mut self.met, given));
        if left == 0 {
            (self.until, self.span) = (None, None);
            return met;
        }
        let since = now();
        let bytes = left.min(pace.bytes.max(1));
        self.until = since.checked_add(pace.within);
        self.span = Some(Span {
            since,
            end: given.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)),
            first: taken.by_socket,
            // The call's own bytes are no excuse.
            last: Taken {
                at_pace: taken.at_pace.saturating_add(met),
                ..taken
            },
        });
        met
    }

    /// Gives a reply whose time is over the same time again, if the reply only waits for its turn: the peer takes other replies of the
    /// connection at the pace, or a blocked socket takes bytes at the pace, and the other replies have not had a whole `round` since the
    /// reply's time began.
    pub(super) fn excuse(
        &mut self,
        now: Instant,
        pace: Pace,
        taken: Taken,
        round: u64,
        is_blocked: bool,
    ) -> bool {
        let Some(span) = &mut self.span else {
            return false;
        };
        let enough = u64::try_from(pace.bytes.max(1)).unwrap_or(u64::MAX);
        let at_pace = taken.at_pace.saturating_sub(span.last.at_pace);
        let by_socket = taken.by_socket.saturating_sub(span.last.by_socket);
        let goes_on = at_pace >= enough || (is_blocked && by_socket >= enough);
        if !goes_on || taken.by_socket.saturating_sub(span.first) > round {
            return false;
        }
        span.last = taken;
        self.until = now.checked_add(pace.within);
        true
    }

    /// Since when the peer has not taken enough of a reply.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.span.as_ref().map(|span| span.since)
    }

    /// The call's next deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        [self.deadline, self.until].into_iter().flatten().min()
    }

    /// Returns why the call is over at `now`, if the call is over.
    pub(super) fn due(&self, now: Instant) -> Option<Verdict> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.deadline) {
            Some(Verdict::Expired)
        } else if !is_due(self.until) {
            None
        } else if self.span.is_none() {
            Some(Verdict::Unasked)
        } else {
            Some(Verdict::Stalled)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A call without an event since `start`.
    fn call(timeout: Option<Duration>) -> (Patience, Instant) {
        let start = Instant::now();
        (Patience::new(timeout, start), start)
    }

    /// 1,000 bytes in 30 s.
    const PACE: Pace = Pace {
        within: Duration::from_secs(30),
        bytes: 1_000,
    };
    const NOTHING: Taken = Taken {
        at_pace: 0,
        by_socket: 0,
    };

    fn never() -> Instant {
        panic!("the time does not matter");
    }

    #[test]
    fn a_call_without_a_timeout_that_waits_for_its_service_has_all_the_time() {
        let (mut call, start) = call(None);
        call.await_room(0, 0, PACE, NOTHING, never);
        assert_eq!(call.next(), None);
        assert_eq!(call.due(start + 1_000_000 * SECOND), None);
    }

    #[test]
    fn a_request_that_does_not_come_expires_when_its_time_or_its_timeout_is_over() {
        let rows = [
            (None, 10, Verdict::Unasked),
            (Some(20), 10, Verdict::Unasked),
            (Some(10), 10, Verdict::Expired),
            (Some(3), 3, Verdict::Expired),
        ];
        for (timeout, ends, verdict) in rows {
            let (mut call, start) = call(timeout.map(|seconds| SECOND * seconds));
            call.await_request(10 * SECOND, start);
            let end = start + SECOND * ends;
            assert_eq!(call.next(), Some(end));
            assert_eq!(call.due(end - Duration::from_nanos(1)), None);
            assert_eq!(call.due(end), Some(verdict));
        }
    }

    #[test]
    fn a_request_that_has_come_leaves_only_the_timeout() {
        let (mut call, start) = call(Some(60 * SECOND));
        call.await_request(10 * SECOND, start);
        call.await_room(0, 7, PACE, NOTHING, never);
        assert_eq!(call.next(), Some(start + 60 * SECOND));
        assert_eq!(call.due(start + 10 * SECOND), None);
        assert_eq!(call.due(start + 60 * SECOND), Some(Verdict::Expired));
    }

    #[test]
    fn a_reply_stalls_unless_enough_of_it_is_taken() {
        let (mut call, start) = call(None);
        let at = |seconds| start + SECOND * seconds;
        call.await_request(10 * SECOND, start);
        // The request's time limit has ended.
        call.await_room(5_000, 0, PACE, NOTHING, || at(5));
        assert_eq!(call.next(), Some(at(35)));
        // A byte now and then is not enough.
        for given in [1, 2, 500, 999] {
            call.await_room(5_000 - given, given as u64, PACE, NOTHING, never);
            assert_eq!(call.next(), Some(at(35)));
        }
        let met = call.await_room(4_000, 1_000, PACE, NOTHING, || at(34));
        assert_eq!(met, 1_000);
        assert_eq!(call.waits_since(), Some(at(34)));
        assert_eq!(call.due(at(63)), None);
        assert_eq!(call.due(at(64)), Some(Verdict::Stalled));
    }

    #[test]
    fn the_rest_of_a_reply_is_enough() {
        let (mut call, start) = call(None);
        let at = |seconds| start + SECOND * seconds;
        call.await_room(7, 0, PACE, NOTHING, || at(0));
        call.await_room(6, 1, PACE, NOTHING, never);
        assert_eq!(call.next(), Some(at(30)));
        // The next reply waits at once, without a moment in which nothing waits.
        assert_eq!(call.await_room(7, 7, PACE, NOTHING, || at(20)), 7);
        assert_eq!(call.next(), Some(at(50)));
    }

    #[test]
    fn a_reply_that_waits_for_its_turn_is_excused_for_one_round() {
        let (mut call, start) = call(None);
        let at = |seconds| start + SECOND * seconds;
        let taken = |at_pace, by_socket| Taken { at_pace, by_socket };
        call.await_room(5_000, 0, PACE, taken(100, 200), || at(0));
        assert!(call.excuse(at(30), PACE, taken(1_100, 1_200), 1_999, false));
        assert_eq!(call.next(), Some(at(60)));
        // Nobody takes anything, or bytes now and then.
        assert!(!call.excuse(at(60), PACE, taken(2_099, 2_199), 1_999, false));
        // The others have had their turns.
        assert!(!call.excuse(at(60), PACE, taken(2_100, 2_200), 1_999, false));
        assert!(call.excuse(at(60), PACE, taken(2_100, 2_200), 2_000, false));
        // The socket is what all of them wait for.
        let socket = |more: u64| taken(2_100, 2_200 + more);
        assert!(!call.excuse(at(90), PACE, socket(999), 3_000, true));
        assert!(!call.excuse(at(90), PACE, socket(1_000), 3_000, false));
        assert!(call.excuse(at(90), PACE, socket(1_000), 3_000, true));
        assert_eq!(call.due(at(119)), None);
    }

    #[test]
    fn each_reply_has_a_time_of_its_own() {
        let (mut call, start) = call(None);
        let at = |seconds| start + SECOND * seconds;
        call.await_room(7, 0, PACE, NOTHING, || at(0));
        call.await_room(0, 7, PACE, NOTHING, never);
        assert_eq!((call.next(), call.due(at(30))), (None, None));
        // This reply has the same length as the reply before.
        call.await_room(7, 7, PACE, NOTHING, || at(40));
        assert_eq!(call.next(), Some(at(70)));
    }

    #[test]
    fn a_stalled_reply_whose_timeout_has_passed_is_expired() {
        let (mut call, start) = call(Some(30 * SECOND));
        call.await_room(7, 0, PACE, NOTHING, || start);
        assert_eq!(call.due(start + 30 * SECOND), Some(Verdict::Expired));
    }

    #[test]
    fn times_that_are_too_long_never_come() {
        let (mut call, start) = call(Some(Duration::MAX));
        call.await_request(Duration::MAX, start);
        assert_eq!(call.next(), None);
        let pace = Pace {
            within: Duration::MAX,
            ..PACE
        };
        call.await_room(1, 0, pace, NOTHING, || start);
        assert_eq!(call.next(), None);
    }
}
