//! The protocol, input by input: one file per section, one test (or more) per row, whose name it carries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod authority;
mod b1_http;
mod b2_metadata;
mod b3_framing;
mod b4_response;
mod b5_streams;
mod b6_health;
mod b6_list;
mod b6_watch;
mod cancels;
mod delivery;
mod endings;
mod fixture;
mod flow;
mod guard;
mod half_closed;
mod http1;
mod late;
mod limits;
mod listening;
mod lists;
mod order;
mod peer;
mod rows;
mod settings;
mod shutdown;
#[path = "../support/mod.rs"]
mod support;
mod timers;
mod writes;
