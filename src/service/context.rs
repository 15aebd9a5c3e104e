//! What is known of a request, for whoever decides about it.

use std::time::{Duration, Instant};

use http::uri::{Authority, PathAndQuery};
use http::{Extensions, HeaderMap, HeaderValue, Uri};

use super::peer::PeerInfo;
use crate::wire::content_type;
use crate::wire::metadata::Metadata;

/// A request without its messages: what an interceptor is given, and may add to.
///
/// It is kept for methods that [need metadata](super::Method::needs_metadata).
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
    peer: PeerInfo,
    extensions: Extensions,
    response_metadata: Metadata,
}

impl RequestContext {
    /// A request for the method at `path` (`/package.Service/Method`) with nothing else: to give to an interceptor in a test.
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
    ///
    /// What is no path of a URI is an empty one.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self::default().with_path(path)
    }

    pub(crate) fn arrived(uri: Uri, headers: HeaderMap, peer: PeerInfo) -> Self {
        let uri = uri.into_parts();
        Self(Box::new(Fields {
            path: uri.path_and_query,
            authority: uri.authority,
            metadata: Metadata::received(headers),
            peer,
            ..Fields::default()
        }))
    }

    pub(crate) fn with_path(mut self, path: &str) -> Self {
        self.0.path = path.parse().ok();
        self
    }

    /// The same request with this metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.0.metadata = metadata;
        self
    }

    /// The same request from this peer.
    #[must_use]
    pub fn with_peer(mut self, peer: PeerInfo) -> Self {
        self.0.peer = peer;
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

    /// The same request with a content type whose subtype is not protobuf's.
    pub(crate) fn with_content_type(mut self, content_type: Option<HeaderValue>) -> Self {
        self.0.content_type = content_type;
        self
    }

    pub(crate) fn with_extensions(mut self, extensions: Extensions) -> Self {
        self.0.extensions = extensions;
        self
    }

    /// The path called, `/package.Service/Method`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path.as_ref().map_or("", PathAndQuery::path)
    }

    /// The name by which the client calls the server: the request's `:authority`, or else its `host`. For a service inside another HTTP
    /// server, `:authority` is the authority of the request's URI.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        let authority = self.0.authority.as_ref().map(Authority::as_str);
        authority.or_else(|| self.0.metadata.host())
    }

    pub(crate) fn authority_of_uri(&self) -> Option<Authority> {
        self.0.authority.clone()
    }

    /// The client's `user-agent`, such as `grpc-go/1.80.0`.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.0.metadata.get("user-agent")
    }

    /// How often the client has tried this call before, as it says in `grpc-previous-rpc-attempts` ([gRFC A6][spec]): 0 for a first
    /// attempt, and where the client does not say.
    ///
    /// [spec]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md#exposed-retry-metadata
    #[must_use]
    pub fn previous_attempts(&self) -> u32 {
        self.0.metadata.previous_attempts()
    }

    /// The request's metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    pub(crate) fn take_metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.0.metadata)
    }

    /// The subtype of the request's `content-type`, in lower case: `json` for `application/grpc+json`. `None` for `application/grpc` and
    /// `application/grpc+proto`. Only methods whose codec takes it see another one.
    #[must_use]
    pub fn content_subtype(&self) -> Option<&str> {
        content_type::subtype(self.0.content_type.as_ref()?)
    }

    pub(crate) fn content_type(&self) -> Option<&HeaderValue> {
        self.0.content_type.as_ref()
    }

    /// How long the call may take, counted from the request's arrival: the client's `grpc-timeout` or the method's own, whichever is
    /// shorter.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.0.timeout
    }

    /// When the call's [timeout](Self::timeout) is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// Who calls.
    #[must_use]
    pub fn peer(&self) -> &PeerInfo {
        &self.0.peer
    }

    /// What interceptors, or the layers around a mounted router, have found out about the request: one value of each type. The handler reads
    /// them from its request.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// The same, to be added to.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.0.extensions
    }

    pub(crate) fn take_extensions(&mut self) -> Extensions {
        std::mem::take(&mut self.0.extensions)
    }

    /// Metadata that the answer's head is going to have beside the handler's own. An answer that is only a status has it with the status,
    /// a refusal, too.
    #[must_use]
    pub fn response_metadata(&self) -> &Metadata {
        &self.0.response_metadata
    }

    /// The same, to be added to.
    pub fn response_metadata_mut(&mut self) -> &mut Metadata {
        &mut self.0.response_metadata
    }

    pub(crate) fn take_response_metadata(&mut self) -> Metadata {
        std::mem::take(&mut self.0.response_metadata)
    }
}
