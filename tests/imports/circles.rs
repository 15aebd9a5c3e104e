//! Files that import each other, directly or through others.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::{File, is_test_file, module};
use crate::source::{Path, paths, tokens, without_tests};

/// A source file as the search for circles sees it.
struct Source<'a> {
    path: &'a str,
    module: Vec<String>,
    paths: Vec<Path>,
    /// The modules that the file declares.
    children: BTreeSet<String>,
}

/// The modules whose files are `crate`'s root: the library, or a command.
fn root(module: &[String]) -> usize {
    if module.first().is_some_and(|first| first == "bin") {
        2
    } else {
        0
    }
}

impl Source<'_> {
    /// The path from the root of all sources that `path` means, if it leads out of the file's own items.
    fn absolute(&self, path: &Path) -> Option<Vec<String>> {
        let mut here = self.module.clone();
        here.extend(path.inside.iter().cloned());
        let mut segments = path.segments.as_slice();
        match segments.first()?.as_str() {
            "crate" => {
                here.truncate(root(&self.module));
                segments = &segments[1..];
            }
            "self" => segments = &segments[1..],
            "super" => {
                let supers = segments.iter().take_while(|segment| *segment == "super");
                let supers = supers.count();
                here.truncate(here.len().saturating_sub(supers));
                segments = &segments[supers..];
            }
            first if self.children.contains(first) && segments.len() > 1 => {}
            _ => return None,
        }
        // A module alone, as in `pub(crate)`, is nothing that is imported.
        if segments.is_empty() {
            return None;
        }
        here.extend(segments.iter().cloned());
        Some(here)
    }
}

/// The file that defines what `path` names: re-exports are followed to where the item is.
fn defined_in(
    path: &[String],
    all: &BTreeMap<Vec<String>, usize>,
    sources: &[Source<'_>],
) -> Option<usize> {
    let mut path = path.to_vec();
    // No chain of re-exports is longer.
    for _ in 0..8 {
        let (len, at) = (0..=path.len())
            .rev()
            .find_map(|len| Some((len, *all.get(&path[..len])?)))?;
        let source = &sources[at];
        let item = path.get(len)?;
        let exported = source.paths.iter().filter(|written| written.exported);
        let behind = exported
            .filter(|written| written.segments.last() == Some(item))
            .find_map(|written| {
                source.absolute(written).or_else(|| {
                    let mut here = source.module.clone();
                    here.extend(written.segments.iter().cloned());
                    (written.segments.len() > 1).then_some(here)
                })
            });
        match behind {
            Some(behind) if behind != path => path = behind,
            _ => return Some(at),
        }
    }
    None
}

/// Every circle of `files`, one line each: the files in it, in order of name.
pub(crate) fn circles(files: &[File]) -> Vec<String> {
    let split: Vec<_> = files
        .iter()
        .map(|file| (file, without_tests(&tokens(&file.text))))
        .collect();
    let tests: Vec<Vec<String>> = split
        .iter()
        .flat_map(|(file, split)| {
            split.test_modules.iter().map(|name| {
                let mut test = module(&file.path);
                test.push(name.clone());
                test
            })
        })
        .collect();
    let sources: Vec<Source<'_>> = split
        .iter()
        .filter(|(file, _)| !is_test_file(&file.path, &tests))
        .map(|(file, split)| {
            let words: Vec<&str> = split.code.iter().map(|token| token.text.as_str()).collect();
            let declared = words
                .windows(3)
                .filter(|words| words[0] == "mod" && words[2] == ";");
            let mut module = module(&file.path);
            if module.last().is_some_and(|last| last == "main") {
                module.pop();
            }
            Source {
                path: &file.path,
                module,
                paths: paths(&split.code),
                children: declared.map(|words| words[1].to_owned()).collect(),
            }
        })
        .collect();
    let all: BTreeMap<Vec<String>, usize> = sources
        .iter()
        .enumerate()
        .map(|(at, source)| (source.module.clone(), at))
        .collect();

    let mut reached = vec![BTreeSet::new(); sources.len()];
    for (from, source) in sources.iter().enumerate() {
        for written in source.paths.iter().filter(|written| !written.exported) {
            let target = source.absolute(written);
            let Some(to) = target.and_then(|target| defined_in(&target, &all, &sources)) else {
                continue;
            };
            if to != from {
                reached[from].insert(to);
            }
        }
    }
    for via in 0..sources.len() {
        let beyond = reached[via].clone();
        for from in &mut reached {
            if from.contains(&via) {
                from.extend(&beyond);
            }
        }
    }
    let circle_of = |(at, from): (usize, &BTreeSet<usize>)| {
        let circle = from.iter().filter(|&&to| reached[to].contains(&at));
        let names: Vec<_> = circle
            .map(|&to| format!("src/{}", sources[to].path))
            .collect();
        (!names.is_empty()).then(|| format!("import each other: {}", names.join(", ")))
    };
    let found: BTreeSet<String> = reached.iter().enumerate().filter_map(circle_of).collect();
    found.into_iter().collect()
}
