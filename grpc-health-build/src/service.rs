//! Writes the code for one service. All names are absolute paths, since a relative name could be that of a service.

use prost_build::{Comments, Method, Service};

use crate::Codec;
use crate::names::{Names, module, or_unnamed};

/// Writes the module for `service`, with a name that is not yet among the `modules` of the package.
pub(crate) fn generate(service: Service, modules: &mut Names, codecs: &[Codec]) -> String {
    let name = or_unnamed(&service.name, "Unnamed");
    let module = modules.take(module(&name));
    let service_name = match service.package.as_str() {
        "" => service.proto_name.clone(),
        package => format!("{package}.{}", service.proto_name),
    };
    let methods = rpcs(service.methods, &service_name, codecs);
    let of_all = |part: fn(&Rpc) -> String| methods.iter().map(part).collect::<String>();
    format!(
        r#"
/// Serves `{service_name}`: the trait to implement, and functions that add the trait's methods to a router.
#[allow(clippy::all, dead_code, deprecated, unused_qualifications, unused_variables)]
pub mod {module} {{
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
    /// If the router has one of the methods already.
    pub fn add<S, T>(router: ::grpc_health::Router<S>, service: ::std::sync::Arc<T>) -> ::grpc_health::Router<S>
    where
        S: ::grpc_health::service::Service,
        T: self::{name},
    {{
        add_with(router, service, ::grpc_health::router::Route::new)
    }}

    /// Adds the methods of `service` to `router`, with the settings that `route` returns for each path.
    ///
    /// # Panics
    ///
    /// If the router has one of the methods already.
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
    )
}

/// A method, and its names in the generated code.
struct Rpc {
    method: Method,
    name: String,
    path: String,
    codec: Option<String>,
}

fn rpcs(methods: Vec<Method>, service_name: &str, codecs: &[Codec]) -> Vec<Rpc> {
    let mut names = Names::default();
    let rpc = |method: Method| Rpc {
        name: names.take(or_unnamed(&method.name, "unnamed")),
        path: format!("/{service_name}/{}", method.proto_name),
        codec: codec(codecs, &format!(".{service_name}.{}", method.proto_name)),
        method,
    };
    methods.into_iter().map(rpc).collect()
}

/// The path of the last codec of `codecs` that covers the method `name`.
fn codec(codecs: &[Codec], name: &str) -> Option<String> {
    let is_for = |of: &str| match name.strip_prefix(of) {
        Some(rest) => rest.is_empty() || rest.starts_with('.') || of == ".",
        None => false,
    };
    let codec = codecs.iter().rev().find(|codec| is_for(&codec.of))?;
    Some(codec.path.clone())
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

    /// The type of a message in handlers.
    fn message(&self, name: &str) -> String {
        let message = from_module(name);
        match &self.codec {
            Some(codec) => format!("{codec}<{message}>"),
            None => message,
        }
    }

    fn signature(&self) -> String {
        let mut request = self.message(&self.method.input_type);
        if self.method.client_streaming {
            request = format!("::grpc_health::router::Streaming<{request}>");
        }
        let mut response = self.message(&self.method.output_type);
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

/// The comments of the .proto file, or `default` without comments.
fn docs(comments: &Comments, default: &str) -> String {
    if comments.leading.is_empty() && comments.trailing.is_empty() {
        return format!("/// {default}");
    }
    let mut docs = String::new();
    comments.append_with_indent(1, &mut docs);
    docs
}

/// The path of a prost type, from a module next to the messages.
fn from_module(name: &str) -> String {
    let is_absolute = name.starts_with("::") || name.starts_with("crate::");
    // The types for protobuf's well-known types: `()`, `bool`, `f64`.
    let is_primitive = !name.contains("::") && !name.contains(|c: char| c.is_uppercase());
    if is_absolute || is_primitive {
        return name.to_owned();
    }
    format!("super::{name}")
}
