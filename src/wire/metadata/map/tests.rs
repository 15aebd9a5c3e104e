use super::*;

#[test]
fn values_keep_their_order_and_kind() {
    let mut metadata = Metadata::new();
    metadata.append("k", "one").unwrap();
    metadata.append("k", "two").unwrap();
    metadata.append_binary("b-bin", &[0, 255]).unwrap();
    assert_eq!(metadata.get_all("k").collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(metadata.get("K"), Some("one"));
    assert_eq!(metadata.get_binary("b-bin").unwrap(), [0, 255].as_slice());
    assert_eq!(metadata.get("b-bin"), None);
    assert_eq!(metadata.get_binary("k"), None);
    assert_eq!(metadata.get(""), None);
    metadata.remove("k");
    assert_eq!(metadata.get("k"), None);
    assert!(!metadata.is_empty());
    metadata.remove("b-bin");
    assert!(metadata.is_empty());
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let mut metadata = Metadata::new();
    for (name, value, error) in [
        ("grpc-status", "0", InvalidMetadata::Reserved),
        ("content-type", "x", InvalidMetadata::Reserved),
        ("te", "x", InvalidMetadata::Reserved),
        (":path", "x", InvalidMetadata::Reserved),
        ("", "x", InvalidMetadata::Name),
        ("Upper", "x", InvalidMetadata::Name),
        ("sp ace", "x", InvalidMetadata::Name),
        ("k-bin", "x", InvalidMetadata::Kind),
        ("k", "a\tb", InvalidMetadata::Value),
        ("k", "a\n", InvalidMetadata::Value),
        ("k", "ü", InvalidMetadata::Value),
    ] {
        assert_eq!(metadata.append(name, value), Err(error), "{name}: {value}");
    }
    assert_eq!(metadata.append_binary("k", b""), Err(InvalidMetadata::Kind));
    assert_eq!(
        metadata.append_binary("grpc-status-details-bin", b""),
        Err(InvalidMetadata::Reserved)
    );
    assert!(metadata.is_empty());
}

#[test]
fn there_is_a_limit_to_what_is_sent() {
    let mut metadata = Metadata::new();
    let value = "v".repeat(MAX_SIZE - FIELD_OVERHEAD - 1);
    assert_eq!(
        metadata.append("k", &format!("{value}v")),
        Err(InvalidMetadata::TooLarge)
    );
    metadata.append("k", &value).unwrap();
    assert_eq!(metadata.append("k", ""), Err(InvalidMetadata::TooLarge));
    metadata.remove("k");
    metadata.append("k", &value).unwrap();
    let bytes = vec![0; MAX_SIZE + 1];
    assert_eq!(
        metadata.append_binary("k-bin", &bytes),
        Err(InvalidMetadata::TooLarge)
    );
}

#[test]
fn reserved_and_invalid_fields_of_a_request_are_not_seen() {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-timeout", HeaderValue::from_static("1S"));
    fields.insert("te", HeaderValue::from_static("trailers"));
    fields.insert("x", HeaderValue::from_bytes(b"\xff").unwrap());
    fields.append("x", HeaderValue::from_static("good"));
    fields.insert("y-bin", HeaderValue::from_static("AQ,Ag=="));
    let metadata = Metadata::received(fields);
    assert_eq!(metadata.get("grpc-timeout"), None);
    assert_eq!(metadata.get("te"), None);
    assert_eq!(metadata.get("x"), Some("good"));
    let bytes: Vec<_> = metadata.get_all_binary("y-bin").collect();
    assert_eq!(bytes, [[1].as_slice(), [2].as_slice()]);
    assert_eq!(metadata.names().collect::<Vec<_>>(), ["x", "x", "y-bin"]);
    let mut echoed = HeaderMap::new();
    metadata.encode(MAX_SIZE, &mut echoed);
    assert_eq!(echoed.len(), 2);
    let debug = format!("{metadata:?}");
    assert!(debug.contains("good") && !debug.contains("1S"), "{debug}");
}

/// gRPC's own names that are for applications: all that begin with `grpc-` were kept from them.
#[test]
fn what_grpc_leaves_to_applications_is_read_and_written() {
    let mut metadata = Metadata::new();
    for (name, value) in [
        ("user-agent", "grpc-go/1.80"),
        ("grpc-retry-pushback-ms", "20"),
        ("grpc-previous-rpc-attempts", "2"),
    ] {
        metadata.append(name, value).unwrap();
        assert_eq!(metadata.get(name), Some(value));
    }
    for name in ["grpc-trace-bin", "grpc-tags-bin"] {
        metadata.append_binary(name, b"t").unwrap();
        assert_eq!(metadata.get_binary(name).unwrap(), "t");
    }
    let mut fields = HeaderMap::new();
    metadata.encode(MAX_SIZE, &mut fields);
    assert_eq!(fields.len(), 5);
    assert_eq!(Metadata::received(fields), metadata);
}

#[test]
fn previous_attempts_are_a_number_or_none() {
    for (said, read) in [
        (None, 0),
        (Some("0"), 0),
        (Some("3"), 3),
        (Some("4294967295"), u32::MAX),
        (Some("4294967296"), 0),
        (Some("-1"), 0),
        (Some("x"), 0),
        (Some(""), 0),
    ] {
        let mut metadata = Metadata::new();
        if let Some(said) = said {
            metadata.append("grpc-previous-rpc-attempts", said).unwrap();
        }
        assert_eq!(metadata.previous_attempts(), read, "{said:?}");
    }
}

#[test]
fn what_is_out_of_sight_makes_no_difference() {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-timeout", HeaderValue::from_static("1S"));
    fields.append("k", HeaderValue::from_static("one"));
    fields.append("k", HeaderValue::from_static("two"));
    let mut received = Metadata::received(fields);
    received.remove("grpc-timeout");
    let mut made = Metadata::new();
    for (name, value) in [("k", "one"), ("k", "two")] {
        assert_ne!(received, made);
        assert_ne!(made, received);
        made.append(name, value).unwrap();
    }
    assert_eq!(received, made);
    assert!(received.fields.contains_key("grpc-timeout"));
    let mut turned = Metadata::new();
    turned.append("k", "two").unwrap();
    turned.append("k", "one").unwrap();
    assert_ne!(received, turned);
    // Nor does it count for what is sent; what was received does.
    let room = MAX_SIZE - 3 * (1 + FIELD_OVERHEAD) - 6;
    let value = "v".repeat(room + 1);
    let too_large = Err(InvalidMetadata::TooLarge);
    assert_eq!(received.append("v", &value), too_large);
    assert_eq!(received.append("v", &value[1..]), Ok(()));
}

#[test]
fn metadata_of_a_call_that_waits_keeps_what_is_read_and_gives_the_rest_back() {
    let mut fields = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", "1S"),
        ("host", "shop.example"),
        ("grpc-accept-encoding", "gzip"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    for value in ["one", "two"] {
        fields.append("x", HeaderValue::from_static(value));
    }
    let mut metadata = Metadata::received(fields);
    let before = metadata.fields.capacity();
    metadata.shrink();
    assert!(metadata.fields.capacity() < before);
    assert_eq!(metadata.host(), Some("shop.example"));
    assert!(metadata.fields.contains_key("grpc-accept-encoding"));
    assert_eq!(metadata.get_all("x").collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(metadata.fields.len(), 4);
    metadata.append("y", "more").unwrap();
    assert_eq!(metadata.names().count(), 3);

    let mut long = HeaderMap::new();
    for value in ["one", "two", "three", "four", "five", "six"] {
        long.append("x", HeaderValue::from_static(value));
    }
    let mut metadata = Metadata::received(long);
    metadata.shrink();
    assert_eq!(metadata.get_all("x").count(), 6);
}

/// Values with a blank at an end were sent as they were.
#[test]
fn blanks_at_either_end_of_a_value_are_neither_read_nor_sent() {
    let mut received = HeaderMap::new();
    received.append("k", HeaderValue::from_static(" a b\t"));
    received.append("k", HeaderValue::from_static("\t "));
    received.append("k-bin", HeaderValue::from_static(" AQ "));
    let received = Metadata::received(received);
    let mut made = Metadata::new();
    made.append("k", "\ta b  ").unwrap();
    made.append("k", " ").unwrap();
    made.append_binary("k-bin", &[1]).unwrap();
    assert_eq!(received, made);
    for metadata in [received, made] {
        assert_eq!(metadata.get_all("k").collect::<Vec<_>>(), ["a b", ""]);
        assert_eq!(metadata.get_binary("k-bin").unwrap(), [1].as_slice());
        let mut sent = HeaderMap::new();
        let size = metadata.encode(MAX_SIZE, &mut sent);
        assert_eq!(size, 3 * FIELD_OVERHEAD + 1 + 3 + 1 + 5 + 2);
        assert_eq!(sent.get_all("k").iter().collect::<Vec<_>>(), ["a b", ""]);
        assert_eq!(sent["k-bin"], "AQ");
    }
}

/// The first field that did not fit kept all others out.
#[test]
fn a_field_that_does_not_fit_keeps_no_other_out() {
    let mut large = HeaderMap::new();
    large.append("a", HeaderValue::from_static("x"));
    large.append("b", HeaderValue::try_from("v".repeat(MAX_SIZE)).unwrap());
    large.append("c", HeaderValue::from_static("y"));
    let mut metadata = Metadata::new();
    metadata.append("k", "v").unwrap();
    metadata.absorb(&Metadata::received(large));
    let values = ["k", "a", "b", "c"].map(|name| metadata.get(name));
    assert_eq!(values, [Some("v"), Some("x"), None, Some("y")]);
}
