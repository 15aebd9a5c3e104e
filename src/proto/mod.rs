//! The messages of the services that this crate serves.
//!
//! The files beside this one are generated from `proto/` and checked in; `scripts/regenerate.sh` generates them anew.

/// Package `grpc.health.v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod health {
    include!("grpc.health.v1.rs");
}

/// The two versions of the reflection protocol.
#[cfg(feature = "reflection")]
pub mod reflection {
    /// Package `grpc.reflection.v1`.
    #[allow(missing_docs, clippy::all, clippy::pedantic)]
    pub mod v1 {
        include!("grpc.reflection.v1.rs");
    }

    /// Package `grpc.reflection.v1alpha`.
    #[allow(missing_docs, clippy::all, clippy::pedantic)]
    pub mod v1alpha {
        include!("grpc.reflection.v1alpha.rs");
    }
}

/// Package `grpc_health.control.v1`, from `proto/grpc_health/control/v1/control.proto`.
#[cfg(feature = "control")]
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod control {
    include!("grpc_health.control.v1.rs");
}

/// The `.proto` files of `grpc.health.v1` and of reflection, with their comments: an encoded `google.protobuf.FileDescriptorSet`.
#[cfg(feature = "reflection")]
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("descriptors.bin");
