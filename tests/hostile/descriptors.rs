//! A process out of file descriptors.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tokio::net::TcpStream;

use crate::support::grpc::SERVING;
use crate::support::peer::Peer;

/// How many the server may have open.
const DESCRIPTORS: usize = 64;

/// The command under a limit of its own.
struct Limited {
    child: Child,
    addr: SocketAddr,
}

impl Limited {
    fn serve() -> Self {
        let script = format!("ulimit -n {DESCRIPTORS}; exec \"$0\" serve --listen 127.0.0.1:0");
        let mut child = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_grpc-health")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let addr = line.split_whitespace().find_map(|word| word.parse().ok());
        let addr = addr.unwrap_or_else(|| panic!("an address in {line:?}"));
        Self { child, addr }
    }

    fn open_descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }

    async fn connect(&self) -> TcpStream {
        let io = TcpStream::connect(self.addr).await.unwrap();
        // A request is two writes.
        io.set_nodelay(true).unwrap();
        io
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Checks, as long as it takes.
async fn check_until(neighbour: &mut Peer<TcpStream>, done: impl Fn() -> bool) {
    for _ in 0..50_000 {
        assert_eq!(neighbour.check("").await, SERVING);
        if done() {
            return;
        }
    }
    panic!("50,000 Checks later it is not so");
}

#[tokio::test]
async fn a23_a_server_out_of_descriptors_serves_on() {
    let server = Limited::serve();
    let mut neighbour = Peer::handshake_real_clock(server.connect().await).await;
    assert_eq!(neighbour.check("").await, SERVING);
    let base = server.open_descriptors();
    for _ in 0..2 {
        let mut hoard = Vec::new();
        for _ in 0..100 {
            hoard.push(server.connect().await);
        }
        check_until(&mut neighbour, || server.open_descriptors() >= DESCRIPTORS).await;
        for _ in 0..100 {
            assert_eq!(neighbour.check("").await, SERVING);
        }
        drop(hoard);
        // Those that came later wait behind the ones that are gone.
        let mut late = Peer::handshake_real_clock(server.connect().await).await;
        assert_eq!(late.check("").await, SERVING);
        drop(late);
        check_until(&mut neighbour, || server.open_descriptors() <= base).await;
    }
}
