//! Why descriptors were not taken.

use std::error::Error;
use std::fmt;

use prost::DecodeError;

/// What is wrong with the descriptors that an [`Index`](super::Index) was to be built from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DescriptorError {
    /// A set, or a file in one, is not the protobuf message that it should be.
    Malformed(DecodeError),
    /// A file imports one that is in none of the sets.
    MissingImport {
        /// The file that imports.
        file: String,
        /// The name that it imports.
        import: String,
    },
    /// Two files of the same name differ in more than their comments.
    DuplicateFile {
        /// Their name.
        file: String,
    },
    /// Two definitions have the same fully qualified name.
    DuplicateSymbol {
        /// The name.
        symbol: String,
        /// The files of the definitions, in the order in which they were read.
        files: [String; 2],
    },
    /// Two extensions of a message have the same number.
    DuplicateExtension {
        /// The message extended.
        message: String,
        /// The number.
        number: i32,
        /// The files of the extensions, in the order in which they were read.
        files: [String; 2],
    },
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(_) => write!(f, "not a FileDescriptorSet"),
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
