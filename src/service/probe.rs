//! A health probe over HTTP/1.

use bytes::Bytes;
use http::StatusCode;

/// A `GET` or `HEAD` over HTTP/1, for [`Service::probe`](super::Service::probe).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe<'a> {
    path: &'a str,
    query: Option<&'a str>,
    json: bool,
    live: Option<&'a str>,
}

impl<'a> Probe<'a> {
    /// Makes a probe of `path`, such as `/readyz`, whose percent-encoding is not decoded. `query` is what follows the `?`.
    #[must_use]
    pub const fn new(path: &'a str, query: Option<&'a str>) -> Self {
        Self {
            path,
            query,
            json: false,
            live: None,
        }
    }

    /// Makes the answer JSON, as a request does by `Accept: application/json`.
    #[must_use]
    pub const fn accepting_json(mut self) -> Self {
        self.json = true;
        self
    }

    /// Sets the name of the service that says whether the process is alive.
    #[must_use]
    pub const fn with_live_service(mut self, name: Option<&'a str>) -> Self {
        self.live = name;
        self
    }

    /// The request's path, with its percent-encoding.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// Whether the request's query has the word `verbose`.
    #[must_use]
    pub fn is_verbose(&self) -> bool {
        self.words().any(|(name, _)| name == "verbose")
    }

    /// Whether the client wants JSON: the query has `format=json`, or the request accepts JSON and the query has no `format`.
    #[must_use]
    pub fn wants_json(&self) -> bool {
        let format = self.words().find(|(name, _)| *name == "format");
        format.map_or(self.json, |(_, value)| value == "json")
    }

    /// The name of the service that says whether the process is alive. `None` if the process is alive while it answers.
    #[must_use]
    pub const fn live_service(&self) -> Option<&'a str> {
        self.live
    }

    fn words(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let words = self.query.unwrap_or_default().split('&');
        words.map(|word| word.split_once('=').unwrap_or((word, "")))
    }
}

/// The answer to a [`Probe`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeAnswer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The value of `content-type`.
    pub content_type: &'static str,
    /// The body. The host does not send the body to a `HEAD`.
    pub body: Bytes,
}

impl ProbeAnswer {
    /// Makes an answer of plain text.
    #[must_use]
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }

    /// Makes an answer of JSON.
    #[must_use]
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: "application/json",
            body: body.into(),
        }
    }
}
