//! The state that all calls of a mount share.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::call::{Prebuilt, Turns};
use crate::observe::Observers;
use crate::service::{Contained, InOrder, Lifecycle, Service, contain};

/// The service and everything that answering its calls needs.
pub(super) struct Host<S> {
    pub(super) service: S,
    pub(super) prebuilt: Prebuilt,
    pub(super) turns: Turns,
    pub(super) observers: Observers,
    phase: watch::Sender<Phase>,
    /// The order in which the service is told of the phases.
    steps: InOrder<Lifecycle>,
    background: OnceLock<Option<AbortHandle>>,
}

pub(super) type Closed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How far the mount's shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    Announced,
    Closed,
}

impl<S: Service> Host<S> {
    pub(super) fn new(service: S) -> Self {
        Self {
            service,
            prebuilt: Prebuilt::new(),
            turns: Turns::new(),
            observers: Observers::default(),
            phase: watch::Sender::new(Phase::Serving),
            steps: InOrder::new(),
            background: OnceLock::new(),
        }
    }

    /// How far the mount's shutdown has come.
    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Spawns the service's background work on the current runtime, at the first call of this function only.
    pub(super) fn start_background(&self) {
        self.background.get_or_init(|| {
            let work = self.service.background()?;
            Some(tokio::spawn(Contained::new(work)).abort_handle())
        });
    }

    /// Completes when the mount is closed.
    pub(super) fn closed(&self) -> Closed {
        let mut phase = self.phase.subscribe();
        Box::pin(async move {
            // An error means that the host is dropped, and so is everybody who could ask.
            let _ = phase.wait_for(|phase| *phase == Phase::Closed).await;
        })
    }

    /// Goes from phase `from` to phase `to` and tells the service; a panic of the service is caught. `false` if the phase is not `from`.
    pub(super) fn step(&self, from: Phase, to: Phase) -> bool {
        let event = match to {
            Phase::Serving => Lifecycle::Resume,
            Phase::Announced => Lifecycle::Announce,
            Phase::Closed => Lifecycle::Closing,
        };
        let happen = || {
            let stepped = self.phase.send_if_modified(|phase| {
                let here = *phase == from;
                if here {
                    *phase = to;
                }
                here
            });
            stepped.then_some(event)
        };
        self.steps.step(happen, |event| {
            let _ = contain(|| self.service.lifecycle(event));
        })
    }
}

impl<S> Drop for Host<S> {
    fn drop(&mut self) {
        if let Some(Some(background)) = self.background.get() {
            background.abort();
        }
    }
}
