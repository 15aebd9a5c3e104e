//! The messages of `google/rpc/error_details.proto`.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::{Message, Name};

/// Names every message as the .proto file does.
macro_rules! names {
    ($($message:ident)*) => {$(
        impl Name for $message {
            const NAME: &'static str = stringify!($message);
            const PACKAGE: &'static str = "google.rpc";
        }
    )*};
}

names! {
    RetryInfo DebugInfo QuotaFailure ErrorInfo PreconditionFailure BadRequest RequestInfo ResourceInfo Help LocalizedMessage
}

/// The longest delay that protobuf allows, in seconds: ten thousand years.
const LONGEST: u64 = 315_576_000_000;

/// How long a client should wait before a retry, for clients that read details. Clients that retry by themselves read
/// [`grpc-retry-pushback-ms`](crate::Status::with_retry_pushback) instead.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl RetryInfo {
    /// Makes a detail with this delay. Delays over ten thousand years, protobuf's limit, are cut to the limit.
    #[must_use]
    pub fn new(delay: Duration) -> Self {
        let delay = delay.min(Duration::from_secs(LONGEST));
        let retry_delay = Some(ProtoDuration {
            seconds: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(delay.subsec_nanos()).unwrap_or(0),
        });
        Self { retry_delay }
    }

    /// How long the client should wait before a retry. `None` without a delay, or with a negative delay.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        let ProtoDuration { seconds, nanos } = self.retry_delay?;
        let seconds = Duration::from_secs(seconds.try_into().ok()?);
        seconds.checked_add(Duration::from_nanos(nanos.try_into().ok()?))
    }
}

/// Where in the server the error comes from, for debugging. Do not send this detail to clients that the server does not trust.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct DebugInfo {
    /// The stack, innermost frame first.
    #[prost(string, repeated, tag = "1")]
    pub stack_entries: Vec<String>,
    /// More information for debugging.
    #[prost(string, tag = "2")]
    pub detail: String,
}

impl DebugInfo {
    /// Makes a detail without a stack.
    #[must_use]
    pub fn new(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            ..Self::default()
        }
    }

    /// Adds the next outer frame of the stack.
    #[must_use]
    pub fn with_stack_entry(mut self, entry: impl Into<String>) -> Self {
        self.stack_entries.push(entry.into());
        self
    }
}

/// The quotas that the call exceeds.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct QuotaFailure {
    /// Each exceeded quota.
    #[prost(message, repeated, tag = "1")]
    pub violations: Vec<QuotaViolation>,
}

impl QuotaFailure {
    /// Adds one exceeded quota: the quota's owner, such as `clientip:192.0.2.7`, and how the call exceeds the quota.
    #[must_use]
    pub fn with_violation(
        mut self,
        subject: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        self.violations.push(QuotaViolation {
            subject: subject.into(),
            description: description.into(),
        });
        self
    }
}

/// One exceeded quota.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct QuotaViolation {
    /// The quota's owner, such as `clientip:192.0.2.7` or `project:shop`.
    #[prost(string, tag = "1")]
    pub subject: String,
    /// How the call exceeds the quota, for people.
    #[prost(string, tag = "2")]
    pub description: String,
}

/// The cause of the error. Programs should decide by this cause and not by the text of the message.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct ErrorInfo {
    /// The cause, unique within the domain: at most 63 characters of `[A-Z][A-Z0-9_]+[A-Z0-9]`.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// The service or product that the cause belongs to, such as `shop.example`.
    #[prost(string, tag = "2")]
    pub domain: String,
    /// More information about the error, by key.
    #[prost(btree_map = "string, string", tag = "3")]
    pub metadata: BTreeMap<String, String>,
}

impl ErrorInfo {
    /// Makes a detail with a cause and its domain, such as `OUT_OF_STOCK` in `shop.example`.
    #[must_use]
    pub fn new(reason: impl Into<String>, domain: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            domain: domain.into(),
            ..Self::default()
        }
    }

    /// Adds one entry of information. Replaces an entry of the same key.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }
}

/// The conditions that the call needs and that do not hold.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct PreconditionFailure {
    /// Each condition that does not hold.
    #[prost(message, repeated, tag = "1")]
    pub violations: Vec<PreconditionViolation>,
}

impl PreconditionFailure {
    /// Adds one condition: its kind, such as `TOS`, its subject, such as `shop.example`, and how the condition fails.
    #[must_use]
    pub fn with_violation(
        mut self,
        kind: impl Into<String>,
        subject: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        self.violations.push(PreconditionViolation {
            kind: kind.into(),
            subject: subject.into(),
            description: description.into(),
        });
        self
    }
}

/// One condition that does not hold. `kind` is the field `type` of the .proto file.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct PreconditionViolation {
    /// The kind of condition, such as `TOS` for the terms of service.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// The subject of the condition, such as `shop.example`.
    #[prost(string, tag = "2")]
    pub subject: String,
    /// How the condition fails, for people.
    #[prost(string, tag = "3")]
    pub description: String,
}

/// The fields of the request that are wrong.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct BadRequest {
    /// Each wrong field.
    #[prost(message, repeated, tag = "1")]
    pub field_violations: Vec<FieldViolation>,
}

impl BadRequest {
    /// Adds one wrong field: the field's path in the request, such as `addresses[1].city`, and why the field is wrong.
    #[must_use]
    pub fn with_violation(
        mut self,
        field: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        self.field_violations.push(FieldViolation {
            field: field.into(),
            description: description.into(),
        });
        self
    }
}

/// One wrong field.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct FieldViolation {
    /// The path of the field in the request, such as `addresses[1].city`.
    #[prost(string, tag = "1")]
    pub field: String,
    /// Why the field is wrong, for people.
    #[prost(string, tag = "2")]
    pub description: String,
}

/// The server's name for the request, so that a client can report the error with it.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct RequestInfo {
    /// A name that only the server understands.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// Data that only the server understands, such as an encrypted stack.
    #[prost(string, tag = "2")]
    pub serving_data: String,
}

impl RequestInfo {
    /// Makes a detail with the server's name for the request.
    #[must_use]
    pub fn new(request_id: impl Into<String>) -> Self {
        Self {
            request_id: request_id.into(),
            ..Self::default()
        }
    }
}

/// The resource that the call was about.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct ResourceInfo {
    /// The type of the resource, such as `shop.v1.Item`.
    #[prost(string, tag = "1")]
    pub resource_type: String,
    /// The name of the resource.
    #[prost(string, tag = "2")]
    pub resource_name: String,
    /// The owner of the resource, such as `user:ada`.
    #[prost(string, tag = "3")]
    pub owner: String,
    /// What went wrong with the resource, for people.
    #[prost(string, tag = "4")]
    pub description: String,
}

impl ResourceInfo {
    /// Makes a detail about a resource, by type and name.
    #[must_use]
    pub fn new(resource_type: impl Into<String>, resource_name: impl Into<String>) -> Self {
        Self {
            resource_type: resource_type.into(),
            resource_name: resource_name.into(),
            ..Self::default()
        }
    }

    /// Sets the owner of the resource.
    #[must_use]
    pub fn with_owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
    }

    /// Sets the description of the error with the resource, for people.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }
}

/// Links to documentation about the error.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct Help {
    /// Each link.
    #[prost(message, repeated, tag = "1")]
    pub links: Vec<Link>,
}

impl Help {
    /// Adds one link: a description of the page, and the page's URL.
    #[must_use]
    pub fn with_link(mut self, description: impl Into<String>, url: impl Into<String>) -> Self {
        self.links.push(Link {
            description: description.into(),
            url: url.into(),
        });
        self
    }
}

/// One link to documentation.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct Link {
    /// A description of the page.
    #[prost(string, tag = "1")]
    pub description: String,
    /// The page's URL.
    #[prost(string, tag = "2")]
    pub url: String,
}

/// The status's message in the user's language.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
#[non_exhaustive]
pub struct LocalizedMessage {
    /// The language as a BCP 47 tag, such as `en-US`.
    #[prost(string, tag = "1")]
    pub locale: String,
    /// The message in that language.
    #[prost(string, tag = "2")]
    pub message: String,
}

impl LocalizedMessage {
    /// Makes a detail with a message and its language, a BCP 47 tag such as `en-US`.
    #[must_use]
    pub fn new(locale: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            locale: locale.into(),
            message: message.into(),
        }
    }
}
