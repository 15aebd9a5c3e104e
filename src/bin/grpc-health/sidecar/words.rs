//! A command line as words, without a shell.

/// Splits at spaces and tabs. Quotes, single or double, keep what is between them together; a backslash takes the next character as it is,
/// except between single quotes. Nothing else has a meaning: no variables, no pipes, no patterns.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (' ' | '\t', None) => words.extend(word.take()),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("nothing follows the last backslash".to_owned()),
            },
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("a quote {open} is not closed"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        for (text, expected) in [
            ("", &[][..]),
            ("  ", &[]),
            ("test -w .", &["test", "-w", "."]),
            (" a \t b ", &["a", "b"]),
            ("sh -c 'exit 3'", &["sh", "-c", "exit 3"]),
            (r#"a "b 'c' \" d" e"#, &["a", "b 'c' \" d", "e"]),
            (r"a\ b '\'", &["a b", r"\"]),
            ("a'b'\"c\"", &["abc"]),
            ("a '' \"\"", &["a", "", ""]),
            ("$HOME | *", &["$HOME", "|", "*"]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        for bad in ["'a", "a \"", "a\\"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }
}
