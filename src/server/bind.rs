//! TCP listeners on every address that a name or a wildcard stands for, IPv6 and IPv4.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, ToSocketAddrs, lookup_host};

use super::server::Server;
use crate::service::Service;
#[cfg(feature = "tls")]
use crate::tls::ServerTls;

/// How many times to look for a port that is free on every address.
const ATTEMPTS: usize = 16;

/// The system's error for an address family that the machine does not have: `EAFNOSUPPORT`.
const NO_SUCH_FAMILY: i32 = if cfg!(windows) {
    10047
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    97
} else {
    47
};

impl<S: Service> Server<S> {
    /// Adds a TCP listener on every address that `addr` stands for. Clients can connect from now on; the server answers them once
    /// [`serve`](Self::serve) runs.
    ///
    /// `[::]:PORT` stands for every address of the machine, IPv6 and IPv4, whatever the system's default. `localhost:PORT` stands for every
    /// address of the name; addresses that the machine does not have are left out if the name has another. The slice of `[::]:PORT` and
    /// `0.0.0.0:PORT` stands for every address, on machines with and without IPv6. Port 0 takes a free port, the same for every address.
    /// For a socket with other settings use [`add_listener`](Self::add_listener).
    ///
    /// # Errors
    ///
    /// The errors of resolving a name and of binding a TCP socket, such as an address in use, and `InvalidInput` if the server has shut
    /// down. The server then has no new listener.
    pub async fn bind(&self, addr: impl ToSocketAddrs) -> io::Result<()> {
        let mut bound = listeners(addr, self.backlog()).await?.into_iter();
        bound.try_for_each(|listener| self.add_listener(listener))
    }

    /// Adds a TLS listener on every address that `addr` stands for. Addresses and port 0 have the meaning that they have in
    /// [`bind`](Self::bind).
    ///
    /// The server closes a connection whose TLS handshake fails or does not ask for `h2` (ALPN), and counts the connection in
    /// [`Stats::connection_errors`](super::Stats::connection_errors).
    ///
    /// # Errors
    ///
    /// The errors of resolving a name and of binding a TCP socket, such as an address in use. The server then has no new listener.
    #[cfg(feature = "tls")]
    pub async fn bind_tls(&self, addr: impl ToSocketAddrs, tls: &ServerTls) -> io::Result<()> {
        let mut bound = listeners(addr, self.backlog()).await?.into_iter();
        bound.try_for_each(|listener| self.add_tls_listener(listener, tls))
    }
}

/// Listens on every address that `addr` stands for.
async fn listeners(addr: impl ToSocketAddrs, backlog: u32) -> io::Result<Vec<TcpListener>> {
    let addrs: Vec<_> = lookup_host(addr).await?.collect();
    bind_all(&addrs, |addr| {
        let listener = listen(addr, backlog)?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    })
}

fn listen(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    // A restarted server finds old connections in TIME_WAIT. On Windows the option means something else.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    take_ipv4_too(&socket, addr)?;
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Makes `[::]` take IPv4 connections, too. Without the option the system decides (on Linux with `net.ipv6.bindv6only`).
fn take_ipv4_too(socket: &Socket, addr: SocketAddr) -> io::Result<()> {
    match addr.ip() {
        IpAddr::V6(ip) if ip.is_unspecified() || ip.to_ipv4_mapped().is_some() => {
            socket.set_only_v6(false)
        }
        _ => Ok(()),
    }
}

/// Binds every address of `addrs` with `bind`, which returns the bound address.
///
/// Skips addresses that the machine does not have if another address is bound. All addresses with port 0 get the same free port.
fn bind_all<L>(
    addrs: &[SocketAddr],
    bind: impl Fn(SocketAddr) -> io::Result<(L, SocketAddr)>,
) -> io::Result<Vec<L>> {
    let mut attempts = 1..ATTEMPTS;
    loop {
        match bind_once(addrs, &bind) {
            Err(Failed::Chosen(_)) if attempts.next().is_some() => {}
            Err(Failed::Chosen(error) | Failed::Given(error)) => return Err(error),
            Ok(listeners) => return Ok(listeners),
        }
    }
}

enum Failed {
    /// The port that was free on one address is taken on another.
    Chosen(io::Error),
    Given(io::Error),
}

fn bind_once<L>(
    addrs: &[SocketAddr],
    bind: impl Fn(SocketAddr) -> io::Result<(L, SocketAddr)>,
) -> Result<Vec<L>, Failed> {
    let mut chosen = None;
    let mut bound: Vec<SocketAddr> = Vec::new();
    let mut listeners = Vec::new();
    let mut absent = None;
    for &addr in addrs {
        let mut wanted = addr;
        if let (0, Some(port)) = (addr.port(), chosen) {
            wanted.set_port(port);
        }
        if bound.iter().any(|&bound| covers(bound, wanted)) {
            continue;
        }
        match bind(wanted) {
            Ok((listener, local)) => {
                if addr.port() == 0 {
                    chosen = Some(local.port());
                }
                bound.push(local);
                listeners.push(listener);
            }
            Err(error) if is_absent(&error) => absent = Some(name(error, wanted, addrs)),
            Err(error) => {
                let is_chosen = wanted != addr && error.kind() == ErrorKind::AddrInUse;
                let error = name(error, wanted, addrs);
                return Err(if is_chosen {
                    Failed::Chosen(error)
                } else {
                    Failed::Given(error)
                });
            }
        }
    }
    if listeners.is_empty() {
        return Err(Failed::Given(absent.unwrap_or_else(|| {
            io::Error::new(
                ErrorKind::AddrNotAvailable,
                "the name stands for no address",
            )
        })));
    }
    Ok(listeners)
}

/// Whether a listener on `bound` accepts the clients of `addr`, too.
fn covers(bound: SocketAddr, addr: SocketAddr) -> bool {
    let everything = bound.is_ipv6() && bound.ip().is_unspecified();
    bound == addr || (everything && addr.is_ipv4() && addr.port() == bound.port())
}

/// Whether the machine does not have the address or its family. A name may stand for such addresses: `localhost` stands for `::1` where
/// IPv6 is off.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_SUCH_FAMILY)
}

/// Adds the address to the error if there are several.
fn name(error: io::Error, addr: SocketAddr, addrs: &[SocketAddr]) -> io::Error {
    match addrs {
        [_] => error,
        _ => io::Error::new(error.kind(), format!("{addr}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn addrs(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// What is bound of `wanted` where `broken` cannot be, each with the error that it gives. The system's choice is port 40000, then
    /// 40001, and so on.
    fn bound(wanted: &[&str], broken: &[(&str, io::Error)]) -> Result<Vec<String>, String> {
        let free = RefCell::new(40_000..);
        let bind = |mut addr: SocketAddr| {
            if let Some((_, error)) = broken.iter().find(|(text, _)| *text == addr.to_string()) {
                return Err(match error.raw_os_error() {
                    Some(code) => io::Error::from_raw_os_error(code),
                    None => error.kind().into(),
                });
            }
            if addr.port() == 0 {
                addr.set_port(free.borrow_mut().next().unwrap());
            }
            Ok((addr.to_string(), addr))
        };
        bind_all(&addrs(wanted), bind).map_err(|error| error.to_string())
    }

    fn no_ipv6() -> io::Error {
        io::Error::from_raw_os_error(NO_SUCH_FAMILY)
    }

    #[test]
    fn every_address_is_bound_once() {
        let localhost = ["[::1]:1", "127.0.0.1:1", "127.0.0.1:1"];
        assert_eq!(bound(&localhost, &[]).unwrap(), ["[::1]:1", "127.0.0.1:1"]);
        // The first of these has the clients of the second.
        let any = ["[::]:1", "0.0.0.0:1"];
        assert_eq!(bound(&any, &[]).unwrap(), ["[::]:1"]);
        assert_eq!(bound(&["0.0.0.0:1", "[::1]:1"], &[]).unwrap().len(), 2);
        assert_eq!(bound(&["[::]:1", "0.0.0.0:2"], &[]).unwrap().len(), 2);
        assert_eq!(
            bound(&["[::]:0", "0.0.0.0:0"], &[]).unwrap(),
            ["[::]:40000"]
        );
    }

    #[test]
    fn without_ipv6_there_is_ipv4() {
        let any = ["[::]:1", "0.0.0.0:1"];
        assert_eq!(
            bound(&any, &[("[::]:1", no_ipv6())]).unwrap(),
            ["0.0.0.0:1"]
        );
        let absent = ErrorKind::AddrNotAvailable;
        let localhost = ["127.0.0.1:1", "[::1]:1"];
        assert_eq!(
            bound(&localhost, &[("[::1]:1", absent.into())]).unwrap(),
            ["127.0.0.1:1"]
        );
        // Who names one address means that one.
        bound(&["[::]:1"], &[("[::]:1", no_ipv6())]).unwrap_err();
        let neither = [("[::1]:1", absent.into()), ("127.0.0.1:1", absent.into())];
        bound(&localhost, &neither).unwrap_err();
        bound(&[], &[]).unwrap_err();
    }

    #[test]
    fn an_address_that_is_taken_is_an_error_that_names_it() {
        let localhost = ["[::1]:1", "127.0.0.1:1"];
        let taken = [("127.0.0.1:1", ErrorKind::AddrInUse.into())];
        let error = bound(&localhost, &taken).unwrap_err();
        assert!(error.starts_with("127.0.0.1:1: "), "{error}");
    }

    #[test]
    fn port_0_is_one_port_that_is_free_at_every_address() {
        let localhost = ["[::1]:0", "127.0.0.1:0"];
        let taken = [
            ("127.0.0.1:40000", ErrorKind::AddrInUse.into()),
            ("127.0.0.1:40001", ErrorKind::AddrInUse.into()),
        ];
        assert_eq!(
            bound(&localhost, &taken).unwrap(),
            ["[::1]:40002", "127.0.0.1:40002"]
        );
        // Not for ever.
        let all: Vec<_> = (40_000..40_100)
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        let taken: Vec<_> = all
            .iter()
            .map(|addr| (addr.as_str(), ErrorKind::AddrInUse.into()))
            .collect();
        bound(&localhost, &taken).unwrap_err();
    }

    /// As on a system that keeps IPv4 apart.
    #[test]
    fn every_address_means_ipv4_too_whatever_the_system_thinks() {
        for (addr, only_v6) in [
            ("[::]:0", false),
            ("[::ffff:127.0.0.1]:0", false),
            ("[::1]:0", true),
        ] {
            // Where there is no IPv6 there is nothing to set.
            let Ok(socket) = Socket::new(Domain::IPV6, Type::STREAM, None) else {
                continue;
            };
            socket.set_only_v6(true).unwrap();
            take_ipv4_too(&socket, addr.parse().unwrap()).unwrap();
            assert_eq!(socket.only_v6().unwrap(), only_v6, "{addr}");
        }
    }
}
