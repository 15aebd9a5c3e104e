//! Which items a user can name, and by which paths.

use std::collections::BTreeMap;

use syn::Item;

use crate::resolve::{Id, Import, Meaning, imports, is_public, name};
use crate::text::{self, Gates};
use crate::tree::Tree;

/// A path from outside the crate, without the crate's name.
pub(crate) type PublicPath = Vec<String>;

/// What is public, and where.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    pub(crate) items: BTreeMap<Id, Vec<(PublicPath, Gates)>>,
    pub(crate) modules: BTreeMap<PublicPath, Gates>,
    /// Items of other crates: the path here, the path there.
    pub(crate) foreign: Vec<(PublicPath, String, Gates)>,
}

impl Reach {
    pub(crate) fn of(tree: &Tree) -> Self {
        let mut reach = Self::default();
        reach.walk(tree, &[], &Vec::new(), &Gates::new());
        reach
    }

    fn walk(&mut self, tree: &Tree, module: &[String], at: &PublicPath, gates: &Gates) {
        assert!(at.len() < 16, "{at:?}: modules that contain each other");
        for (place, item) in tree.modules[module].items.iter().enumerate() {
            if !is_public(item) {
                continue;
            }
            let mut gates = gates.clone();
            gates.extend(text::gates(crate::tree::attributes(item)).expect("kept"));
            match item {
                Item::Mod(child) => {
                    let child = child.ident.to_string();
                    let below = with(module, &child);
                    self.module(tree, &below, &with(at, &child), gates);
                }
                Item::Use(item) => {
                    let mut names = Vec::new();
                    imports(&item.tree, &[], &mut names);
                    for import in names {
                        self.import(tree, module, at, &import, &gates);
                    }
                }
                item => {
                    let name = name(item).expect("a public item has a name").to_string();
                    self.item((module.to_vec(), place), with(at, &name), gates);
                }
            }
        }
    }

    fn module(&mut self, tree: &Tree, module: &[String], at: &PublicPath, gates: Gates) {
        if self.modules.insert(at.clone(), gates.clone()).is_none() {
            self.walk(tree, module, at, &gates);
        }
    }

    fn item(&mut self, id: Id, at: PublicPath, gates: Gates) {
        self.items.entry(id).or_default().push((at, gates));
    }

    fn import(
        &mut self,
        tree: &Tree,
        module: &[String],
        at: &PublicPath,
        import: &Import,
        gates: &Gates,
    ) {
        let path = import.path.join("::");
        assert!(import.name != "*", "not understood: pub use {path}::*");
        let here = with(at, &import.name);
        let mut found = 0;
        for meaning in tree.resolve(module, &import.path) {
            match meaning {
                // Of one name's meanings only the public ones are exported.
                Meaning::Item(id) if is_public(&tree.modules[&id.0].items[id.1]) => {
                    self.item(id, here.clone(), gates.clone());
                }
                Meaning::Module(target) if is_public_module(tree, &target) => {
                    self.module(tree, &target, &here, gates.clone());
                }
                Meaning::Foreign => self
                    .foreign
                    .push((here.clone(), path.clone(), gates.clone())),
                Meaning::Item(_) | Meaning::Module(_) => continue,
            }
            found += 1;
        }
        assert!(found > 0, "not understood: pub use {path} in {module:?}");
    }

    /// The path by which an item is listed: the one nearest to where it is defined.
    pub(crate) fn canonical(&self, id: &Id) -> Option<&(PublicPath, Gates)> {
        let near = |(path, _): &&(PublicPath, Gates)| {
            let shared = path.iter().zip(&id.0).take_while(|(a, b)| a == b).count();
            (shared, std::cmp::Reverse(path.len()))
        };
        self.items.get(id)?.iter().max_by_key(near)
    }
}

fn is_public_module(tree: &Tree, path: &[String]) -> bool {
    let Some((last, parent)) = path.split_last() else {
        return true;
    };
    tree.modules[parent]
        .items
        .iter()
        .any(|item| matches!(item, Item::Mod(module) if module.ident == last) && is_public(item))
}

fn with(path: &[String], name: &str) -> Vec<String> {
    let mut path = path.to_vec();
    path.push(name.to_owned());
    path
}
