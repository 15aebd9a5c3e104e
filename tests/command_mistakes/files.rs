//! Files that cannot be used.

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{Files, certs::Ca, pem, refused, support::run};

/// The file that is wrong is named, and how.
#[test]
fn files_that_cannot_be_used() {
    let (files, ca) = (Files::new("files"), Ca::new("ca"));
    let (trusted, client) = (files.write("ca.crt", ca.pem()), ca.client());
    let (cert, key) = files.identity("client", &client);
    let der = CertificateDer::from_pem_slice(client.cert.as_bytes()).unwrap();
    let der = files.write("client.der", &der);
    let key_der = PrivateKeyDer::from_pem_slice(client.key.as_bytes()).unwrap();
    let key_der = files.write("key.der", key_der.secret_der());
    let (_, other) = files.identity("other", &ca.client());
    let encrypted = files.write("encrypted", pem("ENCRYPTED PRIVATE KEY", b"secret"));
    let cut = files.write("cut", &client.cert[..200]);
    let damaged = files.write("damaged", client.cert.replacen('\n', "\n!", 2));
    let (empty, text) = (
        files.write("empty", ""),
        files.write("text", "certificate: none\n"),
    );
    let no_cert = pem("CERTIFICATE", b"not one");
    let no_cert = files.write("no-cert", no_cert);

    let (_server, addr) = files.serve("server", &ca.server());
    let ca = |file: &str, expected: &str| {
        let expected = format!("error: the CA ({file}): {expected}");
        refused(&addr, &["--tls", "--tls-ca", file], &expected);
    };
    ca(
        &der,
        "the contents are binary (DER), where PEM is expected, a text that begins with \"-----BEGIN\"",
    );
    ca(
        &key,
        "the text holds a private key and no certificate: are certificate and key swapped?",
    );
    ca(&cut, "the text is cut off");
    ca(&damaged, "the text is damaged");
    ca(&empty, "the text holds no certificate");
    ca(&text, "the text holds no certificate");
    ca(&no_cert, "the certificate is malformed");

    let identity = |cert: &str, key: &str, expected: &str| {
        let files = ["--tls-client-cert", cert, "--tls-client-key", key];
        let args = [&["--tls", "--tls-ca", &trusted], &files[..]].concat();
        refused(&addr, &args, expected);
    };
    let swapped = "are certificate and key swapped?";
    identity(
        &key,
        &cert,
        &format!(
            "the certificate ({key}): the text holds a private key and no certificate: {swapped}"
        ),
    );
    identity(
        &cert,
        &cert,
        &format!(
            "the private key ({cert}): the text holds a certificate and no private key: {swapped}"
        ),
    );
    identity(
        &der,
        &key,
        &format!("the certificate ({der}): the contents are binary (DER)"),
    );
    identity(
        &cert,
        &key_der,
        &format!("the private key ({key_der}): the contents are binary (DER)"),
    );
    identity(
        &cert,
        &encrypted,
        &format!("the private key ({encrypted}): the private key is encrypted"),
    );
    identity(
        &cert,
        &other,
        &format!(
            "the certificate ({cert}) and its key ({other}): the key is not that of the certificate"
        ),
    );
    // And as they should be.
    let args = [
        "--tls",
        "--tls-ca",
        &trusted,
        "--tls-client-cert",
        &cert,
        "--tls-client-key",
        &key,
    ];
    let (code, _, stderr) = run([&["check", &addr], &args[..]].concat());
    assert_eq!(code, 0, "{stderr}");
}
