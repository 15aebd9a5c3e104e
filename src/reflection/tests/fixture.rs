//! A shop's files, and how a test asks for them.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use protox::prost_reflect::DescriptorPool;
use protox::{Compiler, Error};

use super::super::descriptor::FileDescriptorSet;
use super::super::{Index, answer::Session};
use crate::proto::reflection::v1::server_reflection_request::MessageRequest;
use crate::proto::reflection::v1::server_reflection_response::MessageResponse;
use crate::proto::reflection::v1::{
    ExtensionRequest, ServerReflectionRequest, ServerReflectionResponse,
};

/// A shop's files: `item` is imported by all others, `shop` imports all others.
pub(super) const SHOP: &[(&str, &str)] = &[
    (
        "shop/item.proto",
        r#"
        syntax = "proto2";
        package shop;
        // What is sold.
        message Item {
          optional string name = 1;
          oneof price { int32 cents = 2; bool free = 3; }
          message Part {
            enum Size { SMALL = 0; LARGE = 1; }
            optional Size size = 1;
            map<string, int32> stock = 2;
          }
          repeated Part parts = 4;
          optional group Origin = 5 { optional string country = 1; }
          extensions 100 to 199;
        }
        enum Colour { RED = 0; BLUE = 1; }
        "#,
    ),
    (
        "shop/extra.proto",
        r#"
        syntax = "proto2";
        package shop.extra;
        import "shop/item.proto";
        extend Item { optional int32 weight = 150; }
        message Box {
          extend Item { optional Box inside = 102; }
          extensions 1 to 10;
        }
        "#,
    ),
    (
        "shop/options.proto",
        r#"
        syntax = "proto3";
        package shop;
        import "google/protobuf/descriptor.proto";
        extend google.protobuf.MethodOptions { string shelf = 50000; }
        "#,
    ),
    (
        "shop/shop.proto",
        r#"
        syntax = "proto3";
        package shop;
        import "shop/extra.proto";
        import "shop/item.proto";
        import "shop/options.proto";
        service Shop {
          rpc Find(Item) returns (stream Item) { option (shop.shelf) = "third from the left"; }
        }
        service Closed { rpc Find(Item) returns (Item); }
        message Empty { optional int32 maybe = 1; }
        "#,
    ),
    (
        "bare.proto",
        r#"
        syntax = "proto3";
        message Bare { int32 number = 1; }
        service Naked { rpc Get(Bare) returns (Bare); }
        "#,
    ),
];

struct Sources(HashMap<String, String>);

impl FileResolver for Sources {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        match self.0.get(name) {
            Some(text) => File::from_source(name, text),
            None => Err(Error::file_not_found(name)),
        }
    }
}

/// Compiles `sources`; the set holds these files and what they import.
pub(super) fn compile(sources: &[(&str, &str)]) -> Compiler {
    let texts = sources
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let mut resolver = ChainFileResolver::new();
    resolver.add(Sources(texts.collect()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    compiler
        .open_files(sources.iter().map(|(name, _)| name))
        .unwrap();
    compiler
}

pub(super) fn set(sources: &[(&str, &str)]) -> Vec<u8> {
    compile(sources).encode_file_descriptor_set()
}

pub(super) fn shop() -> Session {
    let index = Index::builder().descriptors(set(SHOP)).build().unwrap();
    Session::new(Arc::new(index))
}

pub(super) fn own() -> Session {
    Session::new(Arc::new(Index::builder().build().unwrap()))
}

pub(super) fn file(name: &str) -> MessageRequest {
    MessageRequest::FileByFilename(name.to_owned())
}

pub(super) fn symbol(name: &str) -> MessageRequest {
    MessageRequest::FileContainingSymbol(name.to_owned())
}

pub(super) fn extension(message: &str, number: i32) -> MessageRequest {
    MessageRequest::FileContainingExtension(ExtensionRequest {
        containing_type: message.to_owned(),
        extension_number: number,
    })
}

pub(super) fn numbers(message: &str) -> MessageRequest {
    MessageRequest::AllExtensionNumbersOfType(message.to_owned())
}

pub(super) fn list() -> MessageRequest {
    MessageRequest::ListServices(String::new())
}

impl Session {
    /// The answer to `question`, whose envelope and echo are checked.
    pub(super) fn ask(&mut self, question: MessageRequest) -> MessageResponse {
        let request = ServerReflectionRequest {
            host: "shop.example".to_owned(),
            message_request: Some(question),
        };
        let envelope = self.answer(&request.encode_to_vec()).unwrap();
        let response = open(&envelope);
        assert_eq!(response.valid_host, "shop.example");
        assert_eq!(response.original_request, Some(request));
        response.message_response.unwrap()
    }

    /// The encoded files that `question` is answered with.
    pub(super) fn files(&mut self, question: MessageRequest) -> Vec<Bytes> {
        match self.ask(question) {
            MessageResponse::FileDescriptorResponse(files) => files.file_descriptor_proto,
            other => panic!("{other:?}"),
        }
    }

    /// The names of these files.
    pub(super) fn names(&mut self, question: MessageRequest) -> Vec<String> {
        let files = self.files(question);
        files
            .iter()
            .map(|file| {
                File::decode_file_descriptor_proto(&file[..])
                    .unwrap()
                    .name()
                    .to_owned()
            })
            .collect()
    }

    /// The code and message of the error that `question` is answered with.
    pub(super) fn error(&mut self, question: MessageRequest) -> (i32, String) {
        match self.ask(question) {
            MessageResponse::ErrorResponse(error) => (error.error_code, error.error_message),
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn open(envelope: &[u8]) -> ServerReflectionResponse {
    let (prefix, message) = envelope.split_at(5);
    let len = u32::try_from(message.len()).unwrap();
    assert_eq!(prefix, [&[0][..], &len.to_be_bytes()].concat());
    ServerReflectionResponse::decode(message).unwrap()
}

/// What a client makes of these files; it fails unless they are complete.
pub(super) fn pool(files: &[Bytes]) -> DescriptorPool {
    let file = files.to_vec();
    DescriptorPool::decode(&*FileDescriptorSet { file }.encode_to_vec()).unwrap()
}
