//! A scripted HTTP/2 client for integration tests: every byte it sends is the test's, and every
//! frame it gets back is shown to the test.
// Each test binary uses its own part of this.
#![allow(dead_code)]

pub(crate) mod frame;
pub(crate) mod grpc;
pub(crate) mod host;
pub(crate) mod hpack;
pub(crate) mod io;
pub(crate) mod peer;
pub(crate) mod protobuf;
pub(crate) mod rows;
pub(crate) mod slow_gzip;

/// The modules that the root file of a suite names, so that the second build of the suite can be compared with the first.
pub(crate) fn modules(root: &str) -> Vec<&str> {
    let lines = root.lines();
    let modules: Vec<_> = lines
        .filter(|line| line.starts_with("mod ") && line.ends_with(';'))
        .collect();
    assert!(!modules.is_empty(), "{root}");
    modules
}
