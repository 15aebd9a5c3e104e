use proptest::prelude::*;

use super::*;

type Field = (&'static str, &'static [u8]);

fn encoded(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    status.encode(&mut trailers);
    trailers
}

fn trailers(fields: &[Field]) -> HeaderMap {
    let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
    fields
        .iter()
        .map(|(name, v)| (HeaderName::from_static(name), value(v)))
        .collect()
}

#[test]
fn vectors() {
    let special = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    let special_encoded = "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA \
                           and non-BMP %F0%9F%98%88%09%0A";
    let cases: [(Status, &[Field]); 4] = [
        (Status::from(Code::OK), &[("grpc-status", b"0")]),
        (
            Status::new(Code::NOT_FOUND, "unknown service"),
            &[("grpc-status", b"5"), ("grpc-message", b"unknown service")],
        ),
        (
            Status::new(Code::UNKNOWN, special),
            &[
                ("grpc-status", b"2"),
                ("grpc-message", special_encoded.as_bytes()),
            ],
        ),
        (
            Status::new(Code::new(99), "").with_details(Bytes::from_static(b"\x01\x02")),
            &[("grpc-status", b"99"), ("grpc-status-details-bin", b"AQI")],
        ),
    ];
    for (status, fields) in cases {
        assert_eq!(encoded(&status), trailers(fields));
        assert_eq!(Status::parse(&trailers(fields)), Some(status));
    }
}

#[test]
fn encode_replaces_the_whole_of_a_former_status() {
    let mut map = encoded(&Status::new(Code::INTERNAL, "x").with_details("y".into()));
    map.insert("k", HeaderValue::from_static("v"));
    Status::from(Code::OK).encode(&mut map);
    assert_eq!(map, trailers(&[("k", b"v"), ("grpc-status", b"0")]));
}

#[test]
fn a_long_message_is_cut_between_characters() {
    // (text, length on the wire, characters kept)
    let cases = [
        ("a".repeat(1024), 1024, 1024),
        ("a".repeat(1025), 1024, 1024),
        ("%".repeat(1000), 1023, 341),
        ("☺".repeat(1000), 1017, 113),
        (format!("a{}", "☺".repeat(1000)), 1018, 114),
        ("\0".repeat(100_000), 1023, 341),
        (format!("{} {}", "a".repeat(1023), "b"), 1023, 1023),
    ];
    for (text, len, kept) in cases {
        let map = encoded(&Status::new(Code::INTERNAL, text.clone()));
        assert_eq!(map[GRPC_MESSAGE].len(), len);
        let expected: String = text.chars().take(kept).collect();
        assert_eq!(Status::parse(&map).unwrap().message(), expected);
    }
}

#[test]
fn parse_is_lenient() {
    assert_eq!(Status::parse(&HeaderMap::new()), None);
    assert_eq!(Status::parse(&trailers(&[("grpc-message", b"x")])), None);
    let status = Status::parse(&trailers(&[("grpc-status", b"\xffx")])).unwrap();
    assert_eq!(
        status,
        Status::new(Code::UNKNOWN, "malformed grpc-status: \\xffx")
    );
    let map = trailers(&[
        ("grpc-status", b"3"),
        ("grpc-message", b"%f0%"),
        ("grpc-status-details-bin", b"!!"),
    ]);
    assert_eq!(
        Status::parse(&map),
        Some(Status::new(Code::INVALID_ARGUMENT, "\u{fffd}%"))
    );
}

fn size(fields: &HeaderMap) -> usize {
    let fields = fields.iter();
    fields
        .map(|(name, value)| field_size(name, value.len()))
        .sum()
}

/// As much metadata as an application can make.
fn full_metadata() -> Metadata {
    let mut metadata = Metadata::new();
    let value = "v".repeat(metadata::MAX_SIZE - 1 - metadata::FIELD_OVERHEAD);
    metadata.append("k", &value).unwrap();
    assert!(metadata.append("l", "").is_err());
    metadata
}

/// The most details that are sent with a status.
fn most_details(status: &Status) -> usize {
    let with = |len: usize| status.clone().with_details(vec![7; len].into());
    let most = (0..8192).rev().find(|&len| with(len).details_fit());
    let most = most.unwrap();
    for len in [most, most + 1, 100_000] {
        let map = encoded(&with(len));
        let read = Status::parse(&map).unwrap();
        assert_eq!(
            (read.code(), read.message()),
            (status.code(), status.message())
        );
        assert_eq!(read.details().len(), if len == most { most } else { 0 });
        assert_eq!(with(len).details_fit(), len == most);
        assert!(size(&map) <= MAX_TRAILERS_SIZE, "{}", size(&map));
    }
    most
}

/// Details as long as anyone likes took the code and the message with them.
#[test]
fn details_that_do_not_fit_are_left_out_and_code_and_message_stay() {
    let longest = Status::new(Code::new(i32::MAX), "m".repeat(MAX_MESSAGE_LEN));
    assert_eq!(most_details(&longest), 5070);
    assert!(most_details(&Status::from(Code::ABORTED)) > 5070);
    let full = longest.with_metadata(full_metadata());
    assert_eq!(most_details(&full), 462);
    // A pushback is sent beside as much metadata as there may be.
    let pushed_back = full.with_retry_pushback(Duration::MAX);
    assert_eq!(most_details(&pushed_back), 414);
    let map = encoded(&pushed_back);
    assert_eq!(map["grpc-retry-pushback-ms"], "2147483647");
    assert!(map.contains_key("k"));
    assert!(Status::from(Code::OK).details_fit());
}

/// What came with a request may be larger than what an application can make.
#[test]
fn metadata_that_does_not_fit_is_left_out_as_a_whole() {
    let came = |len: usize| {
        let mut fields = HeaderMap::new();
        fields.insert("a", HeaderValue::from_static("1"));
        fields.insert("k", HeaderValue::try_from("v".repeat(len)).unwrap());
        Metadata::received(fields)
    };
    let status = Status::aborted("m").with_details("d".into());
    let room = MAX_TRAILERS_SIZE - size(&encoded(&status)) - 8 - 34 - 33;
    for (len, sent) in [(room - 100, 1), (room + 100, 0)] {
        let map = encoded(&status.clone().with_metadata(came(len)));
        let kept = map.get_all("a").iter().chain(map.get_all("k").iter());
        assert_eq!(kept.count(), 2 * sent, "{len}");
        assert_eq!(Status::parse(&map), Some(status.clone()));
    }
}

#[test]
fn a_retry_pushback_is_in_milliseconds_rounded_up() {
    let status = Status::unavailable("busy");
    for (delay, said) in [
        (Duration::ZERO, "0"),
        (Duration::from_nanos(1), "1"),
        (Duration::from_millis(1500), "1500"),
        (Duration::from_micros(1_500_001), "1501"),
        (Duration::from_millis(i32::MAX as u64), "2147483647"),
        (Duration::MAX, "2147483647"),
    ] {
        let status = status.clone().with_retry_pushback(delay);
        let map = encoded(&status);
        assert_eq!(map["grpc-retry-pushback-ms"], said, "{delay:?}");
        let metadata = status.metadata().unwrap();
        assert_eq!(metadata.get("grpc-retry-pushback-ms"), Some(said));
        // The last word counts, and there is one of them.
        let never = encoded(&status.without_retry());
        assert_eq!(never["grpc-retry-pushback-ms"], "-1");
        assert_eq!(never.len(), 3);
    }
}

#[test]
fn a_retry_pushback_and_metadata_do_not_depend_on_their_order() {
    let mut metadata = Metadata::new();
    metadata.append("k", "v").unwrap();
    let delay = Duration::from_secs(1);
    let status = || Status::unavailable("busy");
    let before = status()
        .with_retry_pushback(delay)
        .with_metadata(metadata.clone());
    let after = status()
        .with_metadata(metadata.clone())
        .with_retry_pushback(delay);
    assert_eq!(before, after);
    assert_eq!(encoded(&before).len(), 4);
    // Metadata that says something of its own.
    metadata.append("grpc-retry-pushback-ms", "7").unwrap();
    let own = encoded(&before.with_metadata(metadata));
    assert_eq!(own["grpc-retry-pushback-ms"], "7");
    assert_eq!(own.get_all("grpc-retry-pushback-ms").iter().count(), 1);
}

#[test]
fn display() {
    assert_eq!(Status::from(Code::ABORTED).to_string(), "ABORTED");
    assert_eq!(
        Status::new(Code::NOT_FOUND, "no x").to_string(),
        "NOT_FOUND: no x"
    );
}

proptest! {
    #[test]
    fn round_trip(
        code in any::<i32>(),
        message in ".{0,80}",
        details in any::<Vec<u8>>(),
    ) {
        let status = Status::new(Code::new(code), message).with_details(details.into());
        prop_assert_eq!(Status::parse(&encoded(&status)), Some(status));
    }

    #[test]
    fn any_message_encodes_within_the_cap_and_reads_as_its_beginning(
        message in proptest::collection::vec(any::<char>(), 0..2000),
    ) {
        let message: String = message.into_iter().collect();
        let map = encoded(&Status::new(Code::UNKNOWN, message.clone()));
        prop_assert!(map.get(GRPC_MESSAGE).map_or(0, HeaderValue::len) <= MAX_MESSAGE_LEN);
        let read = Status::parse(&map).unwrap();
        prop_assert!(message.starts_with(read.message()));
    }
}
