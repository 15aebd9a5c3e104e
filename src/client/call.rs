//! The calls of a client: Check, List and Watch.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use h2::Reason;
use http::{Method, Request, Uri, Version, header::HeaderName, uri::PathAndQuery};
use prost::Message;

use super::{
    CheckDetails, Client, ReportedStatus, Watch,
    connection::Connection,
    error::from_h2,
    limit::Limit,
    messages::{Messages, decode},
};
use crate::{
    proto::health::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    },
    wire::{code::Code, status::Status, timeout},
};

const CHECK: PathAndQuery = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
const LIST: PathAndQuery = PathAndQuery::from_static("/grpc.health.v1.Health/List");
const WATCH: PathAndQuery = PathAndQuery::from_static("/grpc.health.v1.Health/Watch");

impl Client {
    /// Asks for the status of one service. The empty name asks for the server as a whole.
    ///
    /// # Errors
    ///
    /// From the server: `NOT_FOUND` (5) for a service that the server does not know, `UNIMPLEMENTED` (12) without a health service, or any
    /// other code. From the client: `UNAVAILABLE` (14) when the connection is gone, `DEADLINE_EXCEEDED` (4) after the time of
    /// [`with_timeout`](Self::with_timeout) or of [`with_first_answer_timeout`](Self::with_first_answer_timeout), `RESOURCE_EXHAUSTED` (8)
    /// for a reply over 4 MiB, `INTERNAL` (13) or `UNKNOWN` (2) for a reply that is not gRPC, and the code of gRPC's tables for an HTTP
    /// status other than 200 and for a reset stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call.
    pub async fn check(&self, service: &str) -> Result<ReportedStatus, Status> {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let (reply, _): (HealthCheckResponse, _) = self.unary(CHECK, &request).await?;
        Ok(ReportedStatus::new(reply.status))
    }

    /// Asks for the status of one service as [`check`](Self::check) does, and for the server's reason for the status.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call.
    pub async fn check_details(&self, service: &str) -> Result<CheckDetails, Status> {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let (reply, messages): (HealthCheckResponse, _) = self.unary(CHECK, &request).await?;
        let status = ReportedStatus::new(reply.status);
        Ok(CheckDetails::new(status, messages.trailers()))
    }

    /// Asks for all services and their statuses.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check). `RESOURCE_EXHAUSTED` (8) also if the server has more services than it lists.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call.
    pub async fn list(&self) -> Result<BTreeMap<String, ReportedStatus>, Status> {
        let (reply, _): (HealthListResponse, _) = self.unary(LIST, &HealthListRequest {}).await?;
        let statuses = reply.statuses.into_iter();
        Ok(statuses
            .map(|(name, reply)| (name, ReportedStatus::new(reply.status)))
            .collect())
    }

    /// Asks for the status of one service, and for every later change of the status. Returns when the server has accepted the call. The
    /// empty name asks for the server as a whole.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check), except that a service that the server does not know has the status
    /// [`SERVICE_UNKNOWN`](ReportedStatus::SERVICE_UNKNOWN).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call.
    pub async fn watch(&self, service: &str) -> Result<Watch, Status> {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let limit = Limit::of_call(self.timeout);
        let first = limit.or_earlier(Limit::of_first_answer(self.first_answer));
        let messages = first.run(self.open(WATCH, &request, limit)).await?;
        Ok(Watch::new(messages, limit, first))
    }

    /// Calls a unary method of another service of this crate.
    #[cfg(feature = "control")]
    pub(crate) async fn ask<Q: Message, R: Message + Default>(
        &self,
        path: PathAndQuery,
        request: &Q,
    ) -> Result<R, Status> {
        let (reply, _) = self.unary(path, request).await?;
        Ok(reply)
    }

    /// Whether the connection is over, so that every further call fails with `UNAVAILABLE`.
    #[cfg(feature = "checks")]
    pub(crate) fn is_closed(&self) -> bool {
        self.link.is_closed()
    }

    async fn unary<Q: Message, R: Message + Default>(
        &self,
        path: PathAndQuery,
        request: &Q,
    ) -> Result<(R, Messages), Status> {
        let limit = match self.timeout {
            None => Limit::of_first_answer(self.first_answer),
            timeout => Limit::of_call(timeout),
        };
        let call = async {
            let mut messages = self.open(path, request, limit).await?;
            let Some(message) = messages.next().await? else {
                return Err(Status::new(Code::INTERNAL, "the reply has no message"));
            };
            if messages.next().await?.is_some() {
                return Err(Status::new(
                    Code::INTERNAL,
                    "the reply has more than one message",
                ));
            }
            Ok((decode(message)?, messages))
        };
        limit.run(call).await
    }

    /// Sends a request and waits for the head of the reply. If the server has not processed the request, sends the request a second time,
    /// on another connection.
    async fn open(
        &self,
        path: PathAndQuery,
        request: &impl Message,
        limit: Limit,
    ) -> Result<Messages, Status> {
        let body = self.manner.envelope(request);
        let gzip = self.manner.accepts_gzip();
        let connection = self.link.current();
        let head = self.head(path.clone(), self.timeout)?;
        let sent_away = match attempt(&connection, head, body.clone(), gzip).await {
            Ok(messages) => return Ok(messages.limited(self.max_message)),
            Err(Failed::Processed(status)) => return Err(status),
            Err(Failed::SentAway(status)) => status,
        };
        let other = match self.link.renew(&connection).await {
            Ok(Some(other)) => other,
            Ok(None) => return Err(sent_away),
            Err(error) => {
                let text = sent_away.message();
                let text = format!("{text}, and there is no other connection: {error}");
                return Err(Status::new(sent_away.code(), text));
            }
        };
        match attempt(&other, self.head(path, limit.left())?, body, gzip).await {
            Ok(messages) => Ok(messages.limited(self.max_message)),
            Err(Failed::Processed(status) | Failed::SentAway(status)) => Err(status),
        }
    }

    fn head(&self, path: PathAndQuery, limit: Option<Duration>) -> Result<Request<()>, Status> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        let uri = Uri::from_parts(parts)
            .map_err(|error| Status::new(Code::INTERNAL, error.to_string()))?;

        let mut head = Request::new(());
        *head.method_mut() = Method::POST;
        *head.version_mut() = Version::HTTP_2;
        *head.uri_mut() = uri;
        let headers = head.headers_mut();
        self.manner.write(headers);
        if let Some(limit) = limit {
            headers.insert(
                HeaderName::from_static("grpc-timeout"),
                timeout::encode(limit),
            );
        }
        Ok(head)
    }
}

/// Why a call has no reply.
enum Failed {
    /// The server may have processed the call.
    Processed(Status),
    /// The server has said that it has not processed the call.
    SentAway(Status),
}

async fn attempt(
    connection: &Connection,
    head: Request<()>,
    body: Bytes,
    gzip: bool,
) -> Result<Messages, Failed> {
    let Connection { send, processed } = connection;
    // A request that was not sent was not processed. A connection that broke does not count, unless the server has sent GOAWAY.
    let unsent = |error| match processed.goaway() {
        Some(_) => Failed::SentAway(from_h2(&error, processed)),
        None => Failed::Processed(from_h2(&error, processed)),
    };
    let mut send = send.clone().ready().await.map_err(unsent)?;
    processed.begin_call();
    let (reply, mut stream) = send.send_request(head, false).map_err(unsent)?;
    let id = reply.stream_id().as_u32();
    // Fails if the stream is over already; the reply says how it ended.
    let _ = stream.send_data(body, true);
    let reply = reply.await.map_err(|error| {
        let refused = error.reason() == Some(Reason::REFUSED_STREAM);
        if refused && error.is_reset() && error.is_remote() || processed.is_without(id) {
            Failed::SentAway(from_h2(&error, processed))
        } else {
            Failed::Processed(from_h2(&error, processed))
        }
    })?;
    Messages::new(reply, processed, gzip).map_err(Failed::Processed)
}
