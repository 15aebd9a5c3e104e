//! The making of groups, and what is known of their members.

use std::collections::HashSet;

use super::group::{Counted, Group, Member};
use super::ledger::Ledger;
use super::shared::Shared;
use super::word::Change;
use super::{Registry, RegistryError, ServingStatus};

impl Registry {
    /// Computes the status of the service `name` from the statuses of other services from now on; see
    /// [`Group`]. A change of a member's status changes the group's before the setter returns, and watchers of
    /// the group hear of the change. The cost of that does not depend on the number of members, and a `Check`
    /// of a group costs the same as that of any service.
    ///
    /// A member may be a group. A member that is not registered takes its place in the registry, as with
    /// [`pin`](Self::pin), and counts as unknown until its status is set. The name `""` may be a group, and
    /// becomes a member only by name. A name that is a group already becomes the new group.
    ///
    /// The status of a group cannot be set by hand: [`set_service_status`](Self::set_service_status) and
    /// [`register`](Self::register) fail, and [`ServiceHandle::set`](super::ServiceHandle::set) does nothing.
    /// [`clear`](Self::clear) ends the group. Setting a member takes a short lock, unlike setting a service
    /// that nothing depends on.
    ///
    /// # Errors
    ///
    /// A group that cannot be made changes nothing.
    ///
    /// - [`RegistryError::GroupCycle`] if the group would be its own member, directly or through others.
    /// - [`RegistryError::GroupTooSmall`] if the group needs more members than it has critical ones.
    /// - [`RegistryError::IsLeased`] if somebody holds a lease of the name.
    /// - [`RegistryError::Full`] and [`RegistryError::NameTooLong`] if a new name exceeds the registry's
    ///   [`Limits`](super::Limits).
    pub fn group(&self, name: &str, group: Group) -> Result<(), RegistryError> {
        self.shared.group(name, group)
    }

    /// The members of a group, in the order in which the group names them, the critical ones first; empty if
    /// the name is no group. This function looks at every member, under a short lock.
    #[must_use]
    pub fn members(&self, name: &str) -> Vec<Member> {
        self.shared.members(name)
    }
}

impl Shared {
    fn group(&self, name: &str, group: Group) -> Result<(), RegistryError> {
        let (needed, members) = (group.needed(), group.critical.len());
        if needed > members {
            return Err(RegistryError::GroupTooSmall { needed, members });
        }
        for informational in &group.informational {
            self.tag(informational)?;
        }
        // Both locks are held from the first check to the last change: nothing that was checked can change.
        let writer = self.writer.lock();
        let mut ledger = self.ledger.lock();
        let mut known = Vec::with_capacity(members);
        let mut new = 0;
        for member in &group.critical {
            if member == name {
                return Err(RegistryError::GroupCycle);
            }
            let tag = self.tag(member)?;
            match self.find_tagged(tag, member) {
                Some((id, _)) => known.push(id),
                None => new += 1,
            }
        }
        let tag = self.tag(name)?;
        match self.find_tagged(tag, name) {
            Some((id, _)) if ledger.get(id).is_some_and(|entry| entry.leases.held > 0) => {
                return Err(RegistryError::IsLeased);
            }
            Some((id, _)) if ledger.reaches(&known, id) => return Err(RegistryError::GroupCycle),
            Some(_) => {}
            None => new += 1,
        }
        let max = self.limits.max_services;
        if self.slab.len() as usize + new > max {
            return Err(RegistryError::Full { max });
        }

        let mut published = Vec::with_capacity(new);
        let mut place = |name: &str| {
            let tag = self.tag(name)?;
            if let Some((id, _)) = self.find_tagged(tag, name) {
                return Ok(id);
            }
            published.push(tag);
            self.insert_while_locked(tag, name, writer.cleared())
        };
        let id = place(name)?;
        let mut critical = Vec::with_capacity(members);
        for member in &group.critical {
            critical.push(place(member)?);
        }
        ledger.dissolve(id);
        let mut counted = Counted::new(needed, critical, group.informational);
        for i in 0..counted.critical.len() {
            if let Some(&member) = counted.critical.get(i) {
                counted.count(self.hook(member).status());
                ledger.entry(member).groups.push(id);
            }
        }
        let status = counted.status();
        self.hook(id);
        ledger.entry(id).counted = Some(Box::new(counted));
        let told = self.apply(&mut ledger, id, Change::Status(status), None);
        drop(ledger);
        drop(writer);
        for tag in published {
            self.published(tag);
        }
        if told {
            self.notify();
        }
        Ok(())
    }

    fn members(&self, name: &str) -> Vec<Member> {
        let Some((id, _)) = self.find(name) else {
            return Vec::new();
        };
        let ledger = self.ledger.lock();
        let Some(counted) = ledger.get(id).and_then(|entry| entry.counted.as_deref()) else {
            return Vec::new();
        };
        let critical = counted.critical.iter().filter_map(|&id| {
            let slot = self.slab.get(id)?;
            Some((slot.name().to_owned(), slot.word.load().shown(), true))
        });
        let informational = counted.informational.iter().map(|name| {
            let status = match self.find(name) {
                Some((_, slot)) => slot.word.load().shown(),
                None => ServingStatus::ServiceUnknown,
            };
            (name.clone(), status, false)
        });
        critical
            .chain(informational)
            .map(|(name, status, critical)| Member {
                name,
                status,
                critical,
            })
            .collect()
    }
}

impl Ledger {
    /// Whether one of `from` is the group `to`, or counts that group, directly or through others.
    fn reaches(&self, from: &[u32], to: u32) -> bool {
        let mut seen: HashSet<u32> = from.iter().copied().collect();
        let mut next = from.to_vec();
        while let Some(id) = next.pop() {
            if id == to {
                return true;
            }
            let counted = self.get(id).and_then(|entry| entry.counted.as_deref());
            let members = counted.into_iter().flat_map(|counted| &counted.critical);
            next.extend(members.filter(|&&member| seen.insert(member)));
        }
        false
    }

    /// Ends a group, if the slot is one. Its status stays until it is changed.
    pub(super) fn dissolve(&mut self, id: u32) {
        let Some(counted) = self
            .counted(id)
            .map(|_| ())
            .and_then(|()| self.entry(id).counted.take())
        else {
            return;
        };
        for member in counted.critical {
            self.entry(member).groups.retain(|&group| group != id);
        }
    }
}
