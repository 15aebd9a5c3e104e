//! `List`: all services and their statuses.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::request::malformed;
use crate::proto::health::{HealthCheckResponse, HealthListRequest, HealthListResponse};
use crate::registry::Registry;
use crate::service::Reply;
use crate::wire::code::Code;
use crate::wire::envelope;
use crate::wire::status::Status;

/// The default of [`HealthService::list_limit`](super::HealthService::list_limit): `List` answers with at most 100 services ([gRFC
/// A90](https://github.com/grpc/proposal/blob/master/A90-health-service-list-method.md)).
pub const LIST_LIMIT: usize = 100;

/// Answers `List` with at most `limit` services, and with `RESOURCE_EXHAUSTED` (8) if the registry has more.
pub(super) fn answer(registry: &Registry, limit: usize, request: &[u8]) -> Reply {
    HealthListRequest::decode(request).map_err(malformed)?;
    let mut statuses = BTreeMap::new();
    let mut over = false;
    registry.visit(|name, status| {
        over = statuses.len() == limit;
        if over {
            return ControlFlow::Break(());
        }
        statuses.insert(
            name.to_owned(),
            HealthCheckResponse {
                status: status as i32,
            },
        );
        ControlFlow::Continue(())
    });
    if over {
        let message = format!("server health list exceeds maximum capacity: {limit}");
        return Err(Status::new(Code::RESOURCE_EXHAUSTED, message));
    }
    Ok(encode(&HealthListResponse { statuses }).into())
}

fn encode(message: &HealthListResponse) -> Bytes {
    let mut encoded = BytesMut::new();
    let encode = |dst: &mut BytesMut| message.encode_raw(dst);
    envelope::encode(&mut encoded, false, message.encoded_len(), encode);
    encoded.freeze()
}
