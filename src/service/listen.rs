//! How one listener answers health checks, beside the protocol of gRPC.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use crate::wire::metadata;

/// The method that aliases stand for.
pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";

/// The longest name of a service in an alias, in bytes.
const MAX_NAME: usize = 2_048;

/// How one listener answers load balancers that do not speak the whole of gRPC. By default a listener speaks exactly
/// [PROTOCOL-HTTP2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md) and the [health checking
/// protocol](https://github.com/grpc/grpc/blob/master/doc/health-checking.md).
///
/// [`Server::with_listen_options`](crate::Server::with_listen_options) sets the options of listeners:
///
/// ```no_run
/// use grpc_health::server::ListenOptions;
/// use grpc_health::{HealthService, Registry, Server};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let service = HealthService::new(Registry::new());
/// let server = Server::builder().service(service).bind("127.0.0.1:50051").await?;
/// let balancers = ListenOptions::new().mirror().alias("/AWS.ALB/healthcheck", "shop.Cart");
/// server.with_listen_options(balancers).bind("127.0.0.1:50052").await?;
/// server.serve().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct ListenOptions {
    mirror: bool,
    aliases: Vec<Alias>,
    service_header: Option<HeaderName>,
    #[cfg(feature = "http1")]
    http1: bool,
    #[cfg(feature = "http1")]
    live: Option<Box<str>>,
}

/// The version of HTTP that both ends have agreed on before the first byte.
#[cfg(feature = "http1")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(dead_code, reason = "without TLS nobody agrees on a version")]
pub(crate) enum Protocol {
    /// The client's first bytes say.
    #[default]
    Unknown,
    Http1,
    Http2,
}

#[derive(Clone, PartialEq, Eq)]
struct Alias {
    path: Box<str>,
    /// A `HealthCheckRequest` with the service's name.
    request: Bytes,
}

impl ListenOptions {
    /// The most aliases that a listener can have: each request for an unknown path is compared with all of them.
    pub const MAX_ALIASES: usize = 64;

    /// Makes options that change nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes `Check` answer `UNAVAILABLE` (14) in place of every status but SERVING, for balancers that read only `grpc-status`. Default:
    /// `Check` answers OK (0) with the status in the message. `Watch` and `List` do not change.
    pub const fn mirror(mut self) -> Self {
        self.mirror = true;
        self
    }

    /// Makes `path`, such as `/AWS.ALB/healthcheck`, a `Check` of `service`, whatever name the request's message has. The empty name is the
    /// server as a whole. A method that the service has at `path` is not reached any more. A later alias of the same path replaces the
    /// earlier one. Default: no alias.
    ///
    /// With an alias, the listener answers a `Check` without a message, too. The answer to such a request is one HEADERS frame: `:status`
    /// 200 and `grpc-status` 0 for SERVING, `:status` 503 and `grpc-status` 14 for every other status, `:status` 404 and `grpc-status` 5
    /// for an unknown service.
    ///
    /// # Panics
    ///
    /// If `path` does not begin with `/`, or contains a byte other than visible ASCII, a `?` or a `#`; if `service` is longer than 2,048
    /// bytes; or if there are more than 64 aliases.
    #[track_caller]
    pub fn alias(mut self, path: impl Into<Box<str>>, service: &str) -> Self {
        let path = path.into();
        assert!(
            is_path(&path),
            "an alias is not the path of a request: {path:?}"
        );
        assert!(
            service.len() <= MAX_NAME,
            "the service of an alias is longer than {MAX_NAME} bytes"
        );
        self.aliases.retain(|alias| alias.path != path);
        assert!(
            self.aliases.len() < Self::MAX_ALIASES,
            "more than {} aliases",
            Self::MAX_ALIASES
        );
        let request = request(service.as_bytes());
        self.aliases.push(Alias { path, request });
        self
    }

    /// Makes the request header `name`, such as `x-health-service`, name the service of a `Check` or an alias, whatever name the request's
    /// message has. If the header comes more than once, the first one counts. Default: no such header.
    ///
    /// With a header, the listener answers a `Check` without a message, too; see [`alias`](Self::alias). Without the header and without a
    /// message, a `Check` asks for the server as a whole.
    ///
    /// # Panics
    ///
    /// If `name` is not the name of a header, or is one that HTTP or gRPC reserves.
    #[track_caller]
    pub fn service_header(mut self, name: &str) -> Self {
        let header = HeaderName::try_from(name).ok();
        let header = header.filter(|name| !metadata::is_reserved(name.as_str()));
        assert!(header.is_some(), "not a header for metadata: {name:?}");
        self.service_header = header;
        self
    }

    /// Answers health probes over HTTP/1.0 and HTTP/1.1, too, on the same port. The client's first bytes say which version of HTTP the
    /// client speaks; over TLS the handshake says so (ALPN `http/1.1`, or none). Default: HTTP/2 only.
    ///
    /// `GET` and `HEAD` are served:
    ///
    /// | path | 200 if | otherwise |
    /// |---|---|---|
    /// | `/livez` | the [live service](Self::live_service) is SERVING, or there is none | 503 |
    /// | `/readyz`, `/healthz` | the server as a whole (the empty name) is SERVING | 503 |
    /// | `/healthz/NAME` | the service is SERVING | 503; 404 for an unknown name |
    ///
    /// `?verbose` adds the services and their statuses, at most as many as [`List`](crate::HealthService::list_limit) has. The answer is
    /// text, or JSON with `Accept: application/json` or `?format=json`. Other paths get 404, other methods 405.
    ///
    /// The connections have the limits of HTTP/2 connections: places, `handshake_timeout`, `header_block_timeout` for the head of a
    /// request, `max_header_list_size` for its bytes (431), `write_stall_timeout`, `max_connection_idle` and `max_connection_age`. A
    /// request with a body, a malformed one (400), one of another method (405) or one that is late (408) closes the connection. A server
    /// that [shuts down](crate::Server::shutdown) closes idle connections and closes the others after one more answer.
    ///
    /// Interceptors are not asked. A [`Router`](crate::Router) that intercepts calls of its inner service answers 404 to every probe.
    #[cfg(feature = "http1")]
    pub const fn http1(mut self) -> Self {
        self.http1 = true;
        self
    }

    /// Sets the service that `/livez` asks for. Default: none, so that `/livez` is 200 for as long as the process answers.
    /// [Pin](crate::Registry::pin) the service, or a server that drains is not alive.
    #[cfg(feature = "http1")]
    pub fn live_service(mut self, name: impl Into<Box<str>>) -> Self {
        self.live = Some(name.into());
        self
    }

    #[cfg(feature = "http1")]
    pub(crate) const fn has_http1(&self) -> bool {
        self.http1
    }

    #[cfg(feature = "http1")]
    pub(crate) fn live(&self) -> Option<&str> {
        self.live.as_deref()
    }

    pub(crate) const fn is_mirror(&self) -> bool {
        self.mirror
    }

    /// Whether a `Check` may come without a message.
    pub(crate) fn has_probes(&self) -> bool {
        !self.aliases.is_empty() || self.service_header.is_some()
    }

    /// The message of the alias at `path`.
    pub(crate) fn request_at(&self, path: &str) -> Option<Bytes> {
        let alias = self.aliases.iter().find(|alias| &*alias.path == path)?;
        Some(alias.request.clone())
    }

    /// The message that the header asks for.
    pub(crate) fn request_in(&self, headers: &HeaderMap) -> Option<Bytes> {
        let name = headers.get(self.service_header.as_ref()?)?;
        Some(request(name.as_bytes()))
    }
}

/// Whether `path` can be the path of a request, without a query.
fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#')
}

/// A message whose field 1 is `name`: a `HealthCheckRequest`.
fn request(name: &[u8]) -> Bytes {
    let mut message = Vec::with_capacity(name.len() + 4);
    message.push(1 << 3 | 2);
    let mut len = name.len();
    while len > 0x7f {
        message.push(0x80 | u8::try_from(len & 0x7f).unwrap_or_default());
        len >>= 7;
    }
    message.push(u8::try_from(len).unwrap_or_default());
    message.extend(name);
    message.into()
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_a_message_with_the_name_in_field_1() {
        let lengths: [(usize, &[u8]); 5] = [
            (0, &[0]),
            (1, &[1]),
            (0x7f, &[0x7f]),
            (0x80, &[0x80, 1]),
            (MAX_NAME, &[0x80, 0x10]),
        ];
        for (len, varint) in lengths {
            let name = vec![b'n'; len];
            assert_eq!(request(&name), [&[0x0a], varint, &name].concat());
        }
    }

    #[test]
    fn a_later_alias_replaces_an_earlier_one_and_nothing_else() {
        let options = ListenOptions::new()
            .alias("/a", "one")
            .alias("/b", "two")
            .alias("/a", "three");
        assert_eq!(options.aliases.len(), 2);
        assert_eq!(options.request_at("/a"), Some(request(b"three")));
        assert_eq!(options.request_at("/b"), Some(request(b"two")));
        assert_eq!(options.request_at("/c"), None);
    }

    #[test]
    fn what_no_request_could_ask_for_is_refused_when_it_is_set() {
        let refused = |set: fn(ListenOptions) -> ListenOptions| {
            std::panic::catch_unwind(|| set(ListenOptions::new())).is_err()
        };
        assert!(refused(|options| options.alias("", "")));
        assert!(refused(|options| options.alias("health", "")));
        assert!(refused(|options| options.alias("/a?b", "")));
        assert!(refused(|options| options.alias("/a b", "")));
        assert!(refused(|options| options.alias("/a", &"n".repeat(2_049))));
        assert!(refused(|options| {
            (0..65).fold(options, |options, n| options.alias(format!("/{n}"), ""))
        }));
        assert!(refused(|options| options.service_header("")));
        assert!(refused(|options| options.service_header(":path")));
        assert!(refused(|options| options.service_header("content-type")));
        assert!(refused(|options| options.service_header("grpc-timeout")));
        assert!(!refused(|options| {
            (0..64).fold(options, |options, n| options.alias(format!("/{n}"), ""))
        }));
        assert!(!refused(|options| {
            options.service_header("X-Health-Service")
        }));
    }
}
