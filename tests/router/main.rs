//! Application services: a router's handlers behind a whole server, and a scripted client in front of it.
//!
//! The conformance suite of connectrpc sends a gRPC server these kinds of cases. Each has tests here, for every kind of method:
//!
//! | kind of case | tests |
//! |---|---|
//! | unary and streaming calls, half and full duplex | `kinds` |
//! | empty messages, empty streams | `unexpected`, `kinds` |
//! | no message, two messages, broken messages and prefixes | `unexpected`, `messages` |
//! | other HTTP methods, paths, content types, codecs, encodings | `unexpected`, `content_type` |
//! | codes, details and metadata of errors, before messages (Trailers-Only) and after them (trailers) | `errors`, `answers`, `details` |
//! | metadata: duplicates, binary, empty, many | `metadata`, `requests`, `answers` |
//! | the largest message, and one byte more | `sizes`, `codec`; compressed: `gzip` |
//! | compression of single messages | `gzip`; `compressed` in `tests/interop_cases` |
//! | a deadline that is told to the handler | `requests` |
//! | a deadline that passes, at each stage | `timeouts`, `times`, `cancel` |
//! | cancellation, at each stage | `stages`, `cancel` |
//! | replies that arrive as they are made | `delivery` |
//! | client certificates | `mutual` in `tests/tls` |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod admission;
mod answers;
mod backpressure;
mod cancel;
mod codec;
mod content_type;
mod delivery;
mod details;
mod drain;
mod echo;
mod errors;
mod fairness;
mod fixture;
#[cfg(feature = "gzip")]
mod gzip;
mod half_closed;
mod intercept;
mod interceptors;
mod kinds;
mod limits;
mod messages;
mod metadata;
mod nested;
mod observers;
mod panics;
mod payloads;
mod peers;
mod requests;
mod sizes;
mod spawned;
mod stages;
#[path = "../support/mod.rs"]
mod support;
mod timeouts;
mod times;
mod unexpected;
mod unit;
mod window;
mod wrapper;
