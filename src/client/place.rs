//! The places that a target's text may mean, and the advice for a text that means none.

use std::ffi::OsString;
use std::net::SocketAddr;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// A host name, or an IPv6 address with a zone: only the system can resolve either.
    Host(String, u16),
    Addrs(Vec<SocketAddr>),
    /// A path, or `@` and a name of Linux's abstract namespace. Names have no components, and `@a//b` is not `@a/b`.
    Unix(OsString),
}

pub(super) fn parse(text: &str) -> Result<Place, String> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return tcp(text);
    };
    match scheme {
        "unix" => return unix(rest),
        "unix-abstract" => {
            return match rest {
                "" => Err("a name is missing: write unix-abstract:NAME".to_owned()),
                name => socket(format!("@{name}")),
            };
        }
        // A host may have this name.
        _ if port(rest).is_some() => return tcp(text),
        "dns" | "passthrough" => {
            let name = rest.strip_prefix("///").unwrap_or(rest);
            return match name
                .strip_prefix("//")
                .and_then(|rest| rest.split_once('/'))
            {
                Some((_, name)) => Err(format!(
                    "only this machine's resolver can be asked: write {scheme}:///{name}"
                )),
                None => tcp(name),
            };
        }
        "ipv4" | "ipv6" => return several(scheme, rest.strip_prefix("///").unwrap_or(rest)),
        _ => {}
    }
    if let Some(rest) = rest.strip_prefix("//") {
        let host = rest.split('/').next().unwrap_or(rest);
        return Err(match scheme {
            "http" | "grpc" => format!("no URL is expected here: write {host} alone"),
            "https" | "grpcs" => {
                format!("no URL is expected here: write {host} alone, and connect over TLS")
            }
            _ => unknown(scheme),
        });
    }
    match scheme {
        "xds" | "vsock" => Err(unknown(scheme)),
        _ => tcp(text),
    }
}

fn unknown(scheme: &str) -> String {
    format!(
        "\"{scheme}:\" is not known here: write HOST:PORT, dns:///HOST:PORT, ipv4:IP:PORT, ipv6:[IP]:PORT, unix:PATH or \
         unix-abstract:NAME"
    )
}

fn unix(rest: &str) -> Result<Place, String> {
    match rest {
        "" | "@" | "//" | "///" => {
            Err("a path is missing: write unix:PATH or unix-abstract:NAME".to_owned())
        }
        _ => match rest.strip_prefix("//") {
            Some(path) if path.starts_with('/') => socket(path.to_owned()),
            Some(path) => Err(format!(
                "after unix:// comes an absolute path: write unix:///{path} or unix:{path}"
            )),
            None => socket(rest.to_owned()),
        },
    }
}

fn socket(path: String) -> Result<Place, String> {
    if cfg!(unix) {
        Ok(Place::Unix(path.into()))
    } else {
        Err("this system has no Unix domain sockets: write HOST:PORT".to_owned())
    }
}

fn several(scheme: &str, list: &str) -> Result<Place, String> {
    let example = match scheme {
        "ipv4" => "ipv4:127.0.0.1:50051",
        _ => "ipv6:[::1]:50051",
    };
    list.split(',')
        .map(|text| match text.parse::<SocketAddr>() {
            Ok(addr) if addr.is_ipv4() == (scheme == "ipv4") => Ok(addr),
            _ => Err(format!(
                "\"{text}\" is no address with a port of this family: write such as {example}"
            )),
        })
        .collect::<Result<_, _>>()
        .map(Place::Addrs)
}

/// A port as people write one. Rust's own parser takes a `+` before the number.
pub(crate) fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn tcp(text: &str) -> Result<Place, String> {
    let addrs = text.split(',').map(str::parse).collect();
    if let Ok(addrs) = addrs {
        return Ok(Place::Addrs(addrs));
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(format!("the port is missing: write [{text}]:50051"));
    }
    let Some((host, port)) = text.rsplit_once(':').filter(|_| !text.ends_with(']')) else {
        return Err(match text {
            "" => "expected HOST:PORT, such as localhost:50051".to_owned(),
            _ => format!("expected HOST:PORT, and the port is missing: write {text}:50051"),
        });
    };
    let Some(port) = self::port(port) else {
        return Err(format!(
            "expected HOST:PORT, and \"{port}\" is no port: write a number of up to 65535, as in {host}:50051"
        ));
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'));
    match bare {
        // Rust's address parser does not know zones with names.
        Some(inner) if inner.contains(':') => return Ok(Place::Host(inner.to_owned(), port)),
        Some(inner) => {
            return Err(format!(
                "brackets are for IPv6 addresses: write {inner}:{port}"
            ));
        }
        None => {}
    }
    if host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@[]?#,\\\"".contains(c)) {
        return Err(format!(
            "\"{host}\" is no host name: write HOST:PORT, such as localhost:50051"
        ));
    }
    if host.contains(':') {
        return Err(format!(
            "an IPv6 address needs brackets: write [{host}]:{port}"
        ));
    }
    // As in other tools, a target without a host means this machine.
    let host = if host.is_empty() { "localhost" } else { host };
    Ok(Place::Host(host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        parse(text).unwrap()
    }

    fn host(name: &str, port: u16) -> Place {
        Place::Host(name.to_owned(), port)
    }

    fn addrs(texts: &[&str]) -> Place {
        Place::Addrs(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn hosts_and_addresses() {
        assert_eq!(place("shop.example:1"), host("shop.example", 1));
        assert_eq!(place(":1"), host("localhost", 1));
        assert_eq!(place("127.0.0.1:1"), addrs(&["127.0.0.1:1"]));
        assert_eq!(place("[::1]:1"), addrs(&["[::1]:1"]));
        assert_eq!(place("[fe80::1%eth0]:1"), host("fe80::1%eth0", 1));
        assert_eq!(
            place("[::1]:1,127.0.0.1:2"),
            addrs(&["[::1]:1", "127.0.0.1:2"])
        );
        // Hosts that are called like a scheme.
        for name in ["dns", "ipv4", "xds", "passthrough"] {
            assert_eq!(place(&format!("{name}:1")), host(name, 1));
        }
    }

    #[test]
    fn names_as_grpc_writes_them() {
        for text in ["dns:///a:1", "dns:a:1", "passthrough:///a:1"] {
            assert_eq!(place(text), host("a", 1), "{text}");
        }
        assert_eq!(place("dns:///[::1]:1"), addrs(&["[::1]:1"]));
        assert_eq!(place("ipv4:127.0.0.1:1"), addrs(&["127.0.0.1:1"]));
        assert_eq!(
            place("ipv4:127.0.0.1:1,127.0.0.2:2"),
            addrs(&["127.0.0.1:1", "127.0.0.2:2"])
        );
        assert_eq!(
            place("ipv6:[::1]:1,[::2]:2"),
            addrs(&["[::1]:1", "[::2]:2"])
        );
    }

    #[cfg(unix)]
    #[test]
    fn unix_domain_sockets() {
        for (text, path) in [
            ("unix:a", "a"),
            ("unix:1", "1"),
            ("unix:////a", "//a"),
            ("unix:/run/a", "/run/a"),
            ("unix:///run/a", "/run/a"),
            ("unix:@a", "@a"),
            ("unix-abstract:a", "@a"),
            ("unix-abstract:1", "@1"),
        ] {
            assert_eq!(place(text), Place::Unix(path.into()), "{text}");
        }
    }

    /// Each says what to write.
    #[test]
    fn what_is_refused_and_what_is_to_be_written() {
        for (text, write) in [
            ("", "localhost:50051"),
            ("a", "write a:50051"),
            ("a:", "as in a:50051"),
            ("a:grpc", "as in a:50051"),
            ("a:65536", "as in a:50051"),
            ("127.0.0.1:+1", "as in 127.0.0.1:50051"),
            ("127.0.0.1", "write 127.0.0.1:50051"),
            ("::1", "write [::1]:50051"),
            ("[::1]", "write [::1]:50051"),
            ("fe80::1%eth0:1", "write [fe80::1%eth0]:1"),
            ("2001:db8::1:50051", "write [2001:db8::1]:50051"),
            ("[a]:1", "write a:1"),
            ("a b:1", "write HOST:PORT"),
            ("a@b:1", "write HOST:PORT"),
            ("a:1,b:1", "write HOST:PORT"),
            ("127.0.0.1:1,a:1", "write HOST:PORT"),
            ("127.0.0.1:1,", "as in 127.0.0.1:50051"),
            ("127.0.0.1:1,[::1]", "write 127.0.0.1:1,[::1]:50051"),
            ("http://a:1/b", "write a:1 alone"),
            ("https://a:1", "write a:1 alone, and connect over TLS"),
            ("xds:///a", "write HOST:PORT, dns:///"),
            ("vsock:1:2", "write HOST:PORT, dns:///"),
            ("tcp://a:1", "write HOST:PORT, dns:///"),
            ("dns:///a", "write a:50051"),
            ("dns://8.8.8.8/a:1", "write dns:///a:1"),
            ("ipv4:127.0.0.1", "write such as ipv4:127.0.0.1:50051"),
            ("ipv4:[::1]:1", "write such as ipv4:127.0.0.1:50051"),
            ("ipv4:127.0.0.1:1,", "write such as ipv4:127.0.0.1:50051"),
            ("ipv6:127.0.0.1:1", "write such as ipv6:[::1]:50051"),
            ("unix:", "write unix:PATH"),
            ("unix:@", "write unix:PATH"),
            ("unix://", "write unix:PATH"),
            ("unix://a/b", "write unix:///a/b or unix:a/b"),
            ("unix-abstract:", "write unix-abstract:NAME"),
        ] {
            let why = parse(text).unwrap_err();
            assert!(why.contains(write), "{text}: {why}");
        }
    }
}
