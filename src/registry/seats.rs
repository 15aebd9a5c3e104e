//! Which of a registry's drivers works, and which ones stand by.

use std::task::Waker;

use super::queue::Queue;
use crate::sync::Mutex;

/// The one seat for the driver that works, and the places of the drivers that stand by.
#[derive(Debug)]
pub(super) struct Seats(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    holder: Option<u64>,
    standbys: Vec<(u64, Waker)>,
    last_id: u64,
}

impl Seats {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Places::default()))
    }

    /// Takes the seat if it is free or was passed on to this driver; otherwise the driver stands by. True if
    /// the driver has the seat.
    pub(super) fn claim(&self, id: &mut Option<u64>, waker: &Waker, queue: &Queue) -> bool {
        let waker = waker.clone();
        let mut places = self.0.lock();
        let id = *id.get_or_insert_with(|| {
            places.last_id += 1;
            places.last_id
        });
        let old = match places.holder {
            Some(holder) if holder == id => return true,
            None => {
                places.holder = Some(id);
                queue.seat_while_locked();
                return true;
            }
            Some(_) => match places
                .standbys
                .iter_mut()
                .find(|(standby, _)| *standby == id)
            {
                Some((_, old)) => Some(std::mem::replace(old, waker)),
                None => {
                    places.standbys.push((id, waker));
                    None
                }
            },
        };
        drop(places);
        drop(old);
        false
    }

    /// Gives up a driver's seat or place. The seat goes to the driver that has stood by longest, which is
    /// woken and takes the queue. True if there is no such driver: then the caller must wake the watchers of
    /// what is queued.
    pub(super) fn leave(&self, id: u64, queue: &Queue) -> bool {
        let mut places = self.0.lock();
        if places.holder != Some(id) {
            let at = places
                .standbys
                .iter()
                .position(|(standby, _)| *standby == id);
            let gone = at.map(|at| places.standbys.remove(at));
            drop(places);
            drop(gone);
        } else if places.standbys.is_empty() {
            places.holder = None;
            queue.leave_while_locked();
            return true;
        } else {
            let (next, waker) = places.standbys.remove(0);
            places.holder = Some(next);
            drop(places);
            waker.wake();
        }
        false
    }

    /// Wakes all drivers, so that they find the registry gone.
    pub(super) fn close(&self) {
        let standbys = std::mem::take(&mut self.0.lock().standbys);
        for (_, waker) in standbys {
            waker.wake();
        }
    }
}
