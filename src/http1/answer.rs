//! Answers requests.

use std::fmt::Write;

use http::StatusCode;

use super::heads::Found;
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

/// Answers a request. After the `last` request the connection is closed.
pub(crate) fn answer<S: Service>(
    service: &S,
    options: &ListenOptions,
    found: &Found,
    last: bool,
) -> Answer {
    let parsed = match found {
        Found::Head(head) => request::parse(head),
        Found::TooLarge => Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Found::Malformed => Err(StatusCode::BAD_REQUEST),
    };
    let request = match parsed {
        Ok(request) => request,
        Err(status) => return refuse(status),
    };
    let mut outcome = Outcome::Served;
    let answer = contain(|| ask(service, options, &request)).unwrap_or_else(|_| {
        outcome = Outcome::Panicked;
        Some(plain(StatusCode::INTERNAL_SERVER_ERROR))
    });
    let answer = answer.unwrap_or_else(|| plain(StatusCode::NOT_FOUND));
    let close = last || request.is_last;
    Answer {
        bytes: encode(&answer, request.wants_body, close),
        close,
        outcome,
    }
}

/// The answer to a request whose head takes too long to arrive.
pub(crate) fn timed_out() -> Answer {
    refuse(StatusCode::REQUEST_TIMEOUT)
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

fn refuse(status: StatusCode) -> Answer {
    Answer {
        bytes: encode(&plain(status), true, true),
        close: true,
        outcome: match status {
            StatusCode::METHOD_NOT_ALLOWED => Outcome::Served,
            _ => Outcome::Refused,
        },
    }
}

fn encode(answer: &ProbeAnswer, with_body: bool, close: bool) -> Vec<u8> {
    let ProbeAnswer {
        status,
        content_type,
        body,
    } = answer;
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\n",
        status.as_str(),
        body.len(),
    );
    if *status == StatusCode::METHOD_NOT_ALLOWED {
        head.push_str("allow: GET, HEAD\r\n");
    }
    let _ = write!(
        head,
        "{}\r\n",
        if close { "connection: close\r\n" } else { "" }
    );
    let mut bytes = head.into_bytes();
    if with_body {
        bytes.extend_from_slice(body);
    }
    bytes
}
