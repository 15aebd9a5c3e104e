//! The index: which file defines a name.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use bytes::Bytes;

use super::descriptor::Kind;

/// A file's position in [`Index::files`].
pub(super) type FileId = usize;

/// The definitions in a set of `.proto` files, indexed by name for [`Reflection`](super::Reflection).
///
/// An index is built once, by [`Index::builder`], and never changes.
#[derive(Debug)]
pub struct Index {
    pub(super) files: Vec<File>,
    pub(super) by_name: HashMap<String, FileId>,
    pub(super) symbols: HashMap<String, (FileId, Kind)>,
    /// The files of extensions, by the extended message and then by the extension's number.
    pub(super) extensions: HashMap<String, BTreeMap<i32, FileId>>,
    pub(super) services: Vec<String>,
}

#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) encoded: Bytes,
    pub(super) imports: Vec<FileId>,
}

impl Index {
    pub(super) fn empty() -> Self {
        Self {
            files: Vec::new(),
            by_name: HashMap::new(),
            symbols: HashMap::new(),
            extensions: HashMap::new(),
            services: Vec::new(),
        }
    }

    /// The fully qualified names of the services that are listed to clients, sorted.
    #[must_use]
    pub fn services(&self) -> &[String] {
        &self.services
    }

    pub(super) fn file(&self, name: &str) -> Option<FileId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn symbol(&self, name: &str) -> Option<FileId> {
        self.symbols.get(name).map(|(file, _)| *file)
    }

    pub(super) fn extension(&self, message: &str, number: i32) -> Option<FileId> {
        self.extensions.get(message)?.get(&number).copied()
    }

    /// The numbers of a message's extensions in ascending order; `None` if there is no such message.
    pub(super) fn extension_numbers(&self, message: &str) -> Option<Vec<i32>> {
        if let Some(extensions) = self.extensions.get(message) {
            return Some(extensions.keys().copied().collect());
        }
        match self.symbols.get(message)? {
            (_, Kind::Message) => Some(Vec::new()),
            _ => None,
        }
    }

    /// The encoded file, followed by the files that it imports, directly or not, except those in `sent`. All of these files are added to
    /// `sent`.
    ///
    /// A file is always sent with its imports. So `sent` has the imports of every file in it, and the walk may stop at a file that is in
    /// `sent`.
    pub(super) fn with_imports(&self, file: FileId, sent: &mut HashSet<FileId>) -> Vec<Bytes> {
        let mut found = Vec::new();
        let mut queue = VecDeque::from([file]);
        sent.insert(file);
        while let Some(next) = queue.pop_front() {
            let Some(file) = self.files.get(next) else {
                continue;
            };
            found.push(file.encoded.clone());
            queue.extend(file.imports.iter().filter(|import| sent.insert(**import)));
        }
        found
    }
}
