//! `serve` as a sidecar: statuses that checks, groups, leases and the control socket decide.

mod args;
#[cfg(test)]
mod args_tests;
mod config;
#[cfg(test)]
mod config_tests;
mod control;
mod parse;
mod plan;
mod running;
mod source;
mod spec;
mod words;

pub(crate) use args::{NOTES, SidecarArgs};
pub(crate) use control::listen;
pub(crate) use running::{Sidecar, report};
pub(crate) use source::Source;
pub(crate) use spec::name;
