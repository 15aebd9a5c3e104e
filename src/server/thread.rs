//! A server on a thread of its own.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};

use tokio::runtime;

use super::handle::DrainHandle;
use super::server::Server;
use crate::service::Service;

/// The name of a server's thread, if the embedder gives no other.
const NAME: &str = "grpc-health";

impl<S: Service> Server<S> {
    /// Serves as [`serve`](Self::serve) does, on a thread of its own with a tokio runtime of its own, so that health checks are answered
    /// while every thread of the application's runtime is blocked. Works inside and outside a runtime. The thread's name is `grpc-health`.
    ///
    /// The listeners move to the thread's runtime, wherever they were bound, and so does the service's background work. Connections are
    /// tasks of that runtime: a handler that the service calls runs there, too. The thread ends when the server has shut down; the end of
    /// the process does not wait for the thread.
    ///
    /// # Errors
    ///
    /// The system's error if it gives no thread or no runtime. [`ServerThread::join`] returns the errors of `serve`.
    pub fn spawn_thread(&self) -> io::Result<ServerThread> {
        self.spawn_thread_named(NAME)
    }

    /// Serves on a thread of its own, as [`spawn_thread`](Self::spawn_thread) does, and gives the thread this name. Linux shows the first
    /// 15 bytes.
    ///
    /// # Errors
    ///
    /// As [`spawn_thread`](Self::spawn_thread).
    ///
    /// # Panics
    ///
    /// If the name contains a NUL byte.
    pub fn spawn_thread_named(&self, name: &str) -> io::Result<ServerThread> {
        let server = self.clone();
        // The thread makes the runtime: a runtime cannot be dropped inside another, as it would be here after an error.
        let (tell, made) = sync_channel(1);
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return Ok(());
                }
            };
            let serving = {
                let _context = runtime.enter();
                server.shared().run_on(runtime.handle().clone());
                server.serve()
            };
            let _ = tell.send(Ok(()));
            drop(tell);
            runtime.block_on(serving)
        })?;
        match made.recv() {
            Ok(made) => made?,
            // The thread has panicked; `join` tells how.
            Err(_) => {}
        }
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
    thread: JoinHandle<io::Result<()>>,
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
    /// # Errors
    ///
    /// Those of [`Server::serve`].
    ///
    /// # Panics
    ///
    /// If the server's thread has panicked, with the payload of that panic.
    pub fn join(self) -> io::Result<()> {
        self.thread
            .join()
            .unwrap_or_else(|payload| resume_unwind(payload))
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
