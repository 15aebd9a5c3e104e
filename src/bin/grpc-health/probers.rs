//! Which balancers have checked the server, for a warning when the server drains at once.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fmt::{self, Display, Formatter},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ::metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Metadata, NoopRecorder, Recorder, SharedString,
    Unit,
};

use crate::output::log;

/// The metric that counts checks, and the label that says who checks. The module `grpc_health::observe` documents both.
const CHECKS: &str = "grpc_health.checks";
const PROBER: &str = "prober";

/// The values of the label that a balancer's checks have, and what the balancer is called.
const BALANCERS: [(&str, &str); 4] = [
    ("elb", "an AWS load balancer"),
    ("envoy", "Envoy"),
    ("google", "a Google Cloud load balancer"),
    ("kube-probe", "the kubelet"),
];

/// The balancers that have checked the server.
#[derive(Clone, Default)]
pub(crate) struct Probers(Arc<Mutex<BTreeSet<&'static str>>>);

impl Probers {
    fn seen(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A recorder that notes the balancers, and gives everything to `recorder`, which is Prometheus's or does nothing.
    ///
    /// The server registers a counter at the first check of each class of clients, so a check costs nothing more.
    pub(crate) fn noting<R: Recorder>(&self, recorder: R) -> Noting<R> {
        let probers = self.clone();
        Noting { probers, recorder }
    }

    /// Installs a recorder that notes the balancers alone.
    pub(crate) fn note_only(&self) {
        if let Err(error) = ::metrics::set_global_recorder(self.noting(NoopRecorder)) {
            log(format_args!("error: cannot note who checks: {error}"));
        }
    }

    fn note(&self, key: &Key) {
        if key.name() != CHECKS {
            return;
        }
        let label = key.labels().find(|label| label.key() == PROBER);
        let known = BALANCERS.iter();
        let names = known.filter(|(value, _)| label.is_some_and(|label| label.value() == *value));
        self.seen().extend(names.map(|(_, name)| *name));
    }

    /// What to tell the operator of a server that drains without a linger time, if a balancer has checked the server.
    pub(crate) fn warning(&self) -> Option<impl Display + use<>> {
        let names: Vec<_> = self.seen().iter().copied().collect();
        (!names.is_empty()).then(|| Warning(names.join(" and ")))
    }
}

struct Warning(String);

impl Display for Warning {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "warning: the server drains at once, but {} checked it: calls fail until the next checks fail. --drain-linger should be longer \
             than the interval of the checks times the unhealthy threshold, with Envoy by a second (its update_merge_window), unless a \
             preStop hook has waited for so long",
            self.0
        )
    }
}

pub(crate) struct Noting<R> {
    probers: Probers,
    recorder: R,
}

impl<R: Recorder> Recorder for Noting<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.probers.note(key);
        self.recorder.register_counter(&exact(key), metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.recorder.register_gauge(&exact(key), metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.recorder.register_histogram(&exact(key), metadata)
    }
}

/// Doubles the backslashes of the labels' values: `metrics-exporter-prometheus` takes a backslash for the begin of an escape.
fn exact(key: &Key) -> Cow<'_, Key> {
    if !key.labels().any(|label| label.value().contains('\\')) {
        return Cow::Borrowed(key);
    }
    let labels = key.labels().map(|label| {
        let value = label.value().replace('\\', r"\\");
        Label::new(label.key().to_owned(), value)
    });
    let labels: Vec<Label> = labels.collect();
    Cow::Owned(Key::from_parts(key.name().to_owned(), labels))
}
