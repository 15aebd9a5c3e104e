//! The mounts' suite once more, on connections and calls whose tasks find tokio's budget used up at two of three polls: see
//! `support/host.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../tower/calls.rs"]
mod calls;
#[path = "../tower/clients.rs"]
mod clients;
#[path = "../tower/echo.rs"]
mod echo;
#[path = "../tower/hosts.rs"]
mod hosts;
#[path = "../tower/intercept.rs"]
mod intercept;
#[path = "../tower/lifecycle.rs"]
mod lifecycle;
#[path = "../tower/rows.rs"]
mod rows;
#[path = "../tower/script.rs"]
mod script;
#[path = "../support/mod.rs"]
mod support;
#[path = "../tower/toy.rs"]
mod toy;

/// A file of the suite that is not listed here would be run with a full budget alone.
#[test]
fn every_file_of_the_suite_is_run() {
    let suite = support::modules(include_str!("../tower/main.rs"));
    assert_eq!(support::modules(include_str!("main.rs")), suite);
}
