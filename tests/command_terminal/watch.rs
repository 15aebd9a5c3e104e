//! `watch` for programs: lines, many targets, reconnection.

use crate::{
    Served,
    dir::Dir,
    support::{Running, run},
};

/// The columns of the next line: without the time, which is checked.
fn columns(watch: &mut Running) -> Vec<String> {
    let line = watch.line();
    let mut columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
    assert_eq!(columns.len(), 7, "{line}");
    let time = columns.remove(0);
    assert_eq!((time.len(), &time[10..11], &time[23..]), (24, "T", "Z"));
    columns
}

/// The next line is of this service with this status, and the previous status is this one.
#[track_caller]
fn expect(watch: &mut Running, addr: &str, [service, status, previous]: [&str; 3]) {
    let columns = columns(watch);
    assert_eq!(columns[..2], [addr, service], "{columns:?}");
    assert_eq!(columns[2..4], [status, previous], "{columns:?}");
    let lasted = columns[4].parse::<f64>();
    assert_eq!(lasted.is_ok(), !previous.is_empty(), "{columns:?}");
    assert_eq!(
        columns[5].is_empty(),
        status != "UNREACHABLE",
        "{columns:?}"
    );
}

#[test]
fn each_change_is_a_line_with_what_was_before() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &["shop.Cart"]);
    let addr = served.addr.clone();
    let mut watch = Running::new(["watch", &addr, "--service", "shop.Cart"]);
    expect(&mut watch, &addr, ["shop.Cart", "SERVING", ""]);
    served.tell(&["set", "shop.Cart", "not-serving"]);
    expect(&mut watch, &addr, ["shop.Cart", "NOT_SERVING", "SERVING"]);
    served.tell(&["clear", "shop.Cart"]);
    expect(
        &mut watch,
        &addr,
        ["shop.Cart", "SERVICE_UNKNOWN", "NOT_SERVING"],
    );
    watch.signal("INT");
    let (code, stdout, stderr) = watch.end();
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (4, "", ""));
}

#[test]
fn a_server_that_is_gone_is_connected_to_again() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &[]);
    let addr = served.addr.clone();
    let mut watch = Running::new(["watch", &addr]);
    expect(&mut watch, &addr, ["", "SERVING", ""]);
    served.kill();
    expect(&mut watch, &addr, ["", "UNREACHABLE", "SERVING"]);
    let served = Served::new(&dir, "a", &["=not-serving"]);
    expect(&mut watch, &addr, ["", "NOT_SERVING", "UNREACHABLE"]);
    served.kill();
    expect(&mut watch, &addr, ["", "UNREACHABLE", "NOT_SERVING"]);
    watch.signal("TERM");
    assert_eq!(watch.end().0, 2);
}

/// The order of the lines of several services is not fixed.
fn sorted(watch: &mut Running, lines: usize) -> Vec<[String; 3]> {
    let mut seen: Vec<[String; 3]> = (0..lines)
        .map(|_| {
            let mut columns = columns(watch);
            columns.truncate(3);
            columns.try_into().unwrap()
        })
        .collect();
    seen.sort();
    seen
}

fn owned(rows: &[[&str; 3]]) -> Vec<[String; 3]> {
    rows.iter().map(|row| row.map(str::to_owned)).collect()
}

#[test]
fn several_targets() {
    let dir = Dir::new();
    let (a, b) = (
        Served::new(&dir, "a", &["x"]),
        Served::new(&dir, "b", &["x=unknown"]),
    );
    let mut watch = Running::new(["watch", &a.addr, &b.addr, &a.addr, "--service", "x"]);
    let expected = owned(&[[&a.addr, "x", "SERVING"], [&b.addr, "x", "UNKNOWN"]]);
    assert_eq!(sorted(&mut watch, 2), expected);
    b.tell(&["set", "x", "serving"]);
    expect(&mut watch, &b.addr, ["x", "SERVING", "UNKNOWN"]);
    watch.signal("INT");
    assert_eq!(watch.end().0, 0);
}

/// A name that is new, and one that is gone and comes again.
#[test]
fn all_services_of_the_list() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &["x\x1b[2J"]);
    let addr = served.addr.clone();
    let mut watch = Running::new(["watch", "--all", "--relist", "10ms", &addr]);
    let expected = owned(&[[&addr, "", "SERVING"], [&addr, "x\\u{1b}[2J", "SERVING"]]);
    assert_eq!(sorted(&mut watch, 2), expected);
    served.tell(&["set", "new", "not-serving"]);
    expect(&mut watch, &addr, ["new", "NOT_SERVING", ""]);
    served.tell(&["set", "new", "serving"]);
    expect(&mut watch, &addr, ["new", "SERVING", "NOT_SERVING"]);
    watch.signal("INT");
    let (code, stdout, stderr) = watch.end();
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", ""));
}

/// A server whose services are not known shows as the server as a whole, and the reason is said once.
#[test]
fn a_server_without_a_list() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &[]);
    let (none, no_health) = (format!("unix:{}", dir.path("none")), served.no_health());
    let mut watch = Running::new(["watch", "--all", "--relist", "10ms", &none, &no_health]);
    let expected = owned(&[[&no_health, "", "FAILED"], [&none, "", "UNREACHABLE"]]);
    assert_eq!(sorted(&mut watch, 2), expected);
    let served = Served::new(&dir, "none", &["x"]);
    let mut seen = sorted(&mut watch, 2);
    seen.retain(|row| row[1] == "x" || row[2] == "SERVING");
    assert_eq!(seen.len(), 2, "{seen:?}");
    watch.signal("INT");
    let (code, _, stderr) = watch.end();
    assert_eq!(code, 3);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    let expected = format!("{no_health}: the server does not implement this health method");
    assert!(stderr.starts_with(&expected), "{stderr}");
    drop(served);
}

#[test]
fn each_change_is_an_object() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &[]);
    let mut watch = Running::new(["watch", "--json", &served.addr]);
    let first = watch.line();
    let expected = format!(
        r#""address":"{}","service":"","status":"SERVING","previous":null,"seconds":null,"reason":null}}"#,
        served.addr
    );
    assert!(
        first.starts_with("{\"time\":\"20") && first.ends_with(&expected),
        "{first}"
    );
    served.tell(&["set", "", "not-serving"]);
    let second = watch.line();
    let expected = r#""status":"NOT_SERVING","previous":"SERVING","seconds":"#;
    assert!(second.contains(expected), "{second}");
}

/// `watch` says what `--no-reconnect` is for.
#[test]
fn one_call_is_still_a_call() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &[]);
    let mut watch = Running::new(["watch", "--no-reconnect", &served.addr]);
    assert_eq!(watch.line(), "SERVING");
    served.kill();
    let (code, _, stderr) = watch.end();
    assert_eq!(code, 3, "{stderr}");
    assert!(run(["watch", "--help"]).1.contains("--no-reconnect"));
}
