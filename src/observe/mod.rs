//! What an operator sees of a server.
//!
#![doc = include_str!("observe.md")]

#[cfg(feature = "metrics")]
mod checks;
#[cfg(feature = "metrics")]
mod durations;
#[cfg(feature = "metrics")]
mod measured;
mod meter;
mod observer;
mod observers;
#[cfg(feature = "metrics")]
mod prober;
#[cfg(feature = "tracing")]
mod throttle;
#[cfg(feature = "tracing")]
mod traced;

pub(crate) use meter::{CallMeter, Metering, Meters, WatchMeter};
pub(crate) use observer::{Change, Checked, Close, Limit, Observer, Refused, Step};
pub(crate) use observers::Observers;
