//! TLS and mutual TLS. A server's certificates can be replaced while the server runs.
//!
//! The server and the client speak TLS 1.2 or 1.3, and only HTTP/2 over it (ALPN `h2`). Early data (0-RTT) is off, because it could be
//! replayed. A server resumes no sessions, so that it checks every client against the certificates that are current at the handshake.
//!
//! ```no_run
//! use grpc_health::tls::{ServerPem, ServerTls};
//! use grpc_health::{HealthService, Registry, Server};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let read = || ServerPem::read("tls.crt".as_ref(), "tls.key".as_ref(), Some("ca.crt".as_ref()));
//! let tls = ServerTls::new(read()?)?;
//!
//! let server = Server::builder().service(HealthService::new(Registry::new())).build();
//! server.bind_tls("[::]:50051", &tls).await?;
//! // A plain-text listener for the probes of this machine.
//! server.bind("127.0.0.1:50052").await?;
//!
//! // Every few seconds, or on SIGHUP: new handshakes use the new files, open connections go on.
//! match read().and_then(|pem| tls.replace(pem)) {
//!     Ok(changed) => println!("certificates {}", if changed { "replaced" } else { "unchanged" }),
//!     Err(error) => eprintln!("certificates kept: {error}"),
//! }
//! # server.serve().await?;
//! # Ok(())
//! # }
//! ```

mod account;
mod chain;
#[cfg(feature = "client")]
mod client;
mod error;
mod pem;
mod records;
mod server;
mod turns;
mod words;

#[cfg(feature = "client")]
pub(crate) use client::explain;
#[cfg(feature = "client")]
pub use client::{ClientPem, ClientTls};
pub use error::TlsError;
pub use server::{ServerPem, ServerTls};

/// The name of HTTP/2 in ALPN ([RFC 9113, section 3.2](https://www.rfc-editor.org/rfc/rfc9113#section-3.2)).
const H2: &[u8] = b"h2";

/// A certificate and its key that do not go together, or with rustls.
fn refused_identity(
    certificates: &pem::Source,
    key: &pem::Source,
    error: rustls::Error,
) -> TlsError {
    let what = certificates
        .what("the certificate")
        .and(&key.what("its key"));
    TlsError::refused(what, error)
}
