//! One call on one HTTP/2 stream: reading its request, and writing its replies.

mod context;
mod ending;
mod inbox;
mod reading;
mod replying;
mod requests;
mod sink;

pub(super) use context::{Conditions, Turn, discard};
pub(super) use inbox::Inbox;
pub(super) use reading::{Finished, Reading, begin, read};
pub(super) use replying::{Progress, Replying};
pub(super) use requests::{Bodies, Feed};
pub(super) use sink::{is_given_up, refuse, send_refusal};
