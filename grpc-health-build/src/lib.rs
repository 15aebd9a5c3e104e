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
//! Where two methods would have the same name in Rust, the later one gets an underscore.

#![forbid(unsafe_code)]

use std::collections::HashSet;

use prost_build::{Comments, Method, Service, ServiceGenerator};

/// Generates servers. See the [module](self).
#[derive(Debug, Clone, Copy, Default)]
pub struct Generator(());

impl Generator {
    /// A generator, for [`Config::service_generator`](prost_build::Config::service_generator).
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

// In the generated code all names are whole paths: any other could be that of a service.
impl ServiceGenerator for Generator {
    fn generate(&mut self, service: Service, buf: &mut String) {
        let (name, module) = (&service.name, snake(&service.name));
        let service_name = match service.package.as_str() {
            "" => service.proto_name.clone(),
            package => format!("{package}.{}", service.proto_name),
        };
        let methods = rpcs(service.methods, &service_name);
        let of_all = |part: fn(&Rpc) -> String| methods.iter().map(part).collect::<String>();
        *buf += &format!(
            r#"
/// What it takes to serve `{service_name}`.
#[allow(clippy::all, dead_code, deprecated, unused_qualifications, unused_variables)]
pub mod {module}_server {{
    /// The name of the service.
    pub const SERVICE_NAME: &str = "{service_name}";
    {paths}
    {docs}
    pub trait {name}: ::core::marker::Send + ::core::marker::Sync + 'static {{
        {signatures}
    }}

    /// Adds the methods of `service` to `router`.
    ///
    /// # Panics
    ///
    /// If one of them is there already.
    pub fn add<S, T>(router: ::grpc_health::Router<S>, service: ::std::sync::Arc<T>) -> ::grpc_health::Router<S>
    where
        S: ::grpc_health::service::Service,
        T: self::{name},
    {{
        add_with(router, service, ::grpc_health::router::Route::new)
    }}

    /// Adds the methods of `service` to `router`. Their calls are treated as `route` says, which is asked once for each path.
    ///
    /// # Panics
    ///
    /// If one of them is there already.
    pub fn add_with<S, T>(
        router: ::grpc_health::Router<S>,
        service: ::std::sync::Arc<T>,
        route: impl ::core::ops::Fn(&'static str) -> ::grpc_health::router::Route,
    ) -> ::grpc_health::Router<S>
    where
        S: ::grpc_health::service::Service,
        T: self::{name},
    {{
        {additions}
        router
    }}
}}
"#,
            paths = of_all(Rpc::path),
            docs = docs(
                &service.comments,
                &format!("The methods of `{service_name}`.")
            ),
            signatures = of_all(Rpc::signature),
            additions = of_all(Rpc::addition),
        );
    }
}

/// A method, and what it is called in the generated code.
struct Rpc {
    method: Method,
    name: String,
    path: String,
}

fn rpcs(methods: Vec<Method>, service_name: &str) -> Vec<Rpc> {
    let mut taken = HashSet::new();
    methods
        .into_iter()
        .map(|method| {
            let mut name = method.name.clone();
            while !taken.insert(name.clone()) {
                name.push('_');
            }
            let path = format!("/{service_name}/{}", method.proto_name);
            Rpc { method, name, path }
        })
        .collect()
}

impl Rpc {
    fn constant(&self) -> String {
        let name = self.name.trim_start_matches("r#").to_uppercase();
        format!("{name}_PATH")
    }

    fn path(&self) -> String {
        format!(
            "/// The path of `{}`.\npub const {}: &str = \"{}\";\n",
            self.method.proto_name,
            self.constant(),
            self.path
        )
    }

    fn signature(&self) -> String {
        let mut request = from_module(&self.method.input_type);
        if self.method.client_streaming {
            request = format!("::grpc_health::router::Streaming<{request}>");
        }
        let mut response = from_module(&self.method.output_type);
        if self.method.server_streaming {
            response = format!("::grpc_health::router::BoxStream<{response}>");
        }
        format!(
            r#"
        {docs}
        fn {name}(
            &self,
            request: ::grpc_health::router::Request<{request}>,
        ) -> impl ::core::future::Future<
            Output = ::core::result::Result<::grpc_health::router::Response<{response}>, ::grpc_health::Status>,
        > + ::core::marker::Send {{
            ::core::future::ready(::core::result::Result::Err(::grpc_health::Status::new(
                ::grpc_health::Code::UNIMPLEMENTED,
                "{path} is not implemented",
            )))
        }}
"#,
            docs = docs(
                &self.method.comments,
                &format!("The method `{}`.", self.path)
            ),
            name = self.name,
            path = self.path,
        )
    }

    fn addition(&self) -> String {
        let add = match (self.method.client_streaming, self.method.server_streaming) {
            (false, false) => "unary",
            (false, true) => "server_streaming",
            (true, false) => "client_streaming",
            (true, true) => "bidi",
        };
        format!(
            r#"
        let implementation = ::std::sync::Arc::clone(&service);
        let router = router.{add}(route({path}), move |request| {{
            let service = ::std::sync::Arc::clone(&implementation);
            async move {{ T::{name}(&service, request).await }}
        }});
"#,
            path = self.constant(),
            name = self.name,
        )
    }
}

/// The comments of the .proto file, or else `default`.
fn docs(comments: &Comments, default: &str) -> String {
    if comments.leading.is_empty() && comments.trailing.is_empty() {
        return format!("/// {default}");
    }
    let mut docs = String::new();
    comments.append_with_indent(1, &mut docs);
    docs
}

/// A type as prost names it, seen from a module beside the messages.
fn from_module(name: &str) -> String {
    let is_absolute = name.starts_with("::") || name.starts_with("crate::");
    // What stands for the well-known types: `()`, `bool`, `f64`.
    let is_primitive = !name.contains("::") && !name.contains(|c: char| c.is_uppercase());
    if is_absolute || is_primitive {
        return name.to_owned();
    }
    format!("super::{name}")
}

/// `GreeterService` as `greeter_service`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}
