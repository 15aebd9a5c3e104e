//! Groups: services whose statuses are computed from those of others.

use super::ServingStatus::{self, NotServing, Serving, Unknown};

/// Says how the status of a service is computed from the statuses of other services, its members; for
/// [`Registry::group`](super::Registry::group).
///
/// A group needs a number of its members to serve. The group is
///
/// - SERVING while that number of critical members is SERVING;
/// - NOT_SERVING while too many critical members are NOT_SERVING for that;
/// - UNKNOWN otherwise. A member that is UNKNOWN, cleared or not registered may yet serve.
///
/// A member's status is the one that was set last: a shutdown of the registry changes no group's status, and
/// shows the group as NOT_SERVING like every other service, unless the group is
/// [pinned](super::Registry::pin).
///
/// ```
/// use grpc_health::registry::{Group, Registry, ServingStatus};
///
/// let registry = Registry::new();
/// registry.group("shop.Checkout", Group::all_of(["shop.Cart", "shop.Db"]))?;
/// registry.set_service_status("shop.Cart", ServingStatus::Serving)?;
/// assert_eq!(registry.get_service_status("shop.Checkout"), ServingStatus::Unknown);
/// registry.set_service_status("shop.Db", ServingStatus::Serving)?;
/// assert_eq!(registry.get_service_status("shop.Checkout"), ServingStatus::Serving);
/// # Ok::<(), grpc_health::registry::RegistryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub(super) needed: Needed,
    pub(super) critical: Vec<String>,
    pub(super) informational: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needed {
    All,
    AtLeast(usize),
}

impl Group {
    /// A group that serves while all members serve. Without members the group serves.
    pub fn all_of<N: Into<String>>(members: impl IntoIterator<Item = N>) -> Self {
        Self::new(Needed::All, members)
    }

    /// A group that serves while at least one member serves.
    pub fn any_of<N: Into<String>>(members: impl IntoIterator<Item = N>) -> Self {
        Self::new(Needed::AtLeast(1), members)
    }

    /// A group that serves while at least `needed` members serve. A group of 0 needed members serves.
    pub fn at_least<N: Into<String>>(needed: usize, members: impl IntoIterator<Item = N>) -> Self {
        Self::new(Needed::AtLeast(needed), members)
    }

    fn new<N: Into<String>>(needed: Needed, members: impl IntoIterator<Item = N>) -> Self {
        Self {
            needed,
            critical: once_each(members),
            informational: Vec::new(),
        }
    }

    /// Adds informational members. They do not count: [`Registry::members`](super::Registry::members) shows
    /// them, and the group's status does not depend on them.
    #[must_use]
    pub fn informational<N: Into<String>>(mut self, members: impl IntoIterator<Item = N>) -> Self {
        self.informational = once_each(members);
        self
    }

    /// How many critical members the group needs.
    pub(super) fn needed(&self) -> usize {
        match self.needed {
            Needed::All => self.critical.len(),
            Needed::AtLeast(needed) => needed,
        }
    }
}

/// The names, each once, in order of their first appearance.
fn once_each<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    let names = names.into_iter().map(Into::into);
    names
        .filter(|name: &String| seen.insert(name.clone()))
        .collect()
}

/// One member of a group; from [`Registry::members`](super::Registry::members).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The member's name.
    pub name: String,
    /// The status that clients are shown for the member.
    pub status: ServingStatus,
    /// Whether the group's status depends on the member.
    pub critical: bool,
}

/// What the registry keeps of a group: the members, and how many of them have which status.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) needed: usize,
    /// The slots of the critical members.
    pub(super) critical: Vec<u32>,
    pub(super) informational: Vec<String>,
    serving: usize,
    /// The members that may yet serve.
    unknown: usize,
}

impl Counted {
    pub(super) const fn new(needed: usize, critical: Vec<u32>, informational: Vec<String>) -> Self {
        Self {
            needed,
            critical,
            informational,
            serving: 0,
            unknown: 0,
        }
    }

    /// Counts a member's status.
    pub(super) const fn count(&mut self, status: ServingStatus) {
        match status {
            Serving => self.serving += 1,
            NotServing => {}
            _ => self.unknown += 1,
        }
    }

    /// Counts a status no longer that was counted before.
    pub(super) const fn discount(&mut self, status: ServingStatus) {
        match status {
            Serving => self.serving -= 1,
            NotServing => {}
            _ => self.unknown -= 1,
        }
    }

    /// The group's status.
    pub(super) const fn status(&self) -> ServingStatus {
        if self.serving >= self.needed {
            Serving
        } else if self.serving + self.unknown >= self.needed {
            Unknown
        } else {
            NotServing
        }
    }
}
