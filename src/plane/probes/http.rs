//! The status of an HTTP answer.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::str::FromStr;
use std::task::Poll;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderValue, Request};
use hyper::client::conn::http1;

use super::io::Io;
use crate::client::{Lookup, port, reach};
use crate::plane::Probe;
use crate::registry::Reason;

/// The most bytes of an answer's head. A longer head is a failure.
const MAX_HEAD: usize = 16 * 1024;

/// The most header fields of an answer.
const MAX_FIELDS: usize = 100;

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("grpc-health/", env!("CARGO_PKG_VERSION")));

/// A [`Probe`] that sends an HTTP/1.1 GET on a new connection, and succeeds if the status of the answer is between 200 and 399, as the HTTP
/// probes of Kubernetes do. The probe follows no redirect, and reads nothing of the answer's body.
#[derive(Clone, Debug)]
pub struct Http {
    authority: Authority,
    port: u16,
    host: HeaderValue,
    path: PathAndQuery,
    lookup: Lookup,
}

/// The text is not an `http` URL. The error's message says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUrl(&'static str);

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for InvalidUrl {}

impl FromStr for Http {
    type Err = InvalidUrl;

    /// Reads a URL such as `http://127.0.0.1:8080/ready?full`. Port 80 and the path `/` may be left out.
    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        let uri: Uri = url.parse().map_err(|_| InvalidUrl(EXPECTED))?;
        if uri.scheme() == Some(&Scheme::HTTPS) {
            return Err(InvalidUrl(
                "https is not supported: the check speaks no TLS over HTTP",
            ));
        }
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(InvalidUrl(EXPECTED));
        };
        let is_valid = scheme == Scheme::HTTP && !authority.host().is_empty();
        if !is_valid || authority.as_str().contains('@') {
            return Err(InvalidUrl(EXPECTED));
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| InvalidUrl(EXPECTED))?;
        // http's own port is `None` for a port that is no number, and nothing else may be behind the host.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 80,
            rest => rest
                .and_then(|rest| port(rest.strip_prefix(':')?))
                .filter(|&port| port != 0)
                .ok_or(InvalidUrl(BAD_PORT))?,
        };
        let path = parts.path_and_query;
        Ok(Self {
            authority,
            port,
            host,
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
            lookup: Lookup::default(),
        })
    }
}

const EXPECTED: &str = "expected a URL such as http://127.0.0.1:8080/ready";

const BAD_PORT: &str =
    "the port must be a number from 1 to 65535, as in http://127.0.0.1:8080/ready";

impl Http {
    async fn status(&self) -> Result<u16, Box<dyn Error + Send + Sync>> {
        // A URL has an IPv6 address in brackets.
        let host = self.authority.host();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let addrs = self.lookup.addresses(host, self.port).await?;
        let io = Io(reach(&addrs).await?);
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .handshake(io)
            .await?;
        let request = Request::get(Uri::from(self.path.clone()))
            .header(HOST, self.host.clone())
            .header(USER_AGENT, AGENT)
            .header(CONNECTION, HeaderValue::from_static("close"))
            .body(String::new())?;
        let mut answer = pin!(sender.send_request(request));
        let mut connection = pin!(connection);
        let mut is_open = true;
        // No task of its own: dropping this future closes the connection.
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            if is_open {
                is_open = connection.as_mut().poll(cx).is_pending();
                return answer.as_mut().poll(cx);
            }
            Poll::Pending
        });
        Ok(answer.await?.status().as_u16())
    }
}

impl Probe for Http {
    async fn probe(&mut self) -> Result<(), Reason> {
        match self.status().await {
            Ok(200..=399) => Ok(()),
            Ok(status) => Err(Reason::from(format!("{}: HTTP {status}", self.authority))),
            Err(error) => Err(Reason::from(format!("{}: {error}", self.authority))),
        }
    }
}
