//! The errors of building an index.

use std::error::Error;
use std::fmt;

use prost::DecodeError;

/// The reason why an [`Index`](super::Index) could not be built from the given descriptors.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DescriptorError {
    /// A descriptor set, or a file in one, is not the protobuf message that it should be.
    Malformed(DecodeError),
    /// A file imports a file that is in none of the sets.
    MissingImport {
        /// The file that imports.
        file: String,
        /// The name of the missing file.
        import: String,
    },
    /// Two files of the same name differ in more than their comments.
    DuplicateFile {
        /// The name of the two files.
        file: String,
    },
    /// Two definitions have the same fully qualified name.
    DuplicateSymbol {
        /// The fully qualified name.
        symbol: String,
        /// The files of the definitions, in the order in which they were read.
        files: [String; 2],
    },
    /// Two extensions of one message have the same number.
    DuplicateExtension {
        /// The extended message.
        message: String,
        /// The number of both extensions.
        number: i32,
        /// The files of the extensions, in the order in which they were read.
        files: [String; 2],
    },
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(_) => write!(f, "the descriptor set is not a FileDescriptorSet"),
            Self::MissingImport { file, import } => {
                write!(
                    f,
                    "{file} imports {import}, which is in none of the descriptor sets"
                )
            }
            Self::DuplicateFile { file } => {
                write!(f, "the descriptor sets hold different files named {file}")
            }
            Self::DuplicateSymbol {
                symbol,
                files: [a, b],
            } => write!(f, "{symbol} is defined in {a} and in {b}"),
            Self::DuplicateExtension {
                message,
                number,
                files: [a, b],
            } => write!(f, "{a} and {b} both extend {message} with number {number}"),
        }
    }
}

impl Error for DescriptorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            _ => None,
        }
    }
}
