//! One gRPC call, without its transport: request parts in, a validated call or its refusal out; body bytes in, one message out;
//! replies and statuses as HTTP heads and trailers.
//!
//! The order of the checks is that of grpc-go's `operateHeaders`; which answer wins when several apply is part of the protocol's tests.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Response, StatusCode, Uri};

use crate::service::{Method, Service, Unimplemented};
use crate::wire::code::Code;
use crate::wire::envelope::{Decoder, EnvelopeError};
use crate::wire::status::Status;
use crate::wire::{content_type, encoding, metadata, timeout};

const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// A request that may be read and given to the service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) timeout: Option<Duration>,
}

/// The answer to a request that may not: one HEADERS frame with END_STREAM.
pub(crate) type Refusal = Response<()>;

/// Validates the parts of a request.
pub(crate) fn accept<S: Service>(service: &S, parts: &Parts) -> Result<Call, Box<Refusal>> {
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
    let unknown = |value: &&HeaderValue| encoding::parse(value.as_bytes()).is_none();
    if let Some(value) = fields.encoding.filter(unknown) {
        return Err(unknown_encoding(value));
    }
    Ok(Call { method, timeout })
}

/// What `accept` wants of a request's headers, found in one pass.
struct Fields<'a> {
    hosts: usize,
    content_type: Option<&'a HeaderValue>,
    timeout: Option<&'a HeaderValue>,
    timeouts: usize,
    encoding: Option<&'a HeaderValue>,
    binary_is_valid: bool,
}

impl<'a> Fields<'a> {
    fn read(headers: &'a HeaderMap) -> Self {
        let mut fields = Self {
            hosts: 0,
            content_type: None,
            timeout: None,
            timeouts: 0,
            encoding: None,
            binary_is_valid: true,
        };
        for (name, value) in headers {
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

fn route<S: Service>(service: &S, uri: &Uri) -> Result<Method, Box<Refusal>> {
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

fn unsupported_media_type(value: Option<&HeaderValue>) -> Box<Refusal> {
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

fn method_not_allowed(method: &HttpMethod) -> Box<Refusal> {
    let message = format!("the request's :method is {method}, which should be POST");
    let mut refusal = refuse(StatusCode::METHOD_NOT_ALLOWED, Code::INTERNAL, message);
    refusal
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("POST"));
    refusal
}

fn unknown_encoding(value: &HeaderValue) -> Box<Refusal> {
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
) -> Box<Refusal> {
    let mut refusal = Box::new(trailers_only(&Status::new(code, message)));
    *refusal.status_mut() = http;
    refusal
}

/// The status of a call whose `grpc-timeout` has passed.
pub(crate) fn deadline_exceeded() -> Status {
    Status::new(Code::DEADLINE_EXCEEDED, "the deadline has passed")
}

/// The status of a call that there is no room for.
pub(crate) fn too_many_calls() -> Status {
    Status::new(
        Code::RESOURCE_EXHAUSTED,
        "too many open calls on this connection",
    )
}

/// The status of a call that is ended because the server goes away.
pub(crate) fn going_away() -> Status {
    Status::new(Code::UNAVAILABLE, "the server is shutting down")
}

/// A whole answer without a message: one HEADERS frame, to be sent with END_STREAM.
pub(crate) fn trailers_only(status: &Status) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.reserve(4);
    headers.insert(CONTENT_TYPE, content_type::encode());
    status.encode(headers);
    response
}

/// The trailers of an answer that has sent its head.
pub(crate) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(3);
    status.encode(&mut trailers);
    trailers
}

/// The heads that every successful call sends, made once and cloned for each.
#[derive(Debug)]
pub(crate) struct Prebuilt {
    head: HeaderMap,
    trailers: HeaderMap,
}

impl Prebuilt {
    pub(crate) fn new() -> Self {
        let mut head = HeaderMap::with_capacity(1);
        head.insert(CONTENT_TYPE, content_type::encode());
        let mut trailers = HeaderMap::with_capacity(1);
        Status::new(Code::OK, "").encode(&mut trailers);
        Self { head, trailers }
    }

    /// The head of an answer that carries messages.
    pub(crate) fn head(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.headers_mut() = self.head.clone();
        response
    }

    /// The trailers of a call that succeeded.
    pub(crate) fn trailers(&self) -> HeaderMap {
        self.trailers.clone()
    }
}

/// Collects the one message of a unary or server-streaming request from the chunks of its body.
#[derive(Debug)]
pub(crate) struct Collector {
    decoder: Decoder,
    message: Option<Bytes>,
}

impl Collector {
    pub(crate) fn new(method: &Method) -> Self {
        Self {
            decoder: Decoder::new(method.request_limit()),
            message: None,
        }
    }

    /// Takes the next chunk of the body. After an error the call is over, and the rest of its body is not read.
    pub(crate) fn push(&mut self, mut chunk: Bytes) -> Result<(), Status> {
        while let Some(envelope) = self.decoder.decode(&mut chunk).map_err(malformed)? {
            if envelope.compressed {
                let message = "compressed flag set with identity or empty encoding";
                return Err(Status::new(Code::INTERNAL, message));
            }
            if self.message.replace(envelope.message).is_some() {
                return Err(Status::new(
                    Code::UNIMPLEMENTED,
                    "more than one message in the request",
                ));
            }
        }
        Ok(())
    }

    /// Ends the body and gives its message.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Status> {
        self.decoder.finish().map_err(malformed)?;
        self.message
            .take()
            .ok_or_else(|| Status::new(Code::UNIMPLEMENTED, "no message in the request"))
    }
}

fn malformed(error: EnvelopeError) -> Status {
    Status::new(error.code(), error.to_string())
}
