//! Typed servers from .proto files, in a build script.
//!
//! A [`Generator`] turns each service that [prost-build](prost_build) comes across into a module: a trait to implement, and a function that
//! adds its methods to a `grpc_health::Router`. For an application's `build.rs`, with this crate among its `[build-dependencies]`:
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
//! [protox](https://docs.rs/protox) compiles in Rust alone; where there is a `protoc`, `compile_protos` does as well.
//!
//! Of `service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }` in package `greet.v1` that makes, next to the messages:
//!
//! ```text
//! pub mod greeter_server {
//!     pub const SERVICE_NAME: &str = "greet.v1.Greeter";
//!     pub const SAY_HELLO_PATH: &str = "/greet.v1.Greeter/SayHello";
//!
//!     pub trait Greeter: Send + Sync + 'static {
//!         /// To be implemented as an `async fn`. Left out, it answers UNIMPLEMENTED.
//!         fn say_hello(
//!             &self,
//!             request: Request<HelloRequest>,
//!         ) -> impl Future<Output = Result<Response<HelloReply>, Status>> + Send { .. }
//!     }
//!
//!     /// Adds the methods of `service` to `router`.
//!     pub fn add<S, T>(router: Router<S>, service: Arc<T>) -> Router<S> { .. }
//!
//!     /// The same, where `route` says for each path how its calls are treated.
//!     pub fn add_with<S, T>(
//!         router: Router<S>,
//!         service: Arc<T>,
//!         route: impl Fn(&'static str) -> Route,
//!     ) -> Router<S> { .. }
//! }
//! ```
//!
//! A stream of requests is a `grpc_health::router::Streaming`, a stream of replies a `grpc_health::router::BoxStream`.
//!
//! # Names and comments
//!
//! Where two methods would have the same name in Rust, the later one gets an underscore. So does the module of a service whose name the
//! package has already: of a message with messages in it (`message GreeterServer { message Inner {} }`), or of a service that differs
//! in case alone.
//!
//! Comments of the .proto files become documentation, and what would be a block of code there, one of plain text: `cargo test` does not run
//! it. That holds for the messages of a package as well, if the package has a service. Of a package that has none the generator is not told.

#![forbid(unsafe_code)]

mod comments;
mod names;
mod service;

use std::mem;

use prost_build::{Service, ServiceGenerator};

use names::Names;

/// Generates servers. See the [crate's documentation](self).
///
/// The code of a package's services is written when all of the package is known, behind its messages. A `ServiceGenerator` of your own that
/// calls this one must pass on `finalize_package` as well as `generate`.
#[derive(Debug, Clone, Default)]
pub struct Generator {
    /// Of the packages that are not complete.
    services: Vec<Service>,
    codecs: Vec<Codec>,
}

/// See [`Generator::codec`].
#[derive(Debug, Clone)]
struct Codec {
    of: String,
    path: String,
}

impl Generator {
    /// A generator, for [`Config::service_generator`](prost_build::Config::service_generator).
    #[must_use]
    pub const fn new() -> Self {
        Self {
            services: Vec::new(),
            codecs: Vec::new(),
        }
    }

    /// Sets the type that the messages of some methods are wrapped in, in place of the plain messages.
    ///
    /// `of` says which methods, as [`Config::btree_map`](prost_build::Config::btree_map) and its like do: `"."` is all of them,
    /// `".greet.v1"` those of a package, `".greet.v1.Greeter"` of a service, `".greet.v1.Greeter.Chat"` is one. Where several match, the last
    /// one that was set counts.
    ///
    /// `path` is the path of a type with one parameter, the message: with `crate::Json` a handler takes a `Request<crate::Json<HelloRequest>>`
    /// and answers with a `Response<crate::Json<HelloReply>>`. `crate::Json<HelloRequest>` must implement `grpc_health::router::Decode`, and
    /// `crate::Json<HelloReply>` `grpc_health::router::Encode`. `::grpc_health::router::Compressed` does: with it a handler sees which messages
    /// came compressed, and says which are to be.
    ///
    /// ```
    /// let generator = grpc_health_build::Generator::new()
    ///     .codec(".shop.v1", "crate::Json")
    ///     .codec(".shop.v1.Shop.Page", "::grpc_health::router::Compressed");
    /// ```
    ///
    /// # Panics
    ///
    /// If `of` does not begin with a dot, or `path` with `crate::` or `::`: the generated code is in a module of its own, where any other path
    /// leads elsewhere.
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
        // prost-build forgets a package without any code, and then looks for it.
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
