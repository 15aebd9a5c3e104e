//! Certificates that change while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use grpc_health::tls::{ServerPem, ServerTls, TlsError};
use rustls::pki_types::CertificateDer;

use crate::certs::Ca;
use crate::fixture::{Fixture, bare, der, server_pem, shake_hands, start, trusting};

/// The certificate that a new connection is shown.
async fn shown(fixture: &Fixture, ca: &Ca) -> CertificateDer<'static> {
    let config = Arc::new(bare(ca, &["h2"], None));
    let stream = shake_hands(fixture.addr, &config).await.unwrap();
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    certificates[0].clone().into_owned()
}

#[tokio::test]
async fn replaced_under_load_without_a_failed_call() {
    let ca = Ca::new("ca");
    let fixture = Arc::new(start(server_pem(&ca.server())).await);
    let tls = trusting(&ca);
    let over = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicU64::new(0));

    let open = fixture.connect(&tls).await;
    let old_connection = tokio::spawn({
        let (over, calls) = (Arc::clone(&over), Arc::clone(&calls));
        async move {
            while !over.load(Relaxed) {
                assert!(open.check("").await.unwrap().is_serving());
                calls.fetch_add(1, Relaxed);
            }
        }
    });
    let new_connections = tokio::spawn({
        let (fixture, over, calls) = (fixture.clone(), over.clone(), calls.clone());
        async move {
            while !over.load(Relaxed) {
                fixture.check(&tls).await;
                calls.fetch_add(1, Relaxed);
            }
        }
    });
    for _ in 0..20 {
        let identity = ca.server();
        assert!(fixture.tls.replace(server_pem(&identity)).unwrap());
        assert_eq!(shown(&fixture, &ca).await, der(&identity.cert)[0]);
    }
    over.store(true, Relaxed);
    old_connection.await.unwrap();
    new_connections.await.unwrap();
    let fixture = Arc::into_inner(fixture).unwrap();
    let stats = fixture.stop().await;
    assert_eq!(
        (stats.calls, stats.connection_errors),
        (calls.load(Relaxed), 0)
    );
}

#[tokio::test]
async fn what_cannot_be_used_leaves_the_old_in_use() {
    let (ca, clients) = (Ca::new("ca"), Ca::new("clients"));
    let (old, new) = (ca.server(), ca.server());
    let fixture = start(server_pem(&old)).await;
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let table = [
        (
            ServerPem::new("", new.key.as_str()),
            "the certificate: the text holds ",
        ),
        (
            ServerPem::new(garbage, new.key.as_str()),
            "the certificate and its key: ",
        ),
        // Cut short, as a file is that is being written.
        (
            ServerPem::new(&new.cert.as_bytes()[..300], new.key.as_str()),
            "the certificate: ",
        ),
        (
            ServerPem::new(new.cert.as_str(), ""),
            "the private key: the text holds no private key",
        ),
        (
            ServerPem::new(new.cert.as_str(), new.cert.as_str()),
            "the private key: the text holds a certificate and no private key: ",
        ),
        // One file is new already and the other is not.
        (
            ServerPem::new(new.cert.as_str(), old.key.as_str()),
            "the certificate and its key: ",
        ),
        // Nobody vouches for clients: that must not mean that anybody may come.
        (
            server_pem(&new).client_ca(""),
            "the client CA: the text holds ",
        ),
        (
            server_pem(&new).client_ca(clients.client().key),
            "the client CA: the text holds ",
        ),
        (server_pem(&new).client_ca(garbage), "the client CA: "),
    ];
    for (pem, expected) in table {
        let said = ServerTls::new(pem.clone()).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
        let kept = fixture.tls.replace(pem).unwrap_err().to_string();
        assert_eq!(said, kept);
        assert_eq!(shown(&fixture, &ca).await, der(&old.cert)[0]);
    }
    assert!(!fixture.tls.replace(server_pem(&old)).unwrap());
    assert!(fixture.tls.replace(server_pem(&new)).unwrap());
    assert!(!fixture.tls.replace(server_pem(&new)).unwrap());
    assert_eq!(shown(&fixture, &ca).await, der(&new.cert)[0]);
}

#[test]
fn files_are_read_and_a_missing_one_is_named() {
    let dir = tempdir("read");
    let (ca, clients) = (Ca::new("ca"), Ca::new("clients"));
    let identity = ca.server();
    let (cert, key, roots) = (dir.join("c"), dir.join("k"), dir.join("r"));
    std::fs::write(&cert, &identity.cert).unwrap();
    std::fs::write(&key, &identity.key).unwrap();
    assert!(ServerPem::read(&cert, &key, None).unwrap() == server_pem(&identity));
    let missing: TlsError = ServerPem::read(&cert, &key, Some(&roots)).unwrap_err();
    assert!(
        missing.to_string().starts_with(roots.to_str().unwrap()),
        "{missing}"
    );
    std::fs::write(&roots, clients.pem()).unwrap();
    let read = ServerPem::read(&cert, &key, Some(&roots)).unwrap();
    assert!(read == server_pem(&identity).client_ca(clients.pem()));
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn keys_are_not_printed() {
    let identity = Ca::new("ca").server();
    let pem = server_pem(&identity);
    let printed = format!("{pem:?} {:?}", ServerTls::new(pem.clone()).unwrap());
    assert_eq!(
        printed,
        "ServerPem { mutual: false, .. } ServerTls { pem: ServerPem { mutual: false, .. }, .. }"
    );
}

/// An empty directory of this test's own.
fn tempdir(name: &str) -> std::path::PathBuf {
    let name = format!("tls-{name}-{}", std::process::id());
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
