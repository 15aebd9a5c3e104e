//! The end of `serve` while a read of a file hangs.

use std::{fs, os::unix::fs::symlink};

use crate::{
    dir::Dir,
    support::{Running, serve},
};

/// Sees SIGTERM end `serve` while the first read of a file hangs, and while a later read hangs. The last of `args` is the argument that
/// takes the file's path; `readable` is a file that the command takes. A writer can open a named pipe only while somebody reads, so the
/// read is under way when the signal is sent.
pub(crate) fn ends(dir: &Dir, readable: &str, args: &[&str]) {
    let pipe = dir.pipe("hanging");
    let open = || fs::File::options().write(true).open(&pipe).unwrap();

    // The first read.
    let server = Running::new([&["serve", "--listen", "127.0.0.1:0"], args, &[&pipe]].concat());
    let writer = open();
    server.signal("TERM");
    let (code, stdout, stderr) = server.end();
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert_eq!(stderr, "stopped before the server listened\n");
    drop(writer);

    // A later one.
    let link = dir.path("link");
    for threads in ["1", "2"] {
        let _ = fs::remove_file(&link);
        symlink(readable, &link).unwrap();
        let (server, _) = serve(&[args, &[&link, "--threads", threads]].concat());
        fs::remove_file(&link).unwrap();
        symlink(&pipe, &link).unwrap();
        server.signal("HUP");
        let writer = open();
        server.signal("TERM");
        let (code, _, stderr) = server.end();
        assert_eq!((code, stderr.as_str()), (0, "draining\n"));
        drop(writer);
    }
}
