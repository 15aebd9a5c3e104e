//! What a sidecar checks, as arguments and the configuration file describe it.

use std::{path::PathBuf, time::Duration};

use grpc_health::{client::Target, plane::probes::Http, registry::Limits};

use super::words::words;
use crate::{
    place::Place,
    values::{duration, number},
};

/// How the status of one name is decided.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Spec {
    Check(CheckSpec),
    Group(GroupSpec),
    Lease(LeaseSpec),
}

impl Spec {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Check(check) => &check.name,
            Self::Group(group) => &group.name,
            Self::Lease(lease) => &lease.name,
        }
    }

    /// What decides the status, in a sentence.
    pub(crate) const fn what(&self) -> &'static str {
        match self {
            Self::Check(_) => "check",
            Self::Group(_) => "group",
            Self::Lease(_) => "lease",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CheckSpec {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) period: Duration,
    pub(crate) timeout: Duration,
    pub(crate) rise: u32,
    pub(crate) fall: u32,
    pub(crate) starts_not_serving: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Tcp(String),
    Grpc(GrpcSpec),
    /// The program and its arguments.
    Exec(String, Vec<String>),
    Http(String),
    Age(PathBuf, Duration),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GrpcSpec {
    pub(crate) target: Target,
    pub(crate) service: String,
    pub(crate) watch: bool,
    pub(crate) tls: Option<GrpcTls>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GrpcTls {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) server_name: Option<String>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupSpec {
    pub(crate) name: String,
    pub(crate) rule: Rule,
    /// The members that decide.
    pub(crate) critical: Vec<String>,
    /// `NAME?`: members that are shown, and do not decide.
    pub(crate) informational: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    All,
    Any,
    AtLeast(u32),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LeaseSpec {
    pub(crate) name: String,
    pub(crate) ttl: Duration,
}

/// The name of a service, if the registry takes the name.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let (len, max) = (text.len(), Limits::default().max_name_len);
    if len > max {
        return Err(format!(
            "a name has at most {max} bytes, this one has {len}"
        ));
    }
    Ok(text.to_owned())
}

impl CheckSpec {
    /// Reads what is checked: the kind of check, and its target.
    pub(crate) fn new(check: &str, kind: &str, target: &str) -> Result<Self, String> {
        Ok(Self {
            name: name(check)?,
            kind: Kind::new(kind, target)?,
            period: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            rise: 1,
            fall: 1,
            starts_not_serving: false,
        })
    }

    /// Reads one option of the check.
    pub(crate) fn option(&mut self, key: &str, value: &str) -> Result<(), String> {
        let of = |error: String| format!("{key} = {value}: {error}");
        match key {
            "period" => self.period = duration(value).map_err(of)?,
            "timeout" => self.timeout = duration(value).map_err(of)?,
            "rise" => self.rise = number(value).map_err(of)?,
            "fall" => self.fall = number(value).map_err(of)?,
            "first" => {
                self.starts_not_serving = match value {
                    "unknown" => false,
                    "not-serving" => true,
                    _ => return Err(of("expected unknown or not-serving".to_owned())),
                };
            }
            "service" | "watch" | "ca" | "server-name" | "cert" | "key" => match &mut self.kind {
                Kind::Grpc(grpc) => grpc.option(key, value).map_err(of)?,
                _ => return Err(format!("{key} is an option of grpc and grpcs alone")),
            },
            _ => {
                return Err(format!(
                    "no option \"{key}\": the options are period, timeout, rise, fall, first, and for grpc service, watch, ca, \
                     server-name, cert, key"
                ));
            }
        }
        Ok(())
    }

    /// Checks what one option alone does not show.
    pub(crate) fn complete(self) -> Result<Self, String> {
        if let Kind::Grpc(GrpcSpec { target, tls, .. }) = &self.kind {
            if tls.is_some() && target.is_unix() {
                return Err(format!("TLS cannot be used with {target}"));
            }
            if tls
                .as_ref()
                .is_some_and(|tls| tls.cert.is_some() != tls.key.is_some())
            {
                return Err("cert and key belong together".to_owned());
            }
        }
        Ok(self)
    }
}

impl Kind {
    fn new(kind: &str, target: &str) -> Result<Self, String> {
        match kind {
            "tcp" => match target.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                    Ok(Self::Tcp(target.to_owned()))
                }
                _ => Err("expected tcp:HOST:PORT, such as tcp:127.0.0.1:5432".to_owned()),
            },
            "grpc" => Ok(Self::Grpc(GrpcSpec::new(target, None)?)),
            "grpcs" => Ok(Self::Grpc(GrpcSpec::new(target, Some(GrpcTls::default()))?)),
            "exec" => {
                let mut words = words(target)?.into_iter();
                match words.next() {
                    Some(program) if !program.is_empty() => {
                        Ok(Self::Exec(program, words.collect()))
                    }
                    _ => Err(
                        "expected exec:PROGRAM ARGUMENTS, such as exec:test -w /data".to_owned(),
                    ),
                }
            }
            "http" => {
                let url = if target.starts_with("http:") {
                    target.to_owned()
                } else {
                    format!("http:{target}")
                };
                url.parse::<Http>().map_err(|error| error.to_string())?;
                Ok(Self::Http(url))
            }
            "https" => {
                Err("https is not supported: use exec with a client such as curl".to_owned())
            }
            "age" => match target.rsplit_once(':') {
                Some((path, max)) if !path.is_empty() => {
                    let max = duration(max).map_err(|error| format!("{max}: {error}"))?;
                    Ok(Self::Age(path.into(), max))
                }
                _ => Err("expected age:PATH:DURATION, such as age:/run/beat:30s".to_owned()),
            },
            _ => Err(format!(
                "no kind of check \"{kind}\": the kinds are tcp, grpc, grpcs, exec, http, age"
            )),
        }
    }
}

impl GrpcSpec {
    /// Reads `ADDR` or `ADDR/SERVICE`. The service of a Unix socket is an option.
    fn new(text: &str, tls: Option<GrpcTls>) -> Result<Self, String> {
        let Place { addr, service } = text.parse()?;
        Ok(Self {
            target: addr,
            service: name(&service.unwrap_or_default())?,
            watch: false,
            tls,
        })
    }

    fn option(&mut self, key: &str, value: &str) -> Result<(), String> {
        match (key, &mut self.tls) {
            ("service", _) => self.service = name(value)?,
            ("watch", _) => {
                self.watch = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err("expected true or false".to_owned()),
                };
            }
            ("ca", Some(tls)) => tls.ca = Some(value.into()),
            ("server-name", Some(tls)) => tls.server_name = Some(value.to_owned()),
            ("cert", Some(tls)) => tls.cert = Some(value.into()),
            ("key", Some(tls)) => tls.key = Some(value.into()),
            _ => return Err("an option of grpcs alone".to_owned()),
        }
        Ok(())
    }
}

impl GroupSpec {
    /// Reads `all:a,b`, `any:a,b` or `at-least-2:a,b,c`.
    pub(crate) fn new(group: &str, text: &str) -> Result<Self, String> {
        let expected = "expected all:A,B or any:A,B or at-least-N:A,B,C";
        let (rule, members) = text.split_once(':').ok_or(expected)?;
        let rule = match (rule, rule.strip_prefix("at-least-")) {
            ("all", _) => Rule::All,
            ("any", _) => Rule::Any,
            (_, Some(count)) => Rule::AtLeast(number(count).map_err(|_| expected)?),
            _ => return Err(expected.to_owned()),
        };
        let (mut critical, mut informational) = (Vec::new(), Vec::new());
        for member in members.split(',') {
            let (member, list) = match member.strip_suffix('?') {
                Some(member) => (member, &mut informational),
                None => (member, &mut critical),
            };
            list.push(name(member)?);
        }
        let mut all: Vec<&String> = critical.iter().chain(&informational).collect();
        all.sort_unstable();
        if let Some([twice, _]) = all.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(format!("the member \"{twice}\" is there twice"));
        }
        let deciding = critical.len();
        let needed = match rule {
            Rule::AtLeast(count) => usize::try_from(count).unwrap_or(usize::MAX),
            Rule::All | Rule::Any => 1,
        };
        if needed > deciding {
            return Err(format!(
                "{needed} members must serve, and only {deciding} decide"
            ));
        }
        Ok(Self {
            name: name(group)?,
            rule,
            critical,
            informational,
        })
    }
}

impl LeaseSpec {
    pub(crate) fn new(lease: &str, ttl: &str) -> Result<Self, String> {
        Ok(Self {
            name: name(lease)?,
            ttl: duration(ttl).map_err(|error| format!("{ttl}: {error}"))?,
        })
    }
}
