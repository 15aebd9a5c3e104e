//! The router's suite once more, on connections whose task finds tokio's budget used up at two of three polls: see `support/host.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../router/admission.rs"]
mod admission;
#[path = "../router/answers.rs"]
mod answers;
#[path = "../router/backpressure.rs"]
mod backpressure;
#[path = "../router/cancel.rs"]
mod cancel;
#[path = "../router/codec.rs"]
mod codec;
#[path = "../router/content_type.rs"]
mod content_type;
#[path = "../router/delivery.rs"]
mod delivery;
#[path = "../router/details.rs"]
mod details;
#[path = "../router/drain.rs"]
mod drain;
#[path = "../router/echo.rs"]
mod echo;
#[path = "../router/errors.rs"]
mod errors;
#[path = "../router/fairness.rs"]
mod fairness;
#[path = "../router/fixture.rs"]
mod fixture;
#[cfg(feature = "gzip")]
#[path = "../router/gzip.rs"]
mod gzip;
#[path = "../router/half_closed.rs"]
mod half_closed;
#[path = "../router/intercept.rs"]
mod intercept;
#[path = "../router/interceptors.rs"]
mod interceptors;
#[path = "../router/kinds.rs"]
mod kinds;
#[path = "../router/limits.rs"]
mod limits;
#[path = "../router/messages.rs"]
mod messages;
#[path = "../router/metadata.rs"]
mod metadata;
#[path = "../router/nested.rs"]
mod nested;
#[path = "../router/observers.rs"]
mod observers;
#[path = "../router/panics.rs"]
mod panics;
#[path = "../router/payloads.rs"]
mod payloads;
#[path = "../router/peers.rs"]
mod peers;
#[path = "../router/requests.rs"]
mod requests;
#[path = "../router/sizes.rs"]
mod sizes;
#[path = "../router/spawned.rs"]
mod spawned;
#[path = "../router/stages.rs"]
mod stages;
#[path = "../support/mod.rs"]
mod support;
#[path = "../router/timeouts.rs"]
mod timeouts;
#[path = "../router/times.rs"]
mod times;
#[path = "../router/unexpected.rs"]
mod unexpected;
#[path = "../router/unit.rs"]
mod unit;
#[path = "../router/window.rs"]
mod window;
#[path = "../router/wrapper.rs"]
mod wrapper;

/// A file of the suite that is not listed here would be run with a full budget alone.
#[test]
fn every_file_of_the_suite_is_run() {
    let suite = support::modules(include_str!("../router/main.rs"));
    assert_eq!(support::modules(include_str!("main.rs")), suite);
}
