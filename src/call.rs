//! One gRPC call, without its transport: request parts in, a validated call or its refusal out; body bytes in, one message out;
//! replies and statuses as HTTP heads and trailers.
//!
//! The order of the checks is that of grpc-go's `operateHeaders`; which answer wins when several apply is part of the protocol's tests.

mod accepted;
mod answer;
mod incoming;
mod messages;
mod probing;
mod routing;
mod tail;

pub(crate) use accepted::{Call, Refusal};
pub(crate) use answer::{
    Prebuilt, deadline_exceeded, exhausted, going_away, no_budget, no_request, no_room,
    too_many_calls, too_many_headers, trailers_only,
};
pub(crate) use incoming::{Chunks, Incoming, gone};
pub(crate) use messages::Collector;
pub(crate) use tail::Tail;

pub(crate) use crate::inflating::Turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Request, Response, StatusCode, Uri};

use self::accepted::{say_what_is_accepted, unsupported_encoding};
use self::routing::{route, route_with};
use crate::observe::Meters;
use crate::service::{CHECK, ListenOptions, PeerInfo, Service};
use crate::wire::code::Code;
use crate::wire::content_type;
use crate::wire::encoding::{self, Encoding};
use crate::wire::metadata;
use crate::wire::status::Status;
use crate::wire::timeout::{self, InvalidTimeout};

/// Validates the head of a request, keeps what the call needs of the head, and asks the service whether the call may begin. `clock` tells
/// the host's time; only calls that need metadata read the clock.
/// The request's header list may have `max_list` bytes (RFC 9113, section 6.5.2).
pub(crate) fn accept<S: Service, B>(
    service: &S,
    request: &mut Request<B>,
    max_list: usize,
    peer: &Arc<PeerInfo>,
    clock: fn() -> Instant,
    meters: &mut Meters,
) -> Result<Call, Refusal> {
    #[cfg(feature = "__internals")]
    if service.is_bare_http() {
        return Ok(Call::bare(clock));
    }
    // Changed in place: a call is large, and each move copies the call.
    let options = peer.options.as_deref();
    let mut judged = judge(service, request, max_list, options, clock, meters);
    match &mut judged {
        Ok(call) if call.method.keeps_metadata() => call.admit(service, request, peer, clock)?,
        Err(Refusal::Answer(answer)) => meters.refused(answer.headers()),
        _ => {}
    }
    judged
}

fn judge<S: Service, B>(
    service: &S,
    request: &Request<B>,
    max_list: usize,
    options: Option<&ListenOptions>,
    clock: fn() -> Instant,
    meters: &mut Meters,
) -> Result<Call, Refusal> {
    let fields = Fields::read(request.headers());
    if fields.hosts > 1 {
        let message = "more than one host header";
        return Err(refuse(StatusCode::BAD_REQUEST, Code::INTERNAL, message).into());
    }
    let subtype = fields
        .content_type
        .map(|value| content_type::parse_any(value.as_bytes()));
    let is_foreign = match subtype {
        Some(Ok(None)) => false,
        Some(Ok(Some(name))) if takes(service, request.uri(), name) => true,
        _ => return Err(unsupported_media_type(fields.content_type).into()),
    };
    let list = fields.size + pseudo_fields(request);
    if list > max_list {
        return Err(Box::new(trailers_only(&too_many_headers(list, max_list))).into());
    }
    let Ok(timeout) = fields.timeout else {
        let message = "malformed grpc-timeout";
        return Err(refuse(StatusCode::BAD_REQUEST, Code::INTERNAL, message).into());
    };
    if !fields.binary_is_valid {
        let message = "malformed binary metadata";
        return Err(refuse(StatusCode::BAD_REQUEST, Code::INTERNAL, message).into());
    }
    if request.method() != HttpMethod::POST {
        return Err(method_not_allowed(request.method()).into());
    }
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(Box::new(trailers_only(&deadline_exceeded())).into());
    }
    let (method, probing) = match options {
        None => (route(service, request.uri())?, None),
        Some(options) => route_with(service, request, options)?,
    };
    let encoding = match fields.encoding.map(|value| (value, value.as_bytes())) {
        None => Some(Encoding::Identity),
        Some((value, name)) => match encoding::parse(name) {
            None if !encoding::is_gzip(name) => return Err(unknown_encoding(value).into()),
            encoding => encoding,
        },
    };
    let timeout = [timeout, method.time_limit()].into_iter().flatten().min();
    let mut call = Call::new(method, timeout, encoding, probing, clock);
    call.is_foreign = is_foreign;
    let path = if call.is_alias() {
        CHECK
    } else {
        request.uri().path()
    };
    call.tail.meter = meters.call(call.method.key(), path, fields.user_agent);
    Ok(call)
}

/// The fields of a request's headers that the checks need, found in one pass.
struct Fields<'a> {
    /// What they count in a header list (RFC 9113, section 6.5.2).
    size: usize,
    hosts: usize,
    content_type: Option<&'a HeaderValue>,
    /// The shortest timeout that the client sent: of several, the first to pass would end the call anyway.
    timeout: Result<Option<Duration>, InvalidTimeout>,
    encoding: Option<&'a HeaderValue>,
    binary_is_valid: bool,
    /// Only with feature `metrics`.
    user_agent: Option<&'a HeaderValue>,
}

impl<'a> Fields<'a> {
    #[inline]
    fn read(headers: &'a HeaderMap) -> Self {
        let mut fields = Self {
            size: 0,
            hosts: 0,
            content_type: None,
            timeout: Ok(None),
            encoding: None,
            binary_is_valid: true,
            user_agent: None,
        };
        fields.size = headers.len() * PER_FIELD;
        for (name, value) in headers {
            let name = name.as_str();
            fields.size += name.len() + value.len();
            match name {
                "content-type" => fields.content_type = Some(value),
                "host" => fields.hosts += 1,
                "grpc-encoding" => fields.encoding = Some(value),
                "grpc-timeout" => fields.take_timeout(value),
                "user-agent" if cfg!(feature = "metrics") => fields.user_agent = Some(value),
                _ if metadata::is_binary(name) => {
                    fields.binary_is_valid &= metadata::check_binary(value).is_ok();
                }
                _ => {}
            }
        }
        fields
    }

    #[cold]
    fn take_timeout(&mut self, value: &HeaderValue) {
        self.timeout = self.timeout.and_then(|shortest| {
            let timeout = timeout::parse(value.as_bytes())?;
            Ok(Some(
                shortest.map_or(timeout, |shortest| shortest.min(timeout)),
            ))
        });
    }
}

/// Whether the called method accepts a codec of this name other than protobuf's. Only requests with such a codec look the method up this
/// early.
fn takes<S: Service>(service: &S, uri: &Uri, subtype: &[u8]) -> bool {
    let method = service.method(uri.path());
    uri.query().is_none() && method.is_ok_and(|method| method.takes(subtype))
}

/// What a field counts in a header list beside its name and value.
const PER_FIELD: usize = 32;

/// What the pseudo-header fields count in a header list.
fn pseudo_fields<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let field = |name: &str, value: &str| PER_FIELD + name.len() + value.len();
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    field(":method", request.method().as_str())
        + field(":path", path)
        + uri
            .scheme_str()
            .map_or(0, |scheme| field(":scheme", scheme))
        + uri
            .authority()
            .map_or(0, |authority| field(":authority", authority.as_str()))
}

fn unsupported_media_type(value: Option<&HeaderValue>) -> Box<Response<()>> {
    let value = value
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .unwrap_or_default();
    let message = format!("invalid gRPC request content-type \"{value}\"");
    refuse(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::INVALID_ARGUMENT,
        message,
    )
}

fn method_not_allowed(method: &HttpMethod) -> Box<Response<()>> {
    let message = format!("the request's :method is {method}, which should be POST");
    let mut refusal = refuse(StatusCode::METHOD_NOT_ALLOWED, Code::INTERNAL, message);
    refusal
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("POST"));
    refusal
}

fn unknown_encoding(value: &HeaderValue) -> Box<Response<()>> {
    let value = String::from_utf8_lossy(value.as_bytes());
    let mut refusal = Box::new(trailers_only(&unsupported_encoding(&value)));
    say_what_is_accepted(refusal.headers_mut());
    refusal
}

fn refuse(
    http: StatusCode,
    code: Code,
    message: impl Into<std::borrow::Cow<'static, str>>,
) -> Box<Response<()>> {
    let mut refusal = Box::new(trailers_only(&Status::new(code, message)));
    *refusal.status_mut() = http;
    refusal
}
