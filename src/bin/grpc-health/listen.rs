//! The listeners of `serve`.

use std::{
    env,
    fmt::Display,
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
    path::Path,
    process,
};

use grpc_health::{Server, service::Service, tls::ServerTls};
use socket2::{Socket, Type};
use tokio::net::{TcpListener, ToSocketAddrs, UnixListener};

use crate::{
    args::ServeArgs,
    output::{line, log},
    values::Listen,
};

/// The first descriptor that systemd passes.
const FIRST_PASSED: u32 = 3;

const DEFAULT: Listen = Listen::At(SocketAddr::new(
    std::net::IpAddr::V4(Ipv4Addr::LOCALHOST),
    50051,
));

/// What is wrong with `LISTEN_FDS`, if fewer descriptors are open than the variable says. Asked before the process opens descriptors of its
/// own, which `all` would take for sockets of systemd.
pub(crate) fn missing_sockets() -> Option<String> {
    let number = |name| env::var(name).ok()?.parse::<u32>().ok();
    let open = Path::new("/proc/self/fd");
    if number("LISTEN_PID") != Some(process::id()) || !open.exists() {
        return None;
    }
    let count = number("LISTEN_FDS")?;
    let is_open = |fd: &u32| open.join(fd.to_string()).symlink_metadata().is_ok();
    let missing = (FIRST_PASSED..FIRST_PASSED.saturating_add(count)).find(|fd| !is_open(fd))?;
    Some(format!(
        "systemd's sockets: LISTEN_FDS={count}, but descriptor {missing} is not open"
    ))
}

/// Adds every listener. An error begins with the listener's name.
pub(crate) async fn all<S: Service>(
    server: &Server<S>,
    args: &ServeArgs,
    tls: Option<&ServerTls>,
) -> Result<(), String> {
    fn on(place: impl Display) -> impl Fn(io::Error) -> String {
        move |error| why(&place, &error)
    }
    let passed = sd_listen_fds::get().map_err(|error| format!("systemd's sockets: {error}"))?;
    let nothing_else = args.unix.is_empty() && passed.is_empty();
    for (i, (_, fd)) in passed.into_iter().enumerate() {
        add(server, fd.into_std(), tls).map_err(on(format_args!("systemd's socket {i}")))?;
    }
    for addr in &args.listen {
        bind(server, addr, tls).await.map_err(on(addr))?;
    }
    if args.listen.is_empty() && nothing_else {
        bind(server, &DEFAULT, tls).await.map_err(on(DEFAULT))?;
    }
    for addr in &args.listen_plain {
        bind(server, addr, None).await.map_err(on(addr))?;
    }
    for path in &args.unix {
        server
            .bind_unix_with_mode(path, args.unix_mode)
            .await
            .map_err(on(format_args!("unix:{}", path.display())))?;
    }
    Ok(())
}

/// Why the command does not listen at `place`, and what to try.
fn why(place: impl Display, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => {
            format!(
                "{place}: {error}. Stop the program that listens there, or listen at another address."
            )
        }
        _ => format!("{place}: {error}"),
    }
}

async fn bind<S: Service>(
    server: &Server<S>,
    addr: &Listen,
    tls: Option<&ServerTls>,
) -> io::Result<()> {
    async fn on<S: Service>(
        server: &Server<S>,
        addr: impl ToSocketAddrs,
        tls: Option<&ServerTls>,
    ) -> io::Result<()> {
        match tls {
            None => server.bind(addr).await,
            Some(tls) => server.bind_tls(addr, tls).await,
        }
    }
    match addr {
        Listen::At(addr) => on(server, addr, tls).await,
        Listen::Name(name, port) => on(server, (name.as_str(), *port), tls).await,
        Listen::Everywhere(port) => {
            // The first address has IPv4, too; the second is for machines without IPv6.
            let every = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
            let every = every.map(|ip| SocketAddr::new(ip, *port));
            on(server, &every[..], tls).await
        }
    }
}

/// Adds a socket that systemd has passed to the process.
fn add<S: Service>(server: &Server<S>, fd: OwnedFd, tls: Option<&ServerTls>) -> io::Result<()> {
    let socket = Socket::from(fd);
    let addr = socket.local_addr()?;
    let unusable = |why| Err(io::Error::new(ErrorKind::InvalidInput, why));
    if socket.r#type()? != Type::STREAM {
        return unusable("the socket is not a stream socket (the unit needs ListenStream=)");
    }
    if !listens(&socket)? {
        return unusable("the socket does not listen (the unit needs Accept=no)");
    }
    socket.set_nonblocking(true)?;
    if addr.is_unix() {
        return server.add_unix_listener(UnixListener::from_std(OwnedFd::from(socket).into())?);
    }
    let listener = TcpListener::from_std(OwnedFd::from(socket).into())?;
    match tls {
        None => server.add_listener(listener),
        Some(tls) => server.add_tls_listener(listener, tls),
    }
}

/// Whether connections arrive at the socket. A socket that does not listen never has any.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn listens(socket: &Socket) -> io::Result<bool> {
    socket.is_listener()
}

/// systemd runs on Linux alone.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn listens(_: &Socket) -> io::Result<bool> {
    Ok(true)
}

/// Prints one line for each listener: TCP first, then Unix domain sockets.
pub(crate) fn say<S: Service>(server: &Server<S>) {
    let tcp = server.local_addrs();
    let unix = server.unix_paths();
    let places = tcp.iter().map(ToString::to_string);
    for place in places.chain(unix.iter().map(|path| format!("unix:{}", path.display()))) {
        if let Err(error) = line(format_args!("listening on {place}")) {
            log(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_ended_without_advice() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error = std::net::TcpListener::bind(taken.local_addr().unwrap()).unwrap_err();
        let why = why(":1", &error);
        assert!(why.starts_with(":1: Address already in use"), "{why}");
        assert!(why.ends_with("or listen at another address."), "{why}");
    }
}
