//! Everything that a sidecar decides, from arguments and file together, and what is wrong with the whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
};

use super::spec::Spec;

/// The most checks, groups and leases together. The registry has room for more names, which `--service` and clients of the control socket
/// may need.
const MAX_SPECS: usize = 4096;

/// Where a spec is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    /// A `--check`, `--group` or `--lease`.
    Argument,
    /// A line of the configuration file.
    Line(usize),
}

impl Place {
    pub(super) const fn line(self) -> usize {
        match self {
            Self::Argument => 0,
            Self::Line(line) => line,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    pub(crate) place: Place,
    pub(crate) spec: Spec,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Complaint {
    pub(crate) place: Place,
    pub(crate) why: String,
}

impl Complaint {
    /// Names the file, if the complaint is about one.
    pub(crate) fn of<'a>(&'a self, file: &'a str) -> impl Display + 'a {
        struct Of<'a>(&'a Complaint, &'a str);
        impl Display for Of<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0.place {
                    Place::Argument => f.write_str(&self.0.why),
                    Place::Line(line) => write!(f, "{}:{line}: {}", self.1, self.0.why),
                }
            }
        }
        Of(self, file)
    }
}

/// Checks the whole: no name twice, no name of a `--service`, no group that contains itself.
pub(crate) fn whole(planned: &[Planned], services: &[&str]) -> Result<(), Vec<Complaint>> {
    let mut complaints = Vec::new();
    let mut named: BTreeMap<&str, &Planned> = BTreeMap::new();
    for one in planned {
        let (name, what) = (one.spec.name(), one.spec.what());
        let mut complain = |why| {
            let place = one.place;
            complaints.push(Complaint { place, why });
        };
        if services.contains(&name) {
            complain(format!("the {what} \"{name}\" is a --service already"));
        }
        if let Some(other) = named.insert(name, one) {
            let (other, place) = (other.spec.what(), other.place);
            complain(match place {
                Place::Argument => format!("the {what} \"{name}\" is a --{other} already"),
                Place::Line(line) => {
                    format!("the {what} \"{name}\" is a {other} on line {line} already")
                }
            });
        }
    }
    for one in planned {
        if let Spec::Group(group) = &one.spec {
            if reaches(&group.name, &named) {
                complaints.push(Complaint {
                    place: one.place,
                    why: format!("the group \"{}\" contains itself", group.name),
                });
            }
        }
    }
    if let Some(one) = planned.get(MAX_SPECS) {
        complaints.push(Complaint {
            place: one.place,
            why: format!("more than {MAX_SPECS} checks, groups and leases"),
        });
    }
    if complaints.is_empty() {
        return Ok(());
    }
    complaints.sort_by_key(|complaint| complaint.place.line());
    Err(complaints)
}

/// Whether a group contains itself, directly or through other groups.
fn reaches(group: &str, named: &BTreeMap<&str, &Planned>) -> bool {
    let members = |name: &str| match named.get(name).map(|one| &one.spec) {
        Some(Spec::Group(group)) => group.critical.as_slice(),
        _ => &[],
    };
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = vec![group];
    while let Some(name) = open.pop() {
        for member in members(name) {
            if member == group {
                return true;
            }
            if seen.insert(member.as_str()) {
                open.push(member);
            }
        }
    }
    false
}
