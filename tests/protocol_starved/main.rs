//! The protocol's suite once more, on connections whose task finds tokio's budget used up at two of three polls: see `support/host.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../protocol/authority.rs"]
mod authority;
#[path = "../protocol/b1_http.rs"]
mod b1_http;
#[path = "../protocol/b2_metadata.rs"]
mod b2_metadata;
#[path = "../protocol/b3_framing.rs"]
mod b3_framing;
#[path = "../protocol/b4_response.rs"]
mod b4_response;
#[path = "../protocol/b5_streams.rs"]
mod b5_streams;
#[path = "../protocol/b6_health.rs"]
mod b6_health;
#[path = "../protocol/b6_list.rs"]
mod b6_list;
#[path = "../protocol/b6_watch.rs"]
mod b6_watch;
#[path = "../protocol/cancels.rs"]
mod cancels;
#[path = "../protocol/delivery.rs"]
mod delivery;
#[path = "../protocol/endings.rs"]
mod endings;
#[path = "../protocol/fixture.rs"]
mod fixture;
#[path = "../protocol/flow.rs"]
mod flow;
#[path = "../protocol/guard.rs"]
mod guard;
#[path = "../protocol/half_closed.rs"]
mod half_closed;
#[path = "../protocol/http1.rs"]
mod http1;
#[path = "../protocol/late.rs"]
mod late;
#[path = "../protocol/limits.rs"]
mod limits;
#[path = "../protocol/listening.rs"]
mod listening;
#[path = "../protocol/lists.rs"]
mod lists;
#[path = "../protocol/order.rs"]
mod order;
#[path = "../protocol/peer.rs"]
mod peer;
#[path = "../protocol/rows.rs"]
mod rows;
#[path = "../protocol/settings.rs"]
mod settings;
#[path = "../protocol/shutdown.rs"]
mod shutdown;
#[path = "../support/mod.rs"]
mod support;
#[path = "../protocol/timers.rs"]
mod timers;
#[path = "../protocol/writes.rs"]
mod writes;

/// A file of the suite that is not listed here would be run with a full budget alone.
#[test]
fn every_file_of_the_suite_is_run() {
    let suite = support::modules(include_str!("../protocol/main.rs"));
    assert_eq!(support::modules(include_str!("main.rs")), suite);
}
