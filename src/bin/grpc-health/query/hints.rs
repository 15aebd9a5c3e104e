//! What to try next after an error, for people.

use std::{error::Error, io};

use grpc_health::{
    Code,
    client::{ConnectError, Target},
};

/// The methods of the health service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Method {
    Check,
    List,
    Watch,
}

/// What the client's words for a failed connection mean on a command line.
const CONNECTING: &[(&str, &str)] = &[
    ("connect over TLS", "Add --tls."),
    ("it expects TLS", "Add --tls."),
    ("it may expect TLS", "Does the server expect TLS (--tls)?"),
    ("connect without TLS", "Leave out --tls."),
    (
        "in plain text (",
        "Leave out --tls, and look whether the port is the one for gRPC.",
    ),
    (
        "gRPC needs HTTP/2",
        "Is the port the one for gRPC? A proxy may speak HTTP/2 over TLS alone (--tls).",
    ),
    (
        "it may speak no TLS",
        "Does the server speak plain text? Leave out --tls then.",
    ),
    (
        "signed by no authority that is trusted here",
        "Name the certificate of the server's authority with --tls-ca FILE.",
    ),
    (
        "another authority of the same name",
        "Name the certificate of the server's authority with --tls-ca FILE.",
    ),
    (
        "the server's certificate is not for",
        "Connect by a name of the certificate, or say the name with --tls-server-name NAME.",
    ),
    (
        "the server asks for a client certificate",
        "Show a certificate with --tls-client-cert FILE and --tls-client-key FILE.",
    ),
    (
        "failed to lookup address",
        "Is the host name right? On the same machine, write localhost:PORT or :PORT.",
    ),
    (
        "no answer within",
        "Is the address right, and does no firewall drop the packets? --connect-timeout gives the server more time.",
    ),
];

/// What to try after a connection failed.
pub(crate) fn of_connection(addr: &Target, error: &ConnectError) -> Option<&'static str> {
    let socket = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    let hint = match socket.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) if addr.is_unix() => {
            "Is the server running? Nothing listens on the socket now."
        }
        Some(io::ErrorKind::ConnectionRefused) => {
            "Nothing listens there: is the server running, and is the port right?"
        }
        Some(io::ErrorKind::NotFound) if addr.is_unix() => {
            "There is no such socket: is the server running, and is the path right?"
        }
        Some(io::ErrorKind::PermissionDenied) if addr.is_unix() => {
            "Who connects needs write permission for the socket, and access to its directory (serve --unix-mode sets the permissions)."
        }
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            "Is the address right, and is there a route to the address?"
        }
        _ => return words(&error.to_string()),
    };
    Some(hint)
}

/// What to try after a connection failed with these words.
pub(crate) fn words(error: &str) -> Option<&'static str> {
    CONNECTING
        .iter()
        .find(|(words, _)| error.contains(words))
        .map(|&(_, hint)| hint)
}

/// What to try after a call to the server at `addr` failed.
pub(crate) fn of_call(method: Method, addr: &Target, code: Code) -> Option<String> {
    Some(match (code, method) {
        (Code::UNIMPLEMENTED, Method::List) => format!(
            "Does the server register the health service (grpc.health.v1.Health)? Older servers have no List: name a service, as in \
             \"grpc-health check {addr}\"."
        ),
        (Code::UNIMPLEMENTED, _) => {
            "Does the server register the health service (grpc.health.v1.Health)?".to_owned()
        }
        (Code::NOT_FOUND, Method::Check) => {
            format!("List the names with \"grpc-health list {addr}\".")
        }
        (Code::RESOURCE_EXHAUSTED, Method::List) => format!(
            "The server may have more services than it lists: name a service, as in \"grpc-health check {addr} --service NAME\"."
        ),
        (Code::UNAUTHENTICATED | Code::PERMISSION_DENIED, _) => {
            "Does the server ask for a client certificate, or for metadata such as a token? \"grpc-health probe -rpc-header\" sends \
             metadata."
                .to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// tests/command_mistakes asks real servers for the words; this test holds the order of the rows.
    #[test]
    fn the_first_row_that_fits_is_said() {
        for (error, hint) in [
            (
                "the server speaks TLS, and this client plain text: connect over TLS",
                "Add --tls.",
            ),
            (
                "the server answers in HTTP/1 (\"HTTP/1.0 400\"), and it expects TLS",
                "Add --tls.",
            ),
            (
                "the server answers in HTTP/1 in plain text (\"HTTP/1.1 400\"), and gRPC needs HTTP/2",
                "Leave out --tls, and look whether the port is the one for gRPC.",
            ),
            (
                "the server speaks no TLS, but HTTP/2 in plain text: connect without TLS",
                "Leave out --tls.",
            ),
        ] {
            assert_eq!(words(error), Some(hint), "{error}");
        }
        assert_eq!(words("the connection broke"), None);
    }

    #[test]
    fn calls() {
        let addr: Target = "a:1".parse().unwrap();
        let hint = |method, code| of_call(method, &addr, code);
        let found = hint(Method::Check, Code::NOT_FOUND);
        assert_eq!(
            found.as_deref(),
            Some("List the names with \"grpc-health list a:1\".")
        );
        assert_eq!(hint(Method::Watch, Code::NOT_FOUND), None);
        assert_eq!(hint(Method::Check, Code::UNAVAILABLE), None);
    }
}
