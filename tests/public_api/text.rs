//! Rust syntax as one line of text, and the conditions of `#[cfg]`.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// Conditions under which an item is there, each as it is printed: `tls` for `feature = "tls"`.
pub(crate) type Gates = BTreeSet<String>;

/// `tokens` with the spaces that rustfmt would leave.
pub(crate) fn tidy(tokens: &impl ToTokens) -> String {
    let mut atoms = Vec::new();
    flatten(tokens.to_token_stream(), &mut atoms);
    let mut text = String::new();
    let mut before = "";
    for (at, atom) in atoms.iter().enumerate() {
        // Written on lines of their own, the last one has a comma.
        let next = atoms.get(at + 1).map(String::as_str);
        if atom == "," && matches!(next, Some(">" | ")" | "]" | "}")) {
            continue;
        }
        if !before.is_empty() && spaced(before, atom) {
            text.push(' ');
        }
        text.push_str(atom);
        before = atom;
    }
    text
}

/// The tokens, with `::`, `->`, `=>` and lifetimes in one piece.
fn flatten(tokens: TokenStream, atoms: &mut Vec<String>) {
    let mut joint = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                atoms.push(open.to_owned());
                flatten(group.stream(), atoms);
                atoms.push(close.to_owned());
                joint = false;
            }
            TokenTree::Punct(punct) => {
                let last = atoms.last_mut().filter(|_| joint);
                match (last.as_deref().map(String::as_str), punct.as_char()) {
                    (Some(":"), ':') | (Some("-" | "="), '>') => {
                        last.expect("matched").push(punct.as_char())
                    }
                    (_, mark) => atoms.push(mark.to_string()),
                }
                joint = punct.spacing() == Spacing::Joint;
            }
            token => {
                match atoms.last_mut() {
                    Some(last) if joint && last == "'" => last.push_str(&token.to_string()),
                    _ => atoms.push(token.to_string()),
                }
                joint = false;
            }
        }
    }
    atoms.retain(|atom| !atom.is_empty());
}

/// Whether a space stands between two tokens.
fn spaced(before: &str, after: &str) -> bool {
    let word = |text: &str| text.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let keyword = ["as", "const", "dyn", "for", "impl", "in", "mut", "where"].contains(&before);
    match (before, after) {
        (":" | "+", "?") => true,
        (_, "," | ";" | ")" | "]" | ":" | ">" | "?" | ".") => false,
        ("(" | "[" | "<" | "&" | "*" | "::" | "#" | "?" | ".", _) => false,
        ("!", after) => !word(after) && after != "(" && after != "[",
        ("{", "}") => false,
        ("for" | "impl", "<") => false,
        ("fn", "(") => false,
        (before, "::") => keyword || !(word(before) || before == ">"),
        (before, "(" | "[" | "<") => keyword || !(word(before) || before == ">"),
        (before, "!") => keyword || !word(before),
        _ => true,
    }
}

/// The conditions of an item; `None` if no user of the crate ever sees the item.
pub(crate) fn gates(attributes: &[Attribute]) -> Option<Gates> {
    let mut gates = Gates::new();
    for attribute in attributes {
        if attribute.path().is_ident("cfg") {
            let condition: Meta = attribute.parse_args().expect("one condition");
            match cfg(&condition) {
                Cfg::Always => {}
                Cfg::Never => return None,
                Cfg::When(names) => gates.extend(names),
            }
        } else if attribute.path().is_ident("cfg_attr") {
            // `cfg_attr(docsrs, …)` changes pages alone, and so does `cfg_attr(…, doc = …)`. What else may be in one would have to be
            // understood.
            let of = tidy(&attribute.meta);
            assert!(
                of.starts_with("cfg_attr(docsrs,")
                    || of.starts_with("cfg_attr(test,")
                    || of.contains("), doc = include_str!("),
                "not understood: {of}"
            );
        }
    }
    Some(gates)
}

/// Whether `#[doc(hidden)]` is among these.
pub(crate) fn hidden(attributes: &[Attribute]) -> bool {
    let hides = |attribute: &Attribute| {
        attribute.path().is_ident("doc") && tidy(&attribute.meta) == "doc(hidden)"
    };
    attributes.iter().any(hides)
}

enum Cfg {
    Always,
    Never,
    When(Vec<String>),
}

fn cfg(condition: &Meta) -> Cfg {
    let text = tidy(condition);
    // What is set for tests, models and fuzzing alone is no part of the crate that users compile.
    if [
        "test",
        "doctest",
        "fuzzing",
        "grpc_health_loom",
        "feature = \"__internals\"",
    ]
    .contains(&text.as_str())
    {
        return Cfg::Never;
    }
    let Meta::List(list) = condition else {
        let feature = text.strip_prefix("feature = \"");
        let name = feature.map_or(text.as_str(), |name| name.trim_end_matches('"'));
        return Cfg::When(vec![name.to_owned()]);
    };
    let parts = list
        .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        .expect("conditions");
    let parts: Vec<Cfg> = parts.iter().map(cfg).collect();
    let of = list
        .path
        .require_ident()
        .expect("all, any or not")
        .to_string();
    match of.as_str() {
        "all" => all(parts),
        "any" => any(parts),
        "not" => match parts.into_iter().next().expect("one condition") {
            Cfg::Always => Cfg::Never,
            Cfg::Never => Cfg::Always,
            Cfg::When(names) => Cfg::When(vec![format!("not({})", names.join(", "))]),
        },
        _ => panic!("not understood: {text}"),
    }
}

fn all(parts: Vec<Cfg>) -> Cfg {
    let mut every = Vec::new();
    for part in parts {
        match part {
            Cfg::Always => {}
            Cfg::Never => return Cfg::Never,
            Cfg::When(names) => every.extend(names),
        }
    }
    if every.is_empty() {
        Cfg::Always
    } else {
        Cfg::When(every)
    }
}

fn any(parts: Vec<Cfg>) -> Cfg {
    let mut each = Vec::new();
    for part in parts {
        match part {
            Cfg::Always => return Cfg::Always,
            Cfg::Never => {}
            Cfg::When(names) => each.push(names.join(" and ")),
        }
    }
    if each.is_empty() {
        Cfg::Never
    } else {
        Cfg::When(vec![each.join(" or ")])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(attribute: &str) -> Option<String> {
        let item: syn::ItemStruct = syn::parse_str(&format!("{attribute} struct S;")).unwrap();
        gates(&item.attrs).map(|gates| gates.into_iter().collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn conditions_are_those_that_a_user_can_meet() {
        assert_eq!(of(""), Some(String::new()));
        assert_eq!(of("#[cfg(feature = \"tls\")]").unwrap(), "tls");
        assert_eq!(of("#[cfg(test)]"), None);
        assert_eq!(of("#[cfg(all(test, target_os = \"linux\"))]"), None);
        assert_eq!(of("#[cfg(not(grpc_health_loom))]").unwrap(), "");
        assert_eq!(of("#[cfg(any(test, feature = \"tls\"))]").unwrap(), "tls");
        assert_eq!(
            of("#[cfg(all(unix, feature = \"tls\"))]").unwrap(),
            "tls, unix"
        );
        assert_eq!(of("#[cfg(not(unix))]").unwrap(), "not(unix)");
        assert_eq!(of("#[cfg(feature = \"__internals\")]"), None);
    }

    #[test]
    fn lines_are_spaced_as_rustfmt_spaces_them() {
        for line in [
            "pub fn new<'a, S: Service + 'static>(mut self, it: &'a [u8]) -> Result<(), io::Error>",
            "fn f(&mut self, g: impl Fn(&str) -> Option<(u8, u8)> + Send) -> Pin<Box<dyn Future<Output = ()> + Send>>",
            "impl<T: ?Sized> From<&'static str> for ::prost::Thing<<T as Tr>::Out>",
            "impl !Unpin for Thing<'_, [u8; 4]>",
            "Oversize { limit: usize }",
            "concat!(env!(\"OUT_DIR\"), \"/name.rs\")",
        ] {
            let tokens: TokenStream = line.parse().unwrap();
            assert_eq!(tidy(&tokens), line);
            let commas: TokenStream = line
                .replace(')', ",)")
                .replace(" }", ", }")
                .replace(",,", ",")
                .replace("(,)", "()")
                .parse()
                .unwrap();
            assert_eq!(tidy(&commas), line);
        }
    }
}
