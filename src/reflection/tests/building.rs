//! Which sets make an index, and which do not.

use std::error::Error as _;
use std::sync::Arc;

use proptest::prelude::*;
use prost::Message;
use protox::file::File;
use protox::prost_reflect::prost_types::FileDescriptorSet;

use super::super::{DescriptorError, Index, answer::Session};
use super::fixture::*;

const ITEM: (&str, &str) = SHOP[0];

fn refused(sets: &[Vec<u8>]) -> DescriptorError {
    build(sets).unwrap_err()
}

fn build(sets: &[Vec<u8>]) -> Result<Index, DescriptorError> {
    sets.iter()
        .fold(Index::builder(), |builder, set| builder.descriptors(set))
        .build()
}

/// A set of one file, which imports are left out of.
fn alone(name: &str) -> Vec<u8> {
    let files = compile(SHOP).file_descriptor_set().file;
    let file = files
        .into_iter()
        .filter(|file| file.name() == name)
        .collect();
    FileDescriptorSet { file }.encode_to_vec()
}

#[test]
fn sets_may_overlap_and_complete_each_other() {
    let parts = [alone("shop/extra.proto"), set(&[ITEM]), set(&[ITEM])];
    let index = build(&parts).unwrap();
    let mut session = Session::new(Arc::new(index));
    assert_eq!(
        session.names(symbol("shop.extra.Box")),
        ["shop/extra.proto", "shop/item.proto"]
    );
}

#[test]
fn an_import_may_be_one_of_the_crates_own_files() {
    let user = set(&[
        (
            "user.proto",
            "syntax = 'proto3'; import 'grpc/health/v1/health.proto'; message M { grpc.health.v1.HealthCheckRequest r = 1; }",
        ),
        (
            "grpc/health/v1/health.proto",
            include_str!("../../../proto/grpc/health/v1/health.proto"),
        ),
    ]);
    let mut files = FileDescriptorSet::decode(&*user).unwrap();
    files.file.retain(|file| file.name() == "user.proto");
    let mut session = Session::new(Arc::new(build(&[files.encode_to_vec()]).unwrap()));
    let answer = session.files(symbol("M"));
    assert!(
        pool(&answer)
            .get_message_by_name("grpc.health.v1.HealthCheckResponse")
            .is_some()
    );
}

#[test]
fn an_import_that_is_nowhere() {
    let error = refused(&[alone("shop/extra.proto")]);
    let expected = DescriptorError::MissingImport {
        file: "shop/extra.proto".to_owned(),
        import: "shop/item.proto".to_owned(),
    };
    assert_eq!(error, expected);
    let text = "shop/extra.proto imports shop/item.proto, which is in none of the descriptor sets";
    assert_eq!(error.to_string(), text);
}

#[test]
fn bytes_that_are_no_set() {
    for bytes in [
        &b"\xff"[..],
        b"\x0a\x05abc",
        b"\x0a\x01\xff",
        b"\x0a\x04\x0a\x02\xff\xfe",
    ] {
        let error = refused(&[bytes.to_vec()]);
        assert!(
            matches!(error, DescriptorError::Malformed(_)),
            "{bytes:x?}: {error:?}"
        );
        assert_eq!(
            error.to_string(),
            "the descriptor set is not a FileDescriptorSet"
        );
        assert!(error.source().is_some());
    }
}

#[test]
fn files_of_one_name_may_differ_in_comments_alone() {
    let with = set(&[ITEM]);
    let without = compile(&[ITEM])
        .include_source_info(false)
        .encode_file_descriptor_set();
    assert_ne!(with, without);
    let mut session = Session::new(Arc::new(build(&[with, without]).unwrap()));
    let file = session.files(file(ITEM.0)).remove(0);
    assert!(
        file.windows(12).any(|text| text == b"What is sold"),
        "the first is kept"
    );

    for (from, to) in [
        ("optional string name", "optional bytes name"),
        ("BLUE", "GREEN"),
        (
            "package shop;",
            "package shop; option java_package = 'shop';",
        ),
        ("proto2", "proto3"),
        ("extensions 100", "extensions 101"),
    ] {
        let other = ITEM.1.replace(from, to);
        let other = if to == "proto3" {
            "syntax = 'proto3'; package shop;".to_owned()
        } else {
            other
        };
        let error = refused(&[set(&[ITEM]), set(&[(ITEM.0, &other)])]);
        let file = ITEM.0.to_owned();
        assert_eq!(error, DescriptorError::DuplicateFile { file }, "{to}");
        let text = "the descriptor sets hold different files named shop/item.proto";
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_name_may_be_defined_once() {
    let other = "syntax = 'proto3'; package shop; service Item {}";
    let error = refused(&[set(&[("a.proto", other)]), set(&[ITEM])]);
    let expected = DescriptorError::DuplicateSymbol {
        symbol: "shop.Item".to_owned(),
        files: ["a.proto".to_owned(), "shop/item.proto".to_owned()],
    };
    assert_eq!(error, expected);
    assert_eq!(
        error.to_string(),
        "shop.Item is defined in a.proto and in shop/item.proto"
    );
}

#[test]
fn a_number_may_extend_a_message_once() {
    let one = |package: &str| {
        format!(
            "syntax = 'proto2'; package {package}; import 'shop/item.proto'; \
             extend shop.Item {{ optional int32 x = 199; }}"
        )
    };
    let set = |name: &str, package: &str| set(&[ITEM, (name, &one(package))]);
    let error = refused(&[set("a.proto", "a"), set("b.proto", "b")]);
    let expected = DescriptorError::DuplicateExtension {
        message: "shop.Item".to_owned(),
        number: 199,
        files: ["a.proto".to_owned(), "b.proto".to_owned()],
    };
    assert_eq!(error, expected);
    let text = "a.proto and b.proto both extend shop.Item with number 199";
    assert_eq!(error.to_string(), text);
}

#[test]
fn the_crates_own_file_gives_way_to_the_users() {
    let text = include_str!("../../../proto/grpc/health/v1/health.proto");
    let text = text.replace(
        "package grpc.health.v1;",
        "package grpc.health.v1; option java_package = 'x';",
    );
    for name in ["grpc/health/v1/health.proto", "health.proto"] {
        let index = build(&[set(&[(name, &text)])]).unwrap();
        assert_eq!(index.services().len(), 3);
        let mut session = Session::new(Arc::new(index));
        let files = session.files(symbol("grpc.health.v1.Health.Check"));
        let file = File::decode_file_descriptor_proto(&files[0][..]).unwrap();
        assert_eq!(file.name(), name);
        let options = file.file_descriptor_proto().options.clone().unwrap();
        assert_eq!(options.java_package(), "x");
    }
}

/// What is taken is in order: each service listed is in a file. A user's file may have lost one of the crate's three services, since the
/// user's file replaces the crate's file of the same name.
fn taken_or_refused(set: Vec<u8>) {
    if let Ok(index) = build(&[set]) {
        assert!(index.services().len() >= 2);
        for service in index.services() {
            assert!(
                index
                    .symbol(service)
                    .is_some_and(|file| file < index.files.len())
            );
        }
    }
}

/// A wrong byte once made the service of a file an unknown field, and the property below failed.
#[test]
fn every_wrong_tag_in_a_set_is_taken_or_refused() {
    let set = crate::proto::FILE_DESCRIPTOR_SET;
    for at in (0..set.len()).filter(|&at| set[at] == 0x32) {
        let mut wrong = set.to_vec();
        wrong[at] = 0x3a;
        taken_or_refused(wrong);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        taken_or_refused(bytes);
    }

    #[test]
    fn a_set_with_wrong_bytes_in_it_is_taken_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut set = crate::proto::FILE_DESCRIPTOR_SET.to_vec();
        let at = at.index(set.len());
        set[at] = byte;
        taken_or_refused(set);
    }
}
