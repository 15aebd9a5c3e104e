//! One gRPC call, without its transport: request parts in, a validated call or its refusal out; body bytes in, one message out;
//! replies and statuses as HTTP heads and trailers.
//!
//! The order of the checks is that of grpc-go's `operateHeaders`; which answer wins when several apply is part of the protocol's tests.

mod answer;
mod incoming;
mod messages;

pub(crate) use answer::{
    Prebuilt, deadline_exceeded, going_away, too_many_calls, too_many_headers, trailers_only,
};
pub(crate) use incoming::{Chunks, Incoming, gone};
pub(crate) use messages::{Collector, Messages};

use std::time::{Duration, Instant};

use http::header::{ALLOW, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Response, StatusCode, Uri};

use crate::service::{
    Head, Method, PeerInfo, Permit, Rejection, RequestContext, Service, Unimplemented,
};
use crate::wire::code::Code;
use crate::wire::encoding::{self, Encoding};
use crate::wire::metadata::{self, Metadata};
use crate::wire::status::Status;
use crate::wire::{content_type, timeout};

const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// A request that may be read and given to the service.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) timeout: Option<Duration>,
    encoding: Encoding,
    /// Nothing of gRPC's is asked of the body.
    #[cfg(feature = "__internals")]
    bare: bool,
    /// Only for methods that need metadata.
    kept: Option<Box<Kept>>,
}

/// What a call whose method needs metadata keeps of its head.
#[derive(Debug)]
struct Kept {
    context: Option<Box<RequestContext>>,
    permit: Option<Permit>,
}

/// What becomes of a request that may not.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is answered: one HEADERS frame with END_STREAM.
    Answer(Box<Response<()>>),
    /// Its stream is reset with REFUSED_STREAM.
    Unprocessed,
}

impl From<Box<Response<()>>> for Refusal {
    fn from(answer: Box<Response<()>>) -> Self {
        Self::Answer(answer)
    }
}

/// Validates the parts of a request, and keeps of them what the call is to have. Its header list may have `max_list` bytes. `now` is its
/// arrival; few calls ask for it.
pub(crate) fn accept<S: Service>(
    service: &S,
    parts: &mut Parts,
    max_list: usize,
    peer: &PeerInfo,
    now: impl FnOnce() -> Instant,
) -> Result<Call, Refusal> {
    #[cfg(feature = "__internals")]
    if service.is_bare_http() {
        return Ok(Call::bare());
    }
    let mut call = judge(service, parts, max_list)?;
    if call.method.keeps_metadata() {
        call.attend(service, parts, peer, now)?;
    }
    Ok(call)
}

impl Call {
    /// A request that nothing is asked of.
    #[cfg(feature = "__internals")]
    fn bare() -> Self {
        Self {
            method: Method::new(0),
            timeout: None,
            encoding: Encoding::Identity,
            bare: true,
            kept: None,
        }
    }

    /// Asks the service whether the call may begin, and keeps what is to be kept of it.
    fn attend<S: Service>(
        &mut self,
        service: &S,
        parts: &mut Parts,
        peer: &PeerInfo,
        now: impl FnOnce() -> Instant,
    ) -> Result<(), Refusal> {
        let deadline = self.timeout.and_then(|timeout| now().checked_add(timeout));
        let context = RequestContext {
            path: std::mem::take(&mut parts.uri).into_parts().path_and_query,
            metadata: Metadata::received(std::mem::take(&mut parts.headers)),
            deadline,
            permit: None,
        };
        let head = Head::new(self.method, self.timeout, peer);
        let head = head.with_context(Some(Box::new(context)));
        let permit = service.admit(&head).map_err(|rejection| match rejection {
            Rejection::Status(status) => Refusal::Answer(Box::new(trailers_only(&status))),
            Rejection::Unprocessed => Refusal::Unprocessed,
        })?;
        let context = head.into_context().map(|mut context| {
            context.permit.clone_from(&permit);
            context
        });
        self.kept = Some(Box::new(Kept { context, permit }));
        Ok(())
    }

    /// The head that the service gets with the call.
    pub(crate) fn head<'a>(&mut self, peer: &'a PeerInfo) -> Head<'a> {
        let head = Head::new(self.method, self.timeout, peer);
        match self.kept.as_deref_mut() {
            None => head,
            Some(kept) => head.with_context(kept.context.take()),
        }
    }

    /// What is to be kept until the call is over.
    pub(crate) fn take_permit(&mut self) -> Option<Permit> {
        self.kept.take()?.permit
    }
}

fn judge<S: Service>(
    service: &S,
    parts: &Parts,
    max_list: usize,
) -> Result<Call, Box<Response<()>>> {
    let fields = Fields::read(&parts.headers);
    if fields.hosts > 1 {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            Code::INTERNAL,
            "more than one host header",
        ));
    }
    if fields
        .content_type
        .and_then(|value| content_type::parse(value.as_bytes()).ok())
        .is_none()
    {
        return Err(unsupported_media_type(fields.content_type));
    }
    let list = fields.size + pseudo_fields(parts);
    if list > max_list {
        return Err(Box::new(trailers_only(&too_many_headers(list, max_list))));
    }
    let timeout = match fields.timeout.map(|value| timeout::parse(value.as_bytes())) {
        None => None,
        Some(Ok(timeout)) if fields.timeouts == 1 => Some(timeout),
        Some(_) => {
            let message = "malformed grpc-timeout";
            return Err(refuse(StatusCode::BAD_REQUEST, Code::INTERNAL, message));
        }
    };
    if !fields.binary_is_valid {
        let message = "malformed binary metadata";
        return Err(refuse(StatusCode::BAD_REQUEST, Code::INTERNAL, message));
    }
    if parts.method != HttpMethod::POST {
        return Err(method_not_allowed(&parts.method));
    }
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(Box::new(trailers_only(&deadline_exceeded())));
    }
    let method = route(service, &parts.uri)?;
    let encoding = match fields.encoding {
        None => Encoding::Identity,
        Some(value) => encoding::parse(value.as_bytes()).ok_or_else(|| unknown_encoding(value))?,
    };
    Ok(Call {
        method,
        timeout,
        encoding,
        #[cfg(feature = "__internals")]
        bare: false,
        kept: None,
    })
}

/// What `judge` wants of a request's headers, found in one pass.
struct Fields<'a> {
    /// What they count in a header list (RFC 9113, section 6.5.2).
    size: usize,
    hosts: usize,
    content_type: Option<&'a HeaderValue>,
    timeout: Option<&'a HeaderValue>,
    timeouts: usize,
    encoding: Option<&'a HeaderValue>,
    binary_is_valid: bool,
}

impl<'a> Fields<'a> {
    #[inline]
    fn read(headers: &'a HeaderMap) -> Self {
        let mut fields = Self {
            size: 0,
            hosts: 0,
            content_type: None,
            timeout: None,
            timeouts: 0,
            encoding: None,
            binary_is_valid: true,
        };
        for (name, value) in headers {
            fields.size += PER_FIELD + name.as_str().len() + value.len();
            match name.as_str() {
                "content-type" => fields.content_type = Some(value),
                "host" => fields.hosts += 1,
                "grpc-encoding" => fields.encoding = Some(value),
                "grpc-timeout" => {
                    fields.timeout = Some(value);
                    fields.timeouts += 1;
                }
                name if metadata::is_binary(name) => {
                    fields.binary_is_valid &= metadata::check_binary(value).is_ok();
                }
                _ => {}
            }
        }
        fields
    }
}

/// What a field counts in a header list beside its name and value.
const PER_FIELD: usize = 32;

/// What the pseudo-header fields count in a header list.
fn pseudo_fields(parts: &Parts) -> usize {
    let uri = &parts.uri;
    let field = |name: &str, value: &str| PER_FIELD + name.len() + value.len();
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    field(":method", parts.method.as_str())
        + field(":path", path)
        + uri
            .scheme_str()
            .map_or(0, |scheme| field(":scheme", scheme))
        + uri
            .authority()
            .map_or(0, |authority| field(":authority", authority.as_str()))
}

fn route<S: Service>(service: &S, uri: &Uri) -> Result<Method, Box<Response<()>>> {
    // The http crate splits a query off; a gRPC path has none.
    let found = match uri.query() {
        None => service.method(uri.path()),
        Some(_) => Err(Unimplemented::Service),
    };
    found.map_err(|missing| {
        let path = uri.path();
        let (service, method) = path
            .strip_prefix('/')
            .and_then(|p| p.rsplit_once('/'))
            .unwrap_or((path, ""));
        let message = match missing {
            Unimplemented::Service => format!("unknown service {service}"),
            Unimplemented::Method => format!("unknown method {method} for service {service}"),
        };
        Box::new(trailers_only(&Status::new(Code::UNIMPLEMENTED, message)))
    })
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
    let message = format!("grpc-encoding \"{value}\" is not supported");
    let mut refusal = Box::new(trailers_only(&Status::new(Code::UNIMPLEMENTED, message)));
    let accepted = HeaderValue::from_static(encoding::ACCEPT);
    refusal.headers_mut().insert(ACCEPT_ENCODING, accepted);
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
