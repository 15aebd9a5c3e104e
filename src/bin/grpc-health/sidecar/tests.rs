//! What arguments and files say, and what is wrong with them.

use std::time::Duration;

use super::{
    config,
    parse::{check, group, lease},
    plan::{Place, Planned, whole},
    spec::{CheckSpec, Kind, Rule, Spec},
};

fn checked(text: &str) -> CheckSpec {
    match check(text) {
        Ok(Spec::Check(check)) => check,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn checks_of_every_kind() {
    let exec = |program: &str, args: &[&str]| {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Kind::Exec(program.to_owned(), args)
    };
    for (text, name, kind) in [
        (
            "db=tcp:127.0.0.1:5432",
            "db",
            Kind::Tcp("127.0.0.1:5432".to_owned()),
        ),
        (
            "db=tcp:[::1]:5432",
            "db",
            Kind::Tcp("[::1]:5432".to_owned()),
        ),
        ("=exec:true", "", exec("true", &[])),
        ("a=exec:test -w .", "a", exec("test", &["-w", "."])),
        (
            "a=exec:sh -c 'a=b; [ 1 = 1 ]'",
            "a",
            exec("sh", &["-c", "a=b; [ 1 = 1 ]"]),
        ),
        (
            "a=age:./beat:30s",
            "a",
            Kind::Age("./beat".into(), Duration::from_secs(30)),
        ),
        (
            "a=age:/a:b:1m",
            "a",
            Kind::Age("/a:b".into(), Duration::from_secs(60)),
        ),
        (
            "a=http://127.0.0.1:8080/ready?x=1",
            "a",
            Kind::Http("http://127.0.0.1:8080/ready?x=1".to_owned()),
        ),
        (
            "a.B=http://[::1]",
            "a.B",
            Kind::Http("http://[::1]".to_owned()),
        ),
    ] {
        let check = checked(text);
        assert_eq!((check.name.as_str(), &check.kind), (name, &kind), "{text}");
        assert_eq!(check.period, Duration::from_secs(10));
        assert_eq!(check.timeout, Duration::from_secs(1));
        assert_eq!(
            (check.rise, check.fall, check.starts_not_serving),
            (1, 1, false)
        );
    }
}

#[test]
fn checks_of_grpc_servers() {
    for (text, target, service, watch, tls) in [
        ("a=grpc:127.0.0.1:6000", "127.0.0.1:6000", "", false, false),
        (
            "a=grpc:127.0.0.1:6000/my.Service",
            "127.0.0.1:6000",
            "my.Service",
            false,
            false,
        ),
        (
            "a=grpc:127.0.0.1:6000/a/b",
            "127.0.0.1:6000",
            "a/b",
            false,
            false,
        ),
        ("a[watch]=grpc:localhost:1", "localhost:1", "", true, false),
        (
            "a[watch=false, service=x]=grpc:unix:/run/a/b",
            "unix:/run/a/b",
            "x",
            false,
            false,
        ),
        ("a=grpcs:api.test:443/x", "api.test:443", "x", false, true),
    ] {
        let Kind::Grpc(grpc) = checked(text).kind else {
            panic!("{text}");
        };
        assert_eq!(grpc.target.to_string(), target, "{text}");
        assert_eq!(
            (grpc.service.as_str(), grpc.watch),
            (service, watch),
            "{text}"
        );
        assert_eq!(grpc.tls.is_some(), tls, "{text}");
    }
    let Kind::Grpc(grpc) = checked("a[ca=c,server-name=n,cert=d,key=k]=grpcs:a:1").kind else {
        panic!("no gRPC");
    };
    let tls = grpc.tls.unwrap();
    assert_eq!(tls.ca.unwrap().to_str(), Some("c"));
    assert_eq!(tls.server_name.as_deref(), Some("n"));
    assert_eq!(tls.cert.unwrap().to_str(), Some("d"));
    assert_eq!(tls.key.unwrap().to_str(), Some("k"));
}

#[test]
fn options_of_checks() {
    let check = checked("db[period=5s,timeout=200ms,rise=2,fall=3,first=not-serving]=tcp:a:1");
    assert_eq!(
        (check.period.as_secs(), check.timeout.as_millis()),
        (5, 200)
    );
    assert_eq!(
        (check.rise, check.fall, check.starts_not_serving),
        (2, 3, true)
    );
    assert_eq!(checked("db[]=tcp:a:1").rise, 1);
}

#[test]
fn mistakes_in_checks() {
    let long = format!("{}=tcp:a:1", "n".repeat(201));
    for (text, why) in [
        ("", "expected NAME=KIND:TARGET"),
        ("db", "expected NAME=KIND:TARGET"),
        ("db=tcp", "expected NAME=KIND:TARGET"),
        ("db[rise=2=tcp:a:1", "a bracket is not closed"),
        ("db[rise=2]tcp:a:1", "expected NAME=KIND:TARGET"),
        ("db=udp:a:1", "no kind of check \"udp\""),
        ("db=tcp:a", "expected tcp:HOST:PORT"),
        ("db=tcp::1", "expected tcp:HOST:PORT"),
        ("db=tcp:a:65536", "expected tcp:HOST:PORT"),
        ("a=exec:", "expected exec:PROGRAM"),
        ("a=exec:sh -c 'x", "a quote ' is not closed"),
        ("a=http:8080", "expected a URL"),
        ("a=http://u@h/", "expected a URL"),
        ("a=https://h/", "https is not supported"),
        ("a=age:./beat", "expected age:PATH:DURATION"),
        ("a=age:./beat:soon", "soon: expected a whole number"),
        ("a=grpc:here", "HOST:PORT"),
        ("a[pace=1s]=tcp:a:1", "no option \"pace\""),
        ("a[period=1]=tcp:a:1", "period = 1: expected a whole number"),
        ("a[period=0s]=tcp:a:1", "must be greater than zero"),
        (
            "a[rise=0]=tcp:a:1",
            "rise = 0: expected a whole number from 1",
        ),
        (
            "a[fall=-1]=tcp:a:1",
            "fall = -1: expected a whole number from 1",
        ),
        (
            "a[first=serving]=tcp:a:1",
            "expected unknown or not-serving",
        ),
        (
            "a[watch]=tcp:a:1",
            "watch is an option of grpc and grpcs alone",
        ),
        ("a[watch=yes]=grpc:a:1", "expected true or false"),
        ("a[ca=x]=grpc:a:1", "an option of grpcs alone"),
        ("a[cert=x]=grpcs:a:1", "cert and key belong together"),
        ("a=grpcs:unix:/a", "TLS cannot be used with unix:/a"),
        (&long, "a name has at most 200 bytes"),
    ] {
        let error = check(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
        assert!(!error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn groups_and_leases() {
    for (text, rule, critical, informational) in [
        ("ready=all:a,b", Rule::All, &["a", "b"][..], &[][..]),
        ("=any:a", Rule::Any, &["a"], &[]),
        ("x=all:a,b?,c", Rule::All, &["a", "c"], &["b"]),
        (
            "x=at-least-2:a,b,c",
            Rule::AtLeast(2),
            &["a", "b", "c"],
            &[],
        ),
        ("x=all:,a", Rule::All, &["", "a"], &[]),
    ] {
        let Ok(Spec::Group(group)) = group(text) else {
            panic!("{text}");
        };
        assert_eq!(
            (group.rule, &group.critical[..]),
            (rule, &critical.map_owned()[..]),
            "{text}"
        );
        assert_eq!(group.informational, informational.map_owned(), "{text}");
    }
    for (text, why) in [
        ("ready", "expected NAME=all:A,B"),
        ("ready=a,b", "expected all:A,B"),
        ("ready=most:a,b", "expected all:A,B"),
        ("ready=at-least-x:a", "expected all:A,B"),
        (
            "ready=at-least-3:a,b",
            "3 members must serve, and only 2 decide",
        ),
        ("ready=all:a?", "1 members must serve, and only 0 decide"),
        ("ready=all:a,b,a?", "the member \"a\" is there twice"),
    ] {
        let error = group(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    let Ok(Spec::Lease(spec)) = lease("a=b=30s") else {
        panic!("no lease");
    };
    assert_eq!((spec.name.as_str(), spec.ttl.as_secs()), ("a=b", 30));
    for bad in ["a", "a=", "a=0s", "a=soon"] {
        assert!(lease(bad).is_err(), "{bad}");
    }
}

/// Short names in tables.
trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for [&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|&name| name.to_owned()).collect()
    }
}

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
