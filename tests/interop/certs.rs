//! Writes the certificates of tests/interop into the directory given.
#![allow(clippy::unwrap_used)]

#[path = "../support/certs.rs"]
mod certs;

use std::{env, fs, path::PathBuf};

use certs::{Ca, Identity};

fn main() {
    let dir = PathBuf::from(env::args_os().nth(1).unwrap());
    fs::create_dir_all(&dir).unwrap();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    let identity = |name: &str, identity: Identity| {
        write(&format!("{name}.crt"), &identity.cert);
        write(&format!("{name}.key"), &identity.key);
    };
    let (servers, clients) = (Ca::new("servers"), Ca::new("clients"));
    write("servers.crt", &servers.pem());
    write("clients.crt", &clients.pem());
    identity("server", servers.server());
    identity("renewed", servers.server());
    identity("client", clients.client());
    identity("stranger", Ca::new("clients").client());
}
