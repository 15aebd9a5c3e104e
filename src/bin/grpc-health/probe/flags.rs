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
pub(super) enum Kind {
    Bool(fn(&mut Flags) -> &mut bool),
    Text(fn(&mut Flags) -> &mut String),
    Duration(fn(&mut Flags) -> &mut GoDuration),
    /// An exit code.
    Exit(fn(&mut Flags) -> &mut u8),
    /// `NAME: VALUE`, repeatable.
    Headers(fn(&mut Flags) -> &mut Vec<(String, String)>),
}

/// A flag: its name, its kind, and its line of the usage.
pub(super) struct Flag(pub(super) &'static str, Kind, &'static str);

/// All flags, by name.
#[rustfmt::skip]
pub(super) const FLAGS: [Flag; 21] = [
    Flag("addr", Kind::Text(|f| &mut f.addr),
        "(required) host:port, :port, unix:///path, unix-abstract:name or dns:///host:port to connect to"),
    Flag("alts", Kind::Bool(|f| &mut f.alts), "use ALTS (not built in: ends with exit code 1)"),
    Flag("connect-retry", Kind::Bool(|f| &mut f.connect_retry),
        "try again until -connect-timeout if connecting fails, in place of failing at once"),
    Flag("connect-timeout", Kind::Duration(|f| &mut f.connect_timeout), "timeout for establishing the connection"),
    Flag("gzip", Kind::Bool(|f| &mut f.gzip), "compress the request with gzip, and accept a reply that is compressed with gzip"),
    Flag("json", Kind::Bool(|f| &mut f.json),
        "print one JSON object to stdout: address, service, status, exit, connect_ms, rpc_ms, error"),
    Flag("not-found-exit", Kind::Exit(|f| &mut f.not_found_exit), "exit code if the server does not know the service (NOT_FOUND)"),
    Flag("rpc-header", Kind::Headers(|f| &mut f.rpc_headers), "additional metadata of the RPC, as 'name: value'; may be repeated"),
    Flag("rpc-timeout", Kind::Duration(|f| &mut f.rpc_timeout), "timeout for the health check RPC"),
    Flag("service", Kind::Text(|f| &mut f.service), "name of the service to check; without a name, the server as a whole"),
    Flag("spiffe", Kind::Bool(|f| &mut f.spiffe), "use SPIFFE to obtain credentials (not built in: ends with exit code 20)"),
    Flag("timeout", Kind::Duration(|f| &mut f.timeout),
        "timeout for connecting and the RPC together; without a timeout, -connect-timeout and -rpc-timeout alone hold"),
    Flag("tls", Kind::Bool(|f| &mut f.tls), "use TLS; without TLS, the connection is plain text (INSECURE)"),
    Flag("tls-ca-cert", Kind::Text(|f| &mut f.tls_ca_cert),
        "(with -tls, optional) file with the certificates of the authorities to trust (PEM); without a file, those that this \
         machine trusts"),
    Flag("tls-client-cert", Kind::Text(|f| &mut f.tls_client_cert),
        "(with -tls, optional) file with the client's certificate (PEM; requires -tls-client-key)"),
    Flag("tls-client-key", Kind::Text(|f| &mut f.tls_client_key),
        "(with -tls) file with the private key of the client's certificate (PEM; requires -tls-client-cert)"),
    Flag("tls-no-verify", Kind::Bool(|f| &mut f.tls_no_verify), "(with -tls) do not verify the server's certificate (INSECURE)"),
    Flag("tls-server-name", Kind::Text(|f| &mut f.tls_server_name),
        "(with -tls) name that the server's certificate must be for, in place of the host of -addr"),
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

const EXIT_CODES: &str = "\
Exit codes:
  0   SERVING
  1   bad flags, certificates that cannot be used, -alts, and this help
  2   no connection
  3   the RPC failed (NOT_FOUND: see -not-found-exit)
  4   a status other than SERVING
  20  -spiffe
";

/// The usage, as `PrintDefaults` writes it, and the exit codes.
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
    text + EXIT_CODES
}
