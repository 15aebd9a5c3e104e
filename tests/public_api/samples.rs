//! What the list makes of sources that are made up: it must see what users see, and fail where it cannot.

use crate::list::List;
use crate::tree::Tree;

fn list(source: &str) -> Vec<String> {
    let list = List::of(&Tree::of(source));
    list.lines.into_iter().map(|line| line.text).collect()
}

#[test]
fn items_are_listed_where_they_are_public() {
    let lines = list(
        r#"
        mod inner {
            pub struct Seen { pub a: u8, b: u8 }
            pub struct Unseen;
            impl Seen {
                pub fn get<'a>(&'a self) -> &'a u8 { &self.a }
                pub(crate) fn hidden(&self) {}
            }
            impl From<Seen> for Unseen { fn from(_: Seen) -> Self { Self } }
            impl From<Unseen> for Seen { fn from(_: Unseen) -> Self { unreachable!() } }
            impl Iterator for Seen { type Item = u8; fn next(&mut self) -> Option<u8> { None } }
        }
        pub mod outer { pub use super::inner::Seen; pub use std::fmt::Debug; }
        pub use inner::Seen as Renamed;
        #[cfg(test)]
        pub fn in_tests() {}
        #[doc(hidden)]
        pub mod internals { pub fn reachable() {} }
        "#,
    );
    let expected = [
        "struct Renamed { .. }",
        "impl Iterator for Renamed { type Item = u8 }",
        "field Renamed::a: u8",
        "fn Renamed::get<'a>(&'a self) -> &'a u8",
        "mod outer",
        "use std::fmt::Debug as outer::Debug",
        "use Renamed as outer::Seen",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn conditions_of_modules_exports_and_members_add_up() {
    let lines = list(
        r#"
        #[cfg(feature = "a")]
        mod inner {
            #[must_use]
            #[derive(Clone, Debug)]
            pub struct T<X>(X);
            #[cfg(unix)]
            impl<X: Copy> T<X> {
                #[cfg(feature = "c")]
                #[must_use]
                pub const fn get(self) -> X { self.0 }
            }
        }
        #[cfg(feature = "b")]
        pub use inner::T;
        "#,
    );
    let expected = [
        "#[must_use] struct T<X>(_) [a, b]",
        "derive Clone for T<X> [a, b]",
        "derive Debug for T<X> [a, b]",
        "#[must_use] const fn T::get(self) -> X (impl<X: Copy> T<X>) [a, b, c, unix]",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn traits_are_listed_with_members_and_impls_unless_they_are_private() {
    let lines = list(
        r#"
        trait Sealed {}
        pub trait Open: Send {
            type Out: Clone;
            const N: usize = 1;
            fn needed(&self) -> Self::Out;
            fn given(&self) {}
            #[doc(hidden)]
            fn hidden(&self) {}
        }
        pub enum E { A(u8), #[non_exhaustive] B { x: u8 } }
        impl Sealed for E {}
        impl<T: Copy + Send> Open for Vec<T> { type Out = T; fn needed(&self) -> T { self[0] } }
        fn body() {
            struct Local;
            impl Drop for Local { fn drop(&mut self) {} }
            impl Default for E { fn default() -> Self { Self::A(0) } }
        }
        "#,
    );
    let expected = [
        "enum E",
        "impl Default for E",
        "variant E::A(u8)",
        "#[non_exhaustive] variant E::B { x: u8 }",
        "trait Open: Send",
        "const Open::N: usize = ..",
        "type Open::Out: Clone",
        "fn Open::given(&self) = ..",
        "fn Open::needed(&self) -> Self::Out",
        "impl<T: Copy + Send> Open for Vec<T> { type Out = T }",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn globs_inside_the_crate_are_followed() {
    let lines =
        list("mod a { pub use self::b::*; pub(super) mod b { pub fn f() {} } } pub use a::f;");
    assert_eq!(lines, ["fn f()"]);
}

#[test]
fn types_that_others_may_exhaust_are_found_and_those_without_debug() {
    let list = List::of(&Tree::of(
        "#[derive(Debug)] pub enum Closed { A } #[non_exhaustive] pub enum Open { A }
         pub struct Pair { pub a: u8, pub b: u8 } pub struct Half { pub a: u8, b: u8 } pub struct Unit;
         impl std::fmt::Debug for Pair { fn fmt(&self) {} }",
    ));
    let names = |set: &std::collections::BTreeSet<String>| {
        set.iter().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&list.exhaustive), "Closed Pair");
    assert_eq!(names(&list.types), "Closed Half Open Pair Unit");
    assert_eq!(names(&list.with_debug), "Closed Pair");
}

/// Nothing that may be public is passed over in silence.
#[test]
fn what_is_not_understood_fails() {
    for source in [
        "pub use elsewhere::Thing;",
        "pub use std::fmt::*;",
        "mod a {} pub use a::Missing;",
        "impl Unknown { pub fn f() {} }",
        "pub struct S; impl Unknown for S {}",
        "#[derive(Unknown)] pub struct S;",
        "pub struct S; impl S { some_macro!(); }",
        "pub union U { a: u8 }",
        "pub extern \"C\" fn f() {}",
        "#[cfg_attr(unix, derive(Debug))] pub struct S;",
        "pub struct S; type T = S; impl T { pub fn f() {} }",
        "include!(concat!(\"a\", \"b\"));",
    ] {
        let made = std::panic::catch_unwind(|| list(source));
        assert!(made.is_err(), "{source}: {made:?}");
    }
    // A macro may make anything, so its text is listed.
    assert_eq!(list("make! { A B }"), ["make! { A B }"]);
}
