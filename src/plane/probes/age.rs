//! A file that is written again and again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::task::{JoinHandle, spawn_blocking};

use crate::plane::Probe;
use crate::registry::Reason;

/// A [`Probe`] that fails when a file has not been modified for a time, such as a file that a worker touches once a loop.
///
/// A file that does not exist is a failure. A modification time in the future is a success, since clocks of file systems differ a little.
/// The probe asks the file system on a thread for blocking work. While a file system does not answer, the probe fails at each timeout of
/// the check, and starts no further thread.
#[derive(Debug)]
pub struct FileAge {
    path: PathBuf,
    max: Duration,
    /// The answer of the file system, if an earlier run has not waited for the answer.
    asked: Option<JoinHandle<io::Result<SystemTime>>>,
}

impl FileAge {
    /// Makes a probe that fails when the file at `path` was last modified more than `max` ago. Symbolic links are followed.
    pub fn new(path: impl AsRef<Path>, max: Duration) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            max,
            asked: None,
        }
    }
}

impl Probe for FileAge {
    async fn probe(&mut self) -> Result<(), Reason> {
        let path = self.path.clone();
        let asked = self
            .asked
            .get_or_insert_with(|| spawn_blocking(move || std::fs::metadata(path)?.modified()));
        // Kept if this future is dropped.
        let answer = asked.await;
        self.asked = None;
        let failed = |why: &dyn std::fmt::Display| {
            Err(Reason::from(format!("{}: {why}", self.path.display())))
        };
        match answer {
            Ok(Ok(modified)) => {
                let age = modified.elapsed().unwrap_or_default();
                if age <= self.max {
                    return Ok(());
                }
                let age = Duration::from_secs(age.as_secs());
                failed(&format_args!("not modified for {age:?}"))
            }
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(&error),
        }
    }
}
