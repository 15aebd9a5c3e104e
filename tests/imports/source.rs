//! As much of Rust's syntax as the import test needs: tokens, test-only items, paths.

/// One token and the line it stands on, from 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// Splits `source` into tokens. Comments, strings and character literals are left out: a name in
/// prose is no import. `::` is one token, every other punctuation mark is one of its own.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let rest = &source[at..];
        let (len, keep) = token_len(rest);
        if keep {
            let text = rest[..len].trim_start_matches("r#").to_owned();
            found.push(Token { text, line });
        }
        line += rest[..len].matches('\n').count();
        at += len;
    }
    found
}

/// The length of what `rest` begins with, and whether it is a token to keep.
fn token_len(rest: &str) -> (usize, bool) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), false);
    }
    if let Some(len) = string(rest) {
        return (len, false);
    }
    if let Some(after) = rest.strip_prefix('\'') {
        return (1 + quote(after), false);
    }
    if rest.starts_with("::") {
        return (2, true);
    }
    let raw = if rest.starts_with("r#") { 2 } else { 0 };
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let len: usize = rest[raw..]
        .chars()
        .take_while(|&c| word(c))
        .map(char::len_utf8)
        .sum();
    if len > 0 {
        return (raw + len, true);
    }
    let first = rest.chars().next().map_or(1, char::len_utf8);
    (first, !rest.starts_with(char::is_whitespace))
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of the string literal `rest` begins with, whatever its prefix.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["", "b", "c", "r", "br", "cr"].into_iter().find(|prefix| {
        let hashes = if prefix.ends_with('r') { "#" } else { "" };
        rest.strip_prefix(prefix).is_some_and(|rest| {
            rest.trim_start_matches(hashes_or_nothing(hashes))
                .starts_with('"')
        })
    })?;
    let body = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let close = format!("\"{}", "#".repeat(hashes));
        let open = prefix.len() + hashes + 1;
        return Some(
            rest[open..]
                .find(&close)
                .map_or(rest.len(), |end| open + end + close.len()),
        );
    }
    let mut escaped = false;
    for (at, c) in body.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix.len() + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// `trim_start_matches("")` would never end, so a prefix without hashes trims nothing.
fn hashes_or_nothing(hashes: &str) -> impl Fn(char) -> bool {
    let any = !hashes.is_empty();
    move |c| any && c == '#'
}

/// After a `'`: the length of a character literal, or 0 where it opens a lifetime.
fn quote(after: &str) -> usize {
    if let Some(escape) = after.strip_prefix('\\') {
        let first = escape.chars().next().map_or(0, char::len_utf8);
        return 1 + first + escape[first..].find('\'').map_or(0, |end| end + 1);
    }
    let first = after.chars().next().map_or(0, char::len_utf8);
    if after[first..].starts_with('\'') {
        first + 1
    } else {
        0
    }
}

/// What is left of a file without its `#[cfg(test)]` items, and the modules that those declare.
pub(crate) struct Split {
    pub(crate) code: Vec<Token>,
    pub(crate) test_modules: Vec<String>,
}

/// Leaves out every item under `#[cfg(test)]` or `#[cfg(all(test, …))]`.
pub(crate) fn without_tests(all: &[Token]) -> Split {
    let mut code = Vec::new();
    let mut test_modules = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let text = |i: usize| all.get(i).map_or("", |token| token.text.as_str());
        if text(at) == "#" && text(at + 1) == "!" && is_test_cfg(&all[at + 2..group(all, at + 2)]) {
            break;
        }
        if text(at) == "#" && text(at + 1) == "[" && is_test_cfg(&all[at + 1..group(all, at + 1)]) {
            at = group(all, at + 1);
            while text(at) == "#" {
                at = group(all, at + 1);
            }
            let end = item_end(all, at);
            let words: Vec<&str> = all[at..end]
                .iter()
                .map(|token| token.text.as_str())
                .collect();
            if let [.., "mod", name, ";"] = words.as_slice() {
                test_modules.push((*name).to_owned());
            }
            at = end;
        } else {
            code.push(all[at].clone());
            at += 1;
        }
    }
    Split { code, test_modules }
}

fn is_test_cfg(attribute: &[Token]) -> bool {
    let has = |word: &str| attribute.iter().any(|token| token.text == word);
    has("cfg") && has("test") && !has("not") && !has("any")
}

/// The index after the bracket that closes the one at `open`.
fn group(all: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in all.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    all.len()
}

/// The index after the item, statement or field that begins at `at`.
fn item_end(all: &[Token], mut at: usize) -> usize {
    const ITEMS: &[&str] = &[
        "async",
        "const",
        "enum",
        "extern",
        "fn",
        "impl",
        "macro_rules",
        "mod",
        "pub",
        "static",
        "struct",
        "trait",
        "type",
        "use",
    ];
    let text = |i: usize| all.get(i).map_or("", |token| token.text.as_str());
    let item = ITEMS.contains(&text(at));
    let is_use = text(at) == "use" || (text(at) == "pub" && text(at + 1) == "use");
    while at < all.len() {
        match text(at) {
            ";" => return at + 1,
            "," if !item => return at + 1,
            "}" | ")" | "]" => return at,
            "{" if item && !is_use => return group(all, at),
            "(" | "[" | "{" => at = group(all, at),
            _ => at += 1,
        }
    }
    at
}

/// A path of at least one segment, and the module it is written in, below its file's own.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) inside: Vec<String>,
    pub(crate) line: usize,
    /// Whether the path stands in a `pub use`, of whatever visibility.
    pub(crate) exported: bool,
}

/// Every path in `code`, `use a::{b, c::d}` as `a::b` and `a::c::d`.
pub(crate) fn paths(code: &[Token]) -> Vec<Path> {
    let mut found = Vec::new();
    let mut modules: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut at) = (0, 0);
    while at < code.len() {
        let text = |i: usize| code.get(i).map_or("", |token| token.text.as_str());
        match text(at) {
            "{" if text(at.wrapping_sub(1)) != "use" => depth += 1,
            "}" => {
                depth -= 1;
                modules.retain(|(_, opened)| *opened <= depth);
            }
            "mod" if text(at + 2) == "{" => modules.push((text(at + 1).to_owned(), depth + 1)),
            word if word == "{" || (is_word(word) && text(at.wrapping_sub(1)) != ".") => {
                let inside: Vec<String> = modules.iter().map(|(name, _)| name.clone()).collect();
                let line = code[at].line;
                let exported = is_exported(code, at);
                let mut flat = Vec::new();
                at = tree(code, at, &mut Vec::new(), &mut flat);
                found.extend(flat.into_iter().map(|segments| Path {
                    segments,
                    inside: inside.clone(),
                    line,
                    exported,
                }));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Whether what begins at `at` follows `pub use` or `pub(…) use`.
fn is_exported(code: &[Token], at: usize) -> bool {
    let before: Vec<&str> = code[at.saturating_sub(6)..at]
        .iter()
        .map(|token| token.text.as_str())
        .collect();
    match before.as_slice() {
        [.., "pub", "use"] => true,
        [.., ")", "use"] => before.contains(&"pub"),
        _ => false,
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads one path or use tree at `at`; the index after it.
fn tree(
    code: &[Token],
    mut at: usize,
    before: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> usize {
    let text = |i: usize| code.get(i).map_or("", |token| token.text.as_str());
    let kept = before.len();
    loop {
        match text(at) {
            "{" => {
                let end = group(code, at);
                at += 1;
                while at + 1 < end {
                    let next = tree(code, at, before, found);
                    at = next.max(at + 1);
                }
                at = end;
                break;
            }
            "*" => {
                before.push("*".to_owned());
                found.push(before.clone());
                at += 1;
                break;
            }
            word if is_word(word) => {
                before.push(word.to_owned());
                at += 1;
                if text(at) == "::" && (is_word(text(at + 1)) || matches!(text(at + 1), "{" | "*"))
                {
                    at += 1;
                } else {
                    found.push(before.clone());
                    break;
                }
            }
            _ => break,
        }
    }
    before.truncate(kept);
    at
}
