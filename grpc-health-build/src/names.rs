//! The names of services and methods in the generated code.

use std::collections::HashSet;

/// The names in a scope, so that no name is used twice.
#[derive(Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// The modules that prost-build has written into a package's file.
    pub(crate) fn of_modules(source: &str) -> Self {
        let module =
            |line: &str| Some(line.strip_prefix("pub mod ")?.split(' ').next()?.to_owned());
        Self(source.lines().filter_map(module).collect())
    }

    /// Takes `name`, with as many underscores at the end as make the name unique.
    pub(crate) fn take(&mut self, mut name: String) -> String {
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

/// Returns `name`, or `unnamed` if `name` is empty: prost-build drops underscores, and so makes an empty name of nothing but underscores.
pub(crate) fn or_unnamed(name: &str, unnamed: &str) -> String {
    if name.is_empty() { unnamed } else { name }.to_owned()
}

/// The module of a service that prost-build calls `name`: `greeter_server` for `Greeter`.
pub(crate) fn module(name: &str) -> String {
    let mut snake = String::new();
    // prost-build writes `Self_`, since `Self` is a keyword.
    for c in name.trim_end_matches('_').chars() {
        if c.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake + "_server"
}
