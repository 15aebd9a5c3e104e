//! Servers that speak something else.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener},
    thread,
};

use crate::{
    Files,
    certs::Ca,
    refused,
    support::{run, serve},
};

/// A server that says `answer` to whoever connects, and hangs up; or never does, without an answer.
fn saying(answer: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let serve = move || {
        for tcp in listener.incoming() {
            let mut tcp = tcp.unwrap();
            thread::spawn(move || {
                if let Some(answer) = answer {
                    // The client may have gone.
                    let _ = tcp.write_all(answer);
                    let _ = tcp.shutdown(Shutdown::Write);
                }
                let _ = tcp.read_to_end(&mut Vec::new());
            });
        }
    };
    let server = thread::Builder::new().name("server".to_owned());
    server.spawn(serve).unwrap();
    addr
}

const HTTP1: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
const HTTPS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
const SSH: &[u8] = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n";
const SMTP: &[u8] = b"220 mail.example ESMTP\x1b[2J\r\n";

#[test]
fn what_is_no_http2_server() {
    let files = Files::new("http2");
    let (ca, identity) = (Ca::new("ca"), Ca::new("ca").server());
    let ca = files.write("ca.crt", ca.pem());
    let (_secure, secure) = files.serve("server", &identity);
    refused(
        &secure,
        &[],
        "the server speaks TLS, and this client plain text: connect over TLS",
    );
    let (_plain, plain) = serve(&[]);
    let tls = ["--tls", "--tls-ca", &ca];
    refused(
        &plain,
        &tls,
        "the server speaks no TLS, but HTTP/2 in plain text: connect without TLS",
    );

    for (answer, in_plain, in_tls) in [
        (
            HTTP1,
            "the server answers in HTTP/1 (\"HTTP/1.1 400 Bad Request\"), and gRPC needs HTTP/2",
            "the server answers in HTTP/1 in plain text (\"HTTP/1.1 400 Bad Request\")",
        ),
        (
            HTTPS,
            ", and it expects TLS",
            "the server answers in HTTP/1 in plain text",
        ),
        (
            SSH,
            "this is an SSH server (\"SSH-2.0-OpenSSH_9.2p1 Debian-2\")",
            "this is an SSH server",
        ),
        (
            SMTP,
            "does not speak HTTP/2: it begins with \"220 mail.example ESMTP\\\\x1b[2J\"",
            "does not speak TLS: it begins with \"220 mail.example",
        ),
        (
            b"no",
            "does not speak HTTP/2: it begins with \"no\"",
            "does not speak TLS: it begins with \"no\"",
        ),
        (
            b"",
            "the server closed the connection before it said anything: it may expect TLS",
            "the server closed the connection in the TLS handshake: it may speak no TLS",
        ),
    ] {
        let addr = saying(Some(answer)).to_string();
        refused(&addr, &[], in_plain);
        refused(&addr, &tls, in_tls);
    }
}

#[test]
fn a_port_that_accepts_and_says_nothing() {
    let files = Files::new("silent");
    let ca = files.write("ca.crt", Ca::new("ca").pem());
    let addr = saying(None).to_string();
    let soon = ["--connect-timeout", "100ms"];
    refused(
        &addr,
        &soon,
        "the server took the connection and said nothing within 100ms",
    );
    let tls = ["--tls", "--tls-ca", &ca, "--connect-timeout", "100ms"];
    refused(
        &addr,
        &tls,
        "the server took the connection and did not complete the TLS handshake within 100ms",
    );
    for command in [&["watch", "--no-reconnect"][..], &["list"]] {
        let (code, stdout, stderr) = run([command, &[&addr], &soon[..]].concat());
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    }
}
