//! Who has a place at a listener, and who makes room for whom. Pure: the time is an argument, and connections are told through a trait.
//!
//! Each step takes a time that grows with the logarithm of the number of connections, so that a flood of connections costs little. To that
//! end the ledger does not follow what each connection does. The ledger notes what a connection did when last asked, and asks again before
//! the connection makes room.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::crowd::{Crowd, Rank};
use super::limits::{ARRIVAL, Evicted, Limits, Seat};
use crate::connection::{Doing, Standing};
use crate::service::Address;

/// How many connections are asked, at most, before one makes room.
const ASKED: usize = 32;

#[derive(Debug)]
struct Entry<L> {
    seat: Arc<L>,
    address: Address,
    state: State,
    is_handshake: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The connection has a place. It did this when last asked.
    Seated(Standing),
    Leaving,
    Cut,
}

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct Ledger<L> {
    limits: Limits,
    /// By number, in the order of arrival. No number is used twice: of two connections that came within a millisecond, the one with the
    /// lower number is the older one.
    entries: HashMap<u64, Entry<L>>,
    crowds: HashMap<Address, Crowd>,
    /// The addresses that have places; the last one makes room first.
    by_places: BTreeSet<(Rank, Address)>,
    /// The same for the handshakes in progress.
    by_handshakes: BTreeSet<(Rank, Address)>,
    /// Since when the connections whose handshake is complete have had time for their first call, and their keys, the oldest first. Some
    /// have ended.
    arriving: VecDeque<(u64, u64)>,
    /// The connections that leave, the oldest first. Some have ended.
    leaving: VecDeque<u64>,
    /// The connections that took one of the last places, the oldest first. Some have ended.
    reserved: VecDeque<u64>,
    seated: usize,
    handshakes: usize,
    are_leaving: usize,
    last_key: u64,
    evicted: Evicted,
}

impl<L: Seat> Ledger<L> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: HashMap::new(),
            crowds: HashMap::new(),
            by_places: BTreeSet::new(),
            by_handshakes: BTreeSet::new(),
            arriving: VecDeque::new(),
            leaving: VecDeque::new(),
            reserved: VecDeque::new(),
            seated: 0,
            handshakes: 0,
            are_leaving: 0,
            last_key: 0,
            evicted: Evicted::default(),
        }
    }

    /// Gives the connection `seat` from `address` a place, and tells another connection to make room if there is none. `None` if nobody can
    /// make room.
    pub(super) fn admit(&mut self, now: u64, address: Address, seat: Arc<L>) -> Option<u64> {
        self.end_arrivals(now);
        let held = self.crowds.get(&address).map_or(0, Crowd::len);
        let going = self.entries.len().saturating_sub(self.seated);
        if self.limits.per_address.is_some_and(|max| held >= max) || going > self.limits.going() {
            return None;
        }
        let slowest = self.slowest_handshake(address)?;
        // Its place counts as free, but the handshake ends only for a newcomer that gets a place.
        self.count_handshake(slowest, false);
        let open = self
            .limits
            .connections
            .saturating_sub(self.limits.reserve());
        let is_reserved = self.seated >= open && !self.make_room(now, address);
        let has_place = !is_reserved || self.has_reserve(address);
        self.count_handshake(slowest, true);
        if !has_place {
            return None;
        }
        slowest.map(|key| self.evict(key));
        self.last_key += 1;
        let key = self.last_key;
        let standing = Standing::new(Doing::Arriving, now);
        let entry = Entry {
            seat,
            address,
            state: State::Seated(standing),
            is_handshake: true,
        };
        self.entries.insert(key, entry);
        self.seated += 1;
        self.handshakes += 1;
        self.change(address, |crowd| crowd.insert(standing, key, true));
        if is_reserved {
            if self.reserved.len() > 2 * self.limits.reserve() {
                let entries = &self.entries;
                self.reserved.retain(|key| entries.contains_key(key));
            }
            self.reserved.push_back(key);
        }
        Some(key)
    }

    /// Notes that the handshake of a connection is complete.
    pub(super) fn settle(&mut self, now: u64, key: u64) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        if !std::mem::replace(&mut entry.is_handshake, false) {
            return;
        }
        if matches!(entry.state, State::Seated(_)) {
            self.handshakes -= 1;
            self.arriving.push_back((now, key));
            self.note(key, Standing::new(Doing::Arriving, now));
        }
    }

    /// Notes that a connection has ended.
    pub(super) fn remove(&mut self, key: u64) {
        self.unseat(key, State::Cut);
        self.entries.remove(&key);
        if self.entries.is_empty() {
            // What is left are the keys of connections that have ended.
            self.arriving = VecDeque::new();
            self.leaving = VecDeque::new();
            self.reserved = VecDeque::new();
        }
    }

    /// How many connections from `address` have had a call. Looks at few, and counts no further than `enough`.
    pub(super) fn used(&self, address: Address, enough: usize) -> usize {
        let crowd = self.crowds.get(&address).into_iter();
        crowd
            .flat_map(|crowd| crowd.callers(enough.saturating_mul(4)))
            .filter_map(|key| self.entries.get(&key))
            .filter(|entry| entry.seat.standing().doing.has_called())
            .take(enough)
            .count()
    }

    /// The numbers of connections that have made room since the last call.
    pub(super) fn take_evicted(&mut self) -> Evicted {
        std::mem::take(&mut self.evicted)
    }

    /// The handshake that makes room for one more: the oldest of the address that has the most. `Some(None)` if there is room, `None` if
    /// there may be no handshake.
    fn slowest_handshake(&self, newcomer: Address) -> Option<Option<u64>> {
        let own = self.crowds.get(&newcomer);
        let has = own.map_or(0, Crowd::handshakes);
        let from = if has > 0 && has >= self.limits.handshakes_of(newcomer) {
            newcomer
        } else if self.handshakes < self.limits.handshakes {
            return Some(None);
        } else {
            let &((most, _), address) = self.by_handshakes.last()?;
            match own {
                Some(own) if has > 0 && own.weight(has + 1) >= most => newcomer,
                _ => address,
            }
        };
        let (_, key) = self.crowds.get(&from)?.first_handshake()?;
        Some(Some(key))
    }

    /// Lets the place of a handshake count, or not.
    fn count_handshake(&mut self, key: Option<u64>, counts: bool) {
        let entry = key.and_then(|key| self.entries.get_key_value(&key));
        let Some((&key, entry)) = entry else { return };
        let State::Seated(standing) = entry.state else {
            return;
        };
        let address = entry.address;
        if counts {
            self.seated += 1;
            self.handshakes += 1;
            self.change(address, |crowd| crowd.insert(standing, key, true));
        } else {
            self.seated -= 1;
            self.handshakes -= 1;
            self.change(address, |crowd| crowd.remove(standing, key));
        }
    }

    /// Tells the connection to make room that does the least for the longest, of the address that holds the most. False if those that might
    /// are all at work.
    fn make_room(&mut self, now: u64, newcomer: Address) -> bool {
        for asked in 0..=ASKED {
            let Some(from) = self.who_makes_room(newcomer) else {
                return false;
            };
            let crowd = self.crowds.get(&from);
            let Some((noted, key)) = crowd.and_then(Crowd::first) else {
                return false;
            };
            let Some(entry) = self.entries.get(&key) else {
                return false;
            };
            let standing = entry.seat.standing();
            let works = standing.doing == Doing::Working;
            if asked == ASKED {
                // A call may complete, so this harms only an address that has more than it gives to the newcomer.
                return (!works || self.holds_more(from, newcomer)) && self.evict(key);
            }
            if works {
                // To the end of the queue of those that work: another one may have become idle since it was asked.
                self.note(key, Standing::new(Doing::Working, now));
            } else if standing == noted
                || (noted.doing == Doing::Arriving && !standing.doing.has_called())
            {
                return self.evict(key);
            } else {
                self.note(key, standing);
            }
        }
        false
    }

    /// The address that makes room for a connection from `newcomer`: the one that holds the most, or the newcomer's own if it would hold as
    /// much.
    fn who_makes_room(&self, newcomer: Address) -> Option<Address> {
        let &(_, most) = self.by_places.last()?;
        let own = self.crowds.get(&newcomer);
        if own.is_some() && !self.holds_more(most, newcomer) {
            return Some(newcomer);
        }
        Some(most)
    }

    /// Whether `address` counts for more than `newcomer` with one connection more.
    fn holds_more(&self, address: Address, newcomer: Address) -> bool {
        let fresh = Crowd::new(newcomer.is_local());
        let own = self.crowds.get(&newcomer).unwrap_or(&fresh);
        let other = self.crowds.get(&address);
        address != newcomer
            && other.is_some_and(|other| other.weight(other.len()) > own.weight(own.len() + 1))
    }

    /// Makes sure that there is one of the last places, for a connection that has had no call yet. An address that holds as much as every
    /// other has none.
    fn has_reserve(&mut self, newcomer: Address) -> bool {
        if self.who_makes_room(newcomer) == Some(newcomer) {
            return false;
        }
        while self.seated >= self.limits.connections {
            let Some(key) = self.reserved.pop_front() else {
                return false;
            };
            if self.is_seated(key) {
                self.evict(key);
            }
        }
        true
    }

    fn is_seated(&self, key: u64) -> bool {
        self.entries
            .get(&key)
            .is_some_and(|entry| matches!(entry.state, State::Seated(_)))
    }

    /// Lets connections count as unused that have had their time for a first call.
    fn end_arrivals(&mut self, now: u64) {
        while let Some(&(since, key)) = self.arriving.front() {
            if now.saturating_sub(since) < ARRIVAL {
                return;
            }
            self.arriving.pop_front();
            if self.is_seated(key) {
                let doing = self.entries.get(&key).map(|entry| entry.seat.standing());
                let unused = Standing::new(Doing::Unused, since);
                let standing = doing.filter(|standing| standing.doing.has_called());
                self.note(key, standing.unwrap_or(unused));
            }
        }
    }

    /// Tells a connection to make room. True, for callers that are asked whether somebody does.
    fn evict(&mut self, key: u64) -> bool {
        let Some(entry) = self.entries.get(&key) else {
            return false;
        };
        if entry.is_handshake {
            entry.seat.cut();
            self.evicted.handshakes += 1;
            self.unseat(key, State::Cut);
            return true;
        }
        entry.seat.leave();
        self.evicted.connections += 1;
        self.unseat(key, State::Leaving);
        self.leaving.push_back(key);
        self.are_leaving += 1;
        while self.are_leaving > self.limits.leaving() {
            let Some(key) = self.leaving.pop_front() else {
                break;
            };
            let entry = self.entries.get(&key);
            if let Some(entry) = entry.filter(|entry| entry.state == State::Leaving) {
                entry.seat.cut();
                self.unseat(key, State::Cut);
            }
        }
        // Those that have ended, now and then.
        if self.leaving.len() > 2 * self.limits.leaving() {
            let entries = &self.entries;
            self.leaving.retain(|key| entries.contains_key(key));
        }
        true
    }

    /// Takes a connection's place away.
    fn unseat(&mut self, key: u64, state: State) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let address = entry.address;
        let is_handshake = std::mem::replace(&mut entry.is_handshake, false);
        match std::mem::replace(&mut entry.state, state) {
            State::Seated(standing) => {
                self.seated -= 1;
                self.handshakes -= usize::from(is_handshake);
                self.change(address, |crowd| crowd.remove(standing, key));
            }
            State::Leaving => self.are_leaving -= 1,
            State::Cut => {}
        }
    }

    /// Notes what a connection does.
    fn note(&mut self, key: u64, standing: Standing) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let State::Seated(noted) = &mut entry.state else {
            return;
        };
        let before = std::mem::replace(noted, standing);
        let (address, is_handshake) = (entry.address, entry.is_handshake);
        self.change(address, |crowd| {
            crowd.remove(before, key);
            crowd.insert(standing, key, is_handshake);
        });
    }

    /// Changes the connections of one address, and the address's rank accordingly.
    fn change(&mut self, address: Address, change: impl FnOnce(&mut Crowd)) {
        let new = || Crowd::new(address.is_local());
        let crowd = self.crowds.entry(address).or_insert_with(new);
        let before = (crowd.rank(), crowd.handshake_rank());
        change(crowd);
        let after = (crowd.rank(), crowd.handshake_rank());
        if crowd.is_empty() {
            self.crowds.remove(&address);
        }
        rerank(&mut self.by_places, address, before.0, after.0);
        rerank(&mut self.by_handshakes, address, before.1, after.1);
    }
}

fn rerank(
    ranks: &mut BTreeSet<(Rank, Address)>,
    address: Address,
    before: Option<Rank>,
    after: Option<Rank>,
) {
    if before != after {
        before.map(|rank| ranks.remove(&(rank, address)));
        after.map(|rank| ranks.insert((rank, address)));
    }
}

#[cfg(test)]
mod tests;
