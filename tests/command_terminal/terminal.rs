//! What people see: colours, aligned columns, and the table of `watch`.

use crate::{Served, dir::Dir, pty::OnTerminal};

fn words(row: &str) -> Vec<&str> {
    row.split_whitespace().collect()
}

#[test]
fn a_list_has_aligned_columns_and_colours() {
    let dir = Dir::new();
    let served = Served::new(
        &dir,
        "a",
        &["shop.Cart=not-serving", "\"\"", "a\x1b[2J=unknown"],
    );
    let list = |variables: &[(&str, &str)]| {
        let mut list = OnTerminal::new(&["list", &served.addr], variables);
        assert_eq!(list.end(), 4);
        list
    };
    let colored = list(&[]);
    let expected = [
        "SERVICE       STATUS",
        "\"\"            SERVING",
        "\\\"\"           SERVING",
        "a\\u{1b}[2J    UNKNOWN",
        "shop.Cart     NOT_SERVING",
        "",
    ];
    let rows: Vec<Vec<&str>> = colored.screen.rows().iter().map(|row| words(row)).collect();
    assert_eq!(rows, expected.map(words));
    let column = |row: &String| row.find("SERVING").or_else(|| row.find("STATUS"));
    let columns: Vec<_> = colored.screen.rows()[..3].iter().map(column).collect();
    assert!(
        columns.windows(2).all(|two| two[0] == two[1]),
        "{columns:?}"
    );
    assert!(
        colored.raw.contains("\x1b[32mSERVING\x1b[0m"),
        "{:?}",
        colored.raw
    );
    assert!(
        colored.raw.contains("\x1b[31mNOT_SERVING\x1b[0m"),
        "{:?}",
        colored.raw
    );

    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")], [("TERM", "")]] {
        let plain = list(&variables);
        assert_eq!(plain.screen.rows(), colored.screen.rows());
        assert!(!plain.raw.contains('\x1b'), "{:?}", plain.raw);
    }
}

#[test]
fn one_service_is_a_line_for_each_change() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &[]);
    let mut watch = OnTerminal::new(&["watch", &served.addr], &[("NO_COLOR", "1")]);
    watch.until(|screen| screen.rows().len() == 2);
    served.tell(&["set", "", "not-serving"]);
    watch.until(|screen| screen.rows().len() == 3);
    watch.signal("INT");
    assert_eq!(watch.end(), 4);
    let first = words(&watch.screen.rows()[0]);
    assert_eq!(first[1..], [served.addr.as_str(), "\"\"", "SERVING"]);
    let second = words(&watch.screen.rows()[1]);
    assert_eq!(second[3..7], ["NOT_SERVING", "was", "SERVING", "for"]);
    assert!(!watch.raw.contains('\x1b'));
}

#[test]
fn all_services_are_a_table_that_is_redrawn_in_place() {
    let dir = Dir::new();
    let (a, b) = (
        Served::new(&dir, "a", &["x\x1b[2J"]),
        Served::new(&dir, "b", &[]),
    );
    let args = ["watch", "--all", "--relist", "10ms", &a.addr, &b.addr];
    let mut watch = OnTerminal::new(&args, &[]);
    watch.until(|screen| screen.row("3 services: 3 SERVING").is_some());
    a.tell(&["set", "new", "not-serving"]);
    watch.until(|screen| {
        screen
            .row("4 services: 3 SERVING, 1 another status")
            .is_some()
    });
    b.kill();
    // The summary is drawn before the rows below, and a read may end between the two.
    watch.until(|screen| {
        let mut rows = screen.rows().iter();
        screen
            .row("4 services: 2 SERVING, 1 another status, 1 without")
            .is_some()
            && rows.any(|row| row.contains("UNREACHABLE") && row.contains("SERVING, "))
    });
    let rows = watch.screen.rows();
    assert_eq!(
        words(&rows[1]),
        ["ADDRESS", "SERVICE", "STATUS", "FOR", "BEFORE", "CHANGES"]
    );
    // The summary, the head, four services, and the row of the cursor: the frames before are gone.
    assert_eq!(rows.len(), 7, "{rows:#?}");
    let shown: Vec<Vec<&str>> = rows[2..6]
        .iter()
        .map(|row| words(row)[1..3].to_vec())
        .collect();
    assert_eq!(
        shown,
        [
            ["\"\"", "SERVING"],
            ["new", "NOT_SERVING"],
            ["x\\u{1b}[2J", "SERVING"],
            ["\"\"", "UNREACHABLE"]
        ]
    );
    assert_eq!(words(&rows[5])[5..6], ["SERVING,"]);

    // In a smaller terminal the table shows what is wrong, and counts the rest.
    watch.shrink(6);
    watch.until(|screen| screen.row("... and 2 more, 2 SERVING").is_some());
    let shown: Vec<&str> = watch.screen.rows()[2..4]
        .iter()
        .map(|row| words(row)[2])
        .collect();
    assert_eq!(shown, ["NOT_SERVING", "UNREACHABLE"]);

    // A service that the list has no longer is not in the table either.
    a.tell(&["clear", "new"]);
    watch.until(|screen| screen.row("3 services: 2 SERVING, 1 without").is_some());

    watch.signal("INT");
    assert_eq!(watch.end(), 2);
    assert!(watch.raw.contains("\x1b[32m3 SERVING\x1b[0m"));
    assert!(!watch.raw.contains("\x1b[2J"));
    assert!(
        watch.raw.ends_with("\x1b[J\x1b[?7h"),
        "the terminal is left as it was"
    );
}

#[test]
fn a_terminal_that_cannot_redraw_gets_lines() {
    let dir = Dir::new();
    let served = Served::new(&dir, "a", &["x"]);
    for (args, variables) in [
        (&[][..], &[("TERM", "dumb")][..]),
        (&["--lines"], &[("NO_COLOR", "1")]),
    ] {
        let args = [&["watch", "--all", &served.addr], args].concat();
        let mut watch = OnTerminal::new(&args, variables);
        watch.until(|screen| screen.rows().len() == 3);
        watch.signal("TERM");
        assert_eq!(watch.end(), 0);
        assert!(!watch.raw.contains('\x1b'), "{:?}", watch.raw);
    }
}
