//! The arguments of `serve` that make it a sidecar.

use std::path::PathBuf;

use clap::Args;

use super::parse::{check, group, lease};
use super::spec::Spec;
use crate::values::control_path;

pub(crate) const NOTES: &str = "\
Checks:
  --check 'db=tcp:127.0.0.1:5432'                   takes TCP connections
  --check 'api=grpc:127.0.0.1:6000/my.Service'      Check of another gRPC server says SERVING
  --check 'api=grpcs:api.test:443/my.Service'       the same over TLS
  --check 'disk=exec:test -w .'                     exits with code 0; no shell, quotes group words
  --check 'web=http://127.0.0.1:8080/ready'         answers GET with a status from 200 to 399
  --check 'spool=age:./beat:30s'                    modified within the last 30 s
Options stand in brackets behind the name: --check 'db[period=5s,timeout=1s,rise=2,fall=3]=tcp:..'
  period=DURATION   from the start of one run to the start of the next [default: 10s]
  timeout=DURATION  how long one run may take [default: 1s]
  rise=N, fall=N    successes, or failures, in a row that change the status [default: 1]
  first=STATUS      unknown or not-serving, until the check has decided [default: unknown]
  service=NAME      grpc, grpcs: the service, in place of /NAME behind the address
  watch             grpc, grpcs: keep a Watch open, too, to learn of a change at once
  ca=FILE, server-name=NAME, cert=FILE, key=FILE    grpcs: as the --tls options of `check`
Groups:
  --group 'ready=all:db,api,cache?'                 SERVING if all members are; those with ? do not count
  --group 'ready=any:a,b'                           SERVING if any member is
  --group '=at-least-2:a,b,c'                       the empty name is the server as a whole
Configuration file (TOML), which SIGHUP reads again:
  [check.db]
  tcp = \"127.0.0.1:5432\"
  period = \"5s\"
  [group]
  ready = \"all:db,worker\"
  [lease]
  worker = \"30s\"";

#[derive(Debug, Args)]
#[command(next_help_heading = "Sidecar")]
pub(crate) struct SidecarArgs {
    /// Serve a service whose status this check decides; repeatable. See "Checks" below.
    #[arg(long, value_name = "NAME=KIND:TARGET", value_parser = check)]
    pub(super) check: Vec<Spec>,
    /// Serve a service whose status those of other services decide; repeatable. See "Groups" below.
    #[arg(long, value_name = "NAME=RULE:MEMBERS", value_parser = group)]
    pub(super) group: Vec<Spec>,
    /// Serve a service that is NOT_SERVING unless "grpc-health beat NAME" renews its lease within the time TTL; repeatable.
    #[arg(long, value_name = "NAME=TTL", requires = "control", value_parser = lease)]
    pub(super) lease: Vec<Spec>,
    /// Read checks, groups and leases (with --control) from this file (TOML), too. SIGHUP reads the file, and the certificates of grpcs
    /// checks, again; if a file cannot be used, the server keeps what it has.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Listen on this Unix domain socket for the commands set, clear, beat, shutdown and resume. Only the server's own user may connect
    /// (mode 0600). The command prints nothing for this socket.
    #[arg(long, value_name = "PATH", value_parser = control_path)]
    pub(crate) control: Option<PathBuf>,
}

impl SidecarArgs {
    /// The specs of the arguments.
    pub(super) fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.check.iter().chain(&self.group).chain(&self.lease)
    }
}
