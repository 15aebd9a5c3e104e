//! A server and a service in one word: `ADDR` or `ADDR/SERVICE`.

use std::{fmt, str::FromStr};

use grpc_health::client::Target;

/// A server, and perhaps one of its services.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) addr: Target,
    /// `None` if the word names no service. Empty after a `/` at the end: the server as a whole.
    pub(crate) service: Option<String>,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (addr, service) = split(text);
        Ok(Self {
            addr: addr.parse().map_err(|error| format!("{error}"))?,
            service: service.map(str::to_owned),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Some(service) => write!(f, "{}/{service}", self.addr),
            None => self.addr.fmt(f),
        }
    }
}

/// Splits at the first slash that belongs to no address. The path of a Unix socket has slashes of its own, so no service stands behind one.
pub(crate) fn split(text: &str) -> (&str, Option<&str>) {
    if text.starts_with("unix:") || text.starts_with("unix-abstract:") {
        return (text, None);
    }
    let start = match text.find("://") {
        // `dns:///HOST:PORT/SERVICE`.
        Some(at) if text.get(at + 3..).is_some_and(|rest| rest.starts_with('/')) => at + 4,
        // A URL, which is no address: its whole text is told what to write instead.
        Some(_) => return (text, None),
        None => 0,
    };
    let slash = text.get(start..).and_then(|rest| rest.find('/'));
    match slash.and_then(|at| text.split_at_checked(start + at)) {
        Some((addr, service)) => (addr, service.get(1..)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_stand_behind_a_slash() {
        for (text, addr, service) in [
            ("a:1", "a:1", None),
            ("a:1/", "a:1", Some("")),
            ("a:1/b.C", "a:1", Some("b.C")),
            ("a:1/b/c", "a:1", Some("b/c")),
            ("a:1//b", "a:1", Some("/b")),
            (":1/b", ":1", Some("b")),
            ("[::1]:1/b", "[::1]:1", Some("b")),
            ("dns:a:1/b", "dns:a:1", Some("b")),
            ("dns:///a:1", "dns:///a:1", None),
            ("dns:///a:1/b://c", "dns:///a:1", Some("b://c")),
            (
                "ipv4:127.0.0.1:1,127.0.0.2:2/b",
                "ipv4:127.0.0.1:1,127.0.0.2:2",
                Some("b"),
            ),
            ("unix:/run/a", "unix:/run/a", None),
            ("unix:///run/a", "unix:///run/a", None),
            ("unix-abstract:a/b", "unix-abstract:a/b", None),
            ("http://a:1/b", "http://a:1/b", None),
            ("dns://8.8.8.8/a:1", "dns://8.8.8.8/a:1", None),
            ("", "", None),
            ("/", "", Some("")),
        ] {
            assert_eq!(split(text), (addr, service), "{text}");
        }
    }

    #[test]
    fn a_place_is_shown_as_it_is_written() {
        for text in ["a:1", "a:1/", "a:1/b.C", "[::1]:1/b"] {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
        }
        let why = "http://a:1/b".parse::<Place>().unwrap_err();
        assert!(why.contains("write a:1 alone"), "{why}");
    }
}
