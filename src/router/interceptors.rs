//! Interceptors decide whether a call may begin; observers are told when a call has ended.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::service::{Admission, CallEnd, Head, Rejection, RequestContext};
use crate::wire::status::Status;

/// The interceptors and observers of a router.
pub(super) struct Interceptors {
    /// Distinguishes nested routers: a call remembers which routers have admitted the call.
    id: u64,
    interceptors: Vec<Interceptor>,
    observers: Vec<Arc<Observer>>,
    /// Exempt paths, and prefixes of paths that end in a slash.
    exempt: Vec<Box<str>>,
    /// Whether interceptors and observers without a path cover the inner service's calls, too.
    pub(super) with_inner: bool,
}

type Observer = dyn Fn(&CallEnd<'_>) + Send + Sync;
type Decided = Pin<Box<dyn Future<Output = Result<RequestContext, Status>> + Send>>;

type SyncFn = dyn Fn(&mut RequestContext) -> Result<(), Status> + Send + Sync;
type AsyncFn = dyn Fn(RequestContext) -> Decided + Send + Sync;

struct Interceptor {
    /// The path, or prefix of paths, that the interceptor covers; `None` covers all paths.
    path: Option<Box<str>>,
    decides: Decides,
}

enum Decides {
    Now(Box<SyncFn>),
    Later(Box<AsyncFn>),
}

/// Whether `name` is `path`, or a prefix of `path` that ends in a slash.
fn covers(name: &str, path: &str) -> bool {
    path == name || (name.ends_with('/') && path.starts_with(name))
}

impl Interceptors {
    pub(super) fn new() -> Self {
        // Relaxed: the counter orders no other memory.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Relaxed),
            interceptors: Vec::new(),
            observers: Vec::new(),
            exempt: Vec::new(),
            with_inner: false,
        }
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// Whether there are no interceptors and no observers.
    pub(super) fn is_empty(&self) -> bool {
        self.interceptors.is_empty() && self.observers.is_empty()
    }

    pub(super) fn add(
        &mut self,
        path: Option<Box<str>>,
        interceptor: impl Fn(&mut RequestContext) -> Result<(), Status> + Send + Sync + 'static,
    ) {
        let decides = Decides::Now(Box::new(interceptor));
        self.interceptors.push(Interceptor { path, decides });
    }

    pub(super) fn add_async<F, Fut>(&mut self, path: Option<Box<str>>, interceptor: F)
    where
        F: Fn(RequestContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<RequestContext, Status>> + Send + 'static,
    {
        let decides = Decides::Later(Box::new(move |context| Box::pin(interceptor(context))));
        self.interceptors.push(Interceptor { path, decides });
    }

    pub(super) fn observe(&mut self, observer: impl Fn(&CallEnd<'_>) + Send + Sync + 'static) {
        self.observers.push(Arc::new(observer));
    }

    pub(super) fn exempt(&mut self, path: Box<str>) {
        self.exempt.push(path);
    }

    /// Asks the interceptors that have not been asked about this call, up to the first that refuses the call or has to wait. Before the
    /// first wait, `place` takes the call's place among the calls in progress.
    ///
    /// Returns `None` if all interceptors have admitted the call.
    pub(super) fn ask(
        &self,
        head: &mut Head<'_>,
        of_inner: bool,
        place: impl FnOnce(&mut Head<'_>) -> Result<(), Rejection>,
    ) -> Result<Option<Admission>, Rejection> {
        let Some((step, is_new)) = head.step(self.id) else {
            return Ok(None);
        };
        let mut asked = step.asked;
        if is_new && (!of_inner || self.with_inner) {
            for observer in &self.observers {
                let observer = Arc::clone(observer);
                head.on_end(move |end| observer(end));
            }
        }
        let is_exempt = self.exempt.iter().any(|name| covers(name, head.path()));
        while let Some(interceptor) = self.interceptors.get(asked) {
            asked += 1;
            let concerned = match &interceptor.path {
                None => !of_inner || self.with_inner,
                Some(name) => covers(name, head.path()),
            };
            if is_exempt || !concerned {
                continue;
            }
            match &interceptor.decides {
                Decides::Now(decide) => {
                    let context = head.context_mut().ok_or_else(forgotten)?;
                    decide(context)?;
                }
                Decides::Later(decide) => {
                    place(head)?;
                    if let Some((step, _)) = head.step(self.id) {
                        step.asked = asked;
                    }
                    let context = head.take_context().ok_or_else(forgotten)?;
                    let decided = decide(context);
                    return Ok(Some(Admission::later(async move {
                        decided.await.map_err(Rejection::Status)
                    })));
                }
            }
        }
        if let Some((step, _)) = head.step(self.id) {
            step.asked = asked;
        }
        place(head)?;
        Ok(None)
    }
}

/// The status of a call that the router was not asked to admit, or whose context is missing.
pub(super) fn forgotten() -> Status {
    use crate::wire::code::Code;
    let message = "a service around the router does not pass on `admit`, so the router's interceptors were not asked";
    Status::new(Code::INTERNAL, message)
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interceptors").finish_non_exhaustive()
    }
}
