//! Turns comments of .proto files into documentation that `cargo test` does not run.
//!
//! prost-build copies the comments into doc comments. rustdoc takes an indented block for Rust code, and a fenced block too unless the
//! fence names another language, and runs these blocks as tests. The functions here turn the blocks into fenced blocks of plain text. In
//! lists and quotes only a Markdown parser could find the end of a block, so there the whole comment becomes plain text.

/// Returns `source` without doctests in its `///` comments. `source` is prost-build's output before formatting: each line of documentation
/// is a line of its own.
pub(crate) fn without_doctests(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((indent, first)) = doc(line) else {
            out += line;
            out.push('\n');
            continue;
        };
        let mut comment = vec![first];
        while let Some((_, next)) = lines.peek().copied().and_then(doc) {
            comment.push(next);
            lines.next();
        }
        for line in plain(&comment).unwrap_or_else(|| fenced(&comment)) {
            out += indent;
            out += "///";
            if !line.is_empty() {
                out.push(' ');
                out += &line;
            }
            out.push('\n');
        }
    }
    out
}

/// Splits a line of documentation into its indentation and its text, without the space that every line has.
fn doc(line: &str) -> Option<(&str, &str)> {
    let (indent, text) = line.split_once("///")?;
    if !indent.chars().all(char::is_whitespace) {
        return None;
    }
    Some((indent, text.strip_prefix(' ').unwrap_or(text)))
}

/// The comment with its code blocks as plain text. `None` if only a Markdown parser could find the blocks.
fn plain(comment: &[&str]) -> Option<Vec<String>> {
    let has_html = comment.iter().any(|line| {
        let line = line.trim_start();
        line.starts_with('<') && !line.starts_with("<http")
    });
    let mut lines = Vec::new();
    let mut open: Option<Fence> = None;
    // The present indented block, with blank lines inside the block.
    let mut block: Vec<&str> = Vec::new();
    for &line in comment {
        let (columns, text) = indentation(line);
        if let Some(fence) = &open {
            // An indented fence may be in a list: a line left of the fence would end both, and the closing fence may be further right.
            let is_end = fence.is_closed_by(text);
            let is_before = columns < fence.columns && !text.is_empty();
            if is_before || is_end && columns >= 4 && fence.columns > 0 {
                return None;
            }
            lines.push(line.to_owned());
            if is_end && columns < 4 {
                open = None;
            }
            continue;
        }
        if columns >= 4 || text.is_empty() && !block.is_empty() {
            block.push(line);
            continue;
        }
        flush(&mut block, &mut lines);
        if let Some(fence) = Fence::opened_by(columns, text) {
            if has_html {
                return None;
            }
            lines.push(format!("{}{}text", " ".repeat(columns), fence.mark()));
            open = Some(fence);
        } else if is_nested(text) {
            return None;
        } else {
            lines.push(line.to_owned());
        }
    }
    flush(&mut block, &mut lines);
    lines.extend(open.map(|fence| " ".repeat(fence.columns) + &fence.mark()));
    Some(lines)
}

/// Moves an indented block to `lines`, as a fenced block.
fn flush(block: &mut Vec<&str>, lines: &mut Vec<String>) {
    let blank = block.iter().rev().take_while(|line| line.trim().is_empty());
    let blank = blank.count();
    block.truncate(block.len() - blank);
    if !block.is_empty() {
        lines.extend(fenced(block));
    }
    block.clear();
    lines.extend(vec![String::new(); blank]);
}

/// Puts `block` between fences that no line of the block closes, and removes the common indentation.
fn fenced(block: &[&str]) -> Vec<String> {
    let marks = block.iter().map(|line| longest_run(line, '`')).max();
    let fence = "`".repeat(marks.map_or(3, |longest| (longest + 1).max(3)));
    let spaces = |line: &&str| line.len() - line.trim_start_matches(' ').len();
    let common = block.iter().filter(|line| !line.trim().is_empty());
    let common = common.map(spaces).min().unwrap_or(0);
    let mut lines = vec![format!("{fence}text")];
    lines.extend(
        block
            .iter()
            .map(|line| line.get(common..).unwrap_or("").to_owned()),
    );
    lines.push(fence);
    lines
}

/// A line that begins or ends a fenced code block.
struct Fence {
    columns: usize,
    mark: char,
    len: usize,
}

impl Fence {
    fn opened_by(columns: usize, text: &str) -> Option<Self> {
        let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = text.trim_start_matches(mark);
        let len = text.len() - info.len();
        // Any other line is code within a line of text.
        (len >= 3 && (mark == '~' || !info.contains('`'))).then_some(Self { columns, mark, len })
    }

    fn is_closed_by(&self, text: &str) -> bool {
        let rest = text.trim_start_matches(self.mark);
        text.len() - rest.len() >= self.len && rest.trim().is_empty()
    }

    fn mark(&self) -> String {
        self.mark.to_string().repeat(self.len)
    }
}

/// Whether this line may begin a list or quote with a code block inside.
fn is_nested(text: &str) -> bool {
    let is_marker = |c: char| {
        c.is_whitespace() || c.is_ascii_digit() || matches!(c, '>' | '*' | '+' | '-' | '.' | ')')
    };
    let body = text.trim_start_matches(is_marker);
    let markers = text.get(..text.len() - body.len()).unwrap_or("");
    let is_fence = body.starts_with("```") || body.starts_with("~~~");
    markers.contains('\t') || markers.contains("    ") || is_fence && !markers.is_empty()
}

/// The number of columns of a line's indentation, where a tab goes on to the next multiple of four, and the rest of the line.
fn indentation(line: &str) -> (usize, &str) {
    let text = line.trim_start();
    let white = line.get(..line.len() - text.len()).unwrap_or("");
    let columns = white.chars().fold(0, |columns, c| match c {
        '\t' => columns / 4 * 4 + 4,
        _ => columns + 1,
    });
    (columns, text)
}

fn longest_run(line: &str, of: char) -> usize {
    line.split(|c| c != of).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Comments that rustdoc finds a test in.
    const TESTS: &[&str] = &[
        "Text:\n\n    let a;\n\n    b\n\nMore.",
        "    all of it\n      indented\nbut this",
        "# Title\n    indented",
        "text\n\n\ttab",
        "A\n```rust,should_panic\nb\n```\nc",
        "~~~~\n```\n~~~\n~~~~",
        "```\nnot closed",
        "- a\n\n      in a list",
        "- a\n  ```\n  b\n  ```\nc",
        "12. a\n    ```\n    b\n    ```",
        "> ```\n> x",
        "a\n>     x",
        "-     x\n\ny",
        "1. ~~~\n   x",
        "- a\n  ```\n  x\nback\n\n    y",
        "- a\n  ```\n  x\n     ```\n\n      y",
        "<div>\n```\n</div>\n\n    y",
    ];

    /// How many tests rustdoc finds in these comments.
    fn doctests(name: &str, comments: &[&str], free: fn(&str) -> String) -> usize {
        let mut source = String::new();
        for (at, comment) in comments.iter().enumerate() {
            let lines = comment.lines().map(|line| format!("/// {line}\n"));
            source += &lines.collect::<String>();
            source += &format!("pub struct Of{at};\n");
        }
        let dir = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("documented.rs");
        std::fs::write(&file, free(&source)).unwrap();
        let rustdoc = Path::new(env!("CARGO")).with_file_name("rustdoc");
        let output = Command::new(rustdoc)
            .args(["--test", "--edition", "2024", "--crate-type", "lib"])
            .args(["--test-args", "--list"])
            .arg(&file)
            .output()
            .unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(output.status.success(), "{output:?}");
        let listed = String::from_utf8(output.stdout).unwrap();
        // `2 tests, 0 benchmarks`, for each set of tests that rustdoc compiles together.
        let counts = listed.lines().filter(|line| line.ends_with(" benchmarks"));
        let counts: Vec<usize> = counts
            .map(|line| line.split(' ').next().unwrap().parse().unwrap())
            .collect();
        assert!(!counts.is_empty(), "{listed}");
        counts.iter().sum()
    }

    #[test]
    fn rustdoc_finds_a_test_in_each_of_these_comments_and_none_when_they_are_free_of_them() {
        for comment in TESTS {
            assert_ne!(doctests("with", &[comment], str::to_owned), 0, "{comment}");
        }
        assert_eq!(doctests("without", TESTS, without_doctests), 0);
    }

    fn said(comment: &str) -> String {
        let docs: String = comment
            .lines()
            .map(|line| format!("    /// {line}\n"))
            .collect();
        let free = without_doctests(&(docs + "    pub struct Of;\n"));
        let free = free.strip_suffix("    pub struct Of;\n").unwrap();
        let lines = free
            .lines()
            .map(|line| line.trim_start().trim_start_matches("///"));
        let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn text_lists_and_code_within_a_line_stay_as_they_are() {
        for comment in [
            "One line.",
            "# A title\n\nText with `code` and ```more code``` in it.",
            "- a list\n  - in a list\n  over two lines\n1. numbers",
            "> a quote\n   three spaces",
        ] {
            assert_eq!(said(comment), comment);
        }
    }

    #[test]
    fn blocks_become_plain_text() {
        for (comment, expected) in [
            (
                "Text:\n\n    let a;\n\n    b\n\nMore.",
                "Text:\n\n```text\nlet a;\n\nb\n```\n\nMore.",
            ),
            (
                "    all of it\n      indented",
                "```text\nall of it\n  indented\n```",
            ),
            ("\ttab", "```text\n\ttab\n```"),
            (
                "A\n```rust,should_panic\nb\n```\nc",
                "A\n```text\nb\n```\nc",
            ),
            ("~~~~\n```\n~~~\n~~~~", "~~~~text\n```\n~~~\n~~~~"),
            ("```\nnot closed", "```text\nnot closed\n```"),
            (
                "    ```\n    fence\n    ```",
                "````text\n```\nfence\n```\n````",
            ),
            ("- a\n\n      in a list", "- a\n\n```text\nin a list\n```"),
        ] {
            assert_eq!(said(comment), expected);
        }
    }

    #[test]
    fn what_only_a_parser_would_find_makes_all_of_the_comment_plain_text() {
        for comment in [
            "> ```\n> x",
            "a\n>     x",
            "-     x",
            "1. ~~~\n   x",
            "- a\n  ```\n  x\nback\n\n    y",
            "- a\n  ```\n  x\n     ```\n\n      y",
            "<div>\n```\n</div>\n\n    y",
        ] {
            let all = if comment.contains("```") {
                "````"
            } else {
                "```"
            };
            assert_eq!(said(comment), format!("{all}text\n{comment}\n{all}"));
        }
    }
}
