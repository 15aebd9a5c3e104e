//! What a host knows of a request, for the code that decides about the request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::{Authority, PathAndQuery};
use http::{Extensions, HeaderMap, HeaderValue, Uri};

use super::peer::PeerInfo;
use crate::wire::content_type;
use crate::wire::metadata::Metadata;

/// A request without its messages: path, metadata, deadline, peer and extensions. Interceptors read the context and may add to the context.
///
/// A host makes a context only for methods that [need metadata](super::Method::needs_metadata).
#[derive(Debug, Clone, Default)]
pub struct RequestContext(Box<Fields>);

#[derive(Debug, Clone, Default)]
struct Fields {
    path: Option<PathAndQuery>,
    authority: Option<Authority>,
    metadata: Metadata,
    content_type: Option<HeaderValue>,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    /// Shared by the calls of a connection.
    peer: Arc<PeerInfo>,
    extensions: Extensions,
    /// Boxed: few calls have any, and metadata is large.
    response_metadata: Option<Box<Metadata>>,
}

impl RequestContext {
    /// Makes the context of a request for the method at `path` (`/package.Service/Method`), for tests of interceptors. A `path` that is not
    /// a valid path of a URI becomes an empty path.
    ///
    /// ```
    /// use grpc_health::Status;
    /// use grpc_health::router::{Metadata, RequestContext};
    ///
    /// fn authorize(call: &mut RequestContext) -> Result<(), Status> {
    ///     match call.metadata().get("authorization") {
    ///         Some("Bearer s3cret") => Ok(()),
    ///         _ => Err(Status::unauthenticated("a token is needed")),
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Status> {
    /// let mut call = RequestContext::new("/shop.Shop/Price");
    /// assert_eq!(authorize(&mut call), Err(Status::unauthenticated("a token is needed")));
    ///
    /// let mut metadata = Metadata::new();
    /// metadata.append("authorization", "Bearer s3cret")?;
    /// assert_eq!(authorize(&mut call.with_metadata(metadata)), Ok(()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self::default().with_path(path)
    }

    pub(crate) fn arrived(uri: Uri, headers: HeaderMap, peer: Arc<PeerInfo>) -> Self {
        let uri = uri.into_parts();
        Self(Box::new(Fields {
            path: uri.path_and_query,
            authority: uri.authority,
            metadata: Metadata::received(headers),
            content_type: None,
            timeout: None,
            deadline: None,
            peer,
            extensions: Extensions::new(),
            response_metadata: None,
        }))
    }

    pub(crate) fn with_path(mut self, path: &str) -> Self {
        self.0.path = path.parse().ok();
        self
    }

    /// Replaces the request's metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.0.metadata = metadata;
        self
    }

    /// Replaces the request's peer.
    #[must_use]
    pub fn with_peer(mut self, peer: PeerInfo) -> Self {
        self.0.peer = Arc::new(peer);
        self
    }

    pub(crate) fn with_authority(mut self, authority: Authority) -> Self {
        self.0.authority = Some(authority);
        self
    }

    pub(crate) fn with_time(
        mut self,
        timeout: Option<Duration>,
        deadline: Option<Instant>,
    ) -> Self {
        self.0.timeout = timeout;
        self.0.deadline = deadline;
        self
    }

    /// Sets the request's content type, if its subtype is not protobuf's.
    pub(crate) fn with_content_type(mut self, content_type: Option<HeaderValue>) -> Self {
        self.0.content_type = content_type;
        self
    }

    pub(crate) fn with_extensions(mut self, extensions: Extensions) -> Self {
        self.0.extensions = extensions;
        self
    }

    /// The path of the called method, `/package.Service/Method`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path.as_ref().map_or("", PathAndQuery::path)
    }

    /// The name by which the client calls the server: the request's `:authority`, or else its `host`. For a service inside another HTTP
    /// server, the `:authority` is the authority of the request's URI. The client chooses the name, so the name proves nothing.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        let authority = self.0.authority.as_ref().map(Authority::as_str);
        authority.or_else(|| self.0.metadata.host())
    }

    /// The client's `user-agent`, such as `grpc-go/1.80.0`.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.0.metadata.get("user-agent")
    }

    /// How many times the client has tried this call before, as the client says in `grpc-previous-rpc-attempts` ([gRFC A6][spec]). 0 for a
    /// first attempt, and if the client says nothing.
    ///
    /// [spec]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#exposed-retry-metadata
    #[must_use]
    pub fn previous_attempts(&self) -> u32 {
        self.0.metadata.previous_attempts()
    }

    /// The metadata that the client sent.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    pub(crate) fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.0.metadata
    }

    pub(crate) fn take_metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.0.metadata)
    }

    /// The subtype of the request's `content-type`, in lower case: `json` for `application/grpc+json`. `None` for `application/grpc` and
    /// `application/grpc+proto`. Only methods whose codec accepts another subtype see another subtype.
    #[must_use]
    pub fn content_subtype(&self) -> Option<&str> {
        content_type::subtype(self.0.content_type.as_ref()?)
    }

    /// How long the call may take, counted from the request's arrival: the client's `grpc-timeout` or the method's timeout, whichever is
    /// shorter. `None` means no limit.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.0.timeout
    }

    /// The time at which the call's [timeout](Self::timeout) is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// The client at the other end of the connection.
    #[must_use]
    pub fn peer(&self) -> &PeerInfo {
        &self.0.peer
    }

    /// Gives memory of the request's headers back that nobody needs while the call waits.
    pub(crate) fn shrink(&mut self) {
        self.0.metadata.shrink();
    }

    /// Values that interceptors, or the layers around a mounted router, have added to the request: at most one of each type. The handler
    /// reads the values from its request.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// The request's [extensions](Self::extensions), for changes.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.0.extensions
    }

    /// Metadata that the server adds to the response's head, next to the handler's own metadata. A response that is only a status, such as
    /// a refusal, carries this metadata with the status.
    #[must_use]
    pub fn response_metadata(&self) -> &Metadata {
        match &self.0.response_metadata {
            None => Metadata::none(),
            Some(metadata) => metadata,
        }
    }

    /// The added [response metadata](Self::response_metadata), for changes.
    pub fn response_metadata_mut(&mut self) -> &mut Metadata {
        self.0.response_metadata.get_or_insert_default()
    }

    pub(crate) fn take_response_metadata(&mut self) -> Option<Box<Metadata>> {
        self.0.response_metadata.take()
    }
}
