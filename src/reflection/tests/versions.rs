//! One implementation serves both versions, because their messages are the same on the wire.

use prost::Message;
use protox::prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};

use super::fixture::*;
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::reflection::v1alpha;

/// The descriptor of one version, without comments.
fn version(version: &str) -> FileDescriptorProto {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let name = format!("grpc/reflection/{version}/reflection.proto");
    let file = set.file.into_iter().find(|file| file.name() == name);
    FileDescriptorProto {
        source_code_info: None,
        ..file.unwrap()
    }
}

#[test]
fn the_versions_differ_in_the_packages_name_alone() {
    let (v1, mut v1alpha) = (version("v1"), version("v1alpha"));
    assert_eq!(v1.message_type.len(), 8);
    let rename = |name: &mut Option<String>| {
        if let Some(name) = name {
            *name = name.replace("v1alpha", "v1");
        }
    };
    rename(&mut v1alpha.name);
    rename(&mut v1alpha.package);
    for message in &mut v1alpha.message_type {
        message
            .field
            .iter_mut()
            .for_each(|field| rename(&mut field.type_name));
    }
    for service in &mut v1alpha.service {
        for method in &mut service.method {
            rename(&mut method.input_type);
            rename(&mut method.output_type);
        }
    }
    assert_eq!(v1, v1alpha);
}

#[test]
fn a_client_of_the_older_version_is_understood_and_understands() {
    use v1alpha::server_reflection_request::MessageRequest as Question;
    use v1alpha::server_reflection_response::MessageResponse as Answer;

    let mut session = shop();
    let mut ask = |question: Question| {
        let request = v1alpha::ServerReflectionRequest {
            host: "host".to_owned(),
            message_request: Some(question),
        };
        let envelope = session.answer(&request.encode_to_vec()).unwrap();
        let response = v1alpha::ServerReflectionResponse::decode(&envelope[5..]).unwrap();
        assert_eq!(response.valid_host, "host");
        assert_eq!(response.original_request, Some(request));
        response.message_response.unwrap()
    };

    let item = |answer| match answer {
        Answer::FileDescriptorResponse(files) => {
            assert!(
                pool(&files.file_descriptor_proto[..1])
                    .get_message_by_name("shop.Item")
                    .is_some()
            );
        }
        other => panic!("{other:?}"),
    };
    item(ask(Question::FileByFilename("shop/item.proto".to_owned())));
    item(ask(Question::FileContainingSymbol("shop.Item".to_owned())));
    let extension = v1alpha::ExtensionRequest {
        containing_type: "shop.Item".to_owned(),
        extension_number: 150,
    };
    match ask(Question::FileContainingExtension(extension)) {
        Answer::FileDescriptorResponse(files) => assert_eq!(files.file_descriptor_proto.len(), 1),
        other => panic!("{other:?}"),
    }
    match ask(Question::AllExtensionNumbersOfType("shop.Item".to_owned())) {
        Answer::AllExtensionNumbersResponse(found) => {
            assert_eq!(found.base_type_name, "shop.Item");
            assert_eq!(found.extension_number, [102, 150]);
        }
        other => panic!("{other:?}"),
    }
    match ask(Question::ListServices(String::new())) {
        Answer::ListServicesResponse(found) => assert_eq!(found.service.len(), 6),
        other => panic!("{other:?}"),
    }
    match ask(Question::FileContainingSymbol("shop.Nothing".to_owned())) {
        Answer::ErrorResponse(error) => {
            assert_eq!(
                (error.error_code, &*error.error_message),
                (5, "no such symbol")
            );
        }
        other => panic!("{other:?}"),
    }
}
