//! Servers that rustls does not make by itself.

use std::{
    io::Read,
    net::{Shutdown, SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use rcgen::{CertificateParams, DnType, KeyPair, SigningKey};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{Files, pem, refused, support::run};

/// Shows a certificate without having looked at it.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A TLS server that rustls would not let us make by itself, with these protocols (ALPN). After the handshake it says nothing more, and
/// may hang up without a farewell.
fn bare_server(
    cert: CertificateDer<'static>,
    key: &KeyPair,
    alpn: &[&str],
    hang_up: bool,
) -> SocketAddr {
    let provider = Arc::new(ring::default_provider());
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shown(Arc::new(CertifiedKey::new(
            vec![cert],
            key,
        )))));
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let serve = move || {
        for tcp in listener.incoming() {
            let mut tcp = tcp.unwrap();
            let mut session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let _ = session.complete_io(&mut tcp);
            if hang_up {
                let _ = tcp.shutdown(Shutdown::Write);
            }
            let _ = tcp.read_to_end(&mut Vec::new());
        }
    };
    let server = thread::Builder::new().name("server".to_owned());
    server.spawn(serve).unwrap();
    addr
}

/// A DER element: its header and contents are told apart by their lengths.
fn elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (header, len) = length(der);
        let (element, rest) = der.split_at(header + len);
        found.push(element);
        der = rest;
    }
    found
}

fn length(der: &[u8]) -> (usize, usize) {
    match der[1] {
        len @ 0..=0x7f => (2, len.into()),
        long => {
            let bytes = usize::from(long & 0x7f);
            let len = der[2..2 + bytes]
                .iter()
                .fold(0, |len, &byte| len << 8 | usize::from(byte));
            (2 + bytes, len)
        }
    }
}

fn contents(der: &[u8]) -> &[u8] {
    &der[length(der).0..]
}

/// As short as it can be, as DER has it.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let len = u16::try_from(contents.len()).unwrap();
    let [high, low] = len.to_be_bytes();
    let header = match len {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&header, contents].concat()
}

/// A self-signed certificate without the version and the extensions, as old scripts make it.
fn version_1(key: &KeyPair) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "old");
    let cert = params.self_signed(key).unwrap();
    let parts = elements(contents(cert.der()));
    let fields = elements(contents(parts[0]));
    let fields: Vec<_> = fields
        .into_iter()
        .filter(|field| !matches!(field[0], 0xa0 | 0xa3))
        .collect();
    let signed = element(0x30, &fields.concat());
    let signature = key.sign(&signed).unwrap();
    let signature = element(3, &[&[0], &signature[..]].concat());
    element(0x30, &[&signed, parts[1], &signature].concat()).into()
}

#[test]
fn x509_version_1() {
    let files = Files::new("v1");
    let key = KeyPair::generate().unwrap();
    let cert = version_1(&key);
    let pem = pem("CERTIFICATE", &cert);
    let ca = files.write("v1.crt", &pem);
    let addr = bare_server(cert, &key, &["h2"], false).to_string();
    let words = "is of X.509 version 1, and TLS needs version 3";
    refused(
        &addr,
        &["--tls", "--tls-ca", &ca],
        &format!("the server's certificate {words}"),
    );
    // `serve` says so before anyone connects.
    let key = files.write("v1.key", key.serialize_pem());
    let (code, _, stderr) = run([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        &ca,
        "--tls-key",
        &key,
    ]);
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains(&format!("({key}): the certificate {words}")),
        "{stderr}"
    );
}

/// The handshake succeeds; the server says nothing behind it.
#[test]
fn without_verification_x509_version_1_will_do() {
    let key = KeyPair::generate().unwrap();
    let addr = bare_server(version_1(&key), &key, &["h2"], false).to_string();
    let (code, _, stderr) = run([
        "probe",
        "-addr",
        &addr,
        "-tls",
        "-tls-no-verify",
        "-connect-timeout=300ms",
    ]);
    assert_eq!(code, 2, "{stderr}");
    let silent = "hint: the server completed the TLS handshake and said nothing within 300ms";
    assert!(stderr.contains(silent), "{stderr}");
}

#[test]
fn tls_without_http2() {
    let files = Files::new("alpn");
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let cert = params.self_signed(&key).unwrap();
    let ca = files.write("ca.crt", cert.pem());
    for alpn in [&["http/1.1"][..], &[]] {
        let addr = bare_server(cert.der().clone(), &key, alpn, false).to_string();
        refused(
            &addr,
            &["--tls", "--tls-ca", &ca],
            "the server speaks TLS, and no HTTP/2 in it (ALPN h2)",
        );
    }
}

#[test]
fn tls_with_nothing_in_it() {
    let files = Files::new("nothing");
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let cert = params.self_signed(&key).unwrap();
    let ca = files.write("ca.crt", cert.pem());
    let tls = ["--tls", "--tls-ca", &ca, "--connect-timeout", "300ms"];
    let silent = "the server completed the TLS handshake and said nothing within 300ms";
    let gone = "the server closed the connection before it said anything";
    for (hang_up, expected) in [(false, silent), (true, gone)] {
        let addr = bare_server(cert.der().clone(), &key, &["h2"], hang_up).to_string();
        refused(&addr, &tls, expected);
    }
}
