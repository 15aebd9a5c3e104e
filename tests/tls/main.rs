//! TLS, mutual TLS and the replacement of certificates, with real certificates over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../support/certs.rs"]
mod certs;
mod fixture;
mod handshake;
mod identity;
mod monitor;
mod mutual;
mod replace;
mod turns;
