//! Tests of the ledger.

mod door;
mod model;
mod rules;
