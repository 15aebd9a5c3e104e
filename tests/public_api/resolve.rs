//! What a name in a module means.

use syn::{Item, UseTree, Visibility};

use crate::tree::{Module, Tree};

/// Crates whose names begin a path.
const CRATES: &[&str] = &[
    "alloc",
    "atomic_waker",
    "base64",
    "bytes",
    "clap",
    "core",
    "flate2",
    "foldhash",
    "futures_core",
    "h2",
    "http",
    "http_body",
    "prost",
    "prost_build",
    "rustls",
    "sd_listen_fds",
    "slab",
    "socket2",
    "std",
    "tokio",
    "tokio_rustls",
    "tower_service",
];

/// What needs no import, as far as impls name it.
const PRELUDE: &[&str] = &[
    "AsMut",
    "AsRef",
    "Box",
    "Clone",
    "Copy",
    "Default",
    "DoubleEndedIterator",
    "Drop",
    "Eq",
    "ExactSizeIterator",
    "Extend",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "FromIterator",
    "Future",
    "Into",
    "IntoFuture",
    "IntoIterator",
    "Iterator",
    "Option",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Result",
    "Send",
    "Sized",
    "String",
    "Sync",
    "ToOwned",
    "ToString",
    "TryFrom",
    "TryInto",
    "Unpin",
    "Vec",
    "bool",
    "char",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "str",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
];

/// An item by its module's path and its place among the module's items.
pub(crate) type Id = (Vec<String>, usize);

/// One meaning of a name, which may have several: a module and a function, or an item for each of two conditions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning {
    Module(Vec<String>),
    Item(Id),
    Foreign,
}

/// The names that are looked up just now, each with its module: globs look for a name in each other.
type Asked = Vec<(Vec<String>, String)>;

/// One name that a `use` brings in, or `*`, and the path it stands for.
pub(crate) struct Import {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
}

/// Every name of a `use`.
pub(crate) fn imports(tree: &UseTree, before: &[String], found: &mut Vec<Import>) {
    let with = |name: String| {
        let mut path = before.to_vec();
        if name != "self" {
            path.push(name);
        }
        path
    };
    match tree {
        UseTree::Path(tree) => imports(&tree.tree, &with_segment(before, &tree.ident), found),
        UseTree::Name(tree) => {
            let path = with(tree.ident.to_string());
            let name = path.last().expect("a name").clone();
            found.push(Import { name, path });
        }
        UseTree::Rename(tree) => found.push(Import {
            name: tree.rename.to_string(),
            path: with(tree.ident.to_string()),
        }),
        UseTree::Glob(_) => found.push(Import {
            name: "*".to_owned(),
            path: before.to_vec(),
        }),
        UseTree::Group(group) => {
            for tree in &group.items {
                imports(tree, before, found);
            }
        }
    }
}

fn with_segment(before: &[String], segment: &syn::Ident) -> Vec<String> {
    let mut path = before.to_vec();
    path.push(segment.to_string());
    path
}

/// The name an item has in its module; none for an impl, a macro or a `use`.
pub(crate) fn name(item: &Item) -> Option<&syn::Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        _ => None,
    }
}

pub(crate) fn is_public(item: &Item) -> bool {
    let visibility = match item {
        Item::Const(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Mod(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Struct(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Use(item) => &item.vis,
        _ => return false,
    };
    matches!(visibility, Visibility::Public(_))
}

impl Tree {
    /// What `path` means in the module `from`. Nothing if this is not understood.
    pub(crate) fn resolve(&self, from: &[String], path: &[String]) -> Vec<Meaning> {
        self.find(from, path, &mut Vec::new())
    }

    fn find(&self, from: &[String], path: &[String], asked: &mut Asked) -> Vec<Meaning> {
        let (first, rest) = path.split_first().expect("a path has a name");
        let start = match first.as_str() {
            "crate" => vec![Meaning::Module(Vec::new())],
            "self" => vec![Meaning::Module(from.to_vec())],
            "super" => vec![Meaning::Module(from[..from.len() - 1].to_vec())],
            name => {
                let found = self.lookup(from, name, asked);
                let foreign =
                    (rest.is_empty() && PRELUDE.contains(&name)) || CRATES.contains(&name);
                if found.is_empty() && foreign {
                    return vec![Meaning::Foreign];
                }
                found
            }
        };
        if rest.is_empty() {
            return start;
        }
        let mut found = Vec::new();
        for meaning in start {
            match meaning {
                Meaning::Module(module) if rest[0] == "super" => {
                    found.extend(self.find(
                        &module[..module.len() - 1],
                        &with_self(&rest[1..]),
                        asked,
                    ));
                }
                Meaning::Module(module) => {
                    // Only names of the module itself: a crate or the prelude is not inside it.
                    for next in self.lookup(&module, &rest[0], asked) {
                        match next {
                            next if rest.len() == 1 => found.push(next),
                            Meaning::Module(below) => {
                                found.extend(self.find(&below, &with_self(&rest[1..]), asked));
                            }
                            Meaning::Foreign => found.push(Meaning::Foreign),
                            Meaning::Item(_) => {}
                        }
                    }
                }
                Meaning::Foreign => found.push(Meaning::Foreign),
                // `Enum::Variant` or `Type::CONST`: no item of its own.
                Meaning::Item(_) => {}
            }
        }
        found
    }

    /// The items, modules and imports of that name in a module.
    fn lookup(&self, module: &[String], wanted: &str, asked: &mut Asked) -> Vec<Meaning> {
        let question = (module.to_vec(), wanted.to_owned());
        if asked.contains(&question) {
            return Vec::new();
        }
        asked.push(question);
        let mut found = Vec::new();
        let mut child = module.to_vec();
        child.push(wanted.to_owned());
        if self.modules.contains_key(&child) {
            found.push(Meaning::Module(child));
        }
        let Module { items, .. } = &self.modules[module];
        for (at, item) in items.iter().enumerate() {
            if name(item).is_some_and(|name| name == wanted) {
                found.push(Meaning::Item((module.to_vec(), at)));
            }
            let Item::Use(item) = item else { continue };
            let mut names = Vec::new();
            imports(&item.tree, &[], &mut names);
            for import in names {
                let path = if import.name == wanted {
                    import.path
                } else if import.name == "*" && !CRATES.contains(&import.path[0].as_str()) {
                    let mut path = import.path;
                    path.push(wanted.to_owned());
                    path
                } else {
                    continue;
                };
                if item.leading_colon.is_some() || path == [wanted] {
                    found.push(Meaning::Foreign);
                } else {
                    found.extend(self.find(module, &path, asked));
                }
            }
        }
        asked.pop();
        found.dedup();
        found
    }
}

fn with_self(rest: &[String]) -> Vec<String> {
    let mut path = vec!["self".to_owned()];
    path.extend_from_slice(rest);
    path
}
