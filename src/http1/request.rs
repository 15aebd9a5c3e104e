//! The head of a request: what is served, and what is refused.

use http::StatusCode;
use httparse::{Error, Header, Status};

use super::heads::Asked;

/// The most header fields of a request.
const MAX_FIELDS: usize = 100;

/// The head of a request that may be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) asked: Asked,
    pub(super) accepts_json: bool,
    /// Whether the client closes the connection after the answer.
    pub(super) is_last: bool,
}

/// Reads a whole head. An error is the status of the answer, after which the connection is closed.
pub(super) fn parse(head: &[u8]) -> Result<Request<'_>, StatusCode> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(Status::Complete(_)) => {}
        Err(Error::TooManyHeaders) => return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(Error::Version) => return Err(StatusCode::HTTP_VERSION_NOT_SUPPORTED),
        Ok(Status::Partial) | Err(_) => return Err(StatusCode::BAD_REQUEST),
    }
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(StatusCode::BAD_REQUEST);
    };
    let fields = Fields::read(request.headers)?;
    // RFC 9112, section 3.2: exactly one Host, unless the client speaks HTTP/1.0.
    let hosts_fit = match version {
        0 => fields.hosts <= 1,
        _ => fields.hosts == 1,
    };
    if !hosts_fit || (fields.has_encoding && fields.length.is_some()) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let asked = match method {
        "GET" => Asked::WithBody,
        "HEAD" => Asked::HeadAlone,
        _ => return Err(StatusCode::METHOD_NOT_ALLOWED),
    };
    if fields.has_encoding || fields.length.is_some_and(|length| length > 0) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let (path, query) = split(target);
    Ok(Request {
        path,
        query,
        asked,
        accepts_json: fields.accepts_json.unwrap_or(false),
        is_last: version == 0 || fields.close,
    })
}

/// Path and query of a target in origin-form or absolute-form (RFC 9112, section 3.2).
fn split(target: &str) -> (&str, Option<&str>) {
    // A scheme has any letter case (RFC 3986, section 3.1).
    let absolute = ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let target = match absolute {
        None => target,
        Some(rest) => rest
            .find(['/', '?'])
            .and_then(|at| rest.get(at..))
            .unwrap_or("/"),
    };
    match target.split_once('?') {
        None => (target, None),
        Some((path, query)) => (path, Some(query)),
    }
}

#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    has_encoding: bool,
    close: bool,
    accepts_json: Option<bool>,
}

impl Fields {
    fn read(headers: &[Header<'_>]) -> Result<Self, StatusCode> {
        let mut fields = Self::default();
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("host") {
                fields.hosts += 1;
            } else if is("transfer-encoding") {
                fields.has_encoding = true;
            } else if is("content-length") {
                let length = length(header.value).filter(|_| fields.length.is_none());
                fields.length = Some(length.ok_or(StatusCode::BAD_REQUEST)?);
            } else if is("connection") {
                fields.close |= items(header.value).any(|item| is_word(item, "close"));
            } else if is("accept") && fields.accepts_json.is_none() {
                fields.accepts_json = items(header.value).find_map(accepts_json);
            }
        }
        Ok(fields)
    }
}

/// A length of digits alone: a sign or a list means one thing to us and another to a proxy.
fn length(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

fn is_word(item: &[u8], word: &str) -> bool {
    item.eq_ignore_ascii_case(word.as_bytes())
}

/// Whether an item of Accept is JSON, or false for text. `None` for everything else, and for what the client does not accept.
fn accepts_json(item: &[u8]) -> Option<bool> {
    let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let media = parts.next()?;
    if parts.any(is_no_weight) {
        return None;
    }
    if is_word(media, "application/json") {
        return Some(true);
    }
    let text = ["text/plain", "text/*", "*/*"];
    text.iter()
        .any(|text| is_word(media, text))
        .then_some(false)
}

/// Whether a parameter is the weight 0: "not acceptable" (RFC 9110, section 12.4.2).
fn is_no_weight(parameter: &[u8]) -> bool {
    let [b'q' | b'Q', b'=', b'0', rest @ ..] = parameter else {
        return false;
    };
    rest.iter().all(|byte| matches!(byte, b'.' | b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> String {
        format!("{text}\r\n\r\n")
    }

    fn refused(text: &str) -> u16 {
        let head = head(text);
        let refused = parse(head.as_bytes()).map_err(|status| status.as_u16());
        refused.expect_err(text)
    }

    #[test]
    fn plain_requests_are_read() {
        let served = |text: &str, path: &str, query: Option<&str>, json: bool, last: bool| {
            let head = head(text);
            let request = parse(head.as_bytes()).expect(text);
            let asked = Asked::of(text.as_bytes());
            let expected = Request {
                path,
                query,
                asked,
                accepts_json: json,
                is_last: last,
            };
            assert_eq!(request, expected, "{text}");
        };
        served(
            "GET /readyz HTTP/1.1\r\nHost: a",
            "/readyz",
            None,
            false,
            false,
        );
        served("HEAD / HTTP/1.1\r\nhost:", "/", None, false, false);
        served("GET /a?b?c HTTP/1.0", "/a", Some("b?c"), false, true);
        let absolute = "GET http://a/b?c HTTP/1.1\r\nhost: a";
        served(absolute, "/b", Some("c"), false, false);
        served("GET http://a HTTP/1.1\r\nhost: a", "/", None, false, false);
        let shouted = "GET HTTPS://a/b HTTP/1.1\r\nhost: a";
        served(shouted, "/b", None, false, false);
        let close = "GET / HTTP/1.1\r\nhost: a\r\nConnection: x, Close";
        served(close, "/", None, false, true);
        let empty = "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0";
        served(empty, "/", None, false, false);
        for (accept, json) in [
            ("application/json", true),
            ("text/html, Application/JSON;q=0.5, */*", true),
            ("*/*, application/json", false),
            ("image/png", false),
            ("application/json;q=0, text/plain", false),
            ("application/json; charset=x ; Q=0.000, */*", false),
            ("application/json;q=0", false),
            ("text/plain;q=0, */*;q=0., application/json;q=0.001", true),
            ("application/json;q=01", true),
        ] {
            let text = format!("GET / HTTP/1.1\r\nhost: a\r\naccept: {accept}");
            served(&text, "/", None, json, false);
        }
    }

    #[test]
    fn shapes_that_proxies_read_in_other_ways_are_refused() {
        let with = |fields: &str| refused(&format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}"));
        for fields in [
            "content-length: 1",
            "content-length: 0\r\ncontent-length: 0",
            "content-length: 0, 0",
            "content-length: +0",
            "content-length: -1",
            "content-length:",
            "content-length: 99999999999999999999",
            "transfer-encoding: chunked",
            "transfer-encoding: identity",
            "transfer-encoding: chunked\r\ncontent-length: 0",
            "content-length: 0\r\nTransfer-Encoding: xchunked",
            "content-length : 0",
            "x: a\r\n folded",
            "x: a\r\n\tfolded",
            " x: a",
            "x y: a",
            "x: a\0b",
            ": a",
            "host: b",
        ] {
            assert_eq!(with(fields), 400, "{fields:?}");
        }
        assert_eq!(refused("GET / HTTP/1.1"), 400);
        assert_eq!(refused("GET /a b HTTP/1.1\r\nhost: a"), 505);
        assert_eq!(refused("GET  / HTTP/1.1\r\nhost: a"), 400);
        assert_eq!(refused("GET /"), 400);
        assert_eq!(refused(""), 400);
        assert_eq!(refused("G\0T / HTTP/1.1\r\nhost: a"), 400);
        let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5";
        assert_eq!(refused(post), 405);
        let both = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked";
        assert_eq!(refused(both), 400);
        for method in ["get", "PUT", "OPTIONS", "CONNECT", "TRACE", "PRI"] {
            let text = format!("{method} / HTTP/1.1\r\nhost: a");
            assert_eq!(refused(&text), 405, "{method}");
        }
        for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "http/1.1"] {
            let refused = refused(&format!("GET / {version}\r\nhost: a"));
            assert!([400, 505].contains(&refused), "{version} {refused}");
        }
        assert_eq!(with(&"x: y\r\n".repeat(100)), 431);
    }
}
