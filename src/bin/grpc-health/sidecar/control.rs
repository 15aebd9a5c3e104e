//! `serve --control`: what the clients of the control socket may do.

use std::{io, path::Path, time::Duration};

use grpc_health::{
    Code, Router, Server, ServingStatus, Status,
    plane::{ControlService, Controlled},
    registry::Reason,
};

use super::Sidecar;

/// Only the server's own user may connect.
const MODE: u32 = 0o600;

/// The most connections of the control socket: a command keeps one for a moment.
const MAX_CONNECTIONS: usize = 64;

/// How long a client of the control socket may have no call open.
const IDLE: Duration = Duration::from_secs(60);

/// A server for the control socket alone: no other listener has its service, and the socket has no other service.
pub(crate) type ControlServer = Server<Router>;

/// Listens at `path`.
pub(crate) async fn listen(sidecar: &Sidecar, path: &Path) -> io::Result<ControlServer> {
    let router = Router::empty().service(ControlService::new(sidecar.clone()));
    let server = Server::builder()
        .max_connections(MAX_CONNECTIONS)
        .max_connection_idle(Some(IDLE))
        .service(router)
        .build();
    server.bind_unix_with_mode(path, MODE).await?;
    Ok(server)
}

impl Sidecar {
    /// Refuses a name whose status the sidecar decides: the next result would undo what the client sets.
    fn may_set(&self, name: &str) -> Result<(), Status> {
        match self.running().get(name) {
            None => Ok(()),
            Some(running) => {
                let what = running.spec.what();
                let text = format!("a {what} decides the status of \"{name}\"");
                Err(Status::new(Code::FAILED_PRECONDITION, text))
            }
        }
    }
}

impl Controlled for Sidecar {
    fn set(&self, name: &str, status: ServingStatus, reason: Reason) -> Result<(), Status> {
        self.may_set(name)?;
        Controlled::set(&self.registry, name, status, reason)
    }

    fn clear(&self, name: &str) -> Result<(), Status> {
        self.may_set(name)?;
        Controlled::clear(&self.registry, name)
    }

    fn beat(&self, name: &str) -> Result<(), Status> {
        match Self::beat(self, name) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(Status::new(Code::RESOURCE_EXHAUSTED, error.to_string())),
            None => {
                let text = format!("no lease of \"{name}\"");
                Err(Status::new(Code::NOT_FOUND, text))
            }
        }
    }

    fn shutdown(&self) -> Result<(), Status> {
        Controlled::shutdown(&self.registry)
    }

    fn resume(&self) -> Result<(), Status> {
        if self.is_draining() {
            let text = "the server is draining";
            return Err(Status::new(Code::FAILED_PRECONDITION, text));
        }
        Controlled::resume(&self.registry)
    }
}
