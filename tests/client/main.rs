//! The crate's client, against an h2 server that answers as each test scripts it, and against the
//! crate's own server.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used)]

mod again;
mod connection;
mod monitor;
mod replies;
mod script;
mod server;
mod streams;
