//! Reads what a sidecar is to do, at the start and after SIGHUP.

use std::{fs::File, io::Read, path::Path};

use grpc_health::{
    client::Connector,
    tls::{ClientPem, ClientTls, TlsError},
};

use super::{
    args::SidecarArgs,
    config,
    plan::{Complaint, Place, Planned, whole},
    spec::{GrpcTls, Kind, Spec},
};

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The arguments, and the file that is read again.
pub(crate) struct Source {
    args: Vec<Spec>,
    services: Vec<String>,
    file: Option<std::path::PathBuf>,
    /// Whether there is a control socket, whose clients renew leases.
    has_control: bool,
    /// Names that must be services, each with the option that names the service.
    needed: Vec<(&'static str, String)>,
}

/// A spec, and what the check of a gRPC server needs.
pub(super) struct Prepared {
    pub(super) spec: Spec,
    /// What the files of certificates have, for TLS.
    pub(super) pem: Option<ClientPem>,
    pub(super) connector: Connector,
}

impl Source {
    /// `services` are the names that have a fixed status.
    pub(crate) fn new(args: &SidecarArgs, services: impl Iterator<Item = String>) -> Self {
        Self {
            args: args.specs().cloned().collect(),
            services: services.collect(),
            file: args.config.clone(),
            has_control: args.control.is_some(),
            needed: Vec::new(),
        }
    }

    /// Refuses a configuration, now and after SIGHUP, without one of the services `names`, which `option` names.
    pub(crate) fn needing<'a>(
        mut self,
        option: &'static str,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        let named = names.into_iter().map(|name| (option, name.clone()));
        self.needed.extend(named);
        self
    }

    /// Whether there is a file to read again: the configuration, or certificates of checks.
    pub(crate) fn has_files(&self) -> bool {
        self.file.is_some() || self.args.iter().any(|spec| tls(spec).is_some())
    }

    /// Reads everything, in blocking calls. The error has a line for each thing that is wrong.
    pub(super) fn read(&self) -> Result<Vec<Prepared>, Vec<String>> {
        let file = self.file.as_deref().map(Path::display);
        let file = file.map(|path| path.to_string()).unwrap_or_default();
        let name = |complaints: Vec<Complaint>| {
            let named = complaints.iter();
            named
                .map(|complaint| complaint.of(&file).to_string())
                .collect::<Vec<_>>()
        };
        let mut planned: Vec<Planned> = self.args.iter().map(argument).collect();
        if let Some(path) = &self.file {
            let text = text(path).map_err(|why| vec![format!("{file}: {why}")])?;
            planned.extend(config::read(&text).map_err(name)?);
        }
        let services: Vec<&str> = self.services.iter().map(String::as_str).collect();
        whole(&planned, &services).map_err(name)?;
        let (mut prepared, mut complaints) = (Vec::new(), self.missing(&planned));
        for Planned { place, spec } in planned {
            if matches!(spec, Spec::Lease(_)) && !self.has_control {
                let why = format!("the lease \"{}\" needs --control", spec.name());
                complaints.push(Complaint { place, why });
                continue;
            }
            match connector(&spec) {
                Ok((pem, connector)) => prepared.push(Prepared {
                    spec,
                    pem,
                    connector,
                }),
                Err(error) => {
                    let why = format!("the check \"{}\": {error}", spec.name());
                    complaints.push(Complaint { place, why });
                }
            }
        }
        if complaints.is_empty() {
            Ok(prepared)
        } else {
            Err(name(complaints))
        }
    }
}

impl Source {
    /// Complains of each needed name that is no service. The empty name always is one.
    fn missing(&self, planned: &[Planned]) -> Vec<Complaint> {
        let is_service = |name: &String| {
            let mut decided = planned.iter().map(|one| one.spec.name());
            name.is_empty() || self.services.contains(name) || decided.any(|one| one == name)
        };
        let missing = self.needed.iter().filter(|(_, name)| !is_service(name));
        missing
            .map(|(option, name)| Complaint {
                place: Place::Argument,
                why: format!("{option} \"{name}\": no such --service"),
            })
            .collect()
    }
}

fn argument(spec: &Spec) -> Planned {
    Planned {
        place: Place::Argument,
        spec: spec.clone(),
    }
}

/// The text of a file, of which no more than the limit is read.
fn text(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    let len = read.map_err(|error| error.to_string())?;
    if u64::try_from(len).is_ok_and(|len| len > MAX_FILE) {
        return Err(format!("the file is larger than {MAX_FILE} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())
}

/// How a check uses TLS, if the check does.
fn tls(spec: &Spec) -> Option<&GrpcTls> {
    let Spec::Check(check) = spec else {
        return None;
    };
    match &check.kind {
        Kind::Grpc(grpc) => grpc.tls.as_ref(),
        _ => None,
    }
}

/// How the check of a gRPC server connects.
fn connector(spec: &Spec) -> Result<(Option<ClientPem>, Connector), TlsError> {
    let connector = Connector::new();
    let Spec::Check(check) = spec else {
        return Ok((None, connector));
    };
    let connector = connector.timeout(check.timeout);
    let Some(tls) = tls(spec) else {
        return Ok((None, connector));
    };
    let pem = pem(tls)?;
    let connector = connector.tls(&ClientTls::from_pem(&pem)?);
    let connector = match &tls.server_name {
        Some(name) => connector.server_name(name),
        None => connector,
    };
    Ok((Some(pem), connector))
}

fn pem(tls: &GrpcTls) -> Result<ClientPem, TlsError> {
    let pem = match &tls.ca {
        Some(ca) => ClientPem::read(ca)?,
        None => ClientPem::native_roots(),
    };
    match tls.cert.as_ref().zip(tls.key.as_ref()) {
        Some((cert, key)) => pem.read_identity(cert, key),
        None => Ok(pem),
    }
}
