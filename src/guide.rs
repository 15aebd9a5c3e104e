//! Guides: how a program does one thing with this crate, from its Cargo.toml to a running server.
//!
//! Each Rust block of a guide is a whole program, which is compiled as it stands with the dependencies that the guide states. A guide
//! is a page of text and adds no code to the crate.
//!
//! | to | read |
//! |---|---|
//! | serve health checks from a tokio program, change statuses, listen on a Unix socket | [`embed`] |
//! | let leases, groups and checks decide statuses | [`statuses`] |
//! | answer probes while the application's runtime is blocked | [`thread`] |
//! | add health checks to a tonic server | [`tonic`] |
//! | add health checks to an axum or hyper server | [`axum`] |
//! | choose what liveness and readiness probes ask for | [`probes`] |
//! | shut down without a failed request, on Kubernetes and elsewhere | [`kubernetes`] |
//! | configure Envoy, Istio, nginx, HAProxy, AWS, Google Cloud and others | [`balancers`] |
//! | serve over TLS and mutual TLS | [`tls`] |
//! | write an RPC of your own on the same port | [`rpcs`] |
//! | generate typed services from .proto files, and serve reflection | [`typed`] |
//! | know what a hostile peer can and cannot do | [`security`] |
//! | look up a limit | [`limits`] |
//! | use the command `grpc-health` | [`command`] |
//! | give a program that speaks no gRPC a health service | [`sidecar`] |
//! | see metrics and events | [`metrics`] |
//! | ask and follow other servers from a program | [`client`] |
//! | find a runnable example | [`examples`] |
//! | move from Python's `HealthServicer` | [`from_python`] |
//! | move from tonic-health | [`from_tonic_health`] |
//! | move from grpc-go's package `health` | [`from_grpc_go`] |
//! | move from `grpc_health_probe` | [`from_grpc_health_probe`] |
//!
//! The modules of the crate. An arrow leads from a module to a module that it imports; arrows that follow from others are left out:
//!
#![doc = include_str!("../docs/architecture.svg")]
// Pages link to items of every feature. docs.rs has them all, and the gate builds the pages with all features, too.
#![cfg_attr(
    not(all(
        feature = "checks",
        feature = "control",
        feature = "gzip",
        feature = "http1",
        feature = "metrics",
        feature = "native-roots",
        feature = "reflection",
        feature = "tls",
        feature = "tower",
        feature = "tracing",
        feature = "affinity"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

// `not(doctest)`: a page is there with any features, and its programs are tested with the features that the programs need.

#[doc = include_str!("guide/embed.md")]
pub mod embed {}

#[doc = include_str!("guide/statuses.md")]
pub mod statuses {}

#[doc = include_str!("guide/thread.md")]
pub mod thread {}

#[cfg_attr(any(not(doctest), feature = "tower"), doc = include_str!("guide/tonic.md"))]
pub mod tonic {}

#[cfg_attr(any(not(doctest), feature = "tower"), doc = include_str!("guide/axum.md"))]
pub mod axum {}

#[doc = include_str!("guide/probes.md")]
pub mod probes {}

#[doc = include_str!("guide/kubernetes.md")]
pub mod kubernetes {}

#[cfg_attr(any(not(doctest), feature = "http1"), doc = include_str!("guide/balancers.md"))]
pub mod balancers {}

#[cfg_attr(any(not(doctest), feature = "tls"), doc = include_str!("guide/tls.md"))]
pub mod tls {}

#[cfg_attr(any(not(doctest), feature = "gzip"), doc = include_str!("guide/rpcs.md"))]
pub mod rpcs {}

// scripts/readme.py compiles these programs, which need a build script.
#[cfg_attr(not(doctest), doc = include_str!("guide/typed.md"))]
pub mod typed {}

#[doc = include_str!("guide/security.md")]
pub mod security {}

#[doc = include_str!("guide/limits.md")]
pub mod limits {}

#[doc = include_str!("guide/command.md")]
pub mod command {}

#[cfg_attr(any(not(doctest), all(feature = "checks", feature = "control")), doc = include_str!("guide/sidecar.md"))]
pub mod sidecar {}

#[cfg_attr(any(not(doctest), feature = "metrics"), doc = include_str!("guide/metrics.md"))]
pub mod metrics {}

#[cfg_attr(any(not(doctest), all(feature = "client", feature = "tls")), doc = include_str!("guide/client.md"))]
pub mod client {}

#[doc = include_str!("guide/examples.md")]
pub mod examples {}

#[cfg_attr(any(not(doctest), feature = "client"), doc = include_str!("guide/from_python.md"))]
pub mod from_python {}

#[cfg_attr(any(not(doctest), feature = "client"), doc = include_str!("guide/from_tonic_health.md"))]
pub mod from_tonic_health {}

#[doc = include_str!("guide/from_grpc_go.md")]
pub mod from_grpc_go {}

#[cfg_attr(any(not(doctest), feature = "client"), doc = include_str!("guide/from_grpc_health_probe.md"))]
pub mod from_grpc_health_probe {}
