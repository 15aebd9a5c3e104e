//! CPU time of this process.

use std::fs;
use std::io;
use std::time::Duration;

/// The time all threads of this process have spent on a CPU, to the nanosecond.
///
/// Linux only: the sum over `/proc/self/task/*/schedstat`. Threads that have ended do not count.
pub(crate) fn time() -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir("/proc/self/task")? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        let nanos = stat
            .split_ascii_whitespace()
            .next()
            .and_then(|field| field.parse().ok());
        total += Duration::from_nanos(nanos.ok_or(io::ErrorKind::InvalidData)?);
    }
    Ok(total)
}
