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
    /// How many bytes of a reply were left when `until` was set; zero for a request.
    left: usize,
}

impl Patience {
    /// Returns the time limits of a call that arrived at `now`. A timeout too far in the future to be represented is ignored.
    pub(super) fn new(timeout: Option<Duration>, now: Instant) -> Self {
        Self {
            deadline: timeout.and_then(|timeout| now.checked_add(timeout)),
            until: None,
            left: 0,
        }
    }

    /// Lets the rest of the request take the time `allowed`, from `now` on.
    pub(super) fn await_request(&mut self, allowed: Duration, now: Instant) {
        self.until = now.checked_add(allowed);
    }

    /// Called while `left` bytes of the reply wait for the peer's window. After each byte that the peer takes, the peer has the time
    /// `allowed` again. The clock is read only when the time matters.
    pub(super) fn await_room(&mut self, left: usize, allowed: Duration, now: impl Fn() -> Instant) {
        if left == 0 {
            self.until = None;
        } else if self.until.is_none() || left != self.left {
            self.until = now().checked_add(allowed);
        }
        self.left = left;
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
        } else if self.left == 0 {
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

    fn never() -> Instant {
        panic!("the time does not matter");
    }

    #[test]
    fn a_call_without_a_timeout_that_waits_for_its_service_has_all_the_time() {
        let (mut call, start) = call(None);
        call.await_room(0, SECOND, never);
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
        call.await_room(0, 30 * SECOND, never);
        assert_eq!(call.next(), Some(start + 60 * SECOND));
        assert_eq!(call.due(start + 10 * SECOND), None);
        assert_eq!(call.due(start + 60 * SECOND), Some(Verdict::Expired));
    }

    #[test]
    fn a_reply_stalls_and_each_byte_that_is_taken_puts_that_off() {
        let (mut call, start) = call(None);
        let at = |seconds| start + SECOND * seconds;
        call.await_request(10 * SECOND, start);
        // The request's time limit has ended.
        call.await_room(7, 30 * SECOND, || at(5));
        assert_eq!(call.next(), Some(at(35)));
        // The reply waits as before: the peer has taken nothing.
        call.await_room(7, 30 * SECOND, never);
        assert_eq!(call.next(), Some(at(35)));
        call.await_room(6, 30 * SECOND, || at(34));
        assert_eq!(call.due(at(63)), None);
        assert_eq!(call.due(at(64)), Some(Verdict::Stalled));
    }

    #[test]
    fn each_reply_has_a_time_of_its_own() {
        let (mut call, start) = call(None);
        let at = |seconds| start + SECOND * seconds;
        call.await_room(7, 30 * SECOND, || at(0));
        call.await_room(0, 30 * SECOND, never);
        assert_eq!((call.next(), call.due(at(30))), (None, None));
        // This reply has the same length as the reply before.
        call.await_room(7, 30 * SECOND, || at(40));
        assert_eq!(call.next(), Some(at(70)));
    }

    #[test]
    fn a_stalled_reply_whose_timeout_has_passed_is_expired() {
        let (mut call, start) = call(Some(30 * SECOND));
        call.await_room(7, 30 * SECOND, || start);
        assert_eq!(call.due(start + 30 * SECOND), Some(Verdict::Expired));
    }

    #[test]
    fn times_that_are_too_long_never_come() {
        let (mut call, start) = call(Some(Duration::MAX));
        call.await_request(Duration::MAX, start);
        assert_eq!(call.next(), None);
        call.await_room(1, Duration::MAX, || start);
        assert_eq!(call.next(), None);
    }
}
