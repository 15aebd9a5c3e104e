//! Probes that are ready to use in a [`Check`](super::Check): TCP, gRPC, HTTP, a command, a file's age.

mod age;
#[cfg(unix)]
mod command;
mod grpc;
mod http;
mod io;
#[cfg(test)]
mod outage_tests;
mod tcp;

pub use age::FileAge;
#[cfg(unix)]
pub use command::Command;
pub use grpc::Grpc;
pub use http::{Http, InvalidUrl};
pub use tcp::Tcp;
