//! Certificates that one side refuses.

use rcgen::{CertificateParams, IsCa, KeyPair, date_time_ymd};

use crate::{
    Files,
    certs::{Ca, Identity},
    pem, refused,
    support::{command, run, serve},
};

/// A certificate for localhost that is as `change` makes it, signed by `ca`.
fn issue(ca: &Ca, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let mut params =
        CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    change(&mut params);
    ca.sign(params)
}

#[test]
fn certificates_of_servers_that_are_refused() {
    let (files, ca, same_name) = (Files::new("refused"), Ca::new("ca"), Ca::new("ca"));
    let trusted = files.write("ca.crt", ca.pem());
    let tls = ["--tls", "--tls-ca", &trusted];
    let table = [
        (
            issue(&ca, |params| params.not_after = date_time_ymd(2001, 1, 1)),
            "the server's certificate has expired ",
        ),
        (
            issue(&ca, |params| params.not_before = date_time_ymd(4000, 1, 1)),
            "the server's certificate is not valid yet, but only in ",
        ),
        (
            issue(&ca, |params| {
                params.subject_alt_names =
                    vec![rcgen::SanType::DnsName("shop.example".try_into().unwrap())];
            }),
            "the server's certificate is not for 127.0.0.1, but for shop.example",
        ),
        (
            issue(&ca, |params| params.subject_alt_names.clear()),
            "the server's certificate is not for 127.0.0.1, but for no name: a subjectAltName is missing",
        ),
        (
            Ca::new("other").server(),
            "the server's certificate is signed by no authority that is trusted here",
        ),
        (
            same_name.server(),
            "the server's certificate has a signature that is not its authority's",
        ),
        (
            ca.client(),
            "is not for this purpose: its extended key usage says another",
        ),
        (
            issue(&ca, |params| {
                params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            }),
            "the server's certificate is that of an authority (CA:TRUE)",
        ),
    ];
    for (i, (identity, expected)) in table.iter().enumerate() {
        let (_server, addr) = files.serve(&i.to_string(), identity);
        refused(&addr, &tls, expected);
    }
    let (_server, addr) = files.serve("good", &ca.server());
    let named = [&tls[..], &["--tls-server-name", "not a name"]].concat();
    refused(
        &addr,
        &named,
        "\"not a name\" is neither a host name nor an IP address",
    );
}

/// `openssl req -x509` makes an authority's certificate, and servers are given it as their own. Made with CA:FALSE it is taken.
#[test]
fn a_self_signed_certificate_given_as_the_authority() {
    let files = Files::new("self-signed");
    let self_signed = |is_ca| {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        Identity {
            cert: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    };
    let authority = self_signed(IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    let (_server, addr) = files.serve("ca", &authority);
    let ca = files.write("ca.pem", &authority.cert);
    refused(
        &addr,
        &["--tls", "--tls-ca", &ca],
        "the server's certificate is that of an authority (CA:TRUE), and a server needs one",
    );

    let own = self_signed(IsCa::ExplicitNoCa);
    let (_server, addr) = files.serve("own", &own);
    let ca = files.write("own.pem", &own.cert);
    let (code, _, stderr) = run(["check", &addr, "--tls", "--tls-ca", &ca]);
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_server_that_wants_another_client() {
    let (files, ca, clients) = (Files::new("clients"), Ca::new("ca"), Ca::new("clients"));
    let trusted = files.write("ca.crt", ca.pem());
    let client_ca = files.write("clients.crt", clients.pem());
    let (cert, key) = files.identity("server", &ca.server());
    let (_server, addr) = serve(&[
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--tls-client-ca",
        &client_ca,
    ]);
    let tls = ["--tls", "--tls-ca", &trusted];
    refused(
        &addr,
        &tls,
        "the server asks for a client certificate (mutual TLS)",
    );
    for (name, identity, expected) in [
        (
            "stranger",
            Ca::new("others").client(),
            "the server does not trust the client certificate",
        ),
        (
            "server",
            clients.server(),
            "the server does not take the client certificate",
        ),
    ] {
        let (cert, key) = files.identity(name, &identity);
        let identity = ["--tls-client-cert", &cert, "--tls-client-key", &key];
        refused(&addr, &[&tls[..], &identity].concat(), expected);
    }
}

/// Without `--tls-ca` those are trusted whom the machine trusts.
#[test]
fn the_authorities_of_the_machine() {
    let (files, ca) = (Files::new("machine"), Ca::new("ca"));
    let (_server, addr) = files.serve("server", &ca.server());
    let check = |store: &str| {
        let mut check = command(["check", &addr, "--tls"]);
        let output = check
            .env("SSL_CERT_FILE", store)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), stderr)
    };
    assert_eq!(check(&files.write("ca.crt", ca.pem())), (0, String::new()));
    // One that cannot be read does not take the others' trust away.
    let broken = pem("CERTIFICATE", b"not one");
    assert_eq!(check(&files.write("two.crt", broken + &ca.pem())).0, 0);
    let (code, stderr) = check(&files.write("other.crt", Ca::new("other").pem()));
    assert_eq!(code, 2);
    assert!(
        stderr.contains("signed by no authority that is trusted here"),
        "{stderr}"
    );
    let (code, stderr) = check(&files.write("empty.crt", ""));
    assert_eq!(code, 2);
    assert!(
        stderr.contains("the authorities of this machine: none is found"),
        "{stderr}"
    );
}
