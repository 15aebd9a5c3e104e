//! Finds the method of a request.

use http::request::Parts;
use http::{Response, Uri};

use super::answer::trailers_only;
use super::probing::Probing;
use crate::service::{CHECK, ListenOptions, Method, Service, Unimplemented};
use crate::wire::code::Code;
use crate::wire::status::Status;

type Refused = Box<Response<()>>;

/// Finds the method at the request's path.
pub(super) fn route<S: Service>(service: &S, uri: &Uri) -> Result<Method, Refused> {
    // The http crate splits the query off; a gRPC path has no query.
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

/// Finds the method of a request to a listener with options.
#[cold]
pub(super) fn route_with<S: Service>(
    service: &S,
    parts: &Parts,
    options: &ListenOptions,
) -> Result<(Method, Option<Box<Probing>>), Refused> {
    let alias = match parts.uri.query() {
        None => options.request_at(parts.uri.path()),
        Some(_) => None,
    };
    let is_alias = alias.is_some();
    let method = if is_alias {
        service.method(CHECK).map_err(|_| {
            let status = Status::new(Code::UNIMPLEMENTED, "no health service behind the alias");
            Box::new(trailers_only(&status))
        })?
    } else {
        route(service, &parts.uri)?
    };
    if !options.has_probes() || !method.is_probe() {
        return Ok((method, None));
    }
    let request = options.request_in(&parts.headers).or(alias);
    Ok((method, Some(Box::new(Probing::new(is_alias, request)))))
}
