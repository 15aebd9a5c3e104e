//! The monitor against scripted servers on in-memory pipes, on a paused clock.

mod attempts;
mod connection;
mod fixture;
mod hostile;
mod members;
mod names;
mod polling;
mod readers;
mod sizes;
