//! Mutual TLS: a client that cannot prove who it is never gets as far as a call.

use grpc_health::client::Client;
use grpc_health::tls::ClientTls;
use rustls::AlertDescription;

use crate::certs::{Ca, Identity};
use crate::fixture::{Fixture, alert, bare, refusal, server_pem, start, trusting};

/// The authority of the server's certificate is another than that of its clients'.
struct Mutual {
    servers: Ca,
    clients: Ca,
    fixture: Fixture,
}

async fn mutual() -> Mutual {
    let (servers, clients) = (Ca::new("servers"), Ca::new("clients"));
    let pem = server_pem(&servers.server()).client_ca(clients.pem());
    let fixture = start(pem).await;
    Mutual {
        servers,
        clients,
        fixture,
    }
}

fn with_identity(ca: &Ca, identity: &Identity) -> ClientTls {
    let (cert, key) = (identity.cert.as_bytes(), identity.key.as_bytes());
    ClientTls::with_identity(ca.pem().as_bytes(), cert, key).unwrap()
}

#[tokio::test]
async fn a_client_with_a_certificate_is_served() {
    let Mutual {
        servers,
        clients,
        fixture,
    } = mutual().await;
    let tls = with_identity(&servers, &clients.client());
    fixture.check(&tls).await;
    let stats = fixture.stop().await;
    assert_eq!((stats.calls, stats.connection_errors), (1, 0));
}

#[tokio::test]
async fn others_fail_the_handshake_and_never_see_an_rpc_error() {
    let Mutual {
        servers,
        clients,
        fixture,
    } = mutual().await;
    let stranger = Ca::new("clients").client();
    // A certificate of the right authority, but for servers.
    let server = clients.server();
    let table = [
        (None, AlertDescription::CertificateRequired),
        // The same name, another key.
        (Some(&stranger), AlertDescription::DecryptError),
        (Some(&server), AlertDescription::UnsupportedCertificate),
    ];
    for (identity, expected) in &table {
        let refused = refusal(fixture.addr, bare(&servers, &["h2"], *identity)).await;
        assert_eq!(alert(refused), *expected);
    }
    // Through the client: no connection, however late the server's word comes.
    for (identity, _) in &table {
        let tls = match identity {
            None => trusting(&servers),
            Some(identity) => with_identity(&servers, identity),
        };
        let refused = Client::connect_tls(fixture.addr, "localhost", &tls).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("client certificate"), "{refused}");
    }
    let stats = fixture.stop().await;
    assert_eq!((stats.calls, stats.connection_errors), (0, 6));
}

/// A message is 64 KiB at most, and that is judged by the length it declares.
#[tokio::test]
async fn a_chain_of_a_thousand_certificates_is_refused() {
    let Mutual {
        servers,
        clients,
        fixture,
    } = mutual().await;
    let mut client = clients.client();
    client.cert = client.cert.repeat(1_000);
    let refused = refusal(fixture.addr, bare(&servers, &["h2"], Some(&client))).await;
    assert!(refused.is_err());
    // A hundred certificates fit into a message, and are too many all the same.
    let mut client = Ca::new("elsewhere").client();
    client.cert = client.cert.repeat(100);
    let refused = refusal(fixture.addr, bare(&servers, &["h2"], Some(&client))).await;
    assert_eq!(alert(refused), AlertDescription::CertificateUnknown);
    let stats = fixture.stop().await;
    assert_eq!((stats.calls, stats.connection_errors), (0, 2));
}

#[tokio::test]
async fn a_client_ca_that_is_replaced_decides_the_next_handshake() {
    let Mutual {
        servers,
        clients,
        fixture,
    } = mutual().await;
    let old = with_identity(&servers, &clients.client());
    let newcomers = Ca::new("newcomers");
    let new = with_identity(&servers, &newcomers.client());

    let open = fixture.connect(&old).await;
    assert!(open.check("").await.unwrap().is_serving());
    let pem = server_pem(&servers.server()).client_ca(newcomers.pem());
    assert!(fixture.tls.replace(pem).unwrap());
    fixture.check(&new).await;
    let client = clients.client();
    let refused = refusal(fixture.addr, bare(&servers, &["h2"], Some(&client))).await;
    assert_eq!(alert(refused), AlertDescription::UnknownCA);
    assert!(open.check("").await.unwrap().is_serving());
}
