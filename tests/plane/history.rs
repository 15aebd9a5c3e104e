//! Hysteresis and history on tokio's clock.

use std::time::Duration;

use grpc_health::plane::Hysteresis;
use grpc_health::{Registry, ServingStatus};
use tokio::time::{Instant, sleep};

use ServingStatus::{NotServing, Serving, Unknown};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn since_and_history_tell_both_clocks() {
    let registry = Registry::new();
    registry.record_history(8);
    let begun = std::time::SystemTime::now();
    let handle = registry.register("a", Serving).unwrap();
    let made = Instant::now();
    sleep(5 * SECOND).await;
    handle.set_with_reason(NotServing, "gone fishing");
    sleep(5 * SECOND).await;
    let details = registry.status_of("a");
    let since = details.since.unwrap();
    assert_eq!(since.monotonic, (made + 5 * SECOND).into_std());
    assert!(begun <= since.wall && since.wall <= std::time::SystemTime::now());
    let history = registry.history("a");
    let moments: Vec<_> = history.iter().map(|change| change.at.monotonic).collect();
    assert_eq!(moments, [made.into_std(), since.monotonic]);
    assert_eq!(history[1].reason, details.reason);
    assert_eq!(history[1].status, NotServing);
}

#[tokio::test(start_paused = true)]
async fn reports_are_damped_on_the_clock() {
    let registry = Registry::new();
    let settings = Hysteresis::new().rise(2).fall(3).dwell(10 * SECOND);
    registry.set_hysteresis("a", settings).unwrap();
    let handle = registry.register("a", Unknown).unwrap();
    let mut shown = Vec::new();
    for ok in [true, true, false, false, true, false, false, false] {
        handle.report(ok);
        shown.push(handle.status());
    }
    assert_eq!(shown[..2], [Unknown, Serving]);
    assert_eq!(shown[2..7], [Serving; 5]);
    assert_eq!(shown[7], NotServing);
    for second in 0..10 {
        handle.report(true);
        assert_eq!(handle.status(), NotServing, "second {second}");
        sleep(SECOND).await;
    }
    handle.report_with_reason(true, "back");
    assert_eq!(handle.status(), Serving);
    assert_eq!(registry.status_of("a").reason.unwrap().as_str(), "back");
}

/// Set, read back, effect.
#[test]
fn the_settings_of_hysteresis() {
    let default = Hysteresis::default();
    assert_eq!(
        (default.rise, default.fall, default.dwell),
        (1, 1, Duration::ZERO)
    );
    let set = Hysteresis::new().rise(0).fall(0).dwell(SECOND);
    assert_eq!((set.rise, set.fall, set.dwell), (0, 0, SECOND));
    // 0 means 1, outside a runtime as well.
    let registry = Registry::new();
    registry.set_hysteresis("a", set).unwrap();
    let handle = registry.register("a", Unknown).unwrap();
    handle.report(true);
    assert_eq!(handle.status(), Serving);
    handle.report(false);
    assert_eq!(handle.status(), NotServing);
    let long = "x".repeat(201);
    assert!(registry.set_hysteresis(&long, set).is_err());
}
