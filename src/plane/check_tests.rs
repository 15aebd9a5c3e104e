//! Checks on a paused clock.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::{Check, CheckStats, Outcome, Probe};
use crate::registry::ServingStatus::{NotServing, Serving, Unknown};
use crate::registry::{Group, Reason, Registry, RegistryError};

const PERIOD: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(2);

/// A registry, and its plane on the test's runtime.
fn planed() -> (Registry, JoinHandle<()>) {
    let registry = Registry::new();
    let plane = tokio::spawn(registry.plane());
    (registry, plane)
}

/// What a check's probe answers next, and when each run began.
#[derive(Clone, Default)]
struct Script {
    down: Arc<AtomicBool>,
    began: Arc<Mutex<Vec<Instant>>>,
}

impl Script {
    fn probe(&self) -> impl Probe + use<> {
        let script = self.clone();
        move || {
            let script = script.clone();
            async move {
                script.began.lock().unwrap().push(Instant::now());
                if script.down.load(SeqCst) {
                    return Err(Reason::from("scripted"));
                }
                Ok(())
            }
        }
    }

    fn began(&self) -> Vec<Instant> {
        self.began.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_decides_the_status_every_period() {
    let (registry, _plane) = planed();
    let script = Script::default();
    let check = Check::new(PERIOD, TIMEOUT, script.probe());
    let started = Instant::now();
    let handle = registry.check("a", check).unwrap();
    assert_eq!(registry.get_service_status("a"), Unknown);
    sleep(PERIOD / 10).await;
    // The sleep and the first run may end at the same moment.
    tokio::task::yield_now().await;
    assert_eq!(registry.get_service_status("a"), Serving);
    script.down.store(true, SeqCst);
    sleep(PERIOD).await;
    assert_eq!(registry.get_service_status("a"), NotServing);
    script.down.store(false, SeqCst);
    sleep(PERIOD).await;
    assert_eq!(registry.get_service_status("a"), Serving);

    let began = script.began();
    assert!(began[0] - started <= PERIOD / 10);
    for pair in began.windows(2) {
        // Tokio's timers are exact to a millisecond.
        let between = pair[1] - pair[0];
        assert!(between.abs_diff(PERIOD) <= Duration::from_millis(1));
    }
    let expected = CheckStats {
        passed: 2,
        failed: 1,
        ..CheckStats::default()
    };
    assert_eq!(handle.stats(), expected);
}

#[tokio::test(start_paused = true)]
async fn rise_and_fall_count_results_in_a_row() {
    let (registry, _plane) = planed();
    let script = Script::default();
    let check = Check::new(PERIOD, TIMEOUT, script.probe()).rise(2).fall(3);
    registry.check("a", check).unwrap();
    sleep(PERIOD / 5).await;
    let mut shown = Vec::new();
    for down in [false, true, true, true, false, true, false, false] {
        shown.push(registry.get_service_status("a"));
        script.down.store(down, SeqCst);
        sleep(PERIOD).await;
    }
    shown.push(registry.get_service_status("a"));
    let expected = [
        Unknown, Serving, Serving, Serving, NotServing, NotServing, NotServing, NotServing, Serving,
    ];
    assert_eq!(shown, expected);
}

#[tokio::test(start_paused = true)]
async fn a_failure_gives_its_reason() {
    let (registry, _plane) = planed();
    let script = Script::default();
    script.down.store(true, SeqCst);
    let check = Check::new(PERIOD, TIMEOUT, script.probe());
    registry.check("a", check).unwrap();
    sleep(PERIOD).await;
    let reason = registry.status_of("a").reason.unwrap();
    assert_eq!(reason.as_str(), "scripted");
    script.down.store(false, SeqCst);
    sleep(PERIOD).await;
    let reason = registry.status_of("a").reason.unwrap();
    assert_eq!(reason.as_str(), "the check passed");
}

#[tokio::test(start_paused = true)]
async fn a_group_is_not_checked() {
    let (registry, _plane) = planed();
    registry.group("g", Group::all_of(["a"])).unwrap();
    let script = Script::default();
    for check in [
        Check::new(PERIOD, TIMEOUT, script.probe()),
        Check::new(PERIOD, TIMEOUT, script.probe()).keeps_status(),
    ] {
        let error = registry.check("g", check).unwrap_err();
        assert_eq!(error, RegistryError::IsGroup);
    }
    // A name that becomes a group later is the group's.
    let check = Check::new(PERIOD, TIMEOUT, script.probe());
    let handle = registry.check("b", check).unwrap();
    registry.group("b", Group::all_of(["a"])).unwrap();
    sleep(PERIOD).await;
    assert_eq!(handle.stats().passed, 1);
    assert_eq!(registry.get_service_status("b"), Unknown);
}

#[tokio::test(start_paused = true)]
async fn checks_that_start_together_do_not_run_together() {
    let (registry, _plane) = planed();
    let script = Script::default();
    for i in 0..50 {
        let check = Check::new(PERIOD, TIMEOUT, script.probe());
        registry.check(&format!("s{i}"), check).unwrap();
    }
    sleep(PERIOD / 2).await;
    let mut began = script.began();
    assert_eq!(began.len(), 50);
    began.dedup();
    assert!(began.len() > 25, "{}", began.len());
}

#[tokio::test(start_paused = true)]
async fn the_first_state_is_what_the_check_says() {
    let (registry, _plane) = planed();
    let check = || Check::new(PERIOD, TIMEOUT, pending::<Result<(), Reason>>);
    registry.check("unknown", check()).unwrap();
    let down = check().starts_not_serving();
    registry.check("down", down).unwrap();
    registry.set_service_status("kept", Serving).unwrap();
    registry.check("kept", check().keeps_status()).unwrap();
    registry.check("new", check().keeps_status()).unwrap();
    registry.set_service_status("reset", Serving).unwrap();
    registry.check("reset", check()).unwrap();
    let shown = ["unknown", "down", "kept", "new", "reset"];
    let shown = shown.map(|name| registry.get_service_status(name));
    assert_eq!(shown, [Unknown, NotServing, Serving, Unknown, Unknown]);
}

/// How many probes are at work, at most one.
struct AtWork(Arc<AtomicU32>);

impl AtWork {
    fn new(count: &Arc<AtomicU32>) -> Self {
        assert_eq!(count.fetch_add(1, SeqCst), 0, "two runs overlap");
        Self(Arc::clone(count))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_longer_than_the_period_never_overlaps_the_next() {
    let (registry, _plane) = planed();
    let (working, runs) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (at_work, count) = (Arc::clone(&working), Arc::clone(&runs));
    let check = Check::new(PERIOD, 100 * PERIOD, move || {
        let at_work = AtWork::new(&at_work);
        count.fetch_add(1, SeqCst);
        async move {
            sleep(PERIOD * 5 / 2).await;
            drop(at_work);
            Ok(())
        }
    });
    let handle = registry.check("a", check).unwrap();
    sleep(30 * PERIOD).await;
    // A run every three periods. The last one may be at work.
    let runs = u64::from(runs.load(SeqCst));
    assert!((9..=11).contains(&runs), "{runs}");
    let stats = handle.stats();
    assert!(stats.passed >= runs - 1 && stats.failed == 0, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_a_failure_at_the_timeout() {
    let (registry, _plane) = planed();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let at_work = Arc::new(AtomicU32::new(0));
    let (outcomes, working) = (Arc::clone(&seen), Arc::clone(&at_work));
    let check = Check::new(PERIOD, TIMEOUT, move || {
        let at_work = AtWork::new(&working);
        async move {
            pending::<()>().await;
            drop(at_work);
            Ok(())
        }
    });
    let check = check.observe(move |outcome| outcomes.lock().unwrap().push(outcome.clone()));
    let handle = registry.check("a", check).unwrap();
    sleep(PERIOD / 10 + TIMEOUT + Duration::from_millis(2)).await;
    assert_eq!(registry.get_service_status("a"), NotServing);
    assert_eq!(at_work.load(SeqCst), 0, "the run goes on");
    assert_eq!(*seen.lock().unwrap(), [Outcome::TimedOut(TIMEOUT)]);
    assert_eq!(seen.lock().unwrap()[0].to_string(), "no answer within 2s");
    assert_eq!((handle.stats().failed, handle.stats().timed_out), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_the_check_goes_on() {
    let (registry, _plane) = planed();
    let mut run = 0;
    let check = Check::new(PERIOD, TIMEOUT, move || {
        run += 1;
        assert!(run != 1, "before the future");
        async move {
            assert!(run != 2, "inside the future");
            Ok(())
        }
    });
    // An observer that panics ends nothing.
    let check = check.observe(|_| panic!("in the observer"));
    let handle = registry.check("a", check).unwrap();
    for (status, panicked) in [(NotServing, 1), (NotServing, 2), (Serving, 2)] {
        sleep(PERIOD).await;
        assert_eq!(registry.get_service_status("a"), status);
        assert_eq!(handle.stats().panicked, panicked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_check_ends_its_run_and_sets_nothing_more() {
    let (registry, _plane) = planed();
    let at_work = Arc::new(AtomicU32::new(0));
    let working = Arc::clone(&at_work);
    let probe = Arc::new(());
    let held = Arc::downgrade(&probe);
    let check = Check::new(PERIOD, 100 * PERIOD, move || {
        let (at_work, probe) = (AtWork::new(&working), Arc::clone(&probe));
        async move {
            pending::<()>().await;
            drop((at_work, probe));
            Ok(())
        }
    });
    let handle = registry.check("a", check).unwrap();
    sleep(PERIOD).await;
    assert_eq!(at_work.load(SeqCst), 1);
    registry.set_service_status("a", Serving).unwrap();
    handle.stop();
    handle.clone().stop();
    sleep(100 * PERIOD).await;
    assert_eq!(at_work.load(SeqCst), 0);
    assert_eq!(registry.get_service_status("a"), Serving);
    assert!(held.upgrade().is_none(), "the probe is kept");
    assert_eq!(handle.stats(), CheckStats::default());
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_stopped_before_its_first_run_never_runs() {
    let (registry, _plane) = planed();
    let script = Script::default();
    let check = Check::new(PERIOD, TIMEOUT, script.probe());
    registry.check("a", check).unwrap().stop();
    sleep(10 * PERIOD).await;
    assert!(script.began().is_empty());
    assert_eq!(registry.get_service_status("a"), Unknown);
}

#[tokio::test(start_paused = true)]
async fn checks_stop_with_the_registry() {
    let (registry, plane) = planed();
    let script = Script::default();
    let check = Check::new(PERIOD, TIMEOUT, script.probe());
    let handle = registry.check("a", check).unwrap();
    sleep(PERIOD).await;
    drop(registry);
    plane.await.unwrap();
    let runs = script.began().len();
    sleep(10 * PERIOD).await;
    assert_eq!(script.began().len(), runs);
    assert_eq!(handle.name(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_plane_that_takes_over_runs_the_checks() {
    let (registry, plane) = planed();
    let script = Script::default();
    let check = Check::new(PERIOD, TIMEOUT, script.probe());
    let handle = registry.check("a", check).unwrap();
    sleep(PERIOD).await;
    plane.abort();
    let runs = handle.stats().passed;
    sleep(10 * PERIOD).await;
    assert_eq!(handle.stats().passed, runs);
    let _plane = tokio::spawn(registry.plane());
    sleep(PERIOD).await;
    assert_eq!(handle.stats().passed, runs + 1);
}

/// A probe whose answer is announced to have changed.
struct Announced {
    news: Arc<Notify>,
    runs: Arc<AtomicU32>,
}

impl Probe for Announced {
    async fn probe(&mut self) -> Result<(), Reason> {
        self.runs.fetch_add(1, SeqCst);
        Ok(())
    }

    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        let news = Arc::clone(&self.news);
        async move { news.notified().await }
    }
}

#[tokio::test(start_paused = true)]
async fn an_announced_change_runs_the_check_before_the_period_is_over() {
    let (registry, _plane) = planed();
    let (news, runs) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
    let probe = Announced {
        news: Arc::clone(&news),
        runs: Arc::clone(&runs),
    };
    let period = 100 * PERIOD;
    registry
        .check("a", Check::new(period, TIMEOUT, probe))
        .unwrap();
    sleep(period / 4).await;
    assert_eq!(runs.load(SeqCst), 1);
    news.notify_one();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(runs.load(SeqCst), 2);
}

/// A peer can announce changes without end.
#[tokio::test(start_paused = true)]
async fn changes_without_end_run_the_check_ten_times_a_period() {
    struct Flapping(Arc<AtomicU32>);
    impl Probe for Flapping {
        async fn probe(&mut self) -> Result<(), Reason> {
            self.0.fetch_add(1, SeqCst);
            Ok(())
        }

        async fn changed(&mut self) {}
    }
    let (registry, _plane) = planed();
    let runs = Arc::new(AtomicU32::new(0));
    let check = Check::new(PERIOD, TIMEOUT, Flapping(Arc::clone(&runs)));
    registry.check("a", check).unwrap();
    sleep(10 * PERIOD).await;
    let runs = runs.load(SeqCst);
    assert!((90..=101).contains(&runs), "{runs}");
}
