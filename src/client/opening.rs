//! Tells from a server's first bytes which protocol the server speaks.

/// How many of a server's first bytes are kept: enough for one line of text.
pub(super) const START: usize = 512;

/// The type of the first frame of HTTP/2, in its fourth byte (RFC 9113, sections 3.4 and 4.1).
pub(super) const SETTINGS: u8 = 4;

/// Says in words which protocol begins with `start`. `secure` says whether the client used TLS.
pub(super) fn describe(start: &[u8], secure: bool) -> String {
    let begins = |text: &str| start.starts_with(text.as_bytes());
    match start {
        [] if secure => {
            "the server closed the connection in the TLS handshake: it may speak no TLS".to_owned()
        }
        [] => {
            "the server closed the connection before it said anything: it may expect TLS, or not be ready"
                .to_owned()
        }
        [0x15 | 0x16, 3, ..] if !secure => {
            "the server speaks TLS, and this client plain text: connect over TLS".to_owned()
        }
        [_, _, _, SETTINGS, ..] if secure => {
            "the server speaks no TLS, but HTTP/2 in plain text: connect without TLS".to_owned()
        }
        _ if begins("HTTP") => {
            let tls = start.windows(5).any(|found| found == b"HTTPS");
            let why = if tls { "it expects TLS" } else { "gRPC needs HTTP/2" };
            let plain = if secure { " in plain text" } else { "" };
            format!("the server answers in HTTP/1{plain} ({}), and {why}", line(start))
        }
        _ if begins("SSH-") => format!("this is an SSH server ({})", line(start)),
        _ => {
            let what = if secure { "TLS" } else { "HTTP/2" };
            format!("the server does not speak {what}: it begins with {}", line(start))
        }
    }
}

/// The first line of `start`, shortened.
fn line(start: &[u8]) -> String {
    let line = start.split(|&byte| byte == b'\n' || byte == b'\r').next();
    let line = line.filter(|line| !line.is_empty()).unwrap_or(start);
    let shown = line.get(..60).unwrap_or(line);
    format!("\"{}\"", shown.escape_ascii())
}
