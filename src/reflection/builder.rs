//! Builds an index from encoded descriptor sets.

use std::collections::hash_map::Entry;

use bytes::Bytes;
use prost::Message;

use super::DescriptorError;
use super::descriptor::{FileDescriptorProto, FileDescriptorSet, Kind, same_but_for_comments};
use super::index::{File, FileId, Index};
use crate::proto::FILE_DESCRIPTOR_SET;

/// Builds an [`Index`] from encoded descriptor sets; from [`Index::builder`].
///
/// The index always has the crate's own files: those of `grpc.health.v1` and of both versions of `grpc.reflection`. A given file replaces
/// one of them if it has the same name or defines the same things.
#[derive(Debug, Default, Clone)]
#[must_use]
pub struct Builder {
    sets: Vec<Bytes>,
    services: Option<Vec<String>>,
}

impl Builder {
    /// Adds the files of `set`, an encoded `google.protobuf.FileDescriptorSet`: the output of `protoc --descriptor_set_out
    /// --include_imports`, or of prost-build's `file_descriptor_set_path`.
    ///
    /// The same file may be added more than once. Clients are shown the comments of the files if the set has them
    /// (`--include_source_info`).
    pub fn descriptors(mut self, set: impl AsRef<[u8]>) -> Self {
        self.sets.push(Bytes::copy_from_slice(set.as_ref()));
        self
    }

    /// Sets the fully qualified names of the services that are listed to clients. Default: all services that the files define. Clients can
    /// ask for everything that the files define, whether or not it is listed.
    pub fn services<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.services = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Builds the index.
    ///
    /// # Errors
    ///
    /// [`DescriptorError`] if a set cannot be decoded, lacks a file that another file imports, or defines something twice.
    pub fn build(self) -> Result<Index, DescriptorError> {
        let mut loader = Loader {
            index: Index::empty(),
            imports: Vec::new(),
        };
        for set in self.sets {
            for (encoded, file) in decode(set)? {
                loader.add(encoded, file)?;
            }
        }
        for (encoded, file) in decode(Bytes::from_static(FILE_DESCRIPTOR_SET))? {
            if !loader.overrides(&file) {
                loader.add(encoded, file)?;
            }
        }
        loader.finish(self.services)
    }
}

impl Index {
    /// Begins an index that has only the crate's own files.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

fn decode(set: Bytes) -> Result<Vec<(Bytes, FileDescriptorProto)>, DescriptorError> {
    let set = FileDescriptorSet::decode(set).map_err(DescriptorError::Malformed)?;
    set.file
        .into_iter()
        .map(|encoded| match FileDescriptorProto::decode(&*encoded) {
            Ok(file) => Ok((encoded, file)),
            Err(error) => Err(DescriptorError::Malformed(error)),
        })
        .collect()
}

struct Loader {
    index: Index,
    /// The names that each file imports. They become file numbers when all files are there.
    imports: Vec<Vec<String>>,
}

impl Loader {
    fn overrides(&self, file: &FileDescriptorProto) -> bool {
        let defined = |(name, _): &(String, Kind)| self.index.symbols.contains_key(name);
        self.index.by_name.contains_key(&file.name)
            || file.definitions().symbols.iter().any(defined)
    }

    fn add(&mut self, encoded: Bytes, file: FileDescriptorProto) -> Result<(), DescriptorError> {
        let Index {
            files,
            by_name,
            symbols,
            extensions,
            ..
        } = &mut self.index;
        if let Some(first) = by_name.get(&file.name).and_then(|id| files.get(*id)) {
            return if same_but_for_comments(&first.encoded, &encoded) {
                Ok(())
            } else {
                Err(DescriptorError::DuplicateFile { file: file.name })
            };
        }
        let defined = file.definitions();
        let id = files.len();
        by_name.insert(file.name.clone(), id);
        files.push(File {
            name: file.name,
            encoded,
            imports: Vec::new(),
        });
        self.imports.push(file.dependency);
        for (symbol, kind) in defined.symbols {
            match symbols.entry(symbol) {
                Entry::Vacant(free) => free.insert((id, kind)),
                Entry::Occupied(taken) => {
                    return Err(DescriptorError::DuplicateSymbol {
                        symbol: taken.key().clone(),
                        files: names(files, [taken.get().0, id]),
                    });
                }
            };
        }
        for (message, number) in defined.extensions {
            let numbers = extensions.entry(message.clone()).or_default();
            if let Some(first) = numbers.insert(number, id) {
                return Err(DescriptorError::DuplicateExtension {
                    message,
                    number,
                    files: names(files, [first, id]),
                });
            }
        }
        Ok(())
    }

    fn finish(self, services: Option<Vec<String>>) -> Result<Index, DescriptorError> {
        let Self { mut index, imports } = self;
        for (file, imports) in index.files.iter_mut().zip(imports) {
            for import in imports {
                match index.by_name.get(&import) {
                    Some(id) => file.imports.push(*id),
                    None => {
                        return Err(DescriptorError::MissingImport {
                            file: file.name.clone(),
                            import,
                        });
                    }
                }
            }
        }
        index.services = services.unwrap_or_else(|| {
            let defined = index.symbols.iter();
            let services = defined.filter(|(_, (_, kind))| *kind == Kind::Service);
            services.map(|(name, _)| name.clone()).collect()
        });
        index.services.sort_unstable();
        index.services.dedup();
        Ok(index)
    }
}

fn names(files: &[File], ids: [FileId; 2]) -> [String; 2] {
    ids.map(|id| {
        let file = files.get(id);
        file.map(|file| file.name.clone()).unwrap_or_default()
    })
}
