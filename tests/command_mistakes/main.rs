//! What `check` says of the commonest mistakes: one line that names the mistake, and exit code 2.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::unwrap_used)]

mod bare;
mod certificates;
#[path = "../support/certs.rs"]
mod certs;
mod files;
mod hints;
mod protocols;
#[path = "../support/command.rs"]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use certs::Identity;
use support::{Running, run, serve};

/// A directory of one test's own.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("command-mistakes-{test}-{}", std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // Of another process that had the number.
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn identity(&self, name: &str, identity: &Identity) -> (String, String) {
        let cert = self.write(&format!("{name}.crt"), &identity.cert);
        (cert, self.write(&format!("{name}.key"), &identity.key))
    }

    /// `serve` with this certificate.
    pub(crate) fn serve(&self, name: &str, identity: &Identity) -> (Running, String) {
        let (cert, key) = self.identity(name, identity);
        serve(&["--tls-cert", &cert, "--tls-key", &key])
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `check` fails with exit code 2, and one line for people that has `expected` in it.
#[track_caller]
pub(crate) fn refused(addr: &str, args: &[&str], expected: &str) {
    let (code, stdout, stderr) = run([&["check", addr], args].concat());
    assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
    assert!(stderr.contains(expected), "{args:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("error: "), "{stderr}");
    // Nothing that was written for programmers.
    for debug in [
        "Other(",
        "Error {",
        "Error(",
        "not a result of an error",
        "Some(",
    ] {
        assert!(!stderr.contains(debug), "{stderr}");
    }
}

/// PEM text of any kind.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
