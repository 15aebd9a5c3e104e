//! RFC 9113 and RFC 7541, section by section, as generic tools test a server: the frames of each case, and what may come of them. Each is
//! put to the server without gRPC (`examples/bare_http.rs`) and to the health service, on connections of their own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[cfg(feature = "__internals")]
mod bare;
mod case;
mod connection;
mod frames;
mod hpack;
mod messages;
mod side;
mod states;
#[path = "../support/mod.rs"]
mod support;

use case::{Case, Seen};
use side::Side;

fn cases(side: Side) -> Vec<Case> {
    let mut cases = connection::cases(side);
    cases.extend(states::cases(side));
    cases.extend(frames::cases(side));
    cases.extend(messages::cases(side));
    cases.extend(hpack::cases(side));
    cases
}

/// Every case, against one server. Where h2 differs from the RFC the case says how, and that is asserted.
async fn run(side: Side) {
    let mut wrong = Vec::new();
    for case in cases(side) {
        let seen = case.put_to(side).await;
        let expected = match case.gap {
            None => case.allowed.contains(&seen),
            Some(gap) => seen == gap && !case.allowed.contains(&gap),
        };
        if !expected {
            wrong.push(format!("{}: {}: {seen:?}", case.section, case.what));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[cfg(feature = "__internals")]
#[tokio::test(start_paused = true)]
async fn the_bare_server_does_what_the_rfcs_say() {
    run(Side::Bare).await;
}

#[tokio::test(start_paused = true)]
async fn the_grpc_server_does_what_the_rfcs_say() {
    run(Side::Grpc).await;
}

/// RELIABILITY.md says how many cases there are, and in how many h2 ends the same but with another code.
#[test]
fn the_score_is_the_one_that_is_told() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/RELIABILITY.md");
    let text = std::fs::read_to_string(path).expect("RELIABILITY.md");
    let cases = cases(Side::Grpc);
    let gaps: Vec<_> = cases.iter().filter_map(|case| case.gap).collect();
    let is_code = |gap: &&Seen| matches!(gap, Seen::Connection(_) | Seen::Stream(_));
    let codes = gaps.iter().filter(is_code).count();
    let (all, as_told) = (cases.len(), cases.len() - gaps.len());
    let score = format!(
        "{as_told} of {all} cases, {} but for the code",
        as_told + codes
    );
    assert!(text.contains(&score), "{score}");
}
