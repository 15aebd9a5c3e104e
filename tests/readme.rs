//! README.md states every limit, and states it as the code does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::fs;

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
    let builder = file("src/server/builder.rs");
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
