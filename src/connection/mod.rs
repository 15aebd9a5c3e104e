//! One HTTP/2 connection of a [`Service`](crate::service::Service), over any byte stream: its h2 connection, its calls, its timers and its
//! part in the server's shutdown.
//!
//! A connection is one future, which owns its h2 connection and answers calls itself. The state that it shares with other connections is in
//! its [`Host`]; the server reaches it through its [`Link`].

mod budget;
mod clock;
mod config;
#[expect(clippy::module_inception, reason = "the type of the module's name")]
mod connection;
mod depart;
pub(crate) mod guard;
mod host;
mod intake;
mod lifetime;
mod link;
mod open;
mod patience;
mod phase;
#[cfg(feature = "http1")]
mod plain;
mod receiving;
mod room;
mod sending;
#[cfg(test)]
mod sending_tests;
#[cfg(feature = "http1")]
mod sniff;
mod standing;
mod stream;
mod tally;
mod timers;
mod turn;
mod waiting;

pub(crate) use config::Config;
pub(crate) use host::Host;
pub(crate) use link::Link;
pub(crate) use open::serve;
pub(crate) use phase::{LAST_WORDS, Phase};
pub(crate) use standing::{Doing, Standing};
pub(crate) use tally::Counters;
