//! What the command tells systemd: that the server is ready, stops, or is alive.
//!
//! The protocol is that of [sd_notify](https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html): a datagram for each
//! message, to the socket that `NOTIFY_SOCKET` names.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::net::{self, SocketAddr},
    process,
    time::Duration,
};

use tokio::{
    net::UnixDatagram,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::output::log;

/// How long systemd may take to read a message. The server goes on without the message.
const PATIENCE: Duration = Duration::from_secs(1);

/// The systemd that has started the process. Without systemd, every function does nothing.
#[derive(Clone)]
pub(crate) struct Systemd {
    socket: Option<SocketAddr>,
    /// The time within which systemd wants each sign of life.
    watchdog: Option<Duration>,
}

impl Systemd {
    /// Reads the environment, and logs what is wrong there.
    pub(crate) fn from_env() -> Self {
        let var = |name| env::var_os(name).filter(|value| !value.is_empty());
        let socket = var("NOTIFY_SOCKET").and_then(|name| match address(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                let name = name.to_string_lossy();
                log(format_args!("error: NOTIFY_SOCKET={name}: {error}"));
                None
            }
        });
        let watchdog = watchdog(var("WATCHDOG_USEC"), var("WATCHDOG_PID"), process::id());
        Self { socket, watchdog }
    }

    pub(crate) async fn ready(&self) {
        self.tell("READY=1\nSTATUS=serving").await;
    }

    pub(crate) async fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=draining").await;
    }

    /// Gives systemd a sign of life twice in the time of the watchdog, while `is_alive`. Ends at once if systemd wants none.
    pub(crate) async fn feed(&self, is_alive: impl Fn() -> bool) {
        if let (Some(time), Some(_)) = (self.watchdog, &self.socket) {
            feed(time / 2, is_alive, || self.tell("WATCHDOG=1")).await;
        }
    }

    async fn tell(&self, message: &str) {
        let Some(socket) = &self.socket else {
            return;
        };
        let sent = match timeout(PATIENCE, send(socket, message)).await {
            Ok(sent) => sent,
            Err(late) => Err(late.into()),
        };
        if let Err(error) = sent {
            log(format_args!("error: cannot tell systemd: {error}"));
        }
    }
}

/// Sends on a socket of its own, as systemd may make its socket anew at any time.
async fn send(to: &SocketAddr, message: &str) -> io::Result<()> {
    let socket = net::UnixDatagram::unbound()?;
    socket.connect_addr(to)?;
    socket.set_nonblocking(true)?;
    UnixDatagram::from_std(socket)?
        .send(message.as_bytes())
        .await?;
    Ok(())
}

/// The address that `NOTIFY_SOCKET` names: a path, or with `@` a name in Linux's abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_encoded_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name),
        [b'@', name @ ..] => abstract_address(name),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "neither a path nor an abstract name",
        )),
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

/// systemd runs on Linux alone.
#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The time of the watchdog, if the watchdog is for the process with number `own`.
fn watchdog(usec: Option<OsString>, pid: Option<OsString>, own: u32) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    if let Some(pid) = pid {
        if number(pid) != Some(own.into()) {
            return None;
        }
    }
    let usec = number(usec?).filter(|usec| *usec > 0)?;
    Some(Duration::from_micros(usec))
}

async fn feed<F: Future<Output = ()>>(
    every: Duration,
    is_alive: impl Fn() -> bool,
    send: impl Fn() -> F,
) {
    // tokio's clock counts milliseconds, and an interval of zero panics.
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_alive = true;
    loop {
        ticks.tick().await;
        let alive = is_alive();
        if alive {
            send().await;
        } else if was_alive {
            log("the watchdog's service is not SERVING: systemd gets no sign of life");
        }
        was_alive = alive;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        cell::{Cell, RefCell},
        future::ready,
    };

    use tokio::time::{Instant, sleep};

    use super::*;

    #[test]
    fn notify_sockets_are_paths_and_abstract_names() {
        let path = address(OsStr::new("/run/systemd/notify")).unwrap();
        assert_eq!(path.as_pathname().unwrap(), "/run/systemd/notify");
        for bad in ["notify", "vsock:2:1234", ""] {
            assert!(address(OsStr::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_watchdog_is_for_one_process() {
        let of =
            |usec: &str, pid: Option<&str>| watchdog(Some(usec.into()), pid.map(Into::into), 7);
        let second = Some(Duration::from_secs(1));
        assert_eq!(of("1000000", None), second);
        assert_eq!(of("1000000", Some("7")), second);
        assert_eq!(of("1000000", Some("8")), None);
        assert_eq!(of("1000000", Some("x")), None);
        assert_eq!(of("0", None), None);
        assert_eq!(of("-1", None), None);
        assert_eq!(watchdog(None, None, 7), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_while_the_service_is_alive() {
        let (start, fed, alive) = (Instant::now(), RefCell::new(Vec::new()), Cell::new(true));
        let feeding = feed(
            Duration::from_secs(5),
            || alive.get(),
            || {
                fed.borrow_mut().push(start.elapsed().as_secs());
                ready(())
            },
        );
        let plays = async {
            sleep(Duration::from_secs(12)).await;
            alive.set(false);
            sleep(Duration::from_secs(10)).await;
            alive.set(true);
            sleep(Duration::from_secs(5)).await;
        };
        let both = async { tokio::join!(feeding, plays) };
        let ended = timeout(Duration::from_secs(28), both).await;
        assert!(ended.is_err(), "the feeding has no end");
        assert_eq!(*fed.borrow(), [0, 5, 10, 25]);
    }
}
