//! Programs of bytes for the policy, as the fuzz target runs them.

use std::time::Duration;

use super::limits::Limits;
use super::policy::Policy;

/// Bytes that pass at one time, to the peer or from the peer.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The time since the connection's beginning.
    pub now: Duration,
    /// Whether the server sends these bytes to the peer.
    pub written: bool,
    /// Any number of bytes.
    pub bytes: &'a [u8],
}

/// Returns the policy's verdict on a whole connection as text, without the parts that depend on the pieces. For the fuzz target.
pub fn program<'a>(
    burst: u32,
    refill: Duration,
    steps: impl IntoIterator<Item = Step<'a>>,
) -> String {
    let mut policy = Policy::new(&Limits::all(burst, refill));
    for step in steps {
        if step.written {
            policy.wrote(step.bytes);
        } else {
            let _ = policy.read(step.bytes, || step.now);
        }
        if policy.flood().is_some() {
            break;
        }
    }
    policy.verdict()
}
