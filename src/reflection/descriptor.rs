//! The part of `google/protobuf/descriptor.proto` that is needed to find a name.
//!
//! The rest of a file stays in the file's bytes, which clients are answered with. So a custom option, or a field that protobuf added later,
//! arrives as it was compiled.

use bytes::Bytes;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileDescriptorSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) file: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileDescriptorProto {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) dependency: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    message_type: Vec<DescriptorProto>,
    #[prost(message, repeated, tag = "5")]
    enum_type: Vec<EnumDescriptorProto>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<ServiceDescriptorProto>,
    #[prost(message, repeated, tag = "7")]
    extension: Vec<FieldDescriptorProto>,
}

#[derive(Clone, PartialEq, Message)]
struct DescriptorProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    field: Vec<FieldDescriptorProto>,
    #[prost(message, repeated, tag = "3")]
    nested_type: Vec<Self>,
    #[prost(message, repeated, tag = "4")]
    enum_type: Vec<EnumDescriptorProto>,
    #[prost(message, repeated, tag = "6")]
    extension: Vec<FieldDescriptorProto>,
    #[prost(message, repeated, tag = "8")]
    oneof_decl: Vec<Named>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldDescriptorProto {
    #[prost(string, tag = "1")]
    name: String,
    /// The message that an extension extends, with a leading dot; empty for an ordinary field.
    #[prost(string, tag = "2")]
    extendee: String,
    #[prost(int32, tag = "3")]
    number: i32,
}

#[derive(Clone, PartialEq, Message)]
struct EnumDescriptorProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    value: Vec<Named>,
}

#[derive(Clone, PartialEq, Message)]
struct ServiceDescriptorProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<Named>,
}

/// A oneof, an enum value or a method: a thing of which only the name matters.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

/// The kind of thing that a name stands for, as far as the answers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Service,
    Other,
}

/// The definitions in a file.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    /// Fully qualified names, without a leading dot.
    pub(super) symbols: Vec<(String, Kind)>,
    /// The fully qualified name of each extended message, without a leading dot, and the extension's number.
    pub(super) extensions: Vec<(String, i32)>,
}

impl FileDescriptorProto {
    pub(super) fn definitions(&self) -> Definitions {
        let scope = &self.package;
        let mut found = Definitions::default();
        found.messages(scope, &self.message_type);
        found.enums(scope, &self.enum_type);
        found.extensions(scope, &self.extension);
        for service in &self.service {
            let name = found.add(scope, &service.name, Kind::Service);
            found.names(&name, &service.method);
        }
        found
    }
}

impl Definitions {
    fn add(&mut self, scope: &str, name: &str, kind: Kind) -> String {
        let full = if scope.is_empty() {
            name.to_owned()
        } else {
            format!("{scope}.{name}")
        };
        self.symbols.push((full.clone(), kind));
        full
    }

    fn names(&mut self, scope: &str, all: &[Named]) {
        for named in all {
            self.add(scope, &named.name, Kind::Other);
        }
    }

    /// Adds messages and their nested messages. prost bounds the nesting depth to a hundred when it decodes.
    fn messages(&mut self, scope: &str, messages: &[DescriptorProto]) {
        for message in messages {
            let name = self.add(scope, &message.name, Kind::Message);
            for field in &message.field {
                self.add(&name, &field.name, Kind::Other);
            }
            self.names(&name, &message.oneof_decl);
            self.messages(&name, &message.nested_type);
            self.enums(&name, &message.enum_type);
            self.extensions(&name, &message.extension);
        }
    }

    /// Adds enums and their values. An enum's values are in the scope of the enum, not inside the enum.
    fn enums(&mut self, scope: &str, enums: &[EnumDescriptorProto]) {
        for each in enums {
            self.add(scope, &each.name, Kind::Other);
            self.names(scope, &each.value);
        }
    }

    fn extensions(&mut self, scope: &str, extensions: &[FieldDescriptorProto]) {
        for extension in extensions {
            self.add(scope, &extension.name, Kind::Other);
            let extended = extension.extendee.trim_start_matches('.').to_owned();
            self.extensions.push((extended, extension.number));
        }
    }
}

/// Whether two encoded files differ at most in their comments, which compilers keep or drop as they are told.
pub(super) fn same_but_for_comments(a: &[u8], b: &[u8]) -> bool {
    a == b || matches!((Content::decode(a), Content::decode(b)), (Ok(a), Ok(b)) if a == b)
}

/// All of a `FileDescriptorProto` except `source_code_info` (9), with its members left encoded.
#[derive(Clone, PartialEq, Message)]
struct Content {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    package: Option<String>,
    #[prost(string, repeated, tag = "3")]
    dependency: Vec<String>,
    #[prost(bytes, repeated, tag = "4")]
    message_type: Vec<Vec<u8>>,
    #[prost(bytes, repeated, tag = "5")]
    enum_type: Vec<Vec<u8>>,
    #[prost(bytes, repeated, tag = "6")]
    service: Vec<Vec<u8>>,
    #[prost(bytes, repeated, tag = "7")]
    extension: Vec<Vec<u8>>,
    #[prost(bytes, optional, tag = "8")]
    options: Option<Vec<u8>>,
    #[prost(int32, repeated, packed = "false", tag = "10")]
    public_dependency: Vec<i32>,
    #[prost(int32, repeated, packed = "false", tag = "11")]
    weak_dependency: Vec<i32>,
    #[prost(string, optional, tag = "12")]
    syntax: Option<String>,
    #[prost(int32, optional, tag = "14")]
    edition: Option<i32>,
    #[prost(string, repeated, tag = "15")]
    option_dependency: Vec<String>,
}
