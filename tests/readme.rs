//! The guide to the limits states every limit, and states the limit as the code does. README.md is short, and can be read where its files
//! are not. The programs of README.md and of the guides are whole.
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
use grpc_health::{HealthService, Registry, Server, ServingStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn file(path: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    fs::read_to_string(format!("{root}/{path}")).expect(path)
}

/// The settings of the tables of limits and their defaults, as they are written there.
fn tables() -> BTreeMap<String, String> {
    file("src/guide/limits.md")
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
    let tables = tables();
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
        assert_eq!(number(&tables[setting]), expected as u64, "{setting}");
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
    let tables = tables();
    let stated = |setting: &str| number(&tables[setting]);
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
    assert_eq!(tables["Route::timeout"], "off");
    assert!(file("src/service/method.rs").contains("            timeout: Time::NONE,"));
    for (of, path) in [("Route", "route"), ("Router", "router")] {
        assert_eq!(tables[&format!("{of}::max_concurrent")], "off");
        let source = file(&format!("src/router/{path}.rs"));
        assert!(source.contains("            max_concurrent: None,"), "{of}");
    }
}

#[test]
fn the_limits_of_a_connection_are_those_of_the_code_and_none_is_missing() {
    let mut tables = tables();
    // Those of a router have its name, or another, before theirs.
    tables.retain(|setting, _| {
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
        tables.keys().eq(config.keys()),
        "tables {tables:?}\nconfig {config:?}"
    );
    for (setting, expression) in config {
        let stated = &tables[&setting];
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

/// README.md and the guides, by path.
fn pages() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = BTreeMap::from([("README.md".to_owned(), file("README.md"))]);
    for entry in fs::read_dir(root.join("src/guide")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = format!("src/guide/{name}");
        let text = file(&path);
        pages.insert(path, text);
    }
    assert!(pages.len() > 20, "found {} pages only", pages.len());
    pages
}

/// The Rust blocks, each with what follows the fence's `rust`, and where the block begins.
fn rust_blocks(page: &str) -> Vec<(usize, &str, &str)> {
    let fences = page.match_indices("\n```rust");
    fences
        .map(|(at, fence)| {
            let (mark, code) = page[at + fence.len()..].split_once('\n').unwrap();
            (at, mark, code.split("\n```").next().unwrap())
        })
        .collect()
}

#[test]
fn the_readme_is_short() {
    let lines = file("README.md").lines().count();
    assert!(lines <= 150, "{lines} lines");
}

/// rustdoc hides lines that begin with `# `; a web page shows them. scripts/readme.py compiles the blocks.
#[test]
fn rust_blocks_are_whole_programs_without_hidden_lines() {
    let mut programs = 0;
    for (path, page) in pages() {
        for (_, mark, block) in rust_blocks(&page) {
            let hidden = block.lines().find(|line| {
                let line = line.trim_start();
                line == "#" || line.starts_with("# ")
            });
            assert_eq!(hidden, None, "{path}");
            assert!(block.contains("fn main() "), "{path}: no program:\n{block}");
            assert!(
                ["", ",no_run"].contains(&mark),
                "{path}: {mark} would not be compiled"
            );
            programs += 1;
        }
    }
    assert!(programs > 30, "found {programs} programs only");
}

/// scripts/readme.py compiles the programs of a page with the dependencies that the page states.
#[test]
fn pages_with_programs_state_their_dependencies() {
    for (path, page) in pages() {
        if !rust_blocks(&page).is_empty() {
            let stated = page.contains("\n```toml\n[dependencies]\n");
            assert!(stated, "{path} states no [dependencies]");
        }
    }
}

#[test]
fn every_guide_is_a_page_of_the_documentation_and_named_in_the_readme() {
    let (module, readme) = (file("src/guide.rs"), file("README.md"));
    for path in pages().keys().filter(|path| *path != "README.md") {
        let name = path.trim_start_matches("src/guide/");
        let page = name.trim_end_matches(".md");
        assert!(
            module.contains(&format!("include_str!(\"guide/{name}\")")),
            "{path}"
        );
        assert!(module.contains(&format!("pub mod {page} {{}}")), "{path}");
        assert!(module.contains(&format!("[`{page}`]")), "{path}");
        assert!(readme.contains(&format!("`{path}`")), "{path}");
    }
}

/// crates.io shows the page without the files beside it, except pictures of the repository.
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
    assert!(links.len() >= 3, "found {} links only", links.len());
    for link in links {
        let target = link.split(')').next().unwrap();
        let section = target.strip_prefix('#');
        let found = section.is_some_and(|name| anchors.iter().any(|anchor| anchor == name));
        let picture = target == "docs/architecture.svg" && !file(target).is_empty();
        assert!(
            found || picture || target.starts_with("https://"),
            "{target}"
        );
    }
}

#[test]
fn the_files_that_are_named_exist() {
    let mut found = 0;
    for (path, page) in pages() {
        let named = page.split('`').filter(|text| {
            let is_name = |c: char| c.is_alphanumeric() || "/._-".contains(c);
            let known = [".rs", ".md"].iter().any(|end| text.ends_with(end));
            text.chars().all(is_name) && (known || text.starts_with("LICENSE"))
        });
        for name in named.filter(|text| *text != "build.rs") {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            assert!(file.exists(), "{path}: {name}");
            found += 1;
        }
    }
    assert!(found > 30, "found {found} only");
}

/// HAProxy's `tcp-check send-binary`, as the guide to balancers has the check: the bytes are sent as the guide says, and the answer has
/// the bytes that the guide expects if and only if the server is SERVING.
#[tokio::test]
async fn the_bytes_for_haproxy_tell_up_from_down() {
    let page = file("src/guide/balancers.md");
    let bytes = |prefix: &str| -> Vec<Vec<u8>> {
        let lines = page.lines().filter_map(|line| line.strip_prefix(prefix));
        let byte = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).unwrap();
            u8::from_str_radix(text, 16).unwrap()
        };
        lines
            .map(|hex| hex.as_bytes().chunks(2).map(byte).collect())
            .collect()
    };
    let sent = bytes("tcp-check send-binary ").concat();
    let expected = bytes("tcp-check expect binary ").concat();
    assert!(!sent.is_empty() && !expected.is_empty());
    for (status, up) in [
        (ServingStatus::Serving, true),
        (ServingStatus::NotServing, false),
    ] {
        let registry = Registry::new();
        registry.set_service_status("", status).unwrap();
        let service = HealthService::new(registry);
        let server = Server::builder().service(service).bind("127.0.0.1:0").await;
        let server = server.unwrap();
        tokio::spawn(server.serve());
        let mut socket = TcpStream::connect(server.local_addrs()[0]).await.unwrap();
        socket.write_all(&sent).await.unwrap();
        // The server answers what it has read, and then closes.
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        let found = answer.windows(expected.len()).any(|part| part == expected);
        assert_eq!(found, up, "{status}: {answer:?}");
    }
}
