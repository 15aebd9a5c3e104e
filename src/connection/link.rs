//! The state that a connection's task shares with its socket, the wakers of its streams and the server's drain.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

use tokio::task::yield_now;

use super::phase::Phase;
use super::standing::{Standing, Stands};

/// The shared state of one connection, behind an `Arc`.
#[derive(Debug)]
pub(crate) struct Link {
    ready: Mutex<Ready>,
    phase: AtomicU8,
    /// Whether the connection has to make room for another: `Closing` if it may complete its calls, `Cut` if not.
    room: AtomicU8,
    stands: Stands,
    /// The guard writes these three, and the connection reads them. Both run in one task, so the orderings are relaxed.
    pub(super) write_blocked: AtomicBool,
    /// Whether the guard has gathered bytes that the socket has not been given, whether the guard has to gather small writes, too, and
    /// whether the guard has to give the socket all bytes.
    gathered: AtomicBool,
    gathers_all: AtomicBool,
    writes_all: AtomicBool,
    pub(super) bytes_read: AtomicU64,
    pub(super) bytes_written: AtomicU64,
    /// The value of `bytes_read` when this poll of the task began.
    read_before: AtomicU64,
    flooded: AtomicBool,
    /// Whether `flooded` is set because the peer was too slow, not because of a flood.
    late: AtomicBool,
    /// Whether the guard has to keep the end of the input from h2.
    keeps_end: AtomicBool,
    /// Whether the input has ended, and the guard keeps the end from h2.
    end_kept: AtomicBool,
    /// How many HEADERS frames the guard has read.
    heads: AtomicU64,
    /// How many streams h2 has reset as malformed that the connection has not counted.
    malformed: AtomicU64,
    /// How many calls the peer has cancelled after they had been open for a while, since the guard last asked.
    excused_resets: AtomicU32,
    /// Whether the connection has to look at what its requests hold.
    look: AtomicBool,
    /// Whether the connection has ended with an error.
    pub(super) failed: AtomicBool,
}

/// The streams that want to be polled. h2 and a registry wake streams while they hold locks of their own, so no other function is called
/// while this lock is held.
#[derive(Debug, Default)]
struct Ready {
    keys: Vec<u32>,
    /// Whether the task has to run for a reason other than a stream.
    notified: bool,
    /// The task's waker. `None` while the task is polled, since the poll itself finds the streams that become ready.
    task: Option<Waker>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            ready: Mutex::default(),
            phase: AtomicU8::new(Phase::Serving as u8),
            room: AtomicU8::new(Phase::Serving as u8),
            stands: Stands::new(),
            write_blocked: AtomicBool::new(false),
            gathered: AtomicBool::new(false),
            gathers_all: AtomicBool::new(false),
            writes_all: AtomicBool::new(false),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            read_before: AtomicU64::new(0),
            flooded: AtomicBool::new(false),
            late: AtomicBool::new(false),
            keeps_end: AtomicBool::new(false),
            end_kept: AtomicBool::new(false),
            heads: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            excused_resets: AtomicU32::new(0),
            look: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called when a poll of the task begins.
    pub(super) fn begin(&self) {
        let mut ready = self.ready();
        ready.notified = false;
        let waker = ready.task.take();
        drop(ready);
        drop(waker);
        let read = self.bytes_read.load(Relaxed);
        self.read_before.store(read, Relaxed);
    }

    /// Returns how many bytes the guard has read since the task's poll began.
    pub(super) fn read_in_poll(&self) -> u64 {
        let read = self.bytes_read.load(Relaxed);
        read.wrapping_sub(self.read_before.load(Relaxed))
    }

    /// Moves the streams that are ready into `keys`, which must be empty.
    pub(super) fn take(&self, keys: &mut Vec<u32>) {
        std::mem::swap(&mut self.ready().keys, keys);
    }

    /// Gives the memory of the list of ready streams back, if the list is empty.
    pub(super) fn shrink(&self) {
        let mut ready = self.ready();
        if ready.keys.is_empty() {
            ready.keys = Vec::new();
        }
    }

    /// Called when the task has nothing to do. Returns false if there is new work, so that the task must look again.
    pub(super) fn park(&self, task: &Waker) -> bool {
        let task = task.clone();
        let mut ready = self.ready();
        let idle = ready.keys.is_empty() && !ready.notified;
        if idle {
            ready.task = Some(task);
        }
        ready.notified = false;
        idle
    }

    fn push(&self, key: u32) {
        let mut ready = self.ready();
        ready.keys.push(key);
        let task = ready.task.take();
        drop(ready);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// The phase of the server's drain, or `Cut` if the connection is cut to make room.
    pub(crate) fn phase(&self) -> Phase {
        let phase = Phase::from_u8(self.phase.load(Relaxed));
        match self.room() {
            Phase::Cut => phase.max(Phase::Cut),
            _ => phase,
        }
    }

    fn room(&self) -> Phase {
        Phase::from_u8(self.room.load(Relaxed))
    }

    /// Tells the connection to make room for another: to send GOAWAY, complete its calls and close.
    pub(crate) fn leave(&self) {
        self.make_room(Phase::Closing);
    }

    /// Tells the connection to make room for another at once.
    pub(crate) fn cut(&self) {
        self.make_room(Phase::Cut);
    }

    fn make_room(&self, phase: Phase) {
        self.room.fetch_max(phase as u8, Relaxed);
        self.notify();
    }

    /// Whether the connection has to make room and may complete its calls.
    pub(super) fn is_to_leave(&self) -> bool {
        self.room() == Phase::Closing
    }

    /// What the connection does.
    pub(crate) fn standing(&self) -> Standing {
        self.stands.get()
    }

    /// Tells the server what the connection does.
    pub(super) fn set_standing(&self, standing: Standing) {
        self.stands.set(standing);
    }

    /// Tells the connection the phase of the server's drain.
    pub(crate) fn set_phase(&self, phase: Phase) {
        // The lock orders this store before the read of `phase` that follows the wake.
        self.phase.store(phase as u8, Relaxed);
        self.notify();
    }

    /// Tells the task to end the connection, because the peer has sent more than it may.
    pub(super) fn set_flooded(&self) {
        self.flooded.store(true, Relaxed);
        self.notify();
    }

    /// Tells the task to end the connection, because the peer was too slow with the handshake or with a header block.
    pub(super) fn set_late(&self) {
        self.late.store(true, Relaxed);
        self.set_flooded();
    }

    pub(super) fn is_late(&self) -> bool {
        self.late.load(Relaxed)
    }

    /// Whether the connection ends because of a flood.
    pub(crate) fn is_flood(&self) -> bool {
        self.is_flooded() && !self.is_late()
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.load(Relaxed)
    }

    /// From now on the guard keeps the end of the input from h2 until the connection calls [`let_end_pass`](Self::let_end_pass).
    pub(super) fn set_keeps_end(&self) {
        self.keeps_end.store(true, Relaxed);
    }

    /// Called at the end of the input. Returns whether the guard has to keep the end from h2.
    pub(super) fn keep_end(&self) -> bool {
        let kept = self.keeps_end.load(Relaxed);
        self.end_kept.store(kept, Relaxed);
        kept
    }

    /// Whether the guard keeps the end of the input from h2.
    pub(super) fn is_end_kept(&self) -> bool {
        self.end_kept.load(Relaxed)
    }

    /// Lets h2 see the end of the input.
    pub(super) fn let_end_pass(&self) {
        self.keeps_end.store(false, Relaxed);
        self.end_kept.store(false, Relaxed);
    }

    /// Sets how many HEADERS frames the guard has read since the connection's beginning.
    pub(super) fn set_heads(&self, heads: u64) {
        self.heads.store(heads, Relaxed);
    }

    /// How many HEADERS frames the guard has read since the connection's beginning.
    pub(super) fn heads(&self) -> u64 {
        self.heads.load(Relaxed)
    }

    /// Adds `n` to the streams that h2 has reset as malformed.
    pub(super) fn add_malformed(&self, n: u64) {
        if n > 0 {
            let before = self.malformed.load(Relaxed);
            self.malformed.store(before + n, Relaxed);
        }
    }

    /// Returns how many streams h2 has reset as malformed since the last call.
    pub(super) fn take_malformed(&self) -> u64 {
        let n = self.malformed.load(Relaxed);
        if n > 0 {
            self.malformed.store(0, Relaxed);
        }
        n
    }

    /// Called when the peer has cancelled a call that had been open for a while.
    pub(super) fn excuse_reset(&self) {
        let excused = self.excused_resets.load(Relaxed);
        self.excused_resets
            .store(excused.saturating_add(1), Relaxed);
    }

    /// Returns how many such calls the peer has cancelled since the last call.
    #[inline]
    pub(super) fn take_excused_resets(&self) -> u32 {
        let excused = self.excused_resets.load(Relaxed);
        if excused > 0 {
            self.excused_resets.store(0, Relaxed);
        }
        excused
    }

    /// Wakes the task for a reason other than a stream.
    pub(super) fn notify(&self) {
        let mut ready = self.ready();
        ready.notified = true;
        let task = ready.task.take();
        drop(ready);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Tells the task to look at what its requests hold. May be called from any task.
    pub(super) fn look_at_bodies(&self) {
        self.look.store(true, Release);
        self.notify();
    }

    /// Whether the task has been told so since the last call.
    #[inline]
    pub(super) fn take_look(&self) -> bool {
        self.look.load(Relaxed) && self.look.swap(false, AcqRel)
    }

    pub(super) fn set_gathered(&self, gathered: bool) {
        self.gathered.store(gathered, Relaxed);
    }

    /// Whether the guard has gathered bytes that the socket has not been given.
    pub(super) fn has_gathered(&self) -> bool {
        self.gathered.load(Relaxed)
    }

    /// From now on the guard gathers, or does not gather, small writes as well as large ones.
    pub(super) fn set_gathers_all(&self, all: bool) {
        self.gathers_all.store(all, Relaxed);
    }

    pub(super) fn is_to_gather_all(&self) -> bool {
        self.gathers_all.load(Relaxed)
    }

    /// From now on the guard gives, or does not give, gathered bytes to the socket whenever h2 flushes.
    pub(super) fn set_writes_all(&self, all: bool) {
        self.writes_all.store(all, Relaxed);
    }

    pub(super) fn is_to_write_all(&self) -> bool {
        self.writes_all.load(Relaxed)
    }

    pub(super) fn is_write_blocked(&self) -> bool {
        self.write_blocked.load(Relaxed)
    }
}

/// Wakes the task once the runtime has polled every other task that is ready, and its sockets. A task that wakes itself at once comes back
/// up to 60 times before tokio looks at its sockets.
#[cold]
pub(super) fn yield_to_others(cx: &mut Context<'_>) {
    // The first poll gives the waker to the runtime, and is never ready.
    let _ = pin!(yield_now()).poll(cx);
}

/// Room in the budget wakes a connection so.
impl Wake for Link {
    fn wake(self: Arc<Self>) {
        self.look_at_bodies();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.look_at_bodies();
    }
}

/// Wakes one stream of a connection: adds the stream to the list and wakes the task.
#[derive(Debug)]
pub(super) struct StreamWaker {
    link: Arc<Link>,
    key: u32,
    queued: AtomicBool,
}

impl StreamWaker {
    pub(super) const fn new(link: Arc<Link>, key: u32) -> Self {
        Self {
            link,
            key,
            queued: AtomicBool::new(false),
        }
    }

    /// Called before the stream is polled: a later wake queues the stream again.
    pub(super) fn dequeue(&self) {
        // Acquire: the next poll sees the writes before the wake that queued the stream.
        self.queued.swap(false, AcqRel);
    }
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: pairs with the acquire in `dequeue`, for wakes of a stream that is already queued.
        if !self.queued.swap(true, AcqRel) {
            self.link.push(self.key);
        }
    }
}

#[cfg(test)]
mod tests;
