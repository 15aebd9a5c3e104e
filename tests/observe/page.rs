//! A recorder of this thread, and the page that a Prometheus server would read.

use metrics::LocalRecorderGuard;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

pub(crate) struct Page {
    handle: PrometheusHandle,
    _guard: LocalRecorderGuard<'static>,
}

impl Page {
    /// Records this thread's metrics until the page is dropped.
    pub(crate) fn begin() -> Self {
        let recorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        Self {
            handle: recorder.handle(),
            _guard: metrics::set_default_local_recorder(recorder),
        }
    }

    /// The value of the only series that begins with `name` and has all `labels`; 0 without such a series.
    pub(crate) fn value(&self, name: &str, labels: &[&str]) -> f64 {
        let found = self.series(name, labels);
        assert!(found.len() <= 1, "{found:?}");
        let value = found.first().and_then(|line| line.rsplit(' ').next());
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// The lines of the series with this name and all `labels`.
    pub(crate) fn series(&self, name: &str, labels: &[&str]) -> Vec<String> {
        let page = self.handle.render();
        page.lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .map(str::to_owned)
            .collect()
    }
}
