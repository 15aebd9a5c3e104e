//! Questions, and files, numbers, names or errors for an answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use protox::prost_reflect::DescriptorPool;

use super::super::{Index, answer::Session};
use super::fixture::*;
use crate::proto::reflection::v1::server_reflection_response::MessageResponse;
use crate::wire::code::Code;

const NOT_FOUND: i32 = 5;
const INVALID_ARGUMENT: i32 = 3;

/// Every name in the pool, each with its file.
fn defined(pool: &DescriptorPool) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut add = |name: &str, file: &str| found.push((name.to_owned(), file.to_owned()));
    for message in pool.all_messages() {
        let parent = message.parent_file();
        add(message.full_name(), parent.name());
        message
            .fields()
            .for_each(|field| add(field.full_name(), parent.name()));
        message
            .oneofs()
            .for_each(|oneof| add(oneof.full_name(), parent.name()));
    }
    for each in pool.all_enums() {
        let parent = each.parent_file();
        add(each.full_name(), parent.name());
        each.values()
            .for_each(|value| add(value.full_name(), parent.name()));
    }
    for extension in pool.all_extensions() {
        add(extension.full_name(), extension.parent_file().name());
    }
    for service in pool.services() {
        let parent = service.parent_file();
        add(service.full_name(), parent.name());
        service
            .methods()
            .for_each(|method| add(method.full_name(), parent.name()));
    }
    found
}

#[test]
fn every_name_leads_to_its_file() {
    let pool = compile(SHOP).descriptor_pool();
    let defined = defined(&pool);
    let mut session = shop();
    for (name, file) in &defined {
        assert_eq!(session.names(symbol(name))[0], *file, "{name}");
    }
    let names: BTreeSet<&str> = defined.iter().map(|(name, _)| &**name).collect();
    for name in [
        "shop.Item",
        "shop.Item.cents",
        "shop.Item.price",
        "shop.Item.Part.Size",
        "shop.Item.Part.LARGE",
        "shop.Item.Part.StockEntry.value",
        "shop.Item.Origin.country",
        "shop.BLUE",
        "shop.extra.weight",
        "shop.extra.Box.inside",
        "shop.Shop.Find",
        "shop.Empty._maybe",
        "Bare.number",
        "Naked.Get",
        "google.protobuf.FieldDescriptorProto.TYPE_GROUP",
    ] {
        assert!(names.contains(name), "{name} is not in {names:#?}");
    }
}

#[test]
fn what_is_not_a_name_is_not_found_and_the_stream_goes_on() {
    let mut session = shop();
    for name in [
        "",
        ".",
        "shop",
        ".shop.Item",
        "shop.Item.",
        "Item",
        "shop.item",
        "shop.Item.Part.Size.LARGE",
        "shop.Shop/Find",
        "shop.Item.inside",
        "\0",
    ] {
        let error = session.error(symbol(name));
        assert_eq!(error, (NOT_FOUND, "no such symbol".to_owned()), "{name:?}");
    }
    for name in [
        "",
        "item.proto",
        "/shop/item.proto",
        "shop/item",
        "shop.Item",
    ] {
        let error = session.error(file(name));
        assert_eq!(error, (NOT_FOUND, "no such file".to_owned()), "{name:?}");
    }
    assert_eq!(session.names(symbol("shop.Item")), ["shop/item.proto"]);
}

#[test]
fn a_file_comes_first_and_brings_its_imports_once() {
    let mut session = shop();
    let files = session.files(file("shop/shop.proto"));
    let pool = pool(&files);
    assert!(pool.get_service_by_name("shop.Shop").is_some());
    let all = [
        "shop/shop.proto",
        "shop/extra.proto",
        "shop/item.proto",
        "shop/options.proto",
        "google/protobuf/descriptor.proto",
    ];
    assert_eq!(shop().names(symbol("shop.Shop.Find")), all);
    assert_eq!(
        shop().names(file("shop/extra.proto")),
        ["shop/extra.proto", "shop/item.proto"]
    );
}

#[test]
fn what_a_stream_has_carried_it_carries_again_only_when_asked_for() {
    let mut session = shop();
    assert_eq!(session.names(symbol("shop.Colour")), ["shop/item.proto"]);
    assert_eq!(
        session.names(file("shop/extra.proto")),
        ["shop/extra.proto"]
    );
    let rest = [
        "shop/shop.proto",
        "shop/options.proto",
        "google/protobuf/descriptor.proto",
    ];
    assert_eq!(session.names(file("shop/shop.proto")), rest);
    assert_eq!(session.names(file("shop/shop.proto")), ["shop/shop.proto"]);
    assert_eq!(session.names(symbol("shop.Item")), ["shop/item.proto"]);
}

#[test]
fn extensions_are_found_by_type_and_number() {
    let mut session = shop();
    assert_eq!(
        session.names(extension("shop.Item", 150)),
        ["shop/extra.proto", "shop/item.proto"]
    );
    assert_eq!(
        session.names(extension("shop.Item", 102)),
        ["shop/extra.proto"]
    );
    assert_eq!(
        shop().names(extension("google.protobuf.MethodOptions", 50000)),
        ["shop/options.proto", "google/protobuf/descriptor.proto"]
    );
    for (message, number) in [
        ("shop.Item", 101),
        ("shop.Item", 1),
        ("shop.Item", -1),
        (".shop.Item", 150),
        ("shop.extra.Box", 150),
        ("shop.Nothing", 150),
        ("", 0),
    ] {
        let error = session.error(extension(message, number));
        let expected = (NOT_FOUND, "no such extension".to_owned());
        assert_eq!(error, expected, "{message} {number}");
    }
}

#[test]
fn extension_numbers_are_sorted() {
    let mut session = shop();
    let mut of = |message: &str| match session.ask(numbers(message)) {
        MessageResponse::AllExtensionNumbersResponse(found) => {
            assert_eq!(found.base_type_name, message);
            found.extension_number
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(of("shop.Item"), [102, 150]);
    assert_eq!(of("google.protobuf.MethodOptions"), [50000]);
    assert_eq!(of("shop.extra.Box"), [0; 0]);
    assert_eq!(of("shop.Item.Part"), [0; 0]);
    for name in [
        "shop.Colour",
        "shop.Item.name",
        "shop.Shop",
        "shop.Nothing",
        "",
    ] {
        let error = session.error(numbers(name));
        assert_eq!(
            error,
            (NOT_FOUND, "no such message type".to_owned()),
            "{name}"
        );
    }
}

fn listed(session: &mut Session) -> Vec<String> {
    match session.ask(list()) {
        MessageResponse::ListServicesResponse(found) => found
            .service
            .into_iter()
            .map(|service| service.name)
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn services_are_listed_sorted() {
    let own = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ];
    assert_eq!(listed(&mut super::fixture::own()), own);
    let all = [&["Naked"][..], &own, &["shop.Closed", "shop.Shop"]].concat();
    assert_eq!(listed(&mut shop()), all);
}

#[test]
fn named_services_alone_are_listed_but_all_are_found() {
    let names = [
        "shop.Shop",
        "elsewhere.Service",
        "grpc.health.v1.Health",
        "shop.Shop",
    ];
    let index = Index::builder()
        .descriptors(set(SHOP))
        .services(names)
        .build()
        .unwrap();
    let sorted = ["elsewhere.Service", "grpc.health.v1.Health", "shop.Shop"];
    assert_eq!(index.services(), sorted);
    let mut session = Session::new(Arc::new(index));
    assert_eq!(listed(&mut session), sorted);
    assert_eq!(session.names(symbol("shop.Closed"))[0], "shop/shop.proto");
    session.error(symbol("elsewhere.Service"));
}

#[test]
fn files_are_answered_as_they_were_compiled() {
    let compiled = compile(SHOP).descriptor_pool();
    let files = shop().files(file("shop/shop.proto"));
    let shop = compiled.get_file_by_name("shop/shop.proto").unwrap();
    assert_eq!(files[0], shop.encode_to_vec());
    // An extension of an options message, which reading and writing by generated code would have lost.
    let pool = pool(&files);
    let service = pool.get_service_by_name("shop.Shop").unwrap();
    let options = service.methods().next().unwrap().options();
    let shelf = pool.get_extension_by_name("shop.shelf").unwrap();
    let shelf = options.get_extension(&shelf);
    assert_eq!(shelf.as_str(), Some("third from the left"));
}

#[test]
fn a_request_for_nothing_is_an_error_in_band() {
    let mut session = own();
    let response = open(&session.answer(b"").unwrap());
    let Some(MessageResponse::ErrorResponse(error)) = response.message_response else {
        panic!("{response:?}");
    };
    assert_eq!(error.error_code, INVALID_ARGUMENT);
    assert_eq!(
        session.names(symbol("grpc.health.v1.Health")),
        ["grpc/health/v1/health.proto"]
    );
}

#[test]
fn a_message_that_is_no_request_ends_the_stream() {
    for message in [
        &b"\x1a\x05abc"[..],
        b"\xff",
        b"\x1a\x02\xff\xfe",
        b"\x2a\x01\x08",
    ] {
        let status = own().answer(message).unwrap_err();
        assert_eq!(status.code(), Code::INTERNAL);
        assert!(
            status.message().starts_with("malformed request: "),
            "{status}"
        );
    }
}

#[test]
fn imports_that_run_in_a_circle_end() {
    // No compiler makes such files: a name and a dependency each.
    let file = |name: &str, import: &str| {
        [b"\x0a\x01", name.as_bytes(), b"\x1a\x01", import.as_bytes()].concat()
    };
    let files = [file("a", "b"), file("b", "a"), file("c", "c")];
    let set = files.map(|file| [&[0x0a, 6][..], &file].concat()).concat();
    let index = Index::builder().descriptors(set).build().unwrap();
    let mut session = Session::new(Arc::new(index));
    assert_eq!(session.names(super::fixture::file("b")), ["b", "a"]);
    assert_eq!(session.names(super::fixture::file("a")), ["a"]);
    assert_eq!(session.names(super::fixture::file("c")), ["c"]);
}

proptest! {
    #[test]
    fn any_message_is_answered_or_refused(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..24), 0..4),
    ) {
        let mut session = own();
        for message in messages {
            match session.answer(&message) {
                Ok(envelope) => prop_assert!(open(&envelope).message_response.is_some()),
                Err(status) => prop_assert_eq!(status.code(), Code::INTERNAL),
            }
        }
    }
}
