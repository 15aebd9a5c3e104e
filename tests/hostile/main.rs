//! Attacks, one test (or more) per row of `rows.rs`: what the attacker sees, that a neighbour does not notice, and that nothing is left.
//!
//! The counts are small, so that all of it runs with the other tests; with `GRPC_HEALTH_HOSTILE=full` (`scripts/hostile.sh`) they are
//! those of the real thing. Most run over in-memory pipes on a paused clock: times are exact, and nothing is slow.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, one of them with an allocator of its own"
)]

mod arena;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod descriptors;
mod door;
mod flips;
mod floods;
mod headers;
mod holding;
mod lines;
mod listeners;
mod memory;
mod messages;
mod quiet;
mod readers;
mod receiving;
#[cfg(feature = "reflection")]
mod reflections;
mod replies;
mod rows;
mod sending;
mod slow;
mod stage;
mod states;
mod steady;
mod streams;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "gzip")]
mod turns;
mod waiting;
