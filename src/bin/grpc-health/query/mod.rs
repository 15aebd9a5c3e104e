//! `check` and `list`: ask a server once, or again and again.

mod check;
mod connecting;
mod failure;
mod hints;
mod latencies;
mod list;
mod question;
mod repeated;

pub(crate) use check::{CheckArgs, check};
pub(crate) use connecting::{Connecting, connect};
pub(crate) use failure::Failure;
pub(crate) use hints::{Method, words as hint};
pub(crate) use list::{ListArgs, list};
