//! The TLS arguments of all commands, and the reload of a running server's certificates.

use std::{future::poll_fn, io, path::PathBuf, task::Poll, time::Duration};

use clap::Args;
use grpc_health::{
    client::{Connector, Target},
    tls::{ClientPem, ClientTls, ServerPem, ServerTls, TlsError},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use crate::{
    output::{Exit, log},
    values::duration,
};

#[derive(Clone, Debug, Args)]
pub(crate) struct ServeTls {
    /// Serve over TLS with this certificate, followed by its intermediates (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Mutual TLS: refuse clients whose certificate is not signed by one of these CA certificates (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// How often to read the certificate, key and CA files again. SIGHUP reads the files at once. New connections use the changed files; if
    /// the files cannot be used, the server keeps the old ones.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    tls_reload: Duration,
}

impl ServeTls {
    /// Reads the files. `None` without TLS arguments.
    pub(crate) fn load(&self) -> Result<Option<ServerTls>, TlsError> {
        self.read()
            .map(|pem| pem.and_then(ServerTls::new))
            .transpose()
    }

    fn read(&self) -> Option<Result<ServerPem, TlsError>> {
        let (cert, key) = self.tls_cert.as_ref().zip(self.tls_key.as_ref())?;
        Some(ServerPem::read(cert, key, self.tls_client_ca.as_deref()))
    }

    /// Reads the files again, and replaces the certificates if the files have changed. `None` without TLS arguments.
    fn reload(&self, tls: &ServerTls) -> Option<Result<bool, TlsError>> {
        self.read().map(|pem| pem.and_then(|pem| tls.replace(pem)))
    }

    /// Keeps `tls` up to date with the files, for ever. Compares the contents: Kubernetes replaces a directory above the files, which
    /// inodes do not show.
    pub(crate) async fn follow(self, tls: ServerTls, mut hangups: Signal) {
        let mut ticks = interval(self.tls_reload);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut complaint = None;
        loop {
            let asked = poll_fn(|cx| {
                if hangups.poll_recv(cx).is_ready() {
                    return Poll::Ready(true);
                }
                ticks.poll_tick(cx).map(|_| false)
            })
            .await;
            let (files, handle) = (self.clone(), tls.clone());
            // After a panic the next reload may succeed.
            let Ok(Some(result)) = spawn_blocking(move || files.reload(&handle)).await else {
                continue;
            };
            match result {
                Ok(true) => log("certificates replaced"),
                Ok(false) if asked => log("certificates unchanged"),
                Ok(false) => {}
                Err(ref error) => {
                    let error = error.to_string();
                    // The same error every ten seconds would say nothing new.
                    if asked || complaint.as_ref() != Some(&error) {
                        log(format_args!("error: certificates kept: {error}"));
                    }
                    complaint = Some(error);
                    continue;
                }
            }
            complaint = None;
        }
    }
}

/// SIGHUP, which ends a process without a handler.
pub(crate) fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Logs for each SIGHUP that there are no files to read again.
pub(crate) async fn ignore(mut hangups: Signal) {
    while hangups.recv().await.is_some() {
        log("SIGHUP ignored: there are no certificates to read again");
    }
}

#[derive(Debug, Args)]
pub(crate) struct TargetTls {
    /// Connect over TLS.
    #[arg(long)]
    tls: bool,
    /// Trust servers whose certificate is signed by one of these CA certificates (PEM). [default: the certificates that this machine
    /// trusts, or those in the file that the environment variable SSL_CERT_FILE names]
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls",
        visible_alias = "tls-ca-cert"
    )]
    tls_ca: Option<PathBuf>,
    /// The name that the server's certificate must be for. [default: the host of ADDR]
    #[arg(long, value_name = "NAME", requires = "tls")]
    tls_server_name: Option<String>,
    /// Mutual TLS: show this certificate to a server that asks for one, followed by its intermediates (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["tls", "tls_client_key"])]
    tls_client_cert: Option<PathBuf>,
    /// The private key of the client's certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_client_cert")]
    tls_client_key: Option<PathBuf>,
}

impl TargetTls {
    /// Adds TLS to `connector`, if the arguments ask for TLS.
    pub(crate) fn secure(&self, connector: Connector, addr: &Target) -> Result<Connector, Exit> {
        if !self.tls {
            return Ok(connector);
        }
        if addr.is_unix() {
            log(format_args!("error: --tls cannot be used with {addr}"));
            return Err(Exit::Arguments);
        }
        let failed = |exit| {
            move |error: TlsError| {
                log(format_args!("error: {error}"));
                exit
            }
        };
        let pem = self.read().map_err(failed(Exit::Arguments))?;
        let tls = ClientTls::from_pem(&pem).map_err(failed(Exit::Connect))?;
        let connector = connector.tls(&tls);
        Ok(match &self.tls_server_name {
            Some(name) => connector.server_name(name),
            None => connector,
        })
    }

    fn read(&self) -> Result<ClientPem, TlsError> {
        let pem = match &self.tls_ca {
            Some(ca) => ClientPem::read(ca)?,
            None => ClientPem::native_roots(),
        };
        let identity = self
            .tls_client_cert
            .as_ref()
            .zip(self.tls_client_key.as_ref());
        match identity {
            Some((cert, key)) => pem.read_identity(cert, key),
            None => Ok(pem),
        }
    }
}
