//! Finds the method of a request.

use http::{Request, Response, Uri};

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
pub(super) fn route_with<S: Service, B>(
    service: &S,
    request: &Request<B>,
    options: &ListenOptions,
) -> Result<(Method, Option<Box<Probing>>), Refused> {
    let alias = match request.uri().query() {
        None => options.request_at(request.uri().path()),
        Some(_) => None,
    };
    let is_alias = alias.is_some();
    let method = if is_alias {
        service.method(CHECK).map_err(|_| {
            let status = Status::new(Code::UNIMPLEMENTED, "no health service behind the alias");
            Box::new(trailers_only(&status))
        })?
    } else {
        route(service, request.uri())?
    };
    if !options.has_probes() || !method.is_probe() {
        return Ok((method, None));
    }
    let message = options.request_in(request.headers()).or(alias);
    Ok((method, Some(Box::new(Probing::new(is_alias, message)))))
}
