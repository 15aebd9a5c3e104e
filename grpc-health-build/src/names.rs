//! What services and methods are called in the generated code.

use std::collections::HashSet;

/// The names that a scope has, so that none is given twice.
#[derive(Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// The modules that prost-build has written into the file of a package.
    pub(crate) fn of_modules(source: &str) -> Self {
        let module =
            |line: &str| Some(line.strip_prefix("pub mod ")?.split(' ').next()?.to_owned());
        Self(source.lines().filter_map(module).collect())
    }

    /// `name`, with as many underscores behind it as make it a new one.
    pub(crate) fn take(&mut self, mut name: String) -> String {
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

/// A name that prost-build made. Of nothing but underscores, which it drops, it makes nothing.
pub(crate) fn or_unnamed(name: &str, unnamed: &str) -> String {
    if name.is_empty() { unnamed } else { name }.to_owned()
}

/// The module of the service that prost-build calls `name`: `greeter_server` of `Greeter`.
pub(crate) fn module(name: &str) -> String {
    let mut snake = String::new();
    // `Self_`, since `Self` cannot be had.
    for c in name.trim_end_matches('_').chars() {
        if c.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake + "_server"
}
