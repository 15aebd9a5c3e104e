//! The settings of a server's own thread.

use std::io;

use tokio::runtime::{self, Runtime};

/// [`Builder`](super::Builder) documents each setting.
#[derive(Debug, Clone)]
pub(super) struct ThreadConfig {
    pub(super) thread_name: String,
    #[cfg(all(feature = "affinity", target_os = "linux"))]
    pub(super) thread_cpu: Option<usize>,
}

impl Default for ThreadConfig {
    fn default() -> Self {
        Self {
            thread_name: "grpc-health".to_owned(),
            #[cfg(all(feature = "affinity", target_os = "linux"))]
            thread_cpu: None,
        }
    }
}

impl ThreadConfig {
    /// Prepares the current thread for a server, and makes the server's runtime.
    pub(super) fn prepare(&self) -> io::Result<Runtime> {
        #[cfg(all(feature = "affinity", target_os = "linux"))]
        if let Some(cpu) = self.thread_cpu {
            pin(cpu)?;
        }
        runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
    }
}

/// Lets the current thread run only on one CPU.
#[cfg(all(feature = "affinity", target_os = "linux"))]
fn pin(cpu: usize) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    let mut cpus = CpuSet::new();
    // `CpuSet::set` panics for larger numbers. The system refuses an empty set with the same error as a CPU that is not there.
    if cpu < CpuSet::MAX_CPU {
        cpus.set(cpu);
    }
    sched_setaffinity(None, &cpus).map_err(|error| {
        let text = format!("the server's thread cannot run on CPU {cpu}: {error}");
        io::Error::new(io::Error::from(error).kind(), text)
    })
}
