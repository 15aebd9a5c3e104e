//! The command line.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    num::NonZeroUsize,
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use grpc_health::ServingStatus;

use crate::tls::{ServeTls, TargetTls};

const EXIT_CODES: &str = "\
Exit codes:
  0  SERVING (serve: drained; list: every service is SERVING)
  1  bad arguments
  2  no connection (serve: cannot listen)
  3  the RPC failed
  4  any other status than SERVING (list: of any service)";

const WATCH_NOTES: &str = "\
Runs until the server ends the call or the connection breaks (exit code 3), or until nobody reads
stdout (exit code 0 or 4, after the last status).";

const LIST_NOTES: &str = "\
One line per service, sorted by name: NAME, a tab, STATUS. The server as a whole has the empty
name. Control characters and backslashes in a name are escaped.";

/// The gRPC Health Checking Protocol, both ends of it.
#[derive(Debug, Parser)]
#[command(name = "grpc-health", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve fixed statuses until SIGTERM or SIGINT, then drain; a second signal ends at once.
    Serve(ServeArgs),
    /// Ask for one service's status, and print it.
    #[command(after_help = EXIT_CODES)]
    Check(CheckArgs),
    /// Print one service's status, and each change of it.
    #[command(after_help = WATCH_NOTES)]
    Watch(WatchArgs),
    /// Print all services and their statuses.
    #[command(after_help = LIST_NOTES)]
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on; repeatable. Port 0 takes a free one, printed as "listening on ADDR".
    /// [default: 127.0.0.1:50051] unless there is a Unix socket or one from systemd.
    #[arg(long, value_name = "ADDR", value_parser = listen)]
    pub(crate) listen: Vec<SocketAddr>,
    /// Address to listen on without TLS, beside those that have it; repeatable. Unix sockets never
    /// have it.
    #[arg(long, value_name = "ADDR", requires = "tls_cert", value_parser = listen)]
    pub(crate) listen_plain: Vec<SocketAddr>,
    #[command(flatten)]
    pub(crate) tls: ServeTls,
    /// Unix domain socket to listen on, printed as "listening on unix:PATH"; repeatable. @NAME is
    /// an abstract name of Linux.
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Vec<PathBuf>,
    /// Permissions of Unix sockets' files, in octal; to connect takes the one to write.
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = mode)]
    pub(crate) unix_mode: u32,
    /// A service and its status: NAME, or NAME=serving, NAME=not-serving, NAME=unknown; repeatable.
    /// The empty name is the server as a whole, SERVING unless set.
    #[arg(long, value_name = "NAME[=STATUS]", value_parser = service)]
    pub(crate) service: Vec<(String, ServingStatus)>,
    /// A service that stays as it is while the server drains, such as one for liveness; repeatable.
    #[arg(long, value_name = "NAME")]
    pub(crate) pin: Vec<String>,
    /// Tell clients what can be called: grpc.reflection.v1 and v1alpha, for grpcurl and its like.
    #[arg(long)]
    pub(crate) reflection: bool,
    /// How long to go on as before once the drain is announced, so that balancers notice.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration_or_none)]
    pub(crate) drain_linger: Duration,
    /// How long calls may take to complete after that.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration_or_none)]
    pub(crate) drain_deadline: Duration,
    /// Serve with N worker threads, in place of the main thread alone.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Host and port of the server, or unix:PATH, or unix:@NAME.
    #[arg(value_name = "ADDR", value_parser = addr)]
    pub(crate) addr: Addr,
    /// How long connecting may take, such as 500ms, 1s or 2m.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) connect_timeout: Duration,
    #[command(flatten)]
    pub(crate) tls: TargetTls,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The service to ask for; the server as a whole if not given.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) service: String,
    /// How long the call may take.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The service to watch; the server as a whole if not given.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) service: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How long the call may take.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected IP:PORT, such as 127.0.0.1:50051 or [::]:50051".to_owned())
}

/// The last `=` separates, so that a name may hold one.
fn service(text: &str) -> Result<(String, ServingStatus), String> {
    let (name, status) = text.rsplit_once('=').unwrap_or((text, "serving"));
    let status = match status {
        "serving" => ServingStatus::Serving,
        "not-serving" => ServingStatus::NotServing,
        "unknown" => ServingStatus::Unknown,
        _ => {
            return Err(format!(
                "'{status}' is none of serving, not-serving, unknown"
            ));
        }
    };
    Ok((name.to_owned(), status))
}

/// The permissions of a file, as `chmod` has them.
fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode @ 0..=0o777) if !text.starts_with('+') => Ok(mode),
        _ => Err("expected an octal number of up to 777, such as 660".to_owned()),
    }
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Addr {
    /// Host and port.
    Tcp(String),
    Unix(PathBuf),
}

impl Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// `unix:///PATH`, as gRPC clients have it too, is a path with two slashes too many.
fn addr(text: &str) -> Result<Addr, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" | "@" => Err("expected unix:PATH or unix:@NAME".to_owned()),
            path => Ok(Addr::Unix(path.into())),
        };
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(Addr::Tcp(text.to_owned()))
        }
        _ => Err("expected HOST:PORT, such as localhost:50051 or [::1]:50051".to_owned()),
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_none(text)? {
        Duration::ZERO => Err("must be greater than zero".to_owned()),
        duration => Ok(duration),
    }
}

fn duration_or_none(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("expected a whole number and ms, s, m or h, such as 500ms".to_owned()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(milliseconds))
        .map(Duration::from_millis)
        .ok_or_else(|| "not a number of that size".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

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
    fn addresses() {
        let addr = |text| addr(text).ok();
        let unix = |path: &str| Some(Addr::Unix(path.into()));
        assert_eq!(addr("[::1]:1"), Some(Addr::Tcp("[::1]:1".to_owned())));
        assert_eq!(addr("unix:1"), unix("1"));
        assert_eq!(addr("unix:/run/a"), unix("/run/a"));
        assert_eq!(addr("unix:///run/a"), unix("/run/a"));
        assert_eq!(addr("unix:@a"), unix("@a"));
        for bad in ["", "a", ":1", "unix:", "unix:@", "a:b"] {
            assert_eq!(addr(bad), None, "{bad}");
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
}
