//! A server on a thread of its own.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use super::builder::Builder;
use super::handle::DrainHandle;
use super::server::Server;
use crate::service::Service;

impl<S> Builder<S> {
    /// Sets the name of the thread that [`Server::spawn_thread`] starts. Default: `grpc-health`. Linux shows the first 15 bytes.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread.thread_name = name.into();
        self
    }

    /// Lets the thread that [`Server::spawn_thread`] starts run only on one CPU, which has the number `cpu` in `/proc/cpuinfo`, so that the
    /// scheduler leaves the other CPUs to the application. Default: the CPUs of the thread that calls `spawn_thread`. Threads that the
    /// service starts run only on that CPU, too.
    #[cfg(all(feature = "affinity", target_os = "linux"))]
    pub fn thread_cpu(mut self, cpu: usize) -> Self {
        self.thread.thread_cpu = Some(cpu);
        self
    }
}

impl<S: Service> Server<S> {
    /// Serves as [`serve`](Self::serve) does, on a thread of its own with a tokio runtime of its own, so that health checks are answered
    /// while every thread of the application's runtime is blocked. Works inside and outside a runtime.
    ///
    /// The listeners move to the thread's runtime, wherever they were bound. The service's background work runs on the thread unless an
    /// earlier `serve` has begun the work elsewhere: with a [`HealthService`](crate::HealthService), the work wakes watchers, looks at
    /// leases and runs checks. Handlers of a [`Router`](crate::Router) run on the thread, too.
    ///
    /// The thread ends when the server has shut down, and waits for no blocking task. The end of the process does not wait for the thread.
    /// [`Builder::thread_name`] names the thread.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the server has no listener, if the thread's name contains a NUL byte, or if the machine has no CPU of
    /// the number that `Builder::thread_cpu` sets. Otherwise the system's error if the system gives no thread or no runtime. After an error
    /// that is not for want of a listener, the listeners are closed.
    pub fn spawn_thread(&self) -> io::Result<ServerThread> {
        let (listeners, serving) = self.listeners().serve()?;
        let name = self.shared().thread.thread_name.clone();
        if name.contains('\0') {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the name of the server's thread contains a NUL byte",
            ));
        }
        let server = self.clone();
        // The thread makes the runtime: a runtime cannot be dropped inside another, as it would be here after an error.
        let (tell, made) = sync_channel(1);
        let thread = thread::Builder::new().name(name).spawn(move || {
            let runtime = match server.shared().thread.prepare() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            server.shared().run_on(runtime.handle().clone());
            let _ = tell.send(Ok(()));
            runtime.block_on(server.serve_taken(listeners, serving));
            // The tasks end here. The thread waits for no blocking task, since such a task may outlast the shutdown's deadline.
            runtime.shutdown_background();
        })?;
        // The thread tells before it ends.
        made.recv().map_err(io::Error::other)??;
        Ok(ServerThread {
            addrs: self.local_addrs(),
            drain: self.drain_handle(),
            thread,
        })
    }
}

/// A server on a thread of its own, from [`Server::spawn_thread`]. Dropping the handle does not stop the server.
pub struct ServerThread {
    addrs: Vec<SocketAddr>,
    drain: DrainHandle,
    thread: JoinHandle<()>,
}

impl ServerThread {
    /// The addresses of the TCP listeners that the server had when the thread began, in the order in which they were added.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// A handle that begins the server's shutdown, or takes it back, from any thread.
    #[must_use]
    pub fn drain_handle(&self) -> DrainHandle {
        self.drain.clone()
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Blocks the current thread until the server's thread has ended, which is after the server's shutdown.
    ///
    /// # Panics
    ///
    /// If the server's thread has panicked, with the payload of that panic.
    pub fn join(self) {
        if let Err(payload) = self.thread.join() {
            resume_unwind(payload);
        }
    }
}

impl fmt::Debug for ServerThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerThread")
            .field("addrs", &self.addrs)
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}
