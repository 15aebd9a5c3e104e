//! Random programs of registry operations, against a plain `HashMap` and a clock that stands still.
//!
//! The input's bytes are the program: an opcode, then its operands, until they run out. The model
//! is told of every operation and must agree with every answer, with what each watcher yields, and
//! with who has been woken.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use grpc_health::plane::{Hysteresis, Lease};
use grpc_health::registry::{
    Driver, Group, Limits, Registry, RegistryError, ServiceHandle, ServingStatus, Subscriber,
    Watcher,
};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Small, so that programs reach both limits.
const LIMITS: Limits = Limits::new().max_services(6).max_name_len(3);
/// More names than places, the last of them too long.
const NAMES: [&str; 10] = ["", "a", "b", "ab", "abc", "é", "x", "y", "z", "long"];
/// How many watchers, drivers, leases and subscribers a program may hold at once.
const HELD: usize = 8;
/// The time to live of every lease.
const TTL: Duration = Duration::from_millis(100);

/// Runs the program in `data`; panics where the registry and the model disagree.
pub fn run(data: &[u8]) {
    let mut machine = Machine::new();
    let mut bytes = data.iter().copied();
    while let Some(opcode) = bytes.next() {
        let mut operand = || usize::from(bytes.next().unwrap_or(0));
        machine.step(opcode, &mut operand);
        machine.check_wakes();
    }
    machine.check_all();
}

/// What the registry is to remember of a name.
#[derive(Clone)]
struct Entry {
    status: ServingStatus,
    pinned: bool,
    /// How many members a group needs, and which ones it has.
    group: Option<(usize, Vec<&'static str>)>,
    /// Leases that are held, stale ones, and dropped ones that were not replaced.
    held: usize,
    stale: usize,
    lost: usize,
    rise: u32,
    fall: u32,
    /// Equal results in a row.
    row: (bool, u32),
    reason: Option<&'static str>,
}

#[derive(Default)]
struct Model {
    entries: HashMap<&'static str, Entry>,
    drained: bool,
}

impl Model {
    fn shown(&self, name: &str) -> ServingStatus {
        match self.entries.get(name) {
            None => ServingStatus::ServiceUnknown,
            Some(entry) if entry.status == ServingStatus::ServiceUnknown => entry.status,
            Some(entry) if self.drained && !entry.pinned => ServingStatus::NotServing,
            Some(entry) => entry.status,
        }
    }

    /// Gives a name its place.
    fn place(&mut self, name: &'static str) -> Result<&mut Entry, RegistryError> {
        let new = !self.entries.contains_key(name);
        if new && name.len() > LIMITS.max_name_len {
            return Err(RegistryError::NameTooLong {
                len: name.len(),
                max: LIMITS.max_name_len,
            });
        }
        if new && self.entries.len() == LIMITS.max_services {
            return Err(RegistryError::Full {
                max: LIMITS.max_services,
            });
        }
        Ok(self.entries.entry(name).or_insert(Entry {
            status: ServingStatus::ServiceUnknown,
            pinned: false,
            group: None,
            held: 0,
            stale: 0,
            lost: 0,
            rise: 1,
            fall: 1,
            row: (true, 0),
            reason: None,
        }))
    }

    /// Sets a status by hand.
    fn register(&mut self, name: &'static str, status: ServingStatus) -> Result<(), RegistryError> {
        let entry = self.place(name)?;
        if entry.group.is_some() {
            if status != ServingStatus::ServiceUnknown {
                return Err(RegistryError::IsGroup);
            }
            entry.group = None;
        }
        self.set(name, status);
        Ok(())
    }

    /// Sets the status of a name that has a place, and computes the groups anew.
    fn set(&mut self, name: &str, status: ServingStatus) {
        self.set_one(name, status);
        // Groups of groups of groups: no chain is longer than there are names.
        for _ in 0..NAMES.len() {
            let mut changed = false;
            for group in NAMES {
                if let Some(status) = self.computed(group) {
                    changed |= self.entries[group].status != status;
                    self.set_one(group, status);
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn set_one(&mut self, name: &str, status: ServingStatus) {
        let entry = self.entries.get_mut(name).unwrap();
        if entry.status != status {
            entry.status = status;
            entry.row.1 = 0;
            entry.reason = None;
        }
    }

    fn computed(&self, name: &str) -> Option<ServingStatus> {
        let (needed, members) = self.entries.get(name)?.group.as_ref()?;
        let count = |wanted: fn(ServingStatus) -> bool| {
            let statuses = members.iter().map(|member| self.entries[member].status);
            statuses.filter(|status| wanted(*status)).count()
        };
        Some(if count(|s| s == ServingStatus::Serving) >= *needed {
            ServingStatus::Serving
        } else if count(|s| s != ServingStatus::NotServing) >= *needed {
            ServingStatus::Unknown
        } else {
            ServingStatus::NotServing
        })
    }

    fn group(
        &mut self,
        name: &'static str,
        needed: usize,
        members: &[&'static str],
    ) -> Result<(), RegistryError> {
        if needed > members.len() {
            return Err(RegistryError::GroupTooSmall {
                needed,
                members: members.len(),
            });
        }
        for member in members.iter().chain([&name]) {
            let max = LIMITS.max_name_len;
            if members.contains(&name) && *member == name {
                return Err(RegistryError::GroupCycle);
            }
            if member.len() > max {
                let len = member.len();
                return Err(RegistryError::NameTooLong { len, max });
            }
        }
        if self.entries.get(name).is_some_and(|entry| entry.held > 0) {
            return Err(RegistryError::IsLeased);
        }
        if members.iter().any(|member| self.counts(member, name)) {
            return Err(RegistryError::GroupCycle);
        }
        let all = members.iter().chain([&name]);
        let new = all
            .filter(|name| !self.entries.contains_key(**name))
            .count();
        let max = LIMITS.max_services;
        if self.entries.len() + new > max {
            return Err(RegistryError::Full { max });
        }
        for member in members {
            self.place(member).unwrap();
        }
        self.place(name).unwrap().group = Some((needed, members.to_vec()));
        let status = self.computed(name).unwrap();
        self.set(name, status);
        Ok(())
    }

    /// Whether `name` is `group`, or counts it.
    fn counts(&self, name: &str, group: &str) -> bool {
        let entry = self.entries.get(name);
        let members = entry.and_then(|entry| entry.group.as_ref());
        name == group
            || members.is_some_and(|(_, members)| members.iter().any(|m| self.counts(m, group)))
    }

    fn lease(&mut self, name: &'static str) -> Result<(), RegistryError> {
        let entry = self.place(name)?;
        if entry.group.is_some() {
            return Err(RegistryError::IsGroup);
        }
        entry.lost = if entry.held == 0 {
            0
        } else {
            entry.lost.saturating_sub(1)
        };
        entry.held += 1;
        self.serve_if_all_beat(name);
        Ok(())
    }

    /// Shows that a holder is gone or does not beat, which is the reason from then on.
    fn lapse(&mut self, name: &str) {
        self.set(name, ServingStatus::NotServing);
        self.entries.get_mut(name).unwrap().reason = None;
    }

    fn serve_if_all_beat(&mut self, name: &str) {
        let entry = &self.entries[name];
        if entry.held > 0 && entry.stale == 0 && entry.lost == 0 {
            self.set(name, ServingStatus::Serving);
        }
    }

    fn report(&mut self, name: &str, good: bool) {
        let entry = self.entries.get_mut(name).unwrap();
        if entry.group.is_some() {
            return;
        }
        let row = if entry.row.0 == good {
            entry.row.1 + 1
        } else {
            1
        };
        entry.row = (good, row);
        let (needed, status) = if good {
            (entry.rise, ServingStatus::Serving)
        } else {
            (entry.fall, ServingStatus::NotServing)
        };
        if row >= needed {
            self.set(name, status);
        }
    }

    /// What is listed, in order of name.
    fn services(&self) -> Vec<(String, ServingStatus)> {
        let mut services: Vec<_> = self
            .entries
            .keys()
            .map(|name| ((*name).to_owned(), self.shown(name)))
            .filter(|(_, status)| *status != ServingStatus::ServiceUnknown)
            .collect();
        services.sort_by(|(a, _), (b, _)| a.cmp(b));
        services
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Watching {
    name: &'static str,
    watcher: Watcher,
    last: Option<ServingStatus>,
    /// Set while the last poll was pending: woken or not.
    parked: Option<Arc<Flag>>,
    /// Its name was not registered then.
    homeless: bool,
    /// Since then something else has been shown, or its name has been registered (be it cleared).
    due: bool,
}

struct Driving {
    driver: Driver,
    flag: Arc<Flag>,
}

struct Leasing {
    name: &'static str,
    lease: Lease,
    /// Whether the holder beats while time passes.
    beats: bool,
    stale: bool,
}

struct Following {
    subscriber: Subscriber,
    /// What it has yielded.
    seen: BTreeMap<String, ServingStatus>,
    parked: Option<Arc<Flag>>,
    /// Since it was parked something has changed.
    due: bool,
}

struct Machine {
    registry: Registry,
    model: Model,
    leasing: Vec<Leasing>,
    following: Vec<Following>,
    /// Time may pass in it.
    runtime: Option<Runtime>,
    /// Statuses may have changed and changed back, which wakes whom nothing else would.
    loose: bool,
    handles: HashMap<&'static str, ServiceHandle>,
    watching: Vec<Watching>,
    driving: Vec<Driving>,
}

impl Machine {
    fn new() -> Self {
        let mut model = Model::default();
        model.register("", ServingStatus::Serving).unwrap();
        Self {
            registry: Registry::with_limits(LIMITS),
            model,
            leasing: Vec::new(),
            following: Vec::new(),
            runtime: None,
            loose: false,
            handles: HashMap::new(),
            watching: Vec::new(),
            driving: Vec::new(),
        }
    }

    fn step(&mut self, opcode: u8, operand: &mut impl FnMut() -> usize) {
        match opcode % 26 {
            0 | 1 => {
                let (name, status) = (name(operand()), status(operand()));
                let expected = match status {
                    ServingStatus::ServiceUnknown if !self.model.entries.contains_key(name) => {
                        Ok(())
                    }
                    _ => self.model.register(name, status),
                };
                assert_eq!(self.registry.set_service_status(name, status), expected);
            }
            2 | 3 => {
                let (name, status) = (name(operand()), status(operand()));
                let got = self.registry.register(name, status);
                assert_eq!(
                    got.as_ref().err(),
                    self.model.register(name, status).err().as_ref()
                );
                if let Ok(handle) = got {
                    assert_eq!(handle.name(), name);
                    self.handles.insert(name, handle);
                }
            }
            4 | 5 => {
                let (name, status) = (name(operand()), status(operand()));
                if let Some(handle) = self.handles.get(name) {
                    handle.set(status);
                    let _ = self.model.register(name, status);
                    assert_eq!(handle.status(), self.model.shown(name));
                }
            }
            6 => {
                let name = name(operand());
                assert_eq!(
                    self.registry.get_service_status(name),
                    self.model.shown(name)
                );
            }
            7 => {
                let name = name(operand());
                self.registry.clear(name);
                if self.model.entries.contains_key(name) {
                    let unknown = ServingStatus::ServiceUnknown;
                    self.model.register(name, unknown).unwrap();
                }
            }
            8 => {
                self.registry.shutdown();
                self.model.drained = true;
            }
            9 => {
                self.registry.resume();
                self.model.drained = false;
            }
            10 => {
                let (name, pinned) = (name(operand()), operand() % 2 == 1);
                if pinned {
                    // A name that is new takes its place, with no status yet.
                    let expected = self.model.place(name).map(drop);
                    assert_eq!(self.registry.pin(name), expected);
                } else {
                    let known = self.registry.unpin(name);
                    assert_eq!(known, self.model.entries.contains_key(name));
                }
                if let Some(entry) = self.model.entries.get_mut(name) {
                    entry.pinned = pinned;
                }
            }
            11 => self.watch(name(operand())),
            12 | 13 => {
                let at = operand();
                if let Some(count) = self.watching.len().checked_sub(1) {
                    self.poll(at % (count + 1));
                }
            }
            14 => {
                let at = operand();
                if at < self.watching.len() {
                    self.watching.swap_remove(at);
                }
            }
            15 => {
                let at = operand();
                if at < self.driving.len() {
                    self.driving.swap_remove(at);
                } else if self.driving.len() < HELD {
                    let mut driving = Driving {
                        driver: self.registry.driver(),
                        flag: Arc::default(),
                    };
                    // Half of them stay unpolled: they are no drivers yet.
                    if at % 2 == 1 {
                        driving.poll();
                    }
                    self.driving.push(driving);
                }
            }
            opcode => self.step_of_the_plane(opcode, operand),
        }
    }

    fn step_of_the_plane(&mut self, opcode: u8, operand: &mut impl FnMut() -> usize) {
        match opcode {
            16 => {
                let (name, needed, mask) = (name(operand()), operand() % 4, operand());
                // Two at most have numbers above 7: one mask is a byte.
                let members = (0..8).filter(|i| mask >> i & 1 == 1);
                let members: Vec<_> = members.map(|i| NAMES[(i + needed) % NAMES.len()]).collect();
                let group = Group::at_least(needed, members.iter().copied());
                let expected = self.model.group(name, needed, &members);
                assert_eq!(self.registry.group(name, group), expected);
            }
            17 if self.leasing.len() < HELD => {
                let (name, beats) = (name(operand()), operand() % 2 == 1);
                let lease = self.registry.lease(name, TTL);
                assert_eq!(
                    lease.as_ref().map(drop),
                    self.model.lease(name).as_ref().map(drop)
                );
                if let Ok(lease) = lease {
                    assert_eq!(lease.name(), name);
                    let stale = false;
                    self.leasing.push(Leasing {
                        name,
                        lease,
                        beats,
                        stale,
                    });
                }
            }
            18 => {
                let at = operand();
                if let Some(leasing) = self.leasing.get_mut(at) {
                    leasing.beats = !leasing.beats;
                }
            }
            19 | 20 => {
                let at = operand();
                if at < self.leasing.len() {
                    let Leasing {
                        name, lease, stale, ..
                    } = self.leasing.swap_remove(at);
                    let entry = self.model.entries.get_mut(name).unwrap();
                    entry.held -= 1;
                    entry.stale -= usize::from(stale);
                    if opcode == 20 {
                        lease.release();
                        if stale {
                            self.model.serve_if_all_beat(name);
                        }
                    } else {
                        drop(lease);
                        entry.lost += 1;
                        self.model.lapse(name);
                    }
                }
            }
            21 => self.pass(),
            22 => {
                let (name, good) = (name(operand()), operand() % 2 == 1);
                if let Some(handle) = self.handles.get(name) {
                    handle.report(good);
                    self.model.report(name, good);
                }
            }
            23 => {
                let name = name(operand());
                let (rise, fall) = (operand() as u32 % 4, operand() as u32 % 4);
                let settings = Hysteresis::new().rise(rise).fall(fall);
                let got = self.registry.set_hysteresis(name, settings);
                let expected = self.model.place(name);
                assert_eq!(got.as_ref().err(), expected.as_ref().err());
                if let Ok(entry) = expected {
                    (entry.rise, entry.fall) = (rise.max(1), fall.max(1));
                    entry.row.1 = 0;
                }
            }
            24 => {
                let (name, status) = (name(operand()), status(operand()));
                if let Some(handle) = self.handles.get(name) {
                    handle.set_with_reason(status, "because");
                    if self.model.register(name, status).is_ok() {
                        self.model.entries.get_mut(name).unwrap().reason = Some("because");
                    }
                }
            }
            _ => {
                let at = operand();
                if at >= self.following.len() && self.following.len() < HELD {
                    self.following.push(Following {
                        subscriber: self.registry.subscribe_all(),
                        seen: BTreeMap::new(),
                        parked: None,
                        due: false,
                    });
                } else if at % 3 == 0 && at < self.following.len() {
                    self.following.swap_remove(at);
                } else if !self.following.is_empty() {
                    self.follow(at % self.following.len());
                }
            }
        }
    }

    /// Lets more than enough time pass for a lease to become stale, or to be back, while some holders beat.
    fn pass(&mut self) {
        let (registry, leasing) = (&self.registry, &self.leasing);
        let runtime = self.runtime.get_or_insert_with(|| {
            let mut builder = Builder::new_current_thread();
            builder.enable_time().start_paused(true).build().unwrap()
        });
        runtime.block_on(async {
            let mut plane = pin!(registry.plane());
            for _ in 0..6 {
                for leasing in leasing.iter().filter(|leasing| leasing.beats) {
                    leasing.lease.beat();
                }
                assert!(timeout(TTL / 4, &mut plane).await.is_err());
            }
        });
        // Those that are back first: who became stale counts, in whichever order the two were seen.
        for stale in [false, true] {
            for leasing in &mut self.leasing {
                if leasing.stale == stale || leasing.beats == stale {
                    continue;
                }
                self.loose = true;
                leasing.stale = stale;
                let entry = self.model.entries.get_mut(leasing.name).unwrap();
                if stale {
                    entry.stale += 1;
                    self.model.lapse(leasing.name);
                } else {
                    entry.stale -= 1;
                    self.model.serve_if_all_beat(leasing.name);
                }
            }
        }
    }

    fn follow(&mut self, at: usize) {
        let following = &mut self.following[at];
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        while let Poll::Ready((name, status)) = following.subscriber.poll_next(&mut cx) {
            let before = following.seen.insert(name, status);
            assert_ne!(before.unwrap_or(ServingStatus::ServiceUnknown), status);
        }
        for name in NAMES {
            let seen = following.seen.get(name);
            let seen = seen.copied().unwrap_or(ServingStatus::ServiceUnknown);
            assert_eq!(seen, self.model.shown(name), "{name}");
        }
        following.parked = Some(flag);
        following.due = false;
    }

    fn watch(&mut self, name: &'static str) {
        let watcher = self.registry.watch(name);
        assert_eq!(watcher.is_err(), name.len() > LIMITS.max_name_len);
        if let Ok(watcher) = watcher
            && self.watching.len() < HELD
        {
            self.watching.push(Watching {
                name,
                watcher,
                last: None,
                parked: None,
                homeless: false,
                due: false,
            });
        }
    }

    fn poll(&mut self, at: usize) {
        let watching = &mut self.watching[at];
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let got = watching.watcher.poll_next(&mut Context::from_waker(&waker));
        let shown = self.model.shown(watching.name);
        if watching.last == Some(shown) {
            assert_eq!(got, Poll::Pending);
            watching.parked = Some(flag);
            watching.homeless = !self.model.entries.contains_key(watching.name);
            watching.due = false;
        } else {
            assert_eq!(got, Poll::Ready(shown));
            watching.last = Some(shown);
            watching.parked = None;
        }
    }

    /// Lets the drivers run dry; then whoever had news since it was parked has been woken, and
    /// nobody else.
    fn check_wakes(&mut self) {
        while self.driving.iter_mut().any(Driving::poll_if_woken) {}
        for watching in &mut self.watching {
            watching.due |= watching.last != Some(self.model.shown(watching.name))
                || watching.homeless && self.model.entries.contains_key(watching.name);
            if let Some(flag) = &watching.parked {
                let woken = flag.0.load(Ordering::Relaxed);
                // Who was woken for nothing is woken no more until it polls, and must poll.
                watching.due |= self.loose && woken;
                assert_eq!(woken, watching.due, "{:?}", watching.watcher);
            }
        }
        self.loose = false;
        for following in &mut self.following {
            let new = |name: &&str| {
                let seen = following.seen.get(*name);
                self.model.shown(name) != *seen.unwrap_or(&ServingStatus::ServiceUnknown)
            };
            following.due |= NAMES.iter().any(new);
            if let (Some(flag), true) = (&following.parked, following.due) {
                assert!(flag.0.load(Ordering::Relaxed));
            }
        }
    }

    fn check_all(&mut self) {
        let services = self.model.services();
        assert_eq!(self.registry.services(), services);
        let mut visited = Vec::new();
        self.registry.visit(|name, status| {
            visited.push((name.to_owned(), status));
            ControlFlow::Continue(())
        });
        visited.sort_by(|(a, _), (b, _)| a.cmp(b));
        assert_eq!(visited, services);
        for name in NAMES {
            assert_eq!(
                self.registry.get_service_status(name),
                self.model.shown(name)
            );
        }
        for (name, handle) in &self.handles {
            assert_eq!(handle.status(), self.model.shown(name));
        }
        for (name, entry) in &self.model.entries {
            let details = self.registry.status_of(name);
            assert_eq!(details.status, self.model.shown(name));
            let by_hand = details.reason.filter(|reason| reason.as_str() == "because");
            if !self.model.drained && entry.group.is_none() {
                assert_eq!(by_hand.is_some(), entry.reason.is_some(), "{name}");
            }
            let group = entry.group.as_ref();
            let members = group.map_or(&[][..], |(_, members)| members);
            let found = self.registry.members(name);
            let found: Vec<_> = found.iter().map(|member| &*member.name).collect();
            assert_eq!(found, members);
        }
        for at in 0..self.following.len() {
            self.follow(at);
        }
        for at in 0..self.watching.len() {
            self.poll(at);
        }
    }
}

impl Driving {
    fn poll(&mut self) {
        self.flag.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.flag));
        assert!(
            pin!(&mut self.driver)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }

    fn poll_if_woken(&mut self) -> bool {
        let woken = self.flag.0.load(Ordering::Relaxed);
        if woken {
            self.poll();
        }
        woken
    }
}

fn name(operand: usize) -> &'static str {
    NAMES[operand % NAMES.len()]
}

fn status(operand: usize) -> ServingStatus {
    ServingStatus::ALL[operand % ServingStatus::ALL.len()]
}
