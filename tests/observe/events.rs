//! A subscriber that keeps every event of the crate as one line.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

/// The events that this thread has written, each as `LEVEL target field=value ..`.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    // As a subscriber that escapes nothing, whose log a peer could write to.
    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {field}={value}").unwrap();
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("grpc_health")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.push(format!("SPAN {}", span.metadata().name()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line(format!("{} {}", metadata.level(), metadata.target()));
        event.record(&mut line);
        self.push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Events {
    /// Keeps the events of this thread until the guard is dropped.
    pub(crate) fn begin() -> (Self, DefaultGuard) {
        let events = Self::default();
        let guard = tracing::subscriber::set_default(events.clone());
        (events, guard)
    }

    fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    /// Takes the events that contain `what`.
    pub(crate) fn take(&self, what: &str) -> Vec<String> {
        let mut all = self.0.lock().unwrap();
        let (taken, left) = all.drain(..).partition(|line| line.contains(what));
        *all = left;
        taken
    }
}
