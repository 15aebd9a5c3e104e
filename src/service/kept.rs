//! What a host keeps of a call until the call is over, and how observers learn of the end.

use std::fmt;
use std::time::{Duration, Instant};

use super::contain::contain;
use super::context::RequestContext;
use super::peer::PeerInfo;
use super::request::Permit;
use crate::wire::code::Code;
use crate::wire::metadata::Metadata;

/// How a call ended, as observers are told.
#[derive(Debug)]
pub struct CallEnd<'a> {
    path: &'a str,
    peer: &'a PeerInfo,
    code: Code,
    elapsed: Duration,
}

impl CallEnd<'_> {
    /// The path of the called method, `/package.Service/Method`.
    #[must_use]
    pub const fn path(&self) -> &str {
        self.path
    }

    /// The client at the other end of the connection.
    #[must_use]
    pub const fn peer(&self) -> &PeerInfo {
        self.peer
    }

    /// The code with which the call ended: the handler's, or that of whoever refused or ended the call. [`CANCELLED`](Code::CANCELLED) if
    /// the client cancelled the call, or the connection ended, before the answer was complete.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The time from the request's arrival to the end of the call.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

type Observer = Box<dyn FnOnce(&CallEnd<'_>) + Send>;

/// How far a router has come with the admission of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    router: u64,
    /// How many of the router's interceptors have been asked.
    pub(crate) asked: usize,
    /// Whether the call has its place among the calls in progress.
    pub(crate) placed: bool,
    pub(crate) admitted: bool,
}

/// What a host keeps of a call until the call is over. Dropping `Kept` ends the call: observers are told, and permits are given back.
pub(crate) struct Kept {
    clock: fn() -> Instant,
    /// Boxed, since most calls keep nothing.
    more: Option<Box<More>>,
}

struct More {
    code: Code,
    permit: Option<Permit>,
    steps: Vec<Step>,
    observed: Option<Observed>,
    /// The response metadata at the time when the context was taken out.
    said: Option<Box<Metadata>>,
}

struct Observed {
    context: (Box<str>, PeerInfo),
    begun: Instant,
    observers: Vec<Observer>,
}

impl Kept {
    /// Makes the state of a call that has just arrived. `clock` tells the host's time.
    #[inline]
    pub(crate) const fn new(clock: fn() -> Instant) -> Self {
        Self { clock, more: None }
    }

    #[cold]
    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_with(|| {
            Box::new(More {
                // The code if the service that keeps something panics.
                code: Code::UNKNOWN,
                permit: None,
                steps: Vec::new(),
                observed: None,
                said: None,
            })
        })
    }

    pub(super) fn say(&mut self, metadata: &Metadata) {
        let said = (!metadata.is_empty()).then(|| Box::new(metadata.clone()));
        if said.is_some() || self.more.is_some() {
            self.more().said = said;
        }
    }

    pub(crate) fn take_said(&mut self) -> Option<Box<Metadata>> {
        self.more.as_mut()?.said.take()
    }

    /// Sets the code with which the call ends, unless a later code replaces this one.
    #[inline]
    pub(crate) fn end(&mut self, code: Code) {
        if let Some(more) = &mut self.more {
            more.code = code;
        }
    }

    pub(super) fn keep(&mut self, permit: Permit) {
        let kept = &mut self.more().permit;
        *kept = Some(match kept.take() {
            None => permit,
            Some(first) => Permit::new((permit, first)),
        });
    }

    pub(super) fn permit(&self) -> Option<Permit> {
        self.more.as_ref()?.permit.clone()
    }

    pub(super) fn observe(&mut self, context: Option<&RequestContext>, observer: Observer) {
        let clock = self.clock;
        let observed = self.more().observed.get_or_insert_with(|| {
            let context = context.map(|context| (context.path().into(), context.peer().clone()));
            Observed {
                context: context.unwrap_or_default(),
                begun: clock(),
                observers: Vec::new(),
            }
        });
        observed.observers.push(observer);
    }

    /// How far a router has come with the call. `true` if the router has only begun.
    pub(super) fn step(&mut self, router: u64) -> (&mut Step, bool) {
        let steps = &mut self.more().steps;
        let found = steps.iter().position(|step| step.router == router);
        let is_new = found.is_none();
        let at = found.unwrap_or(steps.len());
        if is_new {
            steps.push(Step {
                router,
                asked: 0,
                placed: false,
                admitted: false,
            });
        }
        #[expect(
            clippy::indexing_slicing,
            reason = "it was found, or pushed, at that place"
        )]
        (&mut steps[at], is_new)
    }

    pub(super) fn is_admitted(&self, router: u64) -> bool {
        let mut steps = self.more.iter().flat_map(|more| &more.steps);
        steps.any(|step| step.router == router && step.admitted)
    }
}

impl Drop for Kept {
    #[inline]
    fn drop(&mut self) {
        if let Some(more) = self.more.take() {
            more.end(self.clock);
        }
    }
}

impl More {
    #[cold]
    fn end(self, clock: fn() -> Instant) {
        let Some(observed) = self.observed else {
            return;
        };
        let (path, peer) = &observed.context;
        let end = CallEnd {
            path,
            peer,
            code: self.code,
            elapsed: clock().saturating_duration_since(observed.begun),
        };
        for observer in observed.observers {
            let _ = contain(|| observer(&end));
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}
