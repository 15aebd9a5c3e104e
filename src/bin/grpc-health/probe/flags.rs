//! The flags of a probe, read as Go's package `flag` reads them.

use std::fmt::Write;

use super::durations::GoDuration;

/// The values of all flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) addr: String,
    pub(super) service: String,
    pub(super) user_agent: String,
    pub(super) connect_timeout: GoDuration,
    pub(super) rpc_timeout: GoDuration,
    /// Names and values, in order.
    pub(super) rpc_headers: Vec<(String, String)>,
    pub(super) tls: bool,
    pub(super) tls_no_verify: bool,
    pub(super) tls_ca_cert: String,
    pub(super) tls_client_cert: String,
    pub(super) tls_client_key: String,
    pub(super) tls_server_name: String,
    pub(super) alts: bool,
    pub(super) spiffe: bool,
    pub(super) gzip: bool,
    pub(super) verbose: bool,
    pub(super) version: bool,
    /// Zero is no limit.
    pub(super) timeout: GoDuration,
    pub(super) connect_retry: bool,
    pub(super) not_found_exit: u8,
    pub(super) json: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            addr: String::new(),
            service: String::new(),
            user_agent: "grpc_health_probe".to_owned(),
            connect_timeout: GoDuration::SECOND,
            rpc_timeout: GoDuration::SECOND,
            rpc_headers: Vec::new(),
            tls: false,
            tls_no_verify: false,
            tls_ca_cert: String::new(),
            tls_client_cert: String::new(),
            tls_client_key: String::new(),
            tls_server_name: String::new(),
            alts: false,
            spiffe: false,
            gzip: false,
            verbose: false,
            version: false,
            timeout: GoDuration::ZERO,
            connect_retry: false,
            not_found_exit: 3,
            json: false,
        }
    }
}

/// The kind of a flag's value, and where the value is.
enum Kind {
    Bool(fn(&mut Flags) -> &mut bool),
    Text(fn(&mut Flags) -> &mut String),
    Duration(fn(&mut Flags) -> &mut GoDuration),
    /// An exit code.
    Exit(fn(&mut Flags) -> &mut u8),
    /// `NAME: VALUE`, repeatable.
    Headers(fn(&mut Flags) -> &mut Vec<(String, String)>),
}

struct Flag(&'static str, Kind, &'static str);

/// All flags, by name.
#[rustfmt::skip]
const FLAGS: [Flag; 21] = [
    Flag("addr", Kind::Text(|f| &mut f.addr), "(required) host:port, :port, unix:///path, unix-abstract:name or dns:///host:port to connect to"),
    Flag("alts", Kind::Bool(|f| &mut f.alts), "use ALTS (not built in: ends with exit code 1)"),
    Flag("connect-retry", Kind::Bool(|f| &mut f.connect_retry), "try again until -connect-timeout if connecting fails, in place of failing at once"),
    Flag("connect-timeout", Kind::Duration(|f| &mut f.connect_timeout), "timeout for establishing the connection"),
    Flag("gzip", Kind::Bool(|f| &mut f.gzip), "compress the request with gzip, and accept a reply that is compressed with gzip"),
    Flag("json", Kind::Bool(|f| &mut f.json), "print one JSON object to stdout: address, service, status, exit, connect_ms, rpc_ms, error"),
    Flag("not-found-exit", Kind::Exit(|f| &mut f.not_found_exit), "exit code if the server does not know the service (NOT_FOUND)"),
    Flag("rpc-header", Kind::Headers(|f| &mut f.rpc_headers), "additional metadata of the RPC, as 'name: value'; may be repeated"),
    Flag("rpc-timeout", Kind::Duration(|f| &mut f.rpc_timeout), "timeout for the health check RPC"),
    Flag("service", Kind::Text(|f| &mut f.service), "name of the service to check; without a name, the server as a whole"),
    Flag("spiffe", Kind::Bool(|f| &mut f.spiffe), "use SPIFFE to obtain credentials (not built in: ends with exit code 20)"),
    Flag("timeout", Kind::Duration(|f| &mut f.timeout), "timeout for connecting and the RPC together; without a timeout, -connect-timeout and -rpc-timeout alone hold"),
    Flag("tls", Kind::Bool(|f| &mut f.tls), "use TLS; without TLS, the connection is plain text (INSECURE)"),
    Flag("tls-ca-cert", Kind::Text(|f| &mut f.tls_ca_cert), "(with -tls, optional) file with the certificates of the authorities to trust (PEM); without a file, those that this machine trusts"),
    Flag("tls-client-cert", Kind::Text(|f| &mut f.tls_client_cert), "(with -tls, optional) file with the client's certificate (PEM; requires -tls-client-key)"),
    Flag("tls-client-key", Kind::Text(|f| &mut f.tls_client_key), "(with -tls) file with the private key of the client's certificate (PEM; requires -tls-client-cert)"),
    Flag("tls-no-verify", Kind::Bool(|f| &mut f.tls_no_verify), "(with -tls) do not verify the server's certificate (INSECURE)"),
    Flag("tls-server-name", Kind::Text(|f| &mut f.tls_server_name), "(with -tls) name that the server's certificate must be for, in place of the host of -addr"),
    Flag("user-agent", Kind::Text(|f| &mut f.user_agent), "name of the prober in the user-agent of the RPC"),
    Flag("v", Kind::Bool(|f| &mut f.verbose), "verbose logs"),
    Flag("version", Kind::Bool(|f| &mut f.version), "print the version to stdout and exit"),
];

/// What Go's parsers of values say.
const UNREADABLE: &str = "parse error";

/// Reads the flags. Flags end at the first argument that is none, and behind `--`; the rest is returned, and has no effect.
///
/// # Errors
///
/// What Go writes above the usage, or `None` if the user asks for the usage with `-h` or `-help`.
pub(super) fn parse(
    args: impl IntoIterator<Item = String>,
) -> Result<(Flags, Vec<String>), Option<String>> {
    let mut flags = Flags::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let name = match arg.strip_prefix('-') {
            None | Some("") => return Ok((flags, std::iter::once(arg).chain(args).collect())),
            Some("-") => break,
            Some(name) => name.strip_prefix('-').unwrap_or(name),
        };
        if name.starts_with(['-', '=']) {
            return Err(Some(format!("bad flag syntax: {arg}")));
        }
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        let Some(Flag(name, kind, _)) = FLAGS.iter().find(|flag| flag.0 == name) else {
            return Err(match name {
                "h" | "help" => None,
                _ => Some(format!("flag provided but not defined: -{name}")),
            });
        };
        if let Kind::Bool(place) = kind {
            *place(&mut flags) = match value.as_deref() {
                None => true,
                Some(value) => boolean(value).ok_or_else(|| {
                    format!("invalid boolean value \"{value}\" for -{name}: {UNREADABLE}")
                })?,
            };
            continue;
        }
        let value = value.or_else(|| args.next());
        let value = value.ok_or_else(|| format!("flag needs an argument: -{name}"))?;
        kind.set(&mut flags, &value)
            .map_err(|why| format!("invalid value \"{value}\" for flag -{name}: {why}"))?;
    }
    Ok((flags, args.collect()))
}

impl Kind {
    fn set(&self, flags: &mut Flags, value: &str) -> Result<(), String> {
        match self {
            Self::Bool(place) => *place(flags) = boolean(value).ok_or(UNREADABLE)?,
            Self::Text(place) => value.clone_into(place(flags)),
            Self::Duration(place) => {
                *place(flags) = GoDuration::parse(value).ok_or(UNREADABLE)?;
            }
            Self::Exit(place) => {
                *place(flags) = value
                    .parse()
                    .map_err(|_| "expected a number of up to 255")?;
            }
            Self::Headers(place) => {
                let (name, value) = value.split_once(':').ok_or_else(|| {
                    format!("invalid RPC header, expected 'key: value', got \"{value}\"")
                })?;
                place(flags).push((name.to_owned(), value.trim_start().to_owned()));
            }
        }
        Ok(())
    }

    /// How the usage names a value.
    const fn name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "",
            Self::Text(_) => " string",
            Self::Duration(_) => " duration",
            Self::Exit(_) => " int",
            Self::Headers(_) => " value",
        }
    }

    /// The default as the usage shows it: nothing for an empty value.
    fn default(&self) -> String {
        let mut flags = Flags::default();
        let shown = match self {
            Self::Text(place) => match place(&mut flags).as_str() {
                "" => return String::new(),
                text => format!("{text:?}"),
            },
            Self::Duration(place) => match *place(&mut flags) {
                GoDuration::ZERO => return String::new(),
                duration => duration.to_string(),
            },
            Self::Exit(place) => place(&mut flags).to_string(),
            Self::Bool(_) | Self::Headers(_) => return String::new(),
        };
        format!(" (default {shown})")
    }
}

/// What `strconv.ParseBool` reads.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The usage, as `PrintDefaults` writes it.
pub(super) fn usage() -> String {
    let mut text = "Usage:\n".to_owned();
    for Flag(name, kind, usage) in &FLAGS {
        let value = kind.name();
        let space = if name.len() == 1 && value.is_empty() {
            "\t"
        } else {
            "\n    \t"
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "  -{name}{value}{space}{usage}{}", kind.default());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<(Flags, Vec<String>), Option<String>> {
        parse(args.iter().map(|&arg| arg.to_owned()))
    }

    fn flags(args: &[&str]) -> Flags {
        let (flags, rest) = read(args).unwrap();
        assert_eq!(rest, [""; 0], "{args:?}");
        flags
    }

    fn with(change: impl FnOnce(&mut Flags)) -> Flags {
        let mut flags = Flags::default();
        change(&mut flags);
        flags
    }

    #[test]
    fn one_dash_or_two_and_the_value_behind_an_equals_sign_or_in_the_next_argument() {
        let expected = with(|flags| flags.addr = "a:1".to_owned());
        for args in [
            &["-addr", "a:1"][..],
            &["--addr", "a:1"],
            &["-addr=a:1"],
            &["--addr=a:1"],
            &["-addr", "b:2", "-addr", "a:1"],
        ] {
            assert_eq!(flags(args), expected, "{args:?}");
        }
        assert_eq!(flags(&[]), Flags::default());
        // A value may look like a flag, and have further equals signs.
        assert_eq!(flags(&["-service", "-tls"]).service, "-tls");
        assert_eq!(flags(&["-service=a=b"]).service, "a=b");
        assert_eq!(flags(&["-service="]).service, "");
    }

    #[test]
    fn booleans_take_a_value_only_behind_an_equals_sign() {
        for arg in ["-tls", "--tls", "-tls=true", "-tls=1", "-tls=T"] {
            assert!(flags(&[arg]).tls, "{arg}");
        }
        for arg in ["-tls=false", "--tls=0", "-tls=F"] {
            assert!(!flags(&["-tls", arg]).tls, "{arg}");
        }
        // As in Go, "false" ends the flags.
        let (read, rest) = read(&["-tls", "false", "-v"]).unwrap();
        assert_eq!(read, with(|flags| flags.tls = true));
        assert_eq!(rest, ["false", "-v"]);
    }

    #[test]
    fn flags_end_at_two_dashes_and_at_the_first_other_argument() {
        for (args, rest) in [
            (&["-v", "--", "-tls"][..], &["-tls"][..]),
            (&["-v", "-", "-tls"], &["-", "-tls"]),
            (&["-v", "", "-tls"], &["", "-tls"]),
            (&["-v", "x"], &["x"]),
        ] {
            let (flags, found) = read(args).unwrap();
            assert_eq!(flags, with(|flags| flags.verbose = true), "{args:?}");
            assert_eq!(found, rest);
        }
    }

    #[test]
    fn every_flag_has_its_place() {
        let text = |text: &str| text.to_owned();
        let duration = |text| GoDuration::parse(text).unwrap();
        let all = with(|flags| {
            *flags = Flags {
                addr: text("1"),
                service: text("2"),
                user_agent: text("3"),
                connect_timeout: duration("1m30s"),
                rpc_timeout: duration("500ms"),
                rpc_headers: vec![(text("k"), text("v: w ")), (text("K"), text(""))],
                tls: true,
                tls_no_verify: true,
                tls_ca_cert: text("4"),
                tls_client_cert: text("5"),
                tls_client_key: text("6"),
                tls_server_name: text("7"),
                alts: true,
                spiffe: true,
                gzip: true,
                verbose: true,
                version: true,
                timeout: duration("-1s"),
                connect_retry: true,
                not_found_exit: 255,
                json: true,
            };
        });
        let args = "-addr=1 -service=2 -user-agent=3 -connect-timeout=1m30s -rpc-timeout=500ms -tls -tls-no-verify -tls-ca-cert=4 \
                    -tls-client-cert=5 -tls-client-key=6 -tls-server-name=7 -alts -spiffe -gzip -v -version -timeout=-1s -connect-retry \
                    -not-found-exit=255 -json";
        let mut args: Vec<_> = args.split(' ').collect();
        args.extend(["-rpc-header", "k: \tv: w ", "-rpc-header=K:"]);
        assert_eq!(flags(&args), all);
    }

    #[test]
    fn errors_are_those_of_go() {
        for (args, error) in [
            (&["-foo"][..], "flag provided but not defined: -foo"),
            (&["--foo=1"], "flag provided but not defined: -foo"),
            (&["---foo"], "bad flag syntax: ---foo"),
            (&["-=foo"], "bad flag syntax: -=foo"),
            (&["-addr"], "flag needs an argument: -addr"),
            (
                &["-connect-timeout", "1"],
                "invalid value \"1\" for flag -connect-timeout: parse error",
            ),
            (
                &["-tls=yes"],
                "invalid boolean value \"yes\" for -tls: parse error",
            ),
            (
                &["-rpc-header", "k"],
                "invalid value \"k\" for flag -rpc-header: invalid RPC header, expected 'key: value', got \"k\"",
            ),
            (
                &["-not-found-exit=256"],
                "invalid value \"256\" for flag -not-found-exit: expected a number of up to 255",
            ),
        ] {
            assert_eq!(read(args), Err(Some(error.to_owned())), "{args:?}");
        }
        for help in ["-h", "--help", "-help"] {
            assert_eq!(read(&[help]), Err(None), "{help}");
        }
    }

    #[test]
    fn the_usage_is_laid_out_as_that_of_go() {
        let usage = usage();
        assert!(usage.starts_with("Usage:\n  -addr string\n    \t(required) "));
        for lines in [
            "\n  -connect-timeout duration\n    \ttimeout for establishing the connection (default 1s)\n",
            " of the RPC (default \"grpc_health_probe\")\n",
            "\n  -v\tverbose logs\n",
            " (default 3)\n",
            "\n  -rpc-header value\n    \t",
        ] {
            assert!(usage.contains(lines), "{lines:?}: {usage}");
        }
        let names = FLAGS.map(|flag| flag.0);
        assert!(names.is_sorted());
    }
}
