//! What a configuration file says, and what is wrong with the file or with the whole.

use super::{
    config,
    parse::{check, group, lease},
    plan::{Place, Planned, whole},
    spec::Spec,
};

#[test]
fn a_file_says_what_arguments_say() {
    let file = r#"
# A comment.
[check.db]
tcp = "127.0.0.1:5432"
period = "5s"
rise = 2

[check."my.Service"]
grpc = "127.0.0.1:6000/my.Service"
watch = true

[group]
ready = "all:db,worker"
"" = "any:ready"

[lease]
worker = "30s"
"#;
    let planned = config::read(file).unwrap();
    let spec = |name: &str| {
        let found = planned.iter().find(|planned| planned.spec.name() == name);
        found
            .map(|planned| (planned.place, planned.spec.clone()))
            .unwrap()
    };
    assert_eq!(planned.len(), 5);
    let db = check("db[period=5s,rise=2]=tcp:127.0.0.1:5432").unwrap();
    assert_eq!(spec("db"), (Place::Line(3), db));
    let service = check("my.Service[watch]=grpc:127.0.0.1:6000/my.Service").unwrap();
    assert_eq!(spec("my.Service"), (Place::Line(8), service));
    assert_eq!(
        spec("ready"),
        (Place::Line(13), group("ready=all:db,worker").unwrap())
    );
    assert_eq!(spec(""), (Place::Line(14), group("=any:ready").unwrap()));
    assert_eq!(
        spec("worker"),
        (Place::Line(17), lease("worker=30s").unwrap())
    );
    assert_eq!(config::read(""), Ok(Vec::new()));
}

/// The complaints about a file, one line each.
fn complaints(file: &str) -> Vec<String> {
    let complaints = config::read(file).unwrap_err();
    complaints
        .iter()
        .map(|complaint| complaint.of("f").to_string())
        .collect()
}

#[test]
fn each_mistake_in_a_file_is_one_line_with_its_number() {
    let file = r#"
[check.a]
tcp = "nowhere"
[check.b]
period = "5s"
[check.c]
tcp = "a:1"
exec = "true"
[check.d]
tcp = "a:1"
rise = 0
fall = "x"
first = [1]
pace = 1
[check.my.Service]
tcp = "a:1"
[check]
e = 3
f.tcp = 4
[group]
g = "a,b"
h = 1
[lease]
i = "soon"
[extra]
[check.j]
rise = 0x2
tcp = "a:1"
"#;
    assert_eq!(
        complaints(file),
        [
            "f:3: expected tcp:HOST:PORT, such as tcp:127.0.0.1:5432",
            "f:4: the check \"b\" has no kind: one of tcp, grpc, grpcs, exec, http, age",
            "f:8: \"exec\" is a second kind of one check",
            "f:11: rise = 0: expected a whole number from 1",
            "f:12: fall = x: expected a whole number from 1",
            "f:13: \"first\" must be a string, a whole number, or true or false",
            "f:14: no option \"pace\": the options are period, timeout, rise, fall, first, and for grpc service, watch, ca, \
             server-name, cert, key",
            "f:15: quote a name with dots: [check.\"my.Service\"]",
            "f:18: \"e\" must be a table",
            "f:19: \"tcp\" must be a string",
            "f:21: expected all:A,B or any:A,B or at-least-N:A,B,C",
            "f:22: \"h\" must be a string",
            "f:24: soon: expected a whole number and ms, s, m or h, such as 500ms",
            "f:25: no table \"extra\": the tables are check, group, lease",
            "f:27: \"rise\" must be a string, a whole number, or true or false",
        ]
    );
}

#[test]
fn mistakes_in_toml_itself() {
    let said = complaints("[check.a]\ntcp = 127.0.0.1\n[check.b]\ntcp = \"a:1\n[check.a]\nx = 1\n");
    assert!(said.len() >= 2, "{said:?}");
    assert!(said[0].starts_with("f:2: "), "{said:?}");
    for line in &said {
        assert!(!line.contains('\n'), "{line:?}");
    }
    for (file, line) in [
        ("check = 1", "f:1: \"check\" must be a table"),
        ("\u{0}", "f:1: "),
        ("a.b.c", "f:1: "),
        ("[lease]\na = \"1s\"\na = \"2s\"", "f:3: "),
    ] {
        assert!(
            complaints(file)[0].starts_with(line),
            "{file:?}: {:?}",
            complaints(file)
        );
    }
    // Deeper than any reader may follow.
    let deep = format!("a = {}", "[".repeat(100_000));
    assert!(complaints(&deep)[0].starts_with("f:1: "));
}

#[test]
fn mistakes_in_the_whole() {
    let at = |line, spec: Result<Spec, String>| Planned {
        place: if line == 0 {
            Place::Argument
        } else {
            Place::Line(line)
        },
        spec: spec.unwrap(),
    };
    let planned = [
        at(0, check("a=tcp:a:1")),
        at(2, group("a=all:b")),
        at(3, check("fixed=tcp:a:1")),
        at(4, group("x=all:y,b")),
        at(5, group("y=any:z")),
        at(6, group("z=any:x,b")),
        at(7, group("self=all:self")),
        at(8, group("outside=all:x")),
        // What is shown and does not decide makes no circle.
        at(9, group("p=all:b,q?")),
        at(10, group("q=all:p")),
        at(11, lease("p=1s")),
    ];
    let complaints = whole(&planned, &["fixed", ""]).unwrap_err();
    let said: Vec<_> = complaints
        .iter()
        .map(|complaint| complaint.of("f").to_string())
        .collect();
    assert_eq!(
        said,
        [
            "f:2: the group \"a\" is a --check already",
            "f:3: the check \"fixed\" is a --service already",
            "f:4: the group \"x\" contains itself",
            "f:5: the group \"y\" contains itself",
            "f:6: the group \"z\" contains itself",
            "f:7: the group \"self\" contains itself",
            "f:11: the lease \"p\" is a group on line 9 already",
        ]
    );
    assert_eq!(whole(&planned[..1], &[]), Ok(()));
    let many: Vec<_> = (0..4097)
        .map(|i| at(i, check(&format!("n{i}=tcp:a:1"))))
        .collect();
    assert_eq!(whole(&many[..4096], &[]), Ok(()));
    assert_eq!(whole(&many, &[]).unwrap_err()[0].place, Place::Line(4096));
}
