//! The crate's modules as they are declared, with what no user sees left out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Expr, Item, Lit, Macro};

use crate::text::{self, Gates, hidden, tidy};

/// A module and its items, `include!`d ones among them.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) path: Vec<String>,
    /// Of the module and of those around it.
    pub(crate) gates: Gates,
    pub(crate) items: Vec<Item>,
}

/// The modules by path: the crate's own is empty.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) modules: BTreeMap<Vec<String>, Module>,
}

impl Tree {
    /// Reads the crate whose `lib.rs` this is, and every file that it declares.
    pub(crate) fn read(lib: &Path) -> Self {
        let mut tree = Self::default();
        let dir = lib.parent().expect("a file is in a directory");
        tree.file(lib, dir, Vec::new(), Gates::new());
        tree
    }

    /// One module from text, for tests of what is made of it.
    pub(crate) fn of(source: &str) -> Self {
        let mut tree = Self::default();
        let items = syn::parse_file(source).expect("Rust").items;
        let nowhere = Path::new("");
        tree.module(items, (nowhere, nowhere), Vec::new(), Gates::new());
        tree
    }

    /// `children` is where the files of the module's own modules are.
    fn file(&mut self, file: &Path, children: &Path, path: Vec<String>, gates: Gates) {
        let dir = file.parent().expect("a file is in a directory");
        self.module(parse(file), (dir, children), path, gates);
    }

    /// `dir` is where the module's own file is.
    fn module(
        &mut self,
        items: Vec<Item>,
        (dir, children): (&Path, &Path),
        path: Vec<String>,
        gates: Gates,
    ) {
        let mut kept = Vec::new();
        for item in items {
            match item {
                Item::Macro(item) if item.mac.path.is_ident("include") => {
                    kept.extend(parse(&dir.join(included(&item.mac))));
                }
                item => kept.push(item),
            }
        }
        kept.retain(|item| {
            let attributes = attributes(item);
            text::gates(attributes).is_some() && !hidden(attributes)
        });
        for item in &mut kept {
            let Item::Mod(module) = item else { continue };
            assert!(
                !module
                    .attrs
                    .iter()
                    .any(|attribute| attribute.path().is_ident("path")),
                "not understood: #[path] of {}",
                module.ident
            );
            let name = module.ident.to_string();
            let mut path = path.clone();
            path.push(name.clone());
            let mut gates = gates.clone();
            gates.extend(text::gates(&module.attrs).expect("kept"));
            let below = children.join(&name);
            match module.content.take() {
                Some((_, items)) => self.module(items, (dir, &below), path, gates),
                None if below.join("mod.rs").exists() => {
                    self.file(&below.join("mod.rs"), &below, path, gates);
                }
                None => self.file(&below.with_extension("rs"), &below, path, gates),
            }
        }
        let module = Module {
            path: path.clone(),
            gates,
            items: kept,
        };
        assert!(
            self.modules.insert(path.clone(), module).is_none(),
            "{path:?} twice"
        );
    }
}

fn parse(file: &Path) -> Vec<Item> {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed =
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    parsed.items
}

/// The file of an `include!`: a literal, or a literal below `OUT_DIR`.
fn included(include: &Macro) -> PathBuf {
    let argument: Expr = include.parse_body().expect("one expression");
    if let Expr::Lit(literal) = &argument
        && let Lit::Str(name) = &literal.lit
    {
        return PathBuf::from(name.value());
    }
    let text = tidy(&argument);
    let below = text
        .strip_prefix("concat!(env!(\"OUT_DIR\"), \"/")
        .and_then(|name| name.strip_suffix("\")"))
        .unwrap_or_else(|| panic!("not understood: include!({text})"));
    Path::new(env!("OUT_DIR")).join(below)
}

/// The attributes of an item of any kind.
pub(crate) fn attributes(item: &Item) -> &[syn::Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        other => panic!("not understood: {}", tidy(other)),
    }
}
