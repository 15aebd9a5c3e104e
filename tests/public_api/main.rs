//! The public API is what `list.txt` says, and follows the Rust API guidelines where sources can show it.
//!
//! The list is made from the sources, with what every feature adds: items with their conditions in brackets, fields, variants, methods,
//! traits with their members, impls. What is `#[doc(hidden)]` is left out. What this test does not understand fails. Auto traits
//! (`Send`, `Unpin`) are not seen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod impls;
mod list;
mod reach;
mod resolve;
mod samples;
mod text;
mod tree;

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use list::List;
use tree::Tree;

/// Set to anything, the list is written instead of compared.
const REWRITE: &str = "GRPC_HEALTH_REWRITE_API";

/// Public enums, and structs with nothing but public fields, to which nothing will be added; each with the reason.
const EXHAUSTIVE: &[(&str, &str)] = &[
    (
        "registry::ServingStatus",
        "what a registry holds are these four, which health.proto fixes",
    ),
    (
        "router::Compressed",
        "a pair that handlers take apart and put together",
    ),
    ("router::Raw", "a newtype"),
    ("service::Answer", "a host must know every way to answer"),
    (
        "service::Message",
        "a message and its flag are all that gRPC frames",
    ),
    (
        "wire::envelope::Envelope",
        "a message and its flag are all that gRPC frames",
    ),
];

fn list() -> List {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    List::of(&Tree::read(&lib))
}

#[test]
fn the_list_is_that_of_the_sources() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public_api/list.txt");
    let now: Vec<String> = list().lines.into_iter().map(|line| line.text).collect();
    assert!(now.len() > 300, "found {} items only", now.len());
    if env::var_os(REWRITE).is_some() {
        fs::write(&file, now.join("\n") + "\n").unwrap();
        return;
    }
    let then = fs::read_to_string(&file).unwrap();
    let then: Vec<&str> = then.lines().collect();
    let difference = difference(&then, &now);
    assert!(
        difference.is_empty() && then == now,
        "the public API differs from tests/public_api/list.txt:\n{}\n\
         If this is meant, write the list with: {REWRITE}=1 cargo test --all-features --test public_api",
        difference.join("\n")
    );
}

/// `- ` and what is gone, `+ ` and what is new, in order.
fn difference(then: &[&str], now: &[String]) -> Vec<String> {
    let before: BTreeSet<&str> = then.iter().copied().collect();
    let after: BTreeSet<&str> = now.iter().map(String::as_str).collect();
    let gone = before.difference(&after).map(|line| ('-', *line));
    let new = after.difference(&before).map(|line| ('+', *line));
    let mut both: Vec<(char, &str)> = gone.chain(new).collect();
    // What changed of an item stands together.
    both.sort_by_key(|(sign, line)| {
        (
            line.split([' ', '(', '<']).find(|word| word.contains("::")),
            *sign != '-',
        )
    });
    both.into_iter()
        .map(|(sign, line)| format!("{sign} {line}"))
        .collect()
}

#[test]
fn every_public_type_implements_debug() {
    let List {
        types, with_debug, ..
    } = list();
    assert!(types.len() > 40, "found {} types only", types.len());
    let without: Vec<_> = types.difference(&with_debug).collect();
    assert!(without.is_empty(), "{without:#?}");
}

#[test]
fn what_may_grow_is_non_exhaustive() {
    let allowed: BTreeSet<String> = EXHAUSTIVE
        .iter()
        .map(|(path, _)| (*path).to_owned())
        .collect();
    // Messages are what their .proto files say, and are generated.
    let found: BTreeSet<String> = list()
        .exhaustive
        .into_iter()
        .filter(|path| !path.starts_with("proto::"))
        .collect();
    assert_eq!(found, allowed);
}
