//! What a sidecar has running: made from specs, replaced after SIGHUP, stopped at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use grpc_health::{
    Registry, ServingStatus,
    plane::{
        Check, CheckHandle, Lease, Outcome, Probe,
        probes::{Command, FileAge, Grpc, Http, Tcp},
    },
    registry::{Group, RegistryError},
    tls::ClientPem,
};
use tokio::{signal::unix::Signal, task::spawn_blocking, time::timeout};

use super::{
    source::{Prepared, Source},
    spec::{CheckSpec, GroupSpec, Kind, Rule, Spec},
};
use crate::output::log;

/// How long the command waits at its end for the commands of checks to be killed.
const STOPPING: Duration = Duration::from_millis(250);

/// The names whose status the sidecar decides. Clones are handles of the same sidecar.
#[derive(Clone)]
pub(crate) struct Sidecar {
    pub(super) registry: Registry,
    running: Arc<Mutex<BTreeMap<String, Running>>>,
    /// Whether the server drains.
    draining: Arc<AtomicBool>,
}

/// What decides the status of one name.
pub(super) struct Running {
    pub(super) spec: Spec,
    /// The certificates that a check uses.
    pem: Option<ClientPem>,
    pub(super) decider: Decider,
}

pub(super) enum Decider {
    Check(CheckHandle),
    /// The registry has the group.
    Group,
    /// Empty until the first beat: a program that has not begun is not serving.
    Lease(Option<Lease>),
}

impl Decider {
    /// Stops deciding. Returns the check, if it was one.
    fn stop(self) -> Option<CheckHandle> {
        match self {
            Self::Check(check) => {
                check.stop();
                Some(check)
            }
            Self::Group | Self::Lease(_) => None,
        }
    }
}

impl Sidecar {
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            registry,
            running: Arc::default(),
            draining: Arc::default(),
        }
    }

    pub(super) fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the server drains. A client of the control socket cannot undo the drain from now on.
    pub(crate) fn drains(&self) {
        self.draining.store(true, SeqCst);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(SeqCst)
    }

    /// Reads `source`, and runs what it says. The error has a line for each thing that is wrong; nothing has changed then. The read may
    /// take for ever, and may be given up.
    pub(crate) async fn load(&self, source: &Arc<Source>) -> Result<(), Vec<String>> {
        let reading = Arc::clone(source);
        let prepared = match spawn_blocking(move || reading.read()).await {
            Ok(read) => read?,
            Err(error) => return Err(vec![format!("cannot read the configuration: {error}")]),
        };
        let errors = self.apply(prepared);
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// Replaces what runs. What has not changed goes on. Errors, which only a full registry causes, leave out the names that they are
    /// about.
    fn apply(&self, prepared: Vec<Prepared>) -> Vec<String> {
        let mut running = self.running();
        let mut wanted: BTreeMap<String, Prepared> = BTreeMap::new();
        for one in prepared {
            wanted.insert(one.spec.name().to_owned(), one);
        }
        let is_wanted = |name: &str, old: &Running| {
            let new = wanted.get(name);
            new.is_some_and(|new| new.spec == old.spec && new.pem == old.pem)
        };
        let changed: Vec<String> = running
            .iter()
            .filter(|(name, old)| !is_wanted(name, old))
            .map(|(name, _)| name.clone())
            .collect();
        // A check that replaces a check goes on with the status.
        let mut goes_on = BTreeSet::new();
        for name in changed {
            if let Some(old) = running.remove(&name) {
                let was_check = matches!(old.decider, Decider::Check(_));
                let _ = old.decider.stop();
                // A group ends before any other begins, or two that swap their members would contain themselves meanwhile.
                let new = wanted.get(&name).map(|new| &new.spec);
                if was_check && matches!(new, Some(Spec::Check(_))) {
                    goes_on.insert(name);
                } else {
                    self.registry.clear(&name);
                    if name.is_empty() && new.is_none() {
                        // As at the start, the server as a whole serves unless told otherwise. A registered name always has room.
                        let _ = self
                            .registry
                            .set_service_status(&name, ServingStatus::Serving);
                    }
                }
            }
        }
        let mut errors = Vec::new();
        for (name, new) in wanted {
            if running.contains_key(&name) {
                continue;
            }
            match self.start(&new, goes_on.contains(&name)) {
                Ok(decider) => {
                    let Prepared { spec, pem, .. } = new;
                    running.insert(name, Running { spec, pem, decider });
                }
                Err(error) => errors.push(format!("the {} \"{name}\": {error}", new.spec.what())),
            }
        }
        errors
    }

    /// `goes_on` says whether a check keeps the status of the check before.
    fn start(&self, new: &Prepared, goes_on: bool) -> Result<Decider, String> {
        match &new.spec {
            Spec::Check(check) => self.check(check, new, goes_on).map(Decider::Check),
            Spec::Group(group) => self.group(group),
            Spec::Lease(lease) => {
                let down = ServingStatus::NotServing;
                let set = self.registry.set_service_status(&lease.name, down);
                set.map_err(|error| error.to_string())?;
                Ok(Decider::Lease(None))
            }
        }
    }

    fn group(&self, spec: &GroupSpec) -> Result<Decider, String> {
        let critical = spec.critical.iter().cloned();
        let group = match spec.rule {
            Rule::All => Group::all_of(critical),
            Rule::Any => Group::any_of(critical),
            Rule::AtLeast(count) => {
                Group::at_least(usize::try_from(count).unwrap_or(usize::MAX), critical)
            }
        };
        let group = group.informational(spec.informational.iter().cloned());
        let made = self.registry.group(&spec.name, group);
        made.map_err(|error| error.to_string())?;
        Ok(Decider::Group)
    }

    /// Renews a lease. `None` if there is no lease of this name.
    pub(super) fn beat(&self, name: &str) -> Option<Result<(), RegistryError>> {
        let mut running = self.running();
        let Running { spec, decider, .. } = running.get_mut(name)?;
        let (Spec::Lease(spec), Decider::Lease(place)) = (spec, decider) else {
            return None;
        };
        if let Some(lease) = place {
            lease.beat();
            return Some(Ok(()));
        }
        let made = self.registry.lease(name, spec.ttl);
        Some(made.map(|lease| *place = Some(lease)))
    }

    fn check(
        &self,
        spec: &CheckSpec,
        new: &Prepared,
        goes_on: bool,
    ) -> Result<CheckHandle, String> {
        match &spec.kind {
            Kind::Tcp(addr) => self.run(spec, goes_on, Tcp::new(addr)),
            Kind::Exec(program, args) => self.run(spec, goes_on, Command::new(program, args)),
            Kind::Age(path, max) => self.run(spec, goes_on, FileAge::new(path, *max)),
            Kind::Http(url) => {
                let http: Http = url.parse().map_err(|error| format!("{error}"))?;
                self.run(spec, goes_on, http)
            }
            Kind::Grpc(grpc) => {
                let probe = Grpc::new(grpc.target.clone(), &grpc.service);
                let probe = probe.connector(new.connector.clone());
                let probe = if grpc.watch { probe.watch() } else { probe };
                self.run(spec, goes_on, probe)
            }
        }
    }

    fn run(
        &self,
        spec: &CheckSpec,
        goes_on: bool,
        probe: impl Probe,
    ) -> Result<CheckHandle, String> {
        let check = Check::new(spec.period, spec.timeout, probe)
            .rise(spec.rise)
            .fall(spec.fall)
            .observe(said(spec.name.clone()));
        let check = match (goes_on, spec.starts_not_serving) {
            (true, _) => check.keeps_status(),
            (false, true) => check.starts_not_serving(),
            (false, false) => check,
        };
        let started = self.registry.check(&spec.name, check);
        started.map_err(|error| error.to_string())
    }

    /// Applies what `source` says now whenever the process gets SIGHUP, for ever.
    pub(crate) async fn follow(self, source: Arc<Source>, mut hangups: Signal) {
        while hangups.recv().await.is_some() {
            let read = Arc::clone(&source);
            // After a panic the next reload may succeed.
            let Ok(read) = spawn_blocking(move || read.read()).await else {
                continue;
            };
            match read {
                Err(errors) => {
                    report(&errors);
                    log("error: configuration kept");
                }
                Ok(prepared) => {
                    report(&self.apply(prepared));
                    log("configuration read again");
                }
            }
        }
    }

    /// Stops everything, and waits a moment until the commands of checks are killed.
    pub(crate) async fn stop(&self) {
        let stopped: Vec<_> = std::mem::take(&mut *self.running())
            .into_values()
            .filter_map(|running| running.decider.stop())
            .collect();
        let all = async {
            for check in stopped {
                check.stopped().await;
            }
        };
        let _ = timeout(STOPPING, all).await;
    }
}

/// Logs each error as a line of its own.
pub(crate) fn report(errors: &[String]) {
    for error in errors {
        log(format_args!("error: {error}"));
    }
}

/// Logs an outcome that differs from the one before: the first, and every change between success and failure.
fn said(name: String) -> impl FnMut(&Outcome) + Send {
    let mut last = None;
    move |outcome| {
        if last.replace(outcome.passed()) != Some(outcome.passed()) {
            log(format_args!("check \"{name}\": {outcome}"));
        }
    }
}
