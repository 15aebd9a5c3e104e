//! TLS of both ends: its arguments, and the certificates of a server that runs.

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
    /// Mutual TLS: refuse clients without a certificate that one of these vouches for (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// How often the three files are read again; SIGHUP has them read at once. What has changed is
    /// used for new connections, unless it cannot be used.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    tls_reload: Duration,
}

impl ServeTls {
    /// Reads the files. `None` if TLS is not asked for.
    pub(crate) fn load(&self) -> Result<Option<ServerTls>, TlsError> {
        self.read()
            .map(|pem| pem.and_then(ServerTls::new))
            .transpose()
    }

    fn read(&self) -> Option<Result<ServerPem, TlsError>> {
        let (cert, key) = self.tls_cert.as_ref().zip(self.tls_key.as_ref())?;
        Some(ServerPem::read(cert, key, self.tls_client_ca.as_deref()))
    }

    /// Reads the files again, and replaces what has changed. `None` if TLS is not asked for.
    fn reload(&self, tls: &ServerTls) -> Option<Result<bool, TlsError>> {
        self.read().map(|pem| pem.and_then(|pem| tls.replace(pem)))
    }

    /// Keeps `tls` as the files are, for ever. Their contents are compared: Kubernetes replaces a
    /// directory above them, of which their inodes know nothing.
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
            // Also when it panicked there is a next time.
            let Ok(Some(result)) = spawn_blocking(move || files.reload(&handle)).await else {
                continue;
            };
            match result {
                Ok(true) => log("certificates replaced"),
                Ok(false) if asked => log("certificates unchanged"),
                Ok(false) => {}
                Err(ref error) => {
                    let error = error.to_string();
                    // The same complaint every ten seconds says nothing more.
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

/// SIGHUP, which ends a process that does not ask for it.
pub(crate) fn hangups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Says of each SIGHUP that there are no files to read again.
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
    /// The certificates that vouch for the server (PEM). [default: those that this machine trusts, or
    /// that the environment variable SSL_CERT_FILE names]
    #[arg(
        long,
        value_name = "FILE",
        requires = "tls",
        visible_alias = "tls-ca-cert"
    )]
    tls_ca: Option<PathBuf>,
    /// The name in the server's certificate; that of ADDR if not given.
    #[arg(long, value_name = "NAME", requires = "tls")]
    tls_server_name: Option<String>,
    /// The certificate to show a server that asks for one (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["tls", "tls_client_key"])]
    tls_client_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_client_cert")]
    tls_client_key: Option<PathBuf>,
}

impl TargetTls {
    /// `connector` with TLS, if that is asked for.
    pub(crate) fn secure(&self, connector: Connector, addr: &Target) -> Result<Connector, Exit> {
        if !self.tls {
            return Ok(connector);
        }
        if addr.is_unix() {
            log(format_args!("error: --tls: not for {addr}"));
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
