//! The memory of futures.

use std::sync::Arc;

use super::fixture::Net;
use crate::client::monitor::crowd::Door;
use crate::client::monitor::dialling::Dialling;
use crate::client::monitor::follow::Following;
use crate::client::monitor::line::Line;
use crate::client::monitor::settings::Settings;
use crate::client::monitor::state::PairId;
use crate::client::monitor::table::Table;

/// The steps of connecting and of a call's beginning are in boxes that are freed.
#[tokio::test]
async fn a_pair_and_an_endpoint_are_small() {
    let line = Arc::new(Line::new());
    let settings = Arc::new(Settings::DEFAULT);
    let table = Arc::new(Table::new());
    let pair = Following::new(
        Arc::clone(&line),
        Arc::clone(&settings),
        table,
        PairId(1),
        "".into(),
    );
    let pair = size_of_val(&pair.run());
    let dialling = Dialling {
        line,
        dial: Net::new().endpoint.dial(),
        settings,
        door: Arc::new(Door::default()),
    };
    let endpoint = size_of_val(&dialling.run());
    println!("a pair has {pair} B, an endpoint {endpoint} B");
    assert!(pair <= 2_048, "{pair} B");
    assert!(endpoint <= 2_048, "{endpoint} B");
}
