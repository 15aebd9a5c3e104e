//! An RPC without its transport: the [`Service`] trait and the values that pass through the trait.
//!
//! The module knows nothing of sockets, HTTP/2 or health checking. A host (such as [`Server`](crate::Server)) turns an HTTP/2 request into
//! a [`Head`] and one message, or a stream of messages, gives both to the service, and turns the service's [`Answer`] into frames.

mod address;
mod admission;
mod answer;
mod contain;
mod context;
mod head;
mod in_order;
mod kept;
mod limit;
mod listen;
mod method;
mod peer;
mod probe;
mod request;
#[expect(clippy::module_inception, reason = "the trait of the module's name")]
mod service;
mod wrapper;

pub(crate) use address::Address;
pub use admission::{Admission, Decision};
pub use answer::{Answer, Part, Reply};
pub(crate) use answer::{panicked, unknown_method};
pub(crate) use contain::{Contained, Panicked, contain};
pub use context::RequestContext;
pub use head::{Head, Lifecycle, Unimplemented};
pub(crate) use in_order::InOrder;
pub use kept::CallEnd;
pub(crate) use kept::Kept;
pub(crate) use limit::{Limit, Open};
pub(crate) use listen::CHECK;
pub use listen::ListenOptions;
#[cfg(feature = "http1")]
pub(crate) use listen::Protocol;
pub(crate) use method::Time;
pub use method::{ContentSubtype, Drain, Method};
pub use peer::{PeerInfo, UnixCredentials, UnixPeer};
pub use probe::{Probe, ProbeAnswer};
pub use request::{Message, Permit, Rejection, Requests};
pub use service::{Background, Service};
pub use wrapper::Wrapper;
