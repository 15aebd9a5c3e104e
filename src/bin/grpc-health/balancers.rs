//! The arguments of `serve` for balancers that do not speak the whole of gRPC.

use clap::Args;
use grpc_health::{
    server::ListenOptions,
    wire::metadata::{is_reserved, is_valid_name},
};

use crate::sidecar::name as service;

#[derive(Debug, Args)]
pub(crate) struct Balancers {
    /// Answer Check with UNAVAILABLE in place of every status but SERVING, for balancers that read only grpc-status.
    #[arg(long)]
    mirror: bool,
    /// Answer a request for PATH, such as /AWS.ALB/healthcheck, as a Check of the service NAME; repeatable. Without NAME the server as a
    /// whole. A Check without a message is answered, too: with HTTP status 200 or 503, and grpc-status 0 or 14.
    #[arg(long, value_name = "PATH[=NAME]", value_parser = alias)]
    alias: Vec<(String, String)>,
    /// Let the request header HEADER name the service of a Check. A Check without a message is answered, too.
    #[arg(long, value_name = "HEADER", value_parser = header)]
    service_header: Option<String>,
    /// Answer health probes over HTTP/1.1 on the same ports: GET /livez, /readyz, /healthz and /healthz/NAME.
    #[arg(long)]
    http1: bool,
    /// The service whose status /livez has. Without it /livez is 200 for as long as the command runs. Use --pin NAME, too, or a server
    /// that drains is not alive.
    #[arg(long, value_name = "NAME", requires = "http1")]
    live_service: Option<String>,
}

impl Balancers {
    pub(crate) const fn live_service(&self) -> Option<&String> {
        self.live_service.as_ref()
    }

    /// The options of every listener, or what is wrong with the arguments.
    pub(crate) fn options(&self) -> Result<ListenOptions, String> {
        let max = ListenOptions::MAX_ALIASES;
        if self.alias.len() > max {
            return Err(format!("--alias: more than {max} aliases"));
        }
        let mut options = ListenOptions::new();
        if self.mirror {
            options = options.mirror();
        }
        for (path, name) in &self.alias {
            options = options.alias(path.as_str(), name);
        }
        if let Some(header) = &self.service_header {
            options = options.service_header(header);
        }
        if self.http1 {
            options = options.http1();
        }
        if let Some(name) = &self.live_service {
            options = options.live_service(name.as_str());
        }
        Ok(options)
    }
}

/// Splits at the first `=`, since a name may contain one.
fn alias(text: &str) -> Result<(String, String), String> {
    let (path, name) = text.split_once('=').unwrap_or((text, ""));
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'?' && byte != b'#';
    if !path.starts_with('/') || !path.bytes().all(fits) {
        return Err("expected the path of a request, such as /AWS.ALB/healthcheck".to_owned());
    }
    Ok((path.to_owned(), service(name)?))
}

fn header(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    if !is_valid_name(&name) || is_reserved(&name) {
        return Err("expected a header for metadata, such as x-health-service".to_owned());
    }
    Ok(name)
}
