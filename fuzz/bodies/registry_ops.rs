//! Random programs of registry operations, against a plain `HashMap`.
//!
//! The input's bytes are the program: an opcode, then its operands, until they run out. The model
//! is told of every operation and must agree with every answer, with what each watcher yields, and
//! with who has been woken.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use grpc_health::registry::{
    Driver, Limits, Registry, RegistryError, ServiceHandle, ServingStatus, Watcher,
};

/// Small, so that programs reach both limits.
const LIMITS: Limits = Limits::new().max_services(6).max_name_len(3);
/// More names than places, the last of them too long.
const NAMES: [&str; 10] = ["", "a", "b", "ab", "abc", "é", "x", "y", "z", "long"];
/// How many watchers and drivers a program may hold at once.
const HELD: usize = 8;

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
#[derive(Clone, Copy)]
struct Entry {
    status: ServingStatus,
    pinned: bool,
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

    fn register(&mut self, name: &'static str, status: ServingStatus) -> Result<(), RegistryError> {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.status = status;
        } else if name.len() > LIMITS.max_name_len {
            return Err(RegistryError::NameTooLong {
                len: name.len(),
                max: LIMITS.max_name_len,
            });
        } else if self.entries.len() == LIMITS.max_services {
            return Err(RegistryError::Full {
                max: LIMITS.max_services,
            });
        } else {
            self.entries.insert(
                name,
                Entry {
                    status,
                    pinned: false,
                },
            );
        }
        Ok(())
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

struct Machine {
    registry: Registry,
    model: Model,
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
            handles: HashMap::new(),
            watching: Vec::new(),
            driving: Vec::new(),
        }
    }

    fn step(&mut self, opcode: u8, operand: &mut impl FnMut() -> usize) {
        match opcode % 16 {
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
                    self.model.register(name, status).unwrap();
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
                if let Some(entry) = self.model.entries.get_mut(name) {
                    entry.status = ServingStatus::ServiceUnknown;
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
                    let now = match self.model.entries.get(name) {
                        Some(entry) => entry.status,
                        None => ServingStatus::ServiceUnknown,
                    };
                    assert_eq!(self.registry.pin(name), self.model.register(name, now));
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
            _ => {
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
        }
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
                assert_eq!(
                    flag.0.load(Ordering::Relaxed),
                    watching.due,
                    "{:?}",
                    watching.watcher
                );
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
