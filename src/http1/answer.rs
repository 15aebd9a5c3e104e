//! Answers requests.

use std::fmt::Write;

use http::StatusCode;
use httpdate::HttpDate;

use super::heads::{Asked, Found};
use super::request::{self, Request};
use crate::service::{ListenOptions, Probe, ProbeAnswer, Service, contain};

/// The answer to one request, as it goes over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// Whether the connection is closed after the answer.
    pub(crate) close: bool,
    pub(crate) outcome: Outcome,
}

/// What the host counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Served,
    /// The request is not one of HTTP/1.
    Refused,
    /// The service panicked.
    Panicked,
}

/// Answers a request at the time `date`. After the `last` request the connection is closed.
///
/// Without a date the answer has none: RFC 9110, section 6.6.1, forbids the field to a server without a clock.
pub(crate) fn answer<S: Service>(
    service: &S,
    options: &ListenOptions,
    found: &Found,
    last: bool,
    date: Option<HttpDate>,
) -> Answer {
    let parsed = match found {
        Found::Head(head) => request::parse(head).map_err(|status| (status, Asked::of(head))),
        Found::TooLarge(asked) => Err((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, *asked)),
        Found::Malformed(asked) => Err((StatusCode::BAD_REQUEST, *asked)),
    };
    let request = match parsed {
        Ok(request) => request,
        Err((status, asked)) => return refuse(status, asked, date),
    };
    let mut outcome = Outcome::Served;
    let answer = contain(|| ask(service, options, &request)).unwrap_or_else(|_| {
        outcome = Outcome::Panicked;
        Some(plain(StatusCode::INTERNAL_SERVER_ERROR))
    });
    let answer = answer.unwrap_or_else(|| plain(StatusCode::NOT_FOUND));
    let close = last || request.is_last;
    Answer {
        bytes: encode(&answer, request.asked, close, date),
        close,
        outcome,
    }
}

/// The answer to a request whose head takes too long to arrive.
pub(crate) fn timed_out(asked: Asked, date: Option<HttpDate>) -> Answer {
    refuse(StatusCode::REQUEST_TIMEOUT, asked, date)
}

fn ask<S: Service>(
    service: &S,
    options: &ListenOptions,
    request: &Request<'_>,
) -> Option<ProbeAnswer> {
    let probe = Probe::new(request.path, request.query).with_live_service(options.live());
    service.probe(if request.accepts_json {
        probe.accepting_json()
    } else {
        probe
    })
}

fn plain(status: StatusCode) -> ProbeAnswer {
    let reason = status.canonical_reason().unwrap_or_default();
    ProbeAnswer::text(status, format!("{reason}\n"))
}

fn refuse(status: StatusCode, asked: Asked, date: Option<HttpDate>) -> Answer {
    Answer {
        bytes: encode(&plain(status), asked, true, date),
        close: true,
        outcome: match status {
            StatusCode::METHOD_NOT_ALLOWED => Outcome::Served,
            _ => Outcome::Refused,
        },
    }
}

fn encode(answer: &ProbeAnswer, asked: Asked, close: bool, date: Option<HttpDate>) -> Vec<u8> {
    let ProbeAnswer {
        status,
        content_type,
        body,
    } = answer;
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_str());
    if let Some(date) = date {
        let _ = write!(head, "date: {date}\r\n");
    }
    let _ = write!(
        head,
        "content-type: {content_type}\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\n",
        body.len(),
    );
    if *status == StatusCode::METHOD_NOT_ALLOWED {
        head.push_str("allow: GET, HEAD\r\n");
    }
    head.push_str(if close {
        "connection: close\r\n\r\n"
    } else {
        "\r\n"
    });
    let mut bytes = head.into_bytes();
    if asked == Asked::WithBody {
        bytes.extend_from_slice(body);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn encoded(asked: Asked, date: Option<HttpDate>) -> String {
        String::from_utf8(encode(&plain(StatusCode::NOT_FOUND), asked, true, date)).unwrap()
    }

    #[test]
    fn an_answer_has_the_date_if_there_is_a_clock() {
        // The example of RFC 9110, section 5.6.7.
        let date = HttpDate::from(UNIX_EPOCH + Duration::from_secs(784_111_777));
        let fields = "content-type: text/plain; charset=utf-8\r\ncontent-length: 10\r\n\
                      cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n";
        let (line, date_field) = (
            "HTTP/1.1 404 Not Found\r\n",
            "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        );
        assert_eq!(
            encoded(Asked::WithBody, Some(date)),
            format!("{line}{date_field}{fields}Not Found\n")
        );
        assert_eq!(encoded(Asked::HeadAlone, None), format!("{line}{fields}"));
    }
}
