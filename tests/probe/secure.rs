//! The flags about TLS.

use crate::{
    SERVING,
    certs::{Ca, Identity},
    dir::Dir,
    expect, probe,
    support::{Running, serve},
};

/// A server with a certificate, and what a client needs.
struct Secure {
    files: Dir,
    ca: Ca,
    ca_cert: String,
    _server: Running,
    addr: String,
}

impl Dir {
    fn identity(&self, name: &str, identity: &Identity) -> (String, String) {
        let cert = self.write(&format!("{name}.crt"), &identity.cert);
        (cert, self.write(&format!("{name}.key"), &identity.key))
    }
}

impl Secure {
    fn new(mutual: bool) -> Self {
        let (files, ca) = (Dir::new(), Ca::new("ca"));
        let (cert, key) = files.identity("server", &ca.server());
        let ca_cert = files.write("ca.crt", ca.pem());
        let mut args = vec!["--tls-cert", &cert, "--tls-key", &key];
        if mutual {
            args.extend(["--tls-client-ca", &ca_cert]);
        }
        let (server, addr) = serve(&args);
        Self {
            files,
            ca,
            ca_cert,
            _server: server,
            addr,
        }
    }

    /// Refused in the handshake, with these words.
    #[track_caller]
    fn refused(&self, flags: &[&str], words: &str) {
        let line = format!(
            "error: failed to connect service at \"{}\": {words}",
            self.addr
        );
        expect(&self.addr, flags, 2, &[&line]);
    }
}

#[test]
fn tls_ca_cert_server_name_and_no_verify() {
    let secure = Secure::new(false);
    let (addr, ca) = (secure.addr.as_str(), secure.ca_cert.as_str());
    expect(addr, &["-tls", "-tls-ca-cert", ca], 0, &[SERVING]);
    let named = |name| ["-tls", "-tls-ca-cert", ca, "-tls-server-name", name];
    expect(addr, &named("localhost"), 0, &[SERVING]);
    secure.refused(
        &named("shop.example"),
        "the server's certificate is not for shop.example, but for localhost, 127.0.0.1, ::1",
    );
    let other = secure.files.write("other.crt", Ca::new("other").pem());
    secure.refused(
        &["-tls", "-tls-ca-cert", &other],
        "the server's certificate is signed by no authority that is trusted here",
    );
    expect(addr, &["-tls", "-tls-no-verify"], 0, &[SERVING]);
    expect(
        addr,
        &["-tls", "-tls-no-verify=true", "-service=a"],
        3,
        &["error: health rpc failed: rpc error: code = NotFound desc = unknown service"],
    );
}

#[test]
fn tls_with_the_authorities_of_the_machine() {
    let secure = Secure::new(false);
    let probe = |ca: &str| {
        crate::support::command(["probe", "-tls", "-addr", &secure.addr])
            .env("SSL_CERT_FILE", ca)
            .output()
            .unwrap()
    };
    assert_eq!(probe(&secure.ca_cert).status.code(), Some(0));
    let other = secure.files.write("other.crt", Ca::new("other").pem());
    assert_eq!(probe(&other).status.code(), Some(2));
}

#[test]
fn tls_client_cert_and_client_key() {
    let secure = Secure::new(true);
    let (cert, key) = secure.files.identity("client", &secure.ca.client());
    let tls = ["-tls", "-tls-ca-cert", &secure.ca_cert];
    let identity = ["-tls-client-cert", &cert, "-tls-client-key", &key];
    expect(&secure.addr, &[&tls[..], &identity].concat(), 0, &[SERVING]);
    let no_verify = ["-tls", "-tls-no-verify"];
    let flags = [&no_verify[..], &identity].concat();
    expect(&secure.addr, &flags, 0, &[SERVING]);
    for flags in [&tls[..], &no_verify] {
        secure.refused(
            flags,
            "the server asks for a client certificate (mutual TLS)",
        );
    }
}

#[test]
fn plain_text_and_tls_are_told_apart() {
    let secure = Secure::new(false);
    secure.refused(
        &[],
        "the server speaks TLS, and this client plain text: connect over TLS",
    );
    let (_server, addr) = serve(&[]);
    let line = format!(
        "error: failed to connect service at \"{addr}\": the server speaks no TLS, but HTTP/2 in plain text: connect without TLS"
    );
    expect(&addr, &["-tls", "-tls-no-verify"], 2, &[&line]);
}

#[test]
fn certificates_that_cannot_be_used() {
    let files = Dir::new();
    let (cert, key) = files.identity("client", &Ca::new("ca").client());
    let garbage = files.write("garbage", "no PEM");
    let missing = files.path("missing");
    for (flags, file) in [
        (&["-tls-ca-cert", &missing][..], &missing),
        (&["-tls-ca-cert", &garbage], &garbage),
        (
            &["-tls-client-cert", &missing, "-tls-client-key", &key],
            &missing,
        ),
        (
            &["-tls-client-cert", &cert, "-tls-client-key", &garbage],
            &garbage,
        ),
        (
            &["-tls-client-cert", &cert, "-tls-client-key", &cert],
            &cert,
        ),
    ] {
        let ca: &[&str] = if flags[0] == "-tls-ca-cert" {
            &["-tls"]
        } else {
            &["-tls", "-tls-no-verify"]
        };
        let (code, stdout, stderr) = probe("a:1", &[ca, flags].concat());
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        let start = "failed to initialize tls credentials. error=";
        assert!(stderr.starts_with(start), "{stderr}");
        assert!(stderr.contains(file.as_str()), "{stderr}");
    }
}
