//! Methods, and the traits that types implement.

use syn::visit::{self, Visit};
use syn::{GenericParam, ImplItem, Item, ItemImpl, Path, Type, TypeParamBound, Visibility};

use crate::list::{List, conditions, function, generics, marks, with};
use crate::reach::Reach;
use crate::resolve::{Id, Meaning};
use crate::text::{self, Gates, hidden, tidy};
use crate::tree::{Module, Tree};

/// Macros of other crates that make no item which can be named.
const HARMLESS: &[&str] = &["thread_local"];

/// What a type or a trait of an impl is.
enum Named {
    Public(Id),
    Private,
    /// Another crate's, or none that has a name: a reference, a type parameter.
    Foreign,
}

impl List {
    pub(crate) fn impls(&mut self, tree: &Tree, reach: &Reach) {
        for module in tree.modules.values() {
            for item in &module.items {
                // A macro may make public items or impls, so its text stands for them.
                if let Item::Macro(item) = item {
                    let name = tidy(&item.mac.path);
                    if !HARMLESS.contains(&name.as_str()) {
                        let path = format!("~ {}", module.path.join("::"));
                        let mut item = item.clone();
                        item.attrs
                            .retain(|attribute| !attribute.path().is_ident("doc"));
                        self.line(&path, tidy(&item), &module.gates);
                    }
                }
                let mut found = Impls::default();
                found.visit_item(item);
                for item in found.0 {
                    let nested = !module
                        .items
                        .iter()
                        .any(|of| matches!(of, Item::Impl(of) if of == item));
                    self.of_impl(tree, reach, module, item, nested);
                }
            }
        }
    }

    fn of_impl(
        &mut self,
        tree: &Tree,
        reach: &Reach,
        module: &Module,
        item: &ItemImpl,
        nested: bool,
    ) {
        let Some(own) = text::gates(&item.attrs).filter(|_| !hidden(&item.attrs)) else {
            return;
        };
        let mut gates: Gates = module.gates.union(&own).cloned().collect();
        let parameters = parameters(item);
        let named = match &*item.self_ty {
            Type::Path(of) if of.qself.is_none() => {
                named(tree, reach, module, &of.path, &parameters)
            }
            Type::TraitObject(of) => {
                let of = of.bounds.iter().find_map(|bound| match bound {
                    TypeParamBound::Trait(of) => Some(&of.path),
                    _ => None,
                });
                of.and_then(|of| named(tree, reach, module, of, &parameters))
            }
            Type::Reference(_) | Type::Tuple(_) | Type::Slice(_) | Type::Array(_) => {
                Some(Named::Foreign)
            }
            _ => None,
        };
        let named = match named {
            // A type of a function's own.
            None if nested => return,
            None => panic!("not understood: impl for {}", tidy(&item.self_ty)),
            Some(named) => named,
        };
        let (path, ty) = match &named {
            Named::Private => return,
            Named::Foreign => ("~".to_owned(), tidy(&item.self_ty)),
            Named::Public(id) => {
                let (path, of) = conditions(tree, reach, id);
                gates.extend(of);
                let ty = match &*item.self_ty {
                    Type::Path(ty) => {
                        let last = ty.path.segments.last().expect("a name");
                        format!("{path}{}", tidy(&last.arguments))
                    }
                    other => tidy(other),
                };
                (path, ty)
            }
        };
        let Some((negative, of, _)) = &item.trait_ else {
            assert!(
                matches!(named, Named::Public(_)),
                "not understood: impl {ty}"
            );
            self.methods(&path, item, &gates);
            return;
        };
        match self::named(tree, reach, module, of, &parameters) {
            None => panic!("not understood: impl {} for {ty}", tidy(of)),
            Some(Named::Private) => return,
            Some(Named::Public(id)) => gates.extend(conditions(tree, reach, &id).1),
            Some(Named::Foreign) => {}
        }
        if mentions_private(tree, reach, module, item) {
            return;
        }
        let (generics, clause) = generics(&item.generics);
        let not = negative.map_or("", |_| "!");
        let of = tidy(of);
        let mut text = format!("impl{generics} {not}{of} for {ty}{clause}");
        let mut types = Vec::new();
        for member in &item.items {
            match member {
                ImplItem::Type(member) => {
                    types.push(format!("type {} = {}", member.ident, tidy(&member.ty)));
                }
                ImplItem::Const(_) | ImplItem::Fn(_) => {}
                other => panic!("not understood: {}", tidy(other)),
            }
        }
        if !types.is_empty() {
            text.push_str(&format!(" {{ {} }}", types.join("; ")));
        }
        if of.ends_with("Debug") {
            self.with_debug.insert(path.clone());
        }
        self.line(&path, text, &gates);
    }

    fn methods(&mut self, path: &str, item: &ItemImpl, gates: &Gates) {
        let (generics, clause) = generics(&item.generics);
        // Bounds of the impl are the methods' own.
        let plain =
            generics.is_empty() && clause.is_empty() && tidy(&item.self_ty).find('<').is_none();
        let of = if plain {
            String::new()
        } else {
            format!(" (impl{generics} {}{clause})", tidy(&item.self_ty))
        };
        for member in &item.items {
            let (visibility, attributes, name, text) = match member {
                ImplItem::Fn(member) => {
                    let name = format!("{path}::{}", member.sig.ident);
                    let text = function(&name, &of, &member.sig);
                    (&member.vis, &member.attrs, name, text)
                }
                ImplItem::Const(member) => {
                    let name = format!("{path}::{}", member.ident);
                    let text = format!("const {name}: {}{of}", tidy(&member.ty));
                    (&member.vis, &member.attrs, name, text)
                }
                other => panic!("not understood: {}", tidy(other)),
            };
            if matches!(visibility, Visibility::Public(_))
                && let Some(gates) = with(gates, attributes)
            {
                self.line(&name, format!("{}{text}", marks(attributes)), &gates);
            }
        }
    }
}

/// Every impl, those in the bodies of functions too.
#[derive(Default)]
struct Impls<'a>(Vec<&'a ItemImpl>);

impl<'a> Visit<'a> for Impls<'a> {
    fn visit_item_impl(&mut self, item: &'a ItemImpl) {
        self.0.push(item);
        visit::visit_item_impl(self, item);
    }
}

fn parameters(item: &ItemImpl) -> Vec<String> {
    let types = item
        .generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(parameter.ident.to_string()),
            _ => None,
        });
    types.collect()
}

/// `None` if the name is not understood.
fn named(
    tree: &Tree,
    reach: &Reach,
    module: &Module,
    path: &Path,
    parameters: &[String],
) -> Option<Named> {
    let names = names(path);
    if path.leading_colon.is_some() || parameters.contains(&names[0]) {
        return Some(Named::Foreign);
    }
    let mut found = None;
    for meaning in tree.resolve(&module.path, &names) {
        match meaning {
            Meaning::Item(id) => match &tree.modules[&id.0].items[id.1] {
                Item::Struct(_) | Item::Enum(_) | Item::Trait(_)
                    if reach.items.contains_key(&id) =>
                {
                    return Some(Named::Public(id));
                }
                Item::Struct(_) | Item::Enum(_) | Item::Trait(_) => found = Some(Named::Private),
                // A function or a constant of that name; a `type` would have to be followed.
                Item::Type(item) => panic!("not understood: an impl names {}", item.ident),
                _ => {}
            },
            Meaning::Foreign if found.is_none() => found = Some(Named::Foreign),
            Meaning::Foreign | Meaning::Module(_) => {}
        }
    }
    found
}

fn names(path: &Path) -> Vec<String> {
    path.segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect()
}

/// Whether the impl is between types of which a user cannot name one.
fn mentions_private(tree: &Tree, reach: &Reach, module: &Module, item: &ItemImpl) -> bool {
    struct Paths(Vec<Vec<String>>);
    impl<'a> Visit<'a> for Paths {
        fn visit_path(&mut self, path: &'a Path) {
            self.0.push(names(path));
            visit::visit_path(self, path);
        }
    }
    let mut paths = Paths(Vec::new());
    paths.visit_type(&item.self_ty);
    if let Some((_, of, _)) = &item.trait_ {
        paths.visit_path(of);
    }
    let private = |id: &Id| {
        let item = &tree.modules[&id.0].items[id.1];
        matches!(item, Item::Struct(_) | Item::Enum(_)) && !reach.items.contains_key(id)
    };
    paths
        .0
        .iter()
        .flat_map(|path| tree.resolve(&module.path, path))
        .any(|meaning| matches!(meaning, Meaning::Item(id) if private(&id)))
}
