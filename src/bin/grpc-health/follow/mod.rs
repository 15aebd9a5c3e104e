//! `watch` and `wait`: follow the statuses of services, over connections that are made anew.

mod args;
mod bare;
mod board;
mod lines;
mod listing;
mod pace;
mod pair;
mod shown;
mod table;
mod wait;
mod watch;

pub(crate) use args::{WaitArgs, WatchArgs};
pub(crate) use wait::wait;
pub(crate) use watch::watch;
