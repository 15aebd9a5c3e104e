//! What arguments say, and what is wrong with them.

use std::time::Duration;

use super::{
    parse::{check, group, lease},
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
