//! How wide a line may be: rustfmt wraps no comments, and leaves a line alone that it cannot make fit.

use std::fs;
use std::path::Path;

use crate::rules::MAX_WIDTH;
use crate::sources_below;

/// The lines that are too wide, each with its file.
fn wide<'a>(path: &str, text: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let path = path.to_owned();
    text.lines().enumerate().filter_map(move |(at, line)| {
        let width = line.chars().count();
        (width > MAX_WIDTH).then(|| {
            format!(
                "{path}:{}: {width} columns, the limit is {MAX_WIDTH}",
                at + 1
            )
        })
    })
}

#[test]
fn no_line_is_too_wide() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let build = fs::read_to_string(root.join("build.rs")).unwrap();
    let mut found: Vec<String> = wide("build.rs", &build).collect();
    for dir in ["src", "tests", "benches", "examples"] {
        let files = sources_below(&root.join(dir));
        assert!(!files.is_empty(), "{dir}");
        for file in files {
            found.extend(wide(&format!("{dir}/{}", file.path), &file.text));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_line_that_is_too_wide_is_found() {
    let fits = "ä".repeat(MAX_WIDTH);
    let text = format!("{fits}\n{fits}x\n");
    let found: Vec<String> = wide("a.rs", &text).collect();
    assert_eq!(found, ["a.rs:2: 141 columns, the limit is 140"]);
}
