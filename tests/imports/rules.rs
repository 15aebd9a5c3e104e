//! The tables, and what they say about a set of source files.

use crate::source::{Split, Token, paths, tokens, without_tests};

/// A top-level module and those it may import. `lib` and `bin` may import all of them and nobody imports
/// those two.
pub(crate) const ARROWS: &[(&str, &[&str])] = &[
    ("buffers", &[]),
    ("wire", &["buffers"]),
    ("proto", &[]),
    ("sync", &[]),
    ("tls", &[]),
    ("registry", &["sync"]),
    ("observe", &["wire"]),
    ("service", &["observe", "wire"]),
    (
        "plane",
        &["observe", "registry", "service", "proto", "wire", "client"],
    ),
    (
        "health",
        &["observe", "plane", "service", "registry", "proto", "wire"],
    ),
    ("router", &["buffers", "service", "wire"]),
    ("inflating", &["wire"]),
    ("call", &["inflating", "observe", "service", "wire"]),
    ("reflection", &["service", "proto", "wire"]),
    ("http1", &["service", "wire"]),
    (
        "connection",
        &["buffers", "call", "http1", "observe", "service", "wire"],
    ),
    ("server", &["connection", "observe", "service", "tls"]),
    ("tower", &["call", "observe", "service", "wire"]),
    ("client", &["wire", "proto", "tls"]),
    ("guide", &[]),
];

/// What a module must not name outside its tests. A crate is meant where a path begins with it, any
/// other word wherever it stands; a trailing `*` stands for the rest of a word.
const BANNED: &[(&str, &[&str], &[&str])] = &[
    // Bytes in, values out: no runtime, no clock, no shared state.
    (
        "wire",
        &["tokio", "h2", "loom", "futures_core", "atomic_waker"],
        &[
            "async",
            "await",
            "Future",
            "Instant",
            "SystemTime",
            "Atomic*",
            "Mutex",
            "RwLock",
        ],
    ),
    // Usable from any thread, inside or outside a runtime: times are given, and no clock is read. Atomics
    // and locks come through `sync`, or loom would not see them.
    ("registry", &["tokio", "h2", "http"], &["now", "elapsed"]),
    // What an RPC is does not depend on who carries it.
    (
        "service",
        &["tokio", "h2", "http_body"],
        &["TcpStream", "UnixStream"],
    ),
    (
        "call",
        &["tokio", "h2", "http_body"],
        &["TcpStream", "UnixStream"],
    ),
    // Tasks and turns of the runtime, and nothing that carries bytes.
    (
        "inflating",
        &["h2", "http", "http_body"],
        &["TcpStream", "UnixStream"],
    ),
    // One connection, over any byte stream: it knows no listener and no server.
    (
        "connection",
        &["socket2"],
        &[
            "TcpListener",
            "TcpStream",
            "UnixListener",
            "UnixStream",
            "Server",
        ],
    ),
    // Bytes in, values out.
    (
        "http1",
        &["tokio", "h2"],
        &["async", "await", "Future", "Instant", "SystemTime"],
    ),
    ("health", &["h2"], &[]),
    ("bin", &["loom", "h2"], &[]),
];

pub(crate) const MAX_LINES: usize = 400;
pub(crate) const MAX_MOD_LINES: usize = 60;
pub(crate) const MAX_WIDTH: usize = 140;

/// A source file: its path below `src/`, and its text.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The module path of a file: `wire/code.rs` and `wire/code/mod.rs` are `["wire", "code"]`.
pub(crate) fn module(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if parts
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        parts.pop();
    }
    parts
}

fn top_level(path: &str) -> String {
    module(path)
        .first()
        .cloned()
        .unwrap_or_else(|| "lib".to_owned())
}

/// The top-level modules a file's paths lead to, with the line; `lib` is the crate's root itself.
fn arrows(path: &str, code: &[Token]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for written in paths(code) {
        let mut here = module(path);
        here.extend(written.inside);
        let mut segments = written.segments.as_slice();
        match segments {
            [first, rest @ ..] if first == "crate" || first == "grpc_health" => {
                // `pub(crate)` and a bare name lead nowhere.
                if rest.is_empty() {
                    continue;
                }
                here.clear();
                segments = rest;
            }
            _ => {
                if segments.first().is_some_and(|first| first == "self") {
                    segments = &segments[1..];
                }
                let supers = segments
                    .iter()
                    .take_while(|segment| *segment == "super")
                    .count();
                // Only `super` leaves a module; `self` and plain names stay inside it.
                if supers == 0 || supers == segments.len() {
                    continue;
                }
                here.truncate(here.len().saturating_sub(supers));
                segments = &segments[supers..];
            }
        }
        let target = here
            .first()
            .or_else(|| segments.first())
            .map_or("lib", String::as_str);
        let known = ARROWS.iter().any(|(name, _)| *name == target);
        found.push((
            if known {
                target.to_owned()
            } else {
                "lib".to_owned()
            },
            written.line,
        ));
    }
    found
}

/// Whether `path` is a file of one of the test-only modules declared in `tests`.
pub(crate) fn is_test_file(path: &str, tests: &[Vec<String>]) -> bool {
    let module = module(path);
    tests.iter().any(|test| module.starts_with(test))
}

/// Every rule `files` break, one line each.
pub(crate) fn judge(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    let parsed: Vec<(&str, Vec<Token>, Split)> = files
        .iter()
        .map(|file| {
            let all = tokens(&file.text);
            let split = without_tests(&all);
            (file.path.as_str(), all, split)
        })
        .collect();
    let mut tests = Vec::new();
    for (path, _, split) in &parsed {
        for name in &split.test_modules {
            let mut test = module(path);
            test.push(name.clone());
            tests.push(test);
        }
    }
    for (path, all, split) in &parsed {
        let top = top_level(path);
        let free = top == "lib" || top == "bin";
        match ARROWS.iter().find(|(name, _)| *name == top) {
            _ if free => {}
            None => wrong.push(format!("src/{path}: module `{top}` is not in the table")),
            Some((_, allowed)) => {
                for (target, line) in arrows(path, all) {
                    if target != top && !allowed.contains(&target.as_str()) {
                        wrong.push(format!("src/{path}:{line}: `{top}` imports `{target}`"));
                    }
                }
            }
        }
        if is_test_file(path, &tests) {
            continue;
        }
        for (_, crates, words) in BANNED.iter().filter(|(name, ..)| *name == top) {
            for (name, line) in banned(&split.code, crates, words) {
                wrong.push(format!("src/{path}:{line}: `{top}` names `{name}`"));
            }
        }
        if top != "sync" {
            for (name, line) in banned(&split.code, &["loom"], &[]) {
                wrong.push(format!("src/{path}:{line}: `{name}` outside `sync`"));
            }
        }
    }
    wrong
}

fn banned(code: &[Token], crates: &[&str], words: &[&str]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, token) in code.iter().enumerate() {
        let text = |i: usize| code.get(i).map_or("", |token| token.text.as_str());
        let before = text(at.wrapping_sub(1));
        let inner = before == "::" && text(at.wrapping_sub(2)).starts_with(char::is_alphanumeric);
        let begins_path = text(at + 1) == "::" || before == "use" || before == "crate";
        let is_crate = crates.contains(&text(at)) && begins_path && !inner;
        let is_word = words.iter().any(|word| match word.strip_suffix('*') {
            Some(start) => text(at).starts_with(start),
            None => text(at) == *word,
        });
        if is_crate || is_word {
            found.push((token.text.clone(), token.line));
        }
    }
    found
}
