//! Generates typed servers from .proto files, in a build script.
//!
//! A [`Generator`] writes a module for each service that [prost-build](prost_build) finds. The module has a trait to implement, and a
//! function that adds the trait's methods to a `grpc_health::Router`. An application's `build.rs` uses the generator, with this crate among
//! the `[build-dependencies]`:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let files = protox::compile(["greet/v1/greet.proto"], ["proto"])?;
//! prost_build::Config::new()
//!     .service_generator(Box::new(grpc_health_build::Generator::new()))
//!     .compile_fds(files)?;
//! # Ok(())
//! # }
//! ```
//!
//! [protox](https://docs.rs/protox) compiles .proto files in pure Rust. With an installed `protoc`, prost-build's `compile_protos` works,
//! too.
//!
//! For `service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }` in package `greet.v1`, the generator writes this next to the
//! messages:
//!
//! ```text
//! pub mod greeter_server {
//!     pub const SERVICE_NAME: &str = "greet.v1.Greeter";
//!     pub const SAY_HELLO_PATH: &str = "/greet.v1.Greeter/SayHello";
//!
//!     pub trait Greeter: Send + Sync + 'static {
//!         /// Implement as an `async fn`. The default answers UNIMPLEMENTED.
//!         fn say_hello(
//!             &self,
//!             request: Request<HelloRequest>,
//!         ) -> impl Future<Output = Result<Response<HelloReply>, Status>> + Send { .. }
//!     }
//!
//!     /// Adds the methods of `service` to `router`.
//!     pub fn add<S, T>(router: Router<S>, service: Arc<T>) -> Router<S> { .. }
//!
//!     /// Adds the methods, with the settings that `route` returns for each path.
//!     pub fn add_with<S, T>(
//!         router: Router<S>,
//!         service: Arc<T>,
//!         route: impl Fn(&'static str) -> Route,
//!     ) -> Router<S> { .. }
//! }
//! ```
//!
//! A stream of requests is a `grpc_health::router::Streaming`. A stream of replies is a `grpc_health::router::BoxStream`.
//!
//! # Names
//!
//! If two methods of a service have the same name in Rust, the later method gets an underscore. If a package has a module with the name of
//! a service's module, the service's module gets an underscore: `greeter_server_` next to `message GreeterServer { message Inner {} }`. The
//! same holds for the later one of two services whose names differ in case alone. The service `_` is named `Unnamed`, the method `_` is
//! named `unnamed`.
//!
//! # Comments
//!
//! Comments in the .proto files become documentation. Code blocks in comments become blocks of plain text, so that `cargo test` does not
//! run the blocks. The generator handles the comments of packages that have a service, messages included. For a package without a service,
//! use [`Config::disable_comments`](prost_build::Config::disable_comments) if its comments have code blocks.

#![forbid(unsafe_code)]

mod comments;
mod names;
mod service;

use std::mem;

use prost_build::{Service, ServiceGenerator};

use names::Names;

/// Generates servers, as a service generator of prost-build. The [crate's documentation](crate) shows the generated code.
///
/// The generator writes the services of a package after all messages of the package, in `finalize_package`. A `ServiceGenerator` that wraps
/// this generator must call `finalize_package` as well as `generate`.
#[derive(Debug, Clone, Default)]
pub struct Generator {
    /// The services of packages that are not finished yet.
    services: Vec<Service>,
    codecs: Vec<Codec>,
}

/// One call of [`Generator::codec`].
#[derive(Debug, Clone)]
struct Codec {
    of: String,
    path: String,
}

impl Generator {
    /// Makes a generator for [`Config::service_generator`](prost_build::Config::service_generator).
    #[must_use]
    pub const fn new() -> Self {
        Self {
            services: Vec::new(),
            codecs: Vec::new(),
        }
    }

    /// Wraps the messages of some methods in a type of the application's, which has the codec. Default: handlers take and return plain
    /// messages.
    ///
    /// `of` selects methods as in [`Config::btree_map`](prost_build::Config::btree_map): `"."` selects all methods, `".greet.v1"` the
    /// methods of a package, `".greet.v1.Greeter"` the methods of a service, `".greet.v1.Greeter.Chat"` one method. If several calls of
    /// `codec` select a method, the last call counts.
    ///
    /// `path` is the path of a type with one parameter, the message. With `crate::Json`, a handler takes a
    /// `Request<crate::Json<HelloRequest>>` and returns a `Response<crate::Json<HelloReply>>`. `crate::Json<HelloRequest>` must implement
    /// `grpc_health::router::Decode`, and `crate::Json<HelloReply>` must implement `grpc_health::router::Encode`. With
    /// `::grpc_health::router::Compressed`, a handler sees which requests were compressed and decides which replies are compressed.
    ///
    /// ```
    /// let generator = grpc_health_build::Generator::new()
    ///     .codec(".shop.v1", "crate::Json")
    ///     .codec(".shop.v1.Shop.Page", "::grpc_health::router::Compressed");
    /// ```
    ///
    /// # Panics
    ///
    /// If `of` does not begin with a dot, or if `path` does not begin with `crate::` or `::`. The generated code is in a module of its own,
    /// where any other path has another meaning.
    #[must_use]
    pub fn codec(mut self, of: impl Into<String>, path: impl Into<String>) -> Self {
        let (of, path) = (of.into(), path.into());
        assert!(of.starts_with('.'), "{of} does not begin with a dot");
        let is_absolute = path.starts_with("crate::") || path.starts_with("::");
        assert!(is_absolute, "{path} does not begin with crate:: or ::");
        self.codecs.push(Codec { of, path });
        self
    }
}

impl ServiceGenerator for Generator {
    fn generate(&mut self, service: Service, buf: &mut String) {
        self.services.push(service);
        // prost-build forgets a package without any code, and fails later when it looks the package up.
        buf.push('\n');
    }

    fn finalize_package(&mut self, package: &str, buf: &mut String) {
        let mut modules = Names::of_modules(buf);
        let services = mem::take(&mut self.services).into_iter();
        let (complete, rest): (Vec<_>, _) =
            services.partition(|service| service.package == package);
        self.services = rest;
        for service in complete {
            *buf += &service::generate(service, &mut modules, &self.codecs);
        }
        *buf = comments::without_doctests(buf);
    }
}
