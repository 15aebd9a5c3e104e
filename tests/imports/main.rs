//! The crate's top-level modules, and which of them may import which: read from the sources, not from trust.
//!
//! ARCHITECTURE.md explains the table. Paths written with `crate::`, `super::` and `grpc_health::`
//! are all followed, in test modules too; what an arrow does not allow fails, with file and line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod circles;
mod rules;
mod source;
mod width;

use std::fs;
use std::path::Path;

use circles::circles;
use rules::{ARROWS, File, MAX_LINES, MAX_MOD_LINES, judge};

fn sources() -> Vec<File> {
    sources_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// All Rust files below a directory, each with its path from there.
fn sources_below(root: &Path) -> Vec<File> {
    fn walk(root: &Path, dir: &Path, found: &mut Vec<File>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(root).unwrap().to_str().unwrap();
                let text = fs::read_to_string(&path).unwrap();
                found.push(File {
                    path: below.replace('\\', "/"),
                    text,
                });
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

#[test]
fn every_import_is_an_arrow_of_the_table() {
    let files = sources();
    assert!(files.len() > 3, "found {} sources only", files.len());
    let wrong = judge(&files);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_two_files_import_each_other() {
    let found = circles(&sources());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The arrows as ARCHITECTURE.md draws them, two to a line.
#[test]
fn the_table_is_that_of_the_architecture() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md")).unwrap();
    let drawn = page
        .split("Arrows are imports.")
        .nth(1)
        .and_then(|after| after.split("```").nth(1))
        .unwrap();
    let mut drawn: Vec<(String, Vec<String>)> = drawn
        .lines()
        // Without the padding each arrow is one word.
        .flat_map(|line| {
            let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
            let arrows = words.replace(" -> ", "->").replace(", ", ",");
            arrows.split(' ').map(str::to_owned).collect::<Vec<_>>()
        })
        .filter_map(|arrow| {
            let (module, targets) = arrow.split_once("->")?;
            let targets = targets.split(',').filter(|target| *target != "nothing");
            let mut targets: Vec<String> = targets.map(str::to_owned).collect();
            targets.sort();
            Some((module.to_owned(), targets))
        })
        .filter(|(module, _)| module != "command")
        .collect();
    let mut table: Vec<(String, Vec<String>)> = ARROWS
        .iter()
        .map(|(module, targets)| {
            let mut targets: Vec<String> = targets.iter().map(|&name| name.to_owned()).collect();
            targets.sort();
            ((*module).to_owned(), targets)
        })
        .collect();
    drawn.sort();
    table.sort();
    assert_eq!(drawn, table);
}

#[test]
fn no_source_file_is_too_long() {
    let mut long = Vec::new();
    for file in sources() {
        let lines = file.text.lines().count();
        let is_mod = file.path.ends_with("mod.rs");
        let limit = if is_mod { MAX_MOD_LINES } else { MAX_LINES };
        if lines > limit {
            long.push(format!(
                "src/{}: {lines} lines, the limit is {limit}",
                file.path
            ));
        }
    }
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

#[test]
fn unsafe_code_is_forbidden() {
    let root = sources()
        .into_iter()
        .find(|file| file.path == "lib.rs")
        .unwrap();
    assert!(root.text.contains("#![forbid(unsafe_code)]"));
}

/// What `judge` says about one file with this text.
fn verdict(path: &str, text: &str) -> Vec<String> {
    judge(&[File {
        path: path.to_owned(),
        text: text.to_owned(),
    }])
}

#[test]
fn forbidden_lines_are_rejected() {
    let cases = [
        (
            "wire/code.rs",
            "use crate::registry::Registry;",
            "`wire` imports `registry`",
        ),
        (
            "wire/code.rs",
            "fn f() { crate::health::g() }",
            "`wire` imports `health`",
        ),
        (
            "wire/code.rs",
            "use super::super::registry::Registry;",
            "`wire` imports `registry`",
        ),
        (
            "wire/mod.rs",
            "use super::server;",
            "`wire` imports `server`",
        ),
        (
            "wire/a.rs",
            "mod b { use super::super::super::call::x; }",
            "`wire` imports `call`",
        ),
        (
            "wire/code.rs",
            "use grpc_health::sync;",
            "`wire` imports `sync`",
        ),
        (
            "server/mod.rs",
            "use crate::{wire::code, health};",
            "`server` imports `health`",
        ),
        (
            "server/mod.rs",
            "use crate::{call, registry::{self, Registry}};",
            "`registry`",
        ),
        (
            "client/mod.rs",
            "use crate::Server;",
            "`client` imports `lib`",
        ),
        (
            "registry/mod.rs",
            "use crate::*;",
            "`registry` imports `lib`",
        ),
        (
            "call.rs",
            "#[cfg(test)] mod tests { use crate::health::H; }",
            "`call` imports `health`",
        ),
        ("rooter/mod.rs", "", "module `rooter` is not in the table"),
        (
            "wire/timeout.rs",
            "use std::time::Instant;",
            "`wire` names `Instant`",
        ),
        (
            "wire/timeout.rs",
            "use std::{time, sync::atomic::AtomicU64};",
            "names `AtomicU64`",
        ),
        (
            "wire/timeout.rs",
            "pub async fn f() {}",
            "`wire` names `async`",
        ),
        (
            "wire/code.rs",
            "fn f(r: h2::Reason) {}",
            "`wire` names `h2`",
        ),
        (
            "registry/watch.rs",
            "use tokio::sync::Notify;",
            "`registry` names `tokio`",
        ),
        (
            "registry/slab.rs",
            "use loom::sync::Arc;",
            "`loom` outside `sync`",
        ),
        (
            "call.rs",
            "fn f(x: ::http_body::Frame<u8>) {}",
            "`call` names `http_body`",
        ),
        (
            "service/mod.rs",
            "use {bytes::Bytes, tokio::io};",
            "`service` names `tokio`",
        ),
    ];
    for (path, line, expected) in cases {
        let found = verdict(path, line);
        assert!(
            found.iter().any(|wrong| wrong.contains(expected)),
            "{path}: {line:?} gave {found:?}, expected {expected}"
        );
    }
}

#[test]
fn allowed_lines_pass() {
    let cases = [
        (
            "wire/code.rs",
            "use super::percent; use crate::wire::status::Status;",
        ),
        (
            "wire/code.rs",
            "pub fn from_h2_reason(h2: u32) -> Option<u32> { h2.checked_add(1) }",
        ),
        (
            "wire/code.rs",
            "/// See [`crate::registry`] and h2::Reason.\npub(crate) fn f() {}",
        ),
        (
            "wire/code.rs",
            "const A: &str = \"crate::registry\"; const B: &str = r#\"\"h2::\"#;",
        ),
        (
            "wire/code.rs",
            "fn f<'a>(x: &'a str) -> char { '\"' } // async crate::registry::x",
        ),
        (
            "wire/code.rs",
            "/* crate::registry /* nested */ tokio::x */ fn f() {}",
        ),
        (
            "wire/a.rs",
            "#[cfg(test)] mod tests { use super::*; use tokio::io; async fn f() {} }",
        ),
        ("wire/a.rs", "#[cfg(test)] use tokio::{io, net}; fn g() {}"),
        (
            "health/mod.rs",
            "use crate::{service::Service, registry::{Registry, x}, wire, proto};",
        ),
        (
            "server/mod.rs",
            "use crate::connection; use tokio::net::TcpListener;",
        ),
        (
            "registry/slab.rs",
            "#[cfg(all(test, grpc_health_loom))] mod m { use loom::model; }",
        ),
        (
            "sync.rs",
            "#[cfg(grpc_health_loom)] pub(crate) use loom::sync::Arc;",
        ),
        (
            "lib.rs",
            "pub use crate::registry::Registry; pub mod server;",
        ),
        (
            "bin/grpc-health.rs",
            "use grpc_health::{Registry, server::Server};",
        ),
    ];
    for (path, line) in cases {
        let found = verdict(path, line);
        assert!(found.is_empty(), "{path}: {line:?} gave {found:?}");
    }
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_test_code() {
    let file = |path: &str, text: &str| File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let parent = file("registry/mod.rs", "#[cfg(test)]\nmod model;\nmod slab;");
    let test = file("registry/model.rs", "use tokio::time; use super::slab;");
    assert_eq!(judge(&[parent, test]), Vec::<String>::new());

    let parent = file("registry/mod.rs", "mod model;");
    let test = file("registry/model.rs", "use tokio::time;");
    assert_eq!(
        judge(&[parent, test]),
        ["src/registry/model.rs:1: `registry` names `tokio`"]
    );
}

#[test]
fn what_follows_a_test_item_is_judged_again() {
    let text = "#[cfg(test)]\nfn a() -> [u8; 2] { [0; 2] }\n\nfn b() { tokio::spawn(()) }";
    assert_eq!(
        verdict("registry/a.rs", text),
        ["src/registry/a.rs:4: `registry` names `tokio`"]
    );
}

/// Files with these paths and texts.
fn files<const N: usize>(texts: [(&str, &str); N]) -> Vec<File> {
    let file = |(path, text): (&str, &str)| File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    texts.into_iter().map(file).collect()
}

#[test]
fn files_that_import_each_other_are_found_through_others_and_through_reexports() {
    let direct = files([
        ("wire/a.rs", "use super::b::B; pub struct A;"),
        ("wire/b.rs", "fn f(a: &crate::wire::a::A) {} pub struct B;"),
        ("wire/mod.rs", "mod a; mod b;"),
    ]);
    assert_eq!(
        circles(&direct),
        ["import each other: src/wire/a.rs, src/wire/b.rs"]
    );
    let through_others = files([
        ("lib.rs", "mod wire; pub use wire::A;"),
        ("wire/a.rs", "use super::{c::C as D, x}; pub struct A;"),
        ("wire/b.rs", "use crate::A; pub struct B;"),
        ("wire/c.rs", "use super::B; pub struct C;"),
        (
            "wire/mod.rs",
            "mod a; mod b; mod c; pub(crate) use {a::A, b::B};",
        ),
    ]);
    assert_eq!(
        circles(&through_others),
        ["import each other: src/wire/a.rs, src/wire/b.rs, src/wire/c.rs"]
    );
    let parent_and_child = files([
        ("wire.rs", "mod a; fn f() { a::g() } pub struct W;"),
        ("wire/a.rs", "use super::W;"),
    ]);
    assert_eq!(
        circles(&parent_and_child),
        ["import each other: src/wire.rs, src/wire/a.rs"]
    );
    let command = files([
        ("bin/tool/main.rs", "mod a; mod b;"),
        ("bin/tool/a.rs", "use crate::b::B; pub struct A;"),
        ("bin/tool/b.rs", "use super::a::A; pub struct B;"),
    ]);
    assert_eq!(
        circles(&command),
        ["import each other: src/bin/tool/a.rs, src/bin/tool/b.rs"]
    );
}

#[test]
fn a_module_that_only_reexports_its_files_and_tests_make_no_circle() {
    let facade = files([
        ("wire/a.rs", "pub struct A;"),
        ("wire/b.rs", "use super::A; pub struct B;"),
        ("wire/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
    ]);
    assert_eq!(circles(&facade), Vec::<String>::new());
    let tests = files([
        ("wire/a.rs", "use super::b::B; pub struct A;"),
        (
            "wire/b.rs",
            "pub struct B; #[cfg(test)] mod tests { use crate::wire::a::A; }",
        ),
        ("wire/mod.rs", "mod a; mod b;"),
    ]);
    assert_eq!(circles(&tests), Vec::<String>::new());
}

/// Every file that ARCHITECTURE.md sends a reader to is there.
#[test]
fn the_files_that_the_architecture_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let table = page.split("## Where is what").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let named: Vec<&str> = table
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.ends_with(".rs"))
        .collect();
    assert!(named.len() >= 20, "{named:?}");
    for name in named {
        assert!(root.join("src").join(name).is_file(), "src/{name}");
    }
}
