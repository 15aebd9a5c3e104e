//! `--help`, the completions and the manual pages name the same things.

use std::{collections::BTreeSet, fs};

use crate::{dir::Dir, support::run};

fn help(subcommand: &[&str]) -> String {
    let (code, stdout, stderr) = run([subcommand, &["--help"]].concat());
    assert_eq!((code, stderr.as_str()), (0, ""));
    stdout
}

/// Speaks as grpc_health_probe does, help included.
const PROBE: &str = "probe";

/// The first words of the rows of `Commands:`.
fn subcommands() -> Vec<String> {
    let help = help(&[]);
    let (_, rows) = help.split_once("\nCommands:\n").unwrap();
    let (rows, _) = rows.split_once("\n\n").unwrap();
    let rows = rows
        .lines()
        .filter(|row| row.starts_with("  ") && !row.starts_with("   "));
    let names: Vec<String> = rows
        .map(|row| row.split_whitespace().next().unwrap().to_owned())
        .filter(|name| name != "help")
        .collect();
    for name in [
        "serve",
        "check",
        "watch",
        "wait",
        "list",
        "completions",
        "man",
    ] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
    names
}

/// The long options of a subcommand, without those that every subcommand has.
fn options(subcommand: &str) -> BTreeSet<String> {
    if subcommand == PROBE {
        return BTreeSet::new();
    }
    let help = help(&[subcommand]);
    let rows = help.lines().map(str::trim_start);
    let options = rows.filter(|row| row.starts_with("--") || row.starts_with("-q, --"));
    let names = options.flat_map(|row| row.split_whitespace().find(|word| word.starts_with("--")));
    names
        .map(|name| name.trim_end_matches(',').to_owned())
        .filter(|name| name != "--help")
        .collect()
}

#[test]
fn every_subcommand_has_examples() {
    assert!(help(&[]).contains("\nExamples:\n"));
    for name in subcommands().iter().filter(|name| *name != PROBE) {
        let help = help(&[name]);
        assert!(help.contains("\nExample"), "{name}: {help}");
        assert!(
            help.contains(&format!("grpc-health {name} ")),
            "{name}: {help}"
        );
        assert!(help.contains("\nExit codes"), "{name}: {help}");
    }
}

#[test]
fn completions_know_every_subcommand_and_option() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, stderr) = run(["completions", shell]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{shell}");
        for name in subcommands() {
            assert!(script.contains(&name), "{shell}: {name}");
            for option in options(&name) {
                let bare = option.trim_start_matches('-');
                assert!(script.contains(bare), "{shell}: {name} {option}");
            }
        }
    }
}

#[test]
fn manual_pages_know_every_subcommand_and_option() {
    let dir = Dir::new();
    let pages = dir.path("man/man1");
    let (code, stdout, stderr) = run(["man", &pages]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", ""));
    let mut expected: Vec<String> = subcommands();
    expected
        .iter_mut()
        .for_each(|name| *name = format!("grpc-health-{name}.1"));
    expected.push("grpc-health.1".to_owned());
    expected.sort();
    let mut written: Vec<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    assert_eq!(written, expected);
    let page = |name: &str| {
        let text = fs::read_to_string(format!("{pages}/{name}.1")).unwrap();
        text.replace("\\-", "-")
    };
    let main = page("grpc-health");
    assert_eq!(run(["man"]).1.replace("\\-", "-"), main);
    let mut count = 0;
    for name in subcommands() {
        assert!(
            main.contains(&format!("grpc-health-{name}(1)")),
            "{name}: {main}"
        );
        let page = page(&format!("grpc-health-{name}"));
        for option in options(&name) {
            assert!(page.contains(&option), "{name} {option}");
            count += 1;
        }
    }
    assert!(count > 50, "{count} options only");
}

#[test]
fn a_page_that_cannot_be_written() {
    let dir = Dir::new();
    let file = dir.write("file", "");
    let (code, stdout, stderr) = run(["man", &file]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.starts_with("error: "), "{stderr}");
}
