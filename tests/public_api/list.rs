//! The public items, one line each.

use std::collections::BTreeSet;

use syn::{Attribute, Field, Fields, FnArg, Generics, Item, Signature, TraitItem, Visibility};

use crate::reach::Reach;
use crate::resolve::Id;
use crate::text::{self, Gates, hidden, tidy};
use crate::tree::{Tree, attributes};

/// A line, and what it is sorted by: the item's path, and the item before what it implements.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    path: String,
    implements: bool,
    pub(crate) text: String,
}

/// The list, and what else is known of the types in it.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) lines: BTreeSet<Line>,
    pub(crate) types: BTreeSet<String>,
    pub(crate) with_debug: BTreeSet<String>,
    /// Enums to match without `_`, structs to write and match without `..`.
    pub(crate) exhaustive: BTreeSet<String>,
}

impl List {
    pub(crate) fn of(tree: &Tree) -> Self {
        let reach = Reach::of(tree);
        let mut list = Self::default();
        for (path, gates) in &reach.modules {
            let path = path.join("::");
            list.line(&path, format!("mod {path}"), gates);
        }
        for (path, target, gates) in &reach.foreign {
            let path = path.join("::");
            list.line(&path, format!("use {target} as {path}"), gates);
        }
        for (id, paths) in &reach.items {
            let (canonical, _) = reach.canonical(id).expect("a path");
            let path = canonical.join("::");
            for (other, gates) in paths {
                let other = other.join("::");
                if other != path {
                    list.line(&other, format!("use {path} as {other}"), gates);
                }
            }
            list.item(tree, &reach, id);
        }
        list.impls(tree, &reach);
        list
    }

    pub(crate) fn line(&mut self, path: &str, text: String, gates: &Gates) {
        let mut text = text;
        if !gates.is_empty() {
            let gates: Vec<&str> = gates.iter().map(String::as_str).collect();
            text.push_str(&format!(" [{}]", gates.join(", ")));
        }
        self.lines.insert(Line {
            path: path.to_owned(),
            implements: text.starts_with("derive ") || text.starts_with("impl"),
            text,
        });
    }

    fn item(&mut self, tree: &Tree, reach: &Reach, id: &Id) {
        let (path, gates) = conditions(tree, reach, id);
        let module = &tree.modules[&id.0];
        let item = &module.items[id.1];
        let marks = marks(attributes(item));
        match item {
            Item::Const(item) => {
                let ty = tidy(&item.ty);
                self.line(&path, format!("{marks}const {path}: {ty}"), &gates);
            }
            Item::Static(item) => {
                let ty = tidy(&item.ty);
                self.line(&path, format!("{marks}static {path}: {ty}"), &gates);
            }
            Item::Type(item) => {
                let (generics, clause) = generics(&item.generics);
                let text = format!("{marks}type {path}{generics} = {}{clause}", tidy(&item.ty));
                self.line(&path, text, &gates);
            }
            Item::Fn(item) => {
                let text = format!("{marks}{}", function(&path, "", &item.sig));
                self.line(&path, text, &gates);
            }
            Item::Struct(item) => {
                self.derives(&path, &item.attrs, &item.generics, &gates);
                let fields: Vec<&Field> = item.fields.iter().collect();
                let public = fields.iter().filter(|field| is_public(field)).count();
                if public > 0 && public == fields.len() && !marks.contains("non_exhaustive") {
                    self.exhaustive.insert(path.clone());
                }
                let (generics, clause) = generics(&item.generics);
                let body = match &item.fields {
                    Fields::Unit => String::new(),
                    Fields::Unnamed(_) => {
                        let part = |field: &&Field| {
                            if is_public(field) {
                                tidy(&field.ty)
                            } else {
                                "_".to_owned()
                            }
                        };
                        format!(
                            "({})",
                            fields.iter().map(part).collect::<Vec<_>>().join(", ")
                        )
                    }
                    Fields::Named(_) if public < fields.len() => " { .. }".to_owned(),
                    Fields::Named(_) => " {}".to_owned(),
                };
                self.line(
                    &path,
                    format!("{marks}struct {path}{generics}{clause}{body}"),
                    &gates,
                );
                for field in fields {
                    let Some(name) = field.ident.as_ref().filter(|_| is_public(field)) else {
                        continue;
                    };
                    let Some(gates) = with(&gates, &field.attrs) else {
                        continue;
                    };
                    let field = format!("field {path}::{name}: {}", tidy(&field.ty));
                    self.line(&format!("{path}::{name}"), field, &gates);
                }
            }
            Item::Enum(item) => {
                self.derives(&path, &item.attrs, &item.generics, &gates);
                if !marks.contains("non_exhaustive") {
                    self.exhaustive.insert(path.clone());
                }
                let (generics, clause) = generics(&item.generics);
                self.line(
                    &path,
                    format!("{marks}enum {path}{generics}{clause}"),
                    &gates,
                );
                for variant in &item.variants {
                    let Some(gates) = with(&gates, &variant.attrs) else {
                        continue;
                    };
                    let mut plain = variant.clone();
                    plain.attrs.clear();
                    for field in &mut plain.fields {
                        field.attrs.clear();
                    }
                    let text = format!(
                        "{}variant {path}::{}",
                        self::marks(&variant.attrs),
                        tidy(&plain)
                    );
                    self.line(&format!("{path}::{}", variant.ident), text, &gates);
                }
            }
            Item::Trait(item) => {
                let (generics, clause) = generics(&item.generics);
                let bounds = match tidy(&item.supertraits) {
                    bounds if bounds.is_empty() => bounds,
                    bounds => format!(": {bounds}"),
                };
                let safety = item.unsafety.map_or("", |_| "unsafe ");
                self.line(
                    &path,
                    format!("{marks}{safety}trait {path}{generics}{bounds}{clause}"),
                    &gates,
                );
                for member in &item.items {
                    self.member(&path, member, &gates);
                }
            }
            other => panic!("not understood: {}", tidy(other)),
        }
    }

    /// One item of a trait: `= ..` where an impl may leave the item out.
    fn member(&mut self, path: &str, member: &TraitItem, gates: &Gates) {
        let (name, attributes, text) = match member {
            TraitItem::Fn(member) => {
                let default = member.default.as_ref().map_or("", |_| " = ..");
                let text = function(&format!("{path}::{}", member.sig.ident), "", &member.sig);
                (&member.sig.ident, &member.attrs, format!("{text}{default}"))
            }
            TraitItem::Type(member) => {
                let default = member.default.as_ref().map_or("", |_| " = ..");
                let (generics, clause) = generics(&member.generics);
                let bounds = tidy(&member.bounds);
                let text = format!(
                    "type {path}::{}{generics}: {bounds}{clause}{default}",
                    member.ident
                );
                (&member.ident, &member.attrs, text)
            }
            TraitItem::Const(member) => {
                let default = member.default.as_ref().map_or("", |_| " = ..");
                let text = format!(
                    "const {path}::{}: {}{default}",
                    member.ident,
                    tidy(&member.ty)
                );
                (&member.ident, &member.attrs, text)
            }
            other => panic!("not understood: {}", tidy(other)),
        };
        if let Some(gates) = with(gates, attributes) {
            let text = format!("{}{text}", marks(attributes));
            self.line(&format!("{path}::{name}"), text, &gates);
        }
    }

    fn derives(
        &mut self,
        path: &str,
        attributes: &[Attribute],
        generics: &Generics,
        gates: &Gates,
    ) {
        self.types.insert(path.to_owned());
        for attribute in attributes {
            if !attribute.path().is_ident("derive") {
                continue;
            }
            let parse = |input: syn::parse::ParseStream<'_>| {
                input.parse_terminated(syn::Path::parse_mod_style, syn::Token![,])
            };
            for derive in attribute.parse_args_with(parse).expect("traits") {
                let name = derive.segments.last().expect("a name").ident.to_string();
                let traits: &[&str] = match name.as_str() {
                    "Clone" | "Copy" | "Debug" | "Default" | "Eq" | "Hash" | "Ord"
                    | "PartialEq" | "PartialOrd" => &[&name],
                    // What prost's own say that they implement.
                    "Message" => &["prost::Message", "Debug", "Default"],
                    "Oneof" => &["Debug"],
                    "Enumeration" => &["Default", "TryFrom<i32>", "Into<i32>"],
                    _ => panic!("not understood: derive({name}) of {path}"),
                };
                let (generics, _) = self::generics(generics);
                for name in traits {
                    self.line(path, format!("derive {name} for {path}{generics}"), gates);
                    if *name == "Debug" {
                        self.with_debug.insert(path.to_owned());
                    }
                }
            }
        }
    }
}

/// An item's path, and all conditions of that path and of the item's own modules.
pub(crate) fn conditions(tree: &Tree, reach: &Reach, id: &Id) -> (String, Gates) {
    let (path, gates) = reach.canonical(id).expect("a public item");
    let module = &tree.modules[&id.0];
    let mut gates: Gates = gates.union(&module.gates).cloned().collect();
    gates.extend(text::gates(attributes(&module.items[id.1])).expect("kept"));
    (path.join("::"), gates)
}

/// `gates` and those of a member; `None` for a member that is not to be listed.
pub(crate) fn with(gates: &Gates, attributes: &[Attribute]) -> Option<Gates> {
    if hidden(attributes) {
        return None;
    }
    let own = text::gates(attributes)?;
    Some(gates.union(&own).cloned().collect())
}

/// The attributes that are part of an item's contract.
pub(crate) fn marks(attributes: &[Attribute]) -> String {
    ["deprecated", "must_use", "non_exhaustive"]
        .into_iter()
        .filter(|&mark| {
            attributes
                .iter()
                .any(|attribute| attribute.path().is_ident(mark))
        })
        .map(|mark| format!("#[{mark}] "))
        .collect()
}

/// `<T: Bound>` and ` where …`, each empty if there is none.
pub(crate) fn generics(generics: &Generics) -> (String, String) {
    let clause = generics.where_clause.as_ref();
    let clause = clause.map(|clause| tidy(clause).trim_end_matches(',').to_owned());
    (
        tidy(generics),
        clause.map_or_else(String::new, |clause| format!(" {clause}")),
    )
}

/// A function's line. `of` is what stands between its return type and its own `where`.
pub(crate) fn function(path: &str, of: &str, signature: &Signature) -> String {
    let mut head = String::new();
    for keyword in [
        signature.constness.map(|_| "const "),
        signature.asyncness.map(|_| "async "),
        signature.unsafety.map(|_| "unsafe "),
    ] {
        head.push_str(keyword.unwrap_or_default());
    }
    assert!(
        signature.abi.is_none(),
        "not understood: {}",
        tidy(signature)
    );
    let (generics, clause) = generics(&signature.generics);
    let input = |input: &FnArg| {
        let mut input = input.clone();
        match &mut input {
            FnArg::Receiver(input) => input.attrs.clear(),
            FnArg::Typed(input) => input.attrs.clear(),
        }
        tidy(&input)
    };
    let inputs: Vec<String> = signature.inputs.iter().map(input).collect();
    let output = match tidy(&signature.output) {
        output if output.is_empty() => output,
        output => format!(" {output}"),
    };
    format!(
        "{head}fn {path}{generics}({}){output}{of}{clause}",
        inputs.join(", ")
    )
}

pub(crate) fn is_public(field: &Field) -> bool {
    matches!(field.vis, Visibility::Public(_)) && !hidden(&field.attrs)
}
