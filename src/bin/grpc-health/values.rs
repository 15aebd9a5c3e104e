//! Parses the values of arguments: addresses, statuses, permissions, durations.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    num::NonZeroUsize,
    path::PathBuf,
    time::Duration,
};

use grpc_health::ServingStatus;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    /// Every address of the machine, IPv6 and IPv4.
    Everywhere(u16),
    At(SocketAddr),
    /// Every address of a name.
    Name(String, u16),
}

impl Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere(port) => write!(f, ":{port}"),
            Self::At(addr) => addr.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

pub(crate) fn listen(text: &str) -> Result<Listen, String> {
    if let Ok(addr) = text.parse() {
        return Ok(Listen::At(addr));
    }
    let parts = text.rsplit_once(':');
    match parts.map(|(host, port)| (host, port.parse())) {
        Some(("", Ok(port))) => Ok(Listen::Everywhere(port)),
        // Rejects an IPv6 address without brackets, and a URL.
        Some((host, Ok(port))) if !host.contains([':', '/', '[', ']']) => {
            Ok(Listen::Name(host.to_owned(), port))
        }
        _ => Err(
            "expected IP:PORT, HOST:PORT or :PORT, such as 127.0.0.1:50051, [::1]:50051 or :50051"
                .to_owned(),
        ),
    }
}

/// Splits at the last `=`, since a name may contain one.
pub(crate) fn service(text: &str) -> Result<(String, ServingStatus), String> {
    let (name, status) = text.rsplit_once('=').unwrap_or((text, "serving"));
    Ok((name.to_owned(), self::status(status)?))
}

pub(crate) fn status(text: &str) -> Result<ServingStatus, String> {
    match text {
        "serving" => Ok(ServingStatus::Serving),
        "not-serving" => Ok(ServingStatus::NotServing),
        "unknown" => Ok(ServingStatus::Unknown),
        _ => Err(format!("'{text}' is none of serving, not-serving, unknown")),
    }
}

/// The path of a control socket. An abstract name has no permissions, so everyone could connect.
pub(crate) fn control_path(text: &str) -> Result<PathBuf, String> {
    match text.bytes().next() {
        None => Err("expected a path".to_owned()),
        Some(b'@') => {
            Err("an abstract name has no permissions: write ./@NAME for a file".to_owned())
        }
        Some(_) => Ok(text.into()),
    }
}

/// A whole number from 1.
pub(crate) fn number(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number @ 1..) if !text.starts_with('+') => Ok(number),
        _ => Err("expected a whole number from 1".to_owned()),
    }
}

/// The most worker threads: more than machines have cores, and few enough for the runtime.
const MAX_THREADS: usize = 1024;

pub(crate) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(threads) if threads.get() <= MAX_THREADS && !text.starts_with('+') => Ok(threads),
        _ => Err(format!("expected a whole number from 1 to {MAX_THREADS}")),
    }
}

/// The permissions of a file, as `chmod` has them.
pub(crate) fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ 0..=0o777) if !text.starts_with('+') => Ok(mode),
        _ => Err("expected an octal number of up to 777, such as 660".to_owned()),
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_none(text)? {
        Duration::ZERO => Err("must be greater than zero".to_owned()),
        duration => Ok(duration),
    }
}

pub(crate) fn duration_or_none(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" if digits > 0 => 1,
        "s" if digits > 0 => 1_000,
        "m" if digits > 0 => 60_000,
        "h" if digits > 0 => 3_600_000,
        _ => return Err("expected a whole number and ms, s, m or h, such as 500ms".to_owned()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(milliseconds))
        .map(Duration::from_millis)
        .ok_or_else(|| "the number is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services() {
        let service = |text| service(text).ok();
        assert_eq!(
            service("a.B"),
            Some(("a.B".to_owned(), ServingStatus::Serving))
        );
        assert_eq!(
            service("a.B=not-serving"),
            Some(("a.B".to_owned(), ServingStatus::NotServing))
        );
        assert_eq!(
            service("a=b=unknown"),
            Some(("a=b".to_owned(), ServingStatus::Unknown))
        );
        assert_eq!(
            service("=serving"),
            Some((String::new(), ServingStatus::Serving))
        );
        assert_eq!(service(""), Some((String::new(), ServingStatus::Serving)));
        assert_eq!(service("a=SERVING"), None);
        assert_eq!(service("a="), None);
    }

    #[test]
    fn listening() {
        let listen = |text| listen(text).ok();
        assert_eq!(listen(":0"), Some(Listen::Everywhere(0)));
        assert_eq!(
            listen("localhost:1"),
            Some(Listen::Name("localhost".to_owned(), 1))
        );
        for text in ["127.0.0.1:1", "[::]:1"] {
            assert_eq!(listen(text), Some(Listen::At(text.parse().unwrap())));
        }
        for bad in [
            "",
            ":",
            "1",
            "a",
            "a:b",
            "::1:1",
            "[::1]",
            "[a]:1",
            "http://a:1",
            ":65536",
        ] {
            assert_eq!(listen(bad), None, "{bad}");
        }
    }

    #[test]
    fn modes() {
        let mode = |text| mode(text).ok();
        assert_eq!(mode("660"), Some(0o660));
        assert_eq!(mode("0777"), Some(0o777));
        assert_eq!(mode("0"), Some(0));
        for bad in ["", "1000", "8", "-1", "+600", "rw"] {
            assert_eq!(mode(bad), None, "{bad}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number("1"), Ok(1));
        assert_eq!(number("4294967295"), Ok(u32::MAX));
        for bad in ["", "0", "-1", "+1", "1.0", "4294967296", "one"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn control_paths() {
        assert_eq!(control_path("./@a"), Ok("./@a".into()));
        for bad in ["", "@a"] {
            assert!(control_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        let duration = |text| duration(text).ok();
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("1s"), Some(Duration::from_secs(1)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(duration("1h"), Some(Duration::from_secs(3600)));
        for bad in [
            "",
            "1",
            "s",
            "0s",
            "-1s",
            "1.5s",
            "1S",
            "+1s",
            "1s1s",
            "99999999999999999h",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        assert_eq!(duration_or_none("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn a_unit_without_a_number_was_too_large() {
        let why = |text| duration(text).unwrap_err();
        for unit in ["ms", "s", "m", "h"] {
            assert!(why(unit).starts_with("expected a whole number"), "{unit}");
        }
        assert_eq!(why("99999999999999999999s"), "the number is too large");
    }
}
