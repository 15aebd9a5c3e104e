//! How a probe ended: its text, its exit code, and the object of `-json`. The texts are those of grpc_health_probe.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use grpc_health::{
    Code, Status,
    client::{ConnectError, ReportedStatus},
};

use super::{durations::GoDuration, flags::Flags};
use crate::json::Object;

/// Why a service is not known to serve.
#[derive(Debug)]
pub(super) enum Failure {
    /// The flags do not go together, or ask for something that is not there.
    Arguments(String),
    /// Certificates or keys cannot be used.
    Credentials(String),
    /// SPIFFE is not built in.
    Spiffe,
    /// The process cannot do what a probe needs.
    System(String),
    Connect(String),
    /// No connection within this time, and the likely cause.
    ConnectTimeout(GoDuration, String),
    /// The RPC failed, or had only this time.
    Rpc(Status, GoDuration),
    /// The server answered, and the service does not serve.
    Unhealthy(ReportedStatus),
}

const SPIFFE: &str = "SPIFFE is not built in: write the certificates of the workload to files, for example with spiffe-helper, and use \
                      -tls, -tls-ca-cert, -tls-client-cert and -tls-client-key";

impl Failure {
    pub(super) fn connect(error: &ConnectError, limit: GoDuration) -> Self {
        if error.is_timeout() {
            Self::ConnectTimeout(limit, error.to_string())
        } else {
            Self::Connect(error.to_string())
        }
    }

    pub(super) fn exit(&self, flags: &Flags) -> u8 {
        match self {
            Self::Arguments(_) | Self::Credentials(_) => 1,
            Self::Connect(_) | Self::ConnectTimeout(..) | Self::System(_) => 2,
            Self::Rpc(status, _) if status.code() == Code::NOT_FOUND => flags.not_found_exit,
            Self::Rpc(..) => 3,
            Self::Unhealthy(_) => 4,
            Self::Spiffe => 20,
        }
    }

    /// The line that grpc_health_probe writes.
    pub(super) fn text(&self, flags: &Flags) -> String {
        let addr = &flags.addr;
        match self {
            Self::Arguments(why) | Self::System(why) => format!("error: {why}"),
            Self::Credentials(why) => {
                format!("failed to initialize tls credentials. error={why}")
            }
            Self::Spiffe => {
                format!("failed to initialize tls credentials with spiffe. error={SPIFFE}")
            }
            Self::Connect(why) => format!("error: failed to connect service at \"{addr}\": {why}"),
            Self::ConnectTimeout(limit, _) => {
                format!("timeout: failed to connect service \"{addr}\" within {limit}")
            }
            Self::Rpc(status, limit) => match status.code() {
                Code::UNIMPLEMENTED => format!(
                    "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {}",
                    status.message()
                ),
                Code::DEADLINE_EXCEEDED => {
                    format!("timeout: health rpc did not complete within {limit}")
                }
                code => format!(
                    "error: health rpc failed: rpc error: code = {} desc = {}",
                    GoCode(code),
                    status.message()
                ),
            },
            Self::Unhealthy(status) => format!("service unhealthy (responded with \"{status}\")"),
        }
    }

    /// What grpc_health_probe would not say.
    pub(super) fn hint(&self) -> Option<&str> {
        match self {
            Self::ConnectTimeout(_, cause) => Some(cause),
            _ => None,
        }
    }
}

/// A code as grpc-go names it.
struct GoCode(Code);

impl fmt::Display for GoCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            // American English, unlike the specification.
            Code::CANCELLED => f.write_str("Canceled"),
            Code::OK => f.write_str("OK"),
            code if code > Code::UNAUTHENTICATED => write!(f, "Code({})", code.value()),
            code => code.name().split('_').try_for_each(|word| {
                let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
                write!(f, "{first}{}", rest.to_ascii_lowercase())
            }),
        }
    }
}

/// How long the parts of a probe took; `None` for a part that was not completed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) connect: Option<Duration>,
    pub(super) rpc: Option<Duration>,
}

/// The object of `-json`, on one line.
pub(super) fn json(flags: &Flags, times: Times, result: &Result<(), Failure>) -> String {
    let serving = ReportedStatus::SERVING;
    let (status, exit, error) = match result {
        Ok(()) => (Some(serving), 0, None),
        Err(failure) => {
            let status = match failure {
                Failure::Unhealthy(status) => Some(*status),
                _ => None,
            };
            let mut text = failure.text(flags);
            if let Some(hint) = failure.hint() {
                // Writing to a `String` cannot fail.
                let _ = write!(text, ": {hint}");
            }
            (status, failure.exit(flags), Some(text))
        }
    };
    let millis = |time: Option<Duration>| {
        time.map_or_else(
            || "null".to_owned(),
            |time| format!("{:.3}", time.as_secs_f64() * 1e3),
        )
    };
    Object::new()
        .text("address", &flags.addr)
        .text("service", &flags.service)
        .optional("status", status)
        .plain("exit", exit)
        .plain("connect_ms", millis(times.connect))
        .plain("rpc_ms", millis(times.rpc))
        .optional("error", error)
        .end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_of_grpc_go() {
        let names: Vec<_> = (0..=17)
            .map(|code| GoCode(Code::new(code)).to_string())
            .collect();
        assert_eq!(
            names.join(" "),
            "OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted \
             FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated Code(17)"
        );
    }

    #[test]
    fn the_object_says_how_a_probe_ended() {
        let flags = Flags {
            addr: "a:1".to_owned(),
            ..Flags::default()
        };
        let times = Times {
            connect: Some(Duration::from_micros(1_500)),
            rpc: None,
        };
        let late = Err(Failure::ConnectTimeout(GoDuration::SECOND, "b".to_owned()));
        assert_eq!(
            json(&flags, times, &late),
            "{\"address\":\"a:1\",\"service\":\"\",\"status\":null,\"exit\":2,\"connect_ms\":1.500,\"rpc_ms\":null,\
             \"error\":\"timeout: failed to connect service \\\"a:1\\\" within 1s: b\"}"
        );
    }
}
