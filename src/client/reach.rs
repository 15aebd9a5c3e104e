//! Connects to one of the addresses that a server has.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// For how long an attempt keeps the next one waiting: the Connection Attempt Delay of RFC 8305, section 5.
const DELAY: Duration = Duration::from_millis(250);

/// Connects to the first of `addrs` that takes the connection. An attempt begins when an earlier one has failed, or 250 ms after the
/// attempt before, which goes on: an address that says nothing hides no other.
///
/// The error is that of the attempt that failed last.
pub(crate) async fn reach(addrs: &[SocketAddr]) -> io::Result<TcpStream> {
    race(addrs, TcpStream::connect::<SocketAddr>).await
}

async fn race<T: Send + 'static, F>(
    addrs: &[SocketAddr],
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    // Most servers have one address, and need no task.
    if let [addr] = addrs {
        return connect(*addr).await;
    }
    let mut left = addrs.iter();
    let mut attempts = JoinSet::new();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "there is no address");
    loop {
        if let Some(addr) = left.next() {
            attempts.spawn(connect(*addr));
        }
        let ended = attempts.join_next();
        let ended = match left.as_slice() {
            [] => ended.await,
            [_, ..] => match timeout(DELAY, ended).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
        };
        failed = match ended {
            Some(Ok(Ok(io))) => return Ok(io),
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => error.into(),
            None => return Err(failed),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, sleep};

    use super::*;

    const SILENT: u16 = 1;
    const REFUSES: u16 = 2;
    /// Takes the connection after 300 ms.
    const SLOW: u16 = 3;
    const WORKS: u16 = 4;

    /// Races addresses that behave as their port says. Returns the port that won, and after how many milliseconds.
    async fn raced(ports: &[u16]) -> (Result<u16, String>, u128) {
        let addrs: Vec<SocketAddr> = ports
            .iter()
            .map(|port| ([127, 0, 0, 1], *port).into())
            .collect();
        let begun = Instant::now();
        let won = race(&addrs, |addr| async move {
            match addr.port() {
                SILENT => pending().await,
                REFUSES => return Err(io::Error::other("refused")),
                SLOW => sleep(Duration::from_millis(300)).await,
                _ => {}
            }
            Ok(addr.port())
        });
        let won = won.await.map_err(|error| error.to_string());
        (won, begun.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_says_nothing_does_not_hide_the_next() {
        assert_eq!(raced(&[SILENT, WORKS]).await, (Ok(WORKS), 250));
        assert_eq!(raced(&[SILENT, SILENT, WORKS]).await, (Ok(WORKS), 500));
        assert_eq!(raced(&[SILENT, REFUSES, WORKS]).await, (Ok(WORKS), 250));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_takes_the_connection_wins() {
        assert_eq!(raced(&[WORKS]).await, (Ok(WORKS), 0));
        assert_eq!(raced(&[WORKS, SILENT]).await, (Ok(WORKS), 0));
        assert_eq!(raced(&[REFUSES, WORKS]).await, (Ok(WORKS), 0));
        // The attempt goes on while the next one does.
        assert_eq!(raced(&[SLOW, SILENT]).await, (Ok(SLOW), 300));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_failure_is_the_error() {
        let refused = Err("refused".to_owned());
        assert_eq!(raced(&[REFUSES, REFUSES]).await, (refused, 0));
        let none = Err("there is no address".to_owned());
        assert_eq!(raced(&[]).await, (none, 0));
    }
}
