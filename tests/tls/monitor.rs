//! The monitor over TLS.

use grpc_health::client::monitor::{Endpoint, State};
use grpc_health::client::{Connector, Monitor};

use crate::certs::Ca;
use crate::fixture::{server_pem, start, trusting};

#[tokio::test]
async fn a_monitor_follows_over_tls_and_trusts_as_the_connector_says() {
    let (ca, other) = (Ca::new("servers"), Ca::new("others"));
    let fixture = start(server_pem(&ca.server())).await;
    let connector = |ca: &Ca| Connector::new().tls(&trusting(ca)).server_name("localhost");
    let monitor = Monitor::builder().connector(connector(&ca)).start();
    let good = monitor.add(fixture.addr, "").unwrap();
    let endpoint = Endpoint::new(fixture.addr.into(), connector(&other));
    let bad = monitor.add_endpoint(&endpoint, "").unwrap();
    let mut changes = monitor.changes();
    let (mut serves, mut fails) = (false, false);
    while !serves || !fails {
        let pair = changes.next().await.unwrap();
        match pair.state {
            State::Connecting => {}
            State::Unreachable(why) => {
                assert_eq!(pair.id, bad, "{why}");
                assert!(why.reason().contains("certificate"), "{why}");
                fails = true;
            }
            state => {
                assert_eq!(pair.id, good);
                serves = state.is_serving();
            }
        }
    }
}
