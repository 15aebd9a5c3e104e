//! The address of a server, in the forms that gRPC uses.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

use http::uri::Authority;

use super::place::{Place, parse};

/// The address of a server, for [`Client::connect`](super::Client::connect).
///
/// A target converts from one of these texts; there is no default port:
///
/// - `HOST:PORT`, `IPV4:PORT`, `[IPV6]:PORT`, or `:PORT` for this machine. The host `localhost` means `[::1]` and `127.0.0.1`, without
///   asking the system's resolver.
/// - `dns:///HOST:PORT`, `ipv4:IP:PORT`, `ipv6:[IP]:PORT`: [gRPC's names](https://github.com/grpc/grpc/blob/master/doc/naming.md). `ipv4:`
///   and `ipv6:` take several addresses separated by commas.
/// - `IP:PORT,IP:PORT`: several addresses of both families.
/// - `unix:PATH`, `unix:///PATH`, and `unix-abstract:NAME` or `unix:@NAME` for Linux's abstract namespace.
///
/// Of several addresses, also of one host, the client uses the first that takes a connection. The client tries them in order, the next one
/// when an attempt has failed or has lasted for 250 ms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target(pub(super) Place);

impl Target {
    /// Makes the target of a Unix domain socket. A path that begins with `@` or NUL is a name in Linux's abstract namespace.
    pub fn unix(path: impl AsRef<Path>) -> Self {
        Self(Place::Unix(path.as_ref().as_os_str().to_owned()))
    }

    /// The target's host without the port. `None` for a Unix domain socket.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        match &self.0 {
            Place::Host(host, _) => Some(host.clone()),
            Place::Addrs(addrs) => addrs.first().map(|addr| addr.ip().to_string()),
            Place::Unix(_) => None,
        }
    }

    /// The name that the certificate of the target's server must be for: the host. Nobody but this machine knows the zone of an address.
    #[cfg(feature = "tls")]
    pub(super) fn server_name(&self) -> Option<String> {
        let host = self.host()?;
        Some(without_zone(&host).to_owned())
    }

    /// The `:authority` of calls to the target. `None` for several addresses, and for none.
    pub(super) fn authority(&self) -> Option<Authority> {
        match &self.0 {
            Place::Host(host, port) if host.contains(':') => {
                let ip = without_zone(host);
                format!("[{ip}]:{port}").parse().ok()
            }
            Place::Host(..) => self.to_string().parse().ok(),
            Place::Addrs(addrs) => match addrs.as_slice() {
                [SocketAddr::V6(addr)] => format!("[{}]:{}", addr.ip(), addr.port()).parse().ok(),
                [addr] => addr.to_string().parse().ok(),
                _ => None,
            },
            Place::Unix(_) => None,
        }
    }

    /// Whether the target is a Unix domain socket.
    #[must_use]
    pub const fn is_unix(&self) -> bool {
        matches!(self.0, Place::Unix(_))
    }
}

/// An IPv6 address without the zone, in which this machine reaches the address.
fn without_zone(host: &str) -> &str {
    match host.split_once('%') {
        Some((ip, _)) if ip.contains(':') => ip,
        _ => host,
    }
}

/// Writes the target as a text that converts back to the target. An empty list of addresses, and a path of a socket that is not UTF-8, have
/// no such text.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Host(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Host(host, port) => write!(f, "{host}:{port}"),
            Place::Addrs(addrs) => {
                let of_one_family = |is: fn(&SocketAddr) -> bool| addrs.iter().all(is);
                match addrs.len() {
                    0 | 1 => {}
                    _ if of_one_family(SocketAddr::is_ipv4) => f.write_str("ipv4:")?,
                    _ if of_one_family(SocketAddr::is_ipv6) => f.write_str("ipv6:")?,
                    _ => {}
                }
                for (i, addr) in addrs.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma}{addr}")?;
                }
                Ok(())
            }
            Place::Unix(path) => {
                let path = Path::new(path).display().to_string();
                // Text after `unix://` is an absolute path, whose slash is the third.
                let slashes = if path.starts_with("//") { "//" } else { "" };
                write!(f, "unix:{slashes}{path}")
            }
        }
    }
}

/// The text is not the address of a server. The error's message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTarget(String);

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for InvalidTarget {}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        parse(text).map(Self).map_err(InvalidTarget)
    }
}

impl TryFrom<&str> for Target {
    type Error = InvalidTarget;

    fn try_from(text: &str) -> Result<Self, InvalidTarget> {
        text.parse()
    }
}

impl TryFrom<&String> for Target {
    type Error = InvalidTarget;

    fn try_from(text: &String) -> Result<Self, InvalidTarget> {
        text.parse()
    }
}

impl TryFrom<String> for Target {
    type Error = InvalidTarget;

    fn try_from(text: String) -> Result<Self, InvalidTarget> {
        text.parse()
    }
}

impl From<SocketAddr> for Target {
    fn from(addr: SocketAddr) -> Self {
        Self(Place::Addrs(vec![addr]))
    }
}

/// The client uses the first of the addresses that takes a connection.
impl From<Vec<SocketAddr>> for Target {
    fn from(addrs: Vec<SocketAddr>) -> Self {
        Self(Place::Addrs(addrs))
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for Target {
    fn from(addr: (I, u16)) -> Self {
        Self(Place::Addrs(vec![addr.into()]))
    }
}

impl From<&Self> for Target {
    fn from(target: &Self) -> Self {
        target.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No certificate is for an address with a zone, and TLS refused such a name.
    #[test]
    fn the_zone_of_an_address_stays_on_this_machine() {
        for (text, name, authority) in [
            ("[fe80::1%eth0]:1", "fe80::1", "[fe80::1]:1"),
            ("[fe80::1%2]:1", "fe80::1", "[fe80::1]:1"),
            ("[::1]:1", "::1", "[::1]:1"),
            ("127.0.0.1:1", "127.0.0.1", "127.0.0.1:1"),
            ("a:1", "a", "a:1"),
        ] {
            let target: Target = text.parse().unwrap();
            #[cfg(feature = "tls")]
            assert_eq!(target.server_name().as_deref(), Some(name));
            assert_eq!(target.authority().unwrap(), authority);
            let host = target.host().unwrap();
            assert_eq!(without_zone(&host), name);
        }
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for (text, shown) in [
            ("a:1", "a:1"),
            (":1", "localhost:1"),
            ("[fe80::1%eth0]:1", "[fe80::1%eth0]:1"),
            ("ipv6:[::1]:1", "[::1]:1"),
            (
                "ipv4:127.0.0.1:1,127.0.0.2:2",
                "ipv4:127.0.0.1:1,127.0.0.2:2",
            ),
            #[cfg(unix)]
            ("unix:///a", "unix:/a"),
            #[cfg(unix)]
            ("unix-abstract:a", "unix:@a"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), shown);
            assert_eq!(shown.parse(), Ok(target));
        }
    }

    #[test]
    fn what_is_made_from_values_can_be_read_again() {
        let v4 = SocketAddr::from(([127, 0, 0, 1], 1));
        let v6 = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 1));
        for (target, shown) in [
            (vec![v4, v6].into(), "127.0.0.1:1,[::1]:1"),
            (vec![v6, v4].into(), "[::1]:1,127.0.0.1:1"),
            (vec![v6, v6].into(), "ipv6:[::1]:1,[::1]:1"),
            (vec![v6].into(), "[::1]:1"),
            #[cfg(unix)]
            (Target::unix("//a"), "unix:////a"),
            #[cfg(unix)]
            (Target::unix("///a"), "unix://///a"),
            #[cfg(unix)]
            (Target::unix("@//a"), "unix:@//a"),
        ] {
            assert_eq!(target.to_string(), shown);
            assert_eq!(shown.parse(), Ok(target));
        }
    }
}
