//! Which tests there are, for the tables that name them.

use std::fs;
use std::path::Path;

/// The names of the functions below `#[test]` and `#[tokio::test]` in the tests and in `src`.
pub(crate) fn tests() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = Vec::new();
    collect(&root.join("src"), &mut tests);
    collect(&root.join("tests"), &mut tests);
    tests
}

fn collect(dir: &Path, tests: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("a source file");
            let after = source.split("test]\n").skip(1);
            let after = after.chain(source.split("::test(").skip(1));
            tests.extend(after.filter_map(|rest| {
                let (_, name) = rest.split_once("fn ")?;
                name.split_once('(').map(|(name, _)| name.trim().to_owned())
            }));
        }
    }
}
