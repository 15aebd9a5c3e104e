//! Whose connection it is, as far as a server can tell: what places and shares are counted for.

use std::net::IpAddr;

use super::peer::PeerInfo;

/// Who holds connections and calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Address {
    /// A peer without an address, such as an in-memory pipe.
    Unknown,
    /// The user at the other end of a Unix socket.
    User(u32),
    /// An IPv4 address.
    V4(u32),
    /// The first 64 bits of an IPv6 address: one host commonly has all addresses with the same 64 bits.
    V6(u64),
}

impl Address {
    pub(crate) fn of(peer: &PeerInfo) -> Self {
        match (peer.remote_addr, peer.credentials()) {
            (Some(addr), _) => Self::of_ip(addr.ip()),
            (None, Some(user)) => Self::User(user.uid),
            (None, None) => Self::Unknown,
        }
    }

    pub(crate) fn of_ip(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.to_bits()),
            IpAddr::V6(ip) => Self::V6(u64::try_from(ip.to_bits() >> 64).unwrap_or_default()),
        }
    }

    /// Whether the peer is a process of the same machine: over loopback, a Unix socket, or without an address. `::1` shares its first 64
    /// bits with no other address that is used.
    pub(crate) const fn is_local(self) -> bool {
        match self {
            Self::Unknown | Self::User(_) => true,
            Self::V4(bits) => bits >> 24 == 127,
            Self::V6(bits) => bits == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::service::{UnixCredentials, UnixPeer};

    fn of(ip: &str) -> Address {
        let ip: IpAddr = ip.parse().unwrap();
        Address::of(&PeerInfo::from(SocketAddr::new(ip, 1)))
    }

    #[test]
    fn an_address_is_an_ipv4_address_or_the_first_half_of_an_ipv6_address() {
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[test]
    fn loopback_and_peers_without_an_address_are_local() {
        for ip in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert!(of(ip).is_local(), "{ip}");
        }
        for ip in ["192.0.2.1", "2001:db8::1", "10.0.0.1"] {
            assert!(!of(ip).is_local(), "{ip}");
        }
        let user = UnixPeer::from(UnixCredentials::new(1000, 1000));
        assert_eq!(Address::of(&PeerInfo::from(user)), Address::User(1000));
        assert!(Address::User(1000).is_local());
        assert!(Address::of(&PeerInfo::default()).is_local());
    }
}
