//! README.md states every limit, and states it as the code does; and it can be read where its files are not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use grpc_health::health::{LIST_LIMIT, MAX_REQUEST, MAX_WATCHES};
use grpc_health::registry::Limits;
use grpc_health::wire::{metadata, status::MAX_MESSAGE_LEN};

fn file(path: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    fs::read_to_string(format!("{root}/{path}")).expect(path)
}

/// The settings of README's tables and their defaults, as they are written there.
fn readme() -> BTreeMap<String, String> {
    let readme = file("README.md");
    let limits = readme
        .split("\n## ")
        .find(|part| part.starts_with("Limits\n"))
        .unwrap();
    limits
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| {
            let (setting, rest) = row.split_once('`').unwrap();
            (
                setting.to_owned(),
                rest.split('|').nth(1).unwrap().trim().to_owned(),
            )
        })
        .collect()
}

/// `4 MiB`, `8 KiB`, `16,384 bytes` or `100 services` as a number.
fn number(text: &str) -> u64 {
    let mut words = text.split(' ');
    let number: u64 = words.next().unwrap().replace(',', "").parse().expect(text);
    let shift = match words.next() {
        Some("KiB") => 10,
        Some("MiB") => 20,
        _ => 0,
    };
    number << shift
}

/// The value of an expression such as `64 << 10`, `1_024` or `Duration::from_secs(5)`.
fn value(expression: &str) -> u64 {
    let plain = expression
        .trim_start_matches("Some(")
        .trim_start_matches("Duration::from_secs(")
        .trim_end_matches(')');
    let parse = |digits: &str| {
        digits
            .trim()
            .replace('_', "")
            .parse::<u64>()
            .expect(expression)
    };
    match plain.split_once("<<") {
        Some((base, shift)) => parse(base) << parse(shift),
        None => parse(plain),
    }
}

/// The fields of the default configurations, of a server and of each of its connections, and the expressions they are set to.
fn config() -> BTreeMap<String, String> {
    let mut fields = defaults("src/server/config.rs");
    fields.extend(defaults("src/connection/config.rs"));
    // This default grows, so the setting has none; its first value is a constant.
    let connection = file("src/connection/config.rs");
    let (_, first) = connection
        .split_once("const SEND_BUFFER: usize = ")
        .unwrap();
    let (first, _) = first.split_once(';').unwrap();
    fields.insert("max_send_buffer_size".to_owned(), first.to_owned());
    assert!(fields.len() > 30, "{fields:?}");
    fields
}

fn defaults(path: &str) -> BTreeMap<String, String> {
    let source = file(path);
    let default = source.split("fn default() -> Self {").nth(1).unwrap();
    let fields = default
        .split("Self {")
        .nth(1)
        .unwrap()
        .split('}')
        .next()
        .unwrap();
    fields
        .split(",\n")
        .filter_map(|field| field.trim().split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_limits_of_the_registry_and_the_service_are_those_of_the_code() {
    let readme = readme();
    let limits = Limits::default();
    let expected = [
        ("MAX_REQUEST", MAX_REQUEST),
        ("max_name_len", limits.max_name_len),
        ("max_services", limits.max_services),
        ("list_limit", LIST_LIMIT),
        ("max_watches", MAX_WATCHES),
        ("MAX_MESSAGE_LEN", MAX_MESSAGE_LEN),
    ];
    for (setting, expected) in expected {
        assert_eq!(number(&readme[setting]), expected as u64, "{setting}");
    }
}

#[cfg(feature = "reflection")]
#[test]
fn the_limit_of_a_request_is_the_same_for_reflection() {
    assert_eq!(grpc_health::reflection::MAX_REQUEST, MAX_REQUEST);
}

#[cfg(feature = "control")]
#[test]
fn the_limit_of_a_request_is_the_same_for_the_control_service() {
    assert_eq!(grpc_health::plane::MAX_CONTROL_REQUEST, MAX_REQUEST);
}

#[test]
fn the_limits_of_a_router_are_those_of_the_code() {
    let readme = readme();
    let stated = |setting: &str| number(&readme[setting]);
    // What follows `name` in a file, up to the end of the expression.
    let default = |path: &str, name: &str| {
        let source = file(path);
        let after = source.split(name).nth(1).expect(name);
        value(after.split([';', ',']).next().unwrap())
    };
    let size = metadata::MAX_SIZE as u64;
    assert_eq!(stated("metadata::MAX_SIZE"), size);
    let buffer = default("src/router/route.rs", "const BUFFER: u32 = ");
    assert_eq!(stated("Route::send_buffer"), buffer);
    let request = default("src/service/method.rs", "            max_request: ");
    assert_eq!(stated("Route::max_request"), request);
    assert_eq!(readme["Route::timeout"], "off");
    assert!(file("src/service/method.rs").contains("            timeout: Time::NONE,"));
    for (of, path) in [("Route", "route"), ("Router", "router")] {
        assert_eq!(readme[&format!("{of}::max_concurrent")], "off");
        let source = file(&format!("src/router/{path}.rs"));
        assert!(source.contains("            max_concurrent: None,"), "{of}");
    }
}

#[test]
fn the_limits_of_a_connection_are_those_of_the_code_and_none_is_missing() {
    let mut readme = readme();
    // Those of a router have its name, or another, before theirs.
    readme.retain(|setting, _| {
        !setting.contains("::")
            && ![
                "MAX_REQUEST",
                "max_name_len",
                "max_services",
                "list_limit",
                "max_watches",
                "MAX_MESSAGE_LEN",
            ]
            .contains(&setting.as_str())
    });
    let config = config();
    assert!(
        readme.keys().eq(config.keys()),
        "README {readme:?}\nconfig {config:?}"
    );
    for (setting, expression) in config {
        let stated = &readme[&setting];
        match expression.as_str() {
            // Derived from the number of streams, or none.
            "None" => assert!(
                stated.contains("streams") || stated == "off",
                "{setting}: {stated}"
            ),
            expression => assert_eq!(number(stated), value(expression), "{setting}"),
        }
    }
}

#[test]
fn the_builder_documents_the_same_defaults() {
    let builder = ["src/server/builder.rs", "src/server/builder/whole.rs"]
        .map(file)
        .concat();
    for (setting, expression) in config() {
        let setter = format!("pub const fn {setting}(");
        let before = builder
            .split(&setter)
            .next()
            .filter(|part| part.len() < builder.len());
        let docs = before
            .unwrap_or_else(|| panic!("no setter {setting}"))
            .rsplit("}\n")
            .next();
        let text = docs
            .unwrap()
            .replace("///", "")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        if expression == "None" {
            assert!(text.contains("Default:"), "{setting}: {text}");
            continue;
        }
        let stated: String = match text.split_once("Default: ") {
            Some((_, after)) => after.split(['.', ' ']).next().unwrap().to_owned(),
            // `(the default)` stands behind the number.
            None => text
                .split(" (the default)")
                .next()
                .unwrap()
                .rsplit(' ')
                .next()
                .unwrap()
                .into(),
        };
        assert_eq!(number(&stated), value(&expression), "{setting}: {text}");
    }
}

/// The Rust blocks, without their fences.
fn rust_blocks(readme: &str) -> Vec<&str> {
    let blocks = readme.split("\n```rust").skip(1);
    blocks
        .map(|block| {
            let (_, code) = block.split_once('\n').unwrap();
            code.split("\n```").next().unwrap()
        })
        .collect()
}

/// rustdoc hides lines that begin with `# `; a web page shows them. scripts/readme.py compiles the blocks.
#[test]
fn rust_blocks_are_whole_programs_without_hidden_lines() {
    let readme = file("README.md");
    let blocks = rust_blocks(&readme);
    assert!(blocks.len() > 5, "found {} blocks only", blocks.len());
    for block in blocks {
        let hidden = block.lines().find(|line| {
            let line = line.trim_start();
            line == "#" || line.starts_with("# ")
        });
        assert_eq!(hidden, None);
        assert!(block.contains("fn main() "), "no program:\n{block}");
    }
}

/// crates.io shows the page without the files beside it.
#[test]
fn links_lead_to_sections_of_the_page_or_to_whole_addresses() {
    let readme = file("README.md");
    let anchors: Vec<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| {
            let letters = title.to_lowercase().replace(' ', "-");
            letters.replace(|c: char| !c.is_alphanumeric() && c != '-', "")
        })
        .collect();
    let links: Vec<&str> = readme.split("](").skip(1).collect();
    assert!(links.len() > 3, "found {} links only", links.len());
    for link in links {
        let target = link.split(')').next().unwrap();
        let section = target.strip_prefix('#');
        let found = section.is_some_and(|name| anchors.iter().any(|anchor| anchor == name));
        assert!(found || target.starts_with("https://"), "{target}");
    }
}

#[test]
fn the_files_that_are_named_exist() {
    let readme = file("README.md");
    let named: Vec<&str> = readme
        .split('`')
        .filter(|text| {
            let is_name = |c: char| c.is_alphanumeric() || "/._-".contains(c);
            let known = [".rs", ".md"].iter().any(|end| text.ends_with(end));
            text.chars().all(is_name) && (known || text.starts_with("LICENSE"))
        })
        .filter(|text| *text != "build.rs")
        .collect();
    assert!(named.len() > 8, "found {named:?} only");
    for name in named {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        assert!(path.exists(), "{name}");
    }
}
