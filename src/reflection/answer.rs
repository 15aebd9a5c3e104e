//! The answer to one question of a client.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use prost::Message;

use super::index::{FileId, Index};
use crate::proto::reflection::v1::server_reflection_request::MessageRequest;
use crate::proto::reflection::v1::server_reflection_response::MessageResponse;
use crate::proto::reflection::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use crate::wire::code::Code;
use crate::wire::envelope;
use crate::wire::status::Status;

/// One `ServerReflectionInfo` stream, of either version: the messages of both versions differ only in the package's name, which is not
/// sent.
#[derive(Debug)]
pub(crate) struct Session {
    index: Arc<Index>,
    sent: HashSet<FileId>,
}

impl Session {
    pub(crate) fn new(index: Arc<Index>) -> Self {
        Self {
            index,
            sent: HashSet::new(),
        }
    }

    /// Answers one request message with an envelope. A name that is not found is an answer too; only a message that is not a request is an
    /// error.
    pub(crate) fn answer(&mut self, message: &[u8]) -> Result<Bytes, Status> {
        let request = ServerReflectionRequest::decode(message)
            .map_err(|error| Status::new(Code::INTERNAL, format!("malformed request: {error}")))?;
        let answer = self.look_up(request.message_request.as_ref());
        let answer = answer.unwrap_or_else(|(code, message)| {
            MessageResponse::ErrorResponse(ErrorResponse {
                error_code: code.value(),
                error_message: message.to_owned(),
            })
        });
        let response = ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(answer),
        };
        let mut encoded = BytesMut::new();
        let encode = |dst: &mut BytesMut| response.encode_raw(dst);
        envelope::encode(&mut encoded, false, response.encoded_len(), encode);
        Ok(encoded.freeze())
    }

    fn look_up(
        &mut self,
        request: Option<&MessageRequest>,
    ) -> Result<MessageResponse, (Code, &'static str)> {
        let index = &self.index;
        let (file, missing) = match request {
            Some(MessageRequest::FileByFilename(name)) => (index.file(name), "no such file"),
            Some(MessageRequest::FileContainingSymbol(name)) => {
                (index.symbol(name), "no such symbol")
            }
            Some(MessageRequest::FileContainingExtension(asked)) => (
                index.extension(&asked.containing_type, asked.extension_number),
                "no such extension",
            ),
            Some(MessageRequest::AllExtensionNumbersOfType(name)) => {
                let numbers = index.extension_numbers(name);
                let numbers = numbers.ok_or((Code::NOT_FOUND, "no such message type"))?;
                return Ok(MessageResponse::AllExtensionNumbersResponse(
                    ExtensionNumberResponse {
                        base_type_name: name.clone(),
                        extension_number: numbers,
                    },
                ));
            }
            Some(MessageRequest::ListServices(_)) => {
                let services = index.services().iter().cloned();
                let service = services.map(|name| ServiceResponse { name }).collect();
                return Ok(MessageResponse::ListServicesResponse(ListServiceResponse {
                    service,
                }));
            }
            None => return Err((Code::INVALID_ARGUMENT, "the request asks for nothing")),
        };
        let file = file.ok_or((Code::NOT_FOUND, missing))?;
        Ok(MessageResponse::FileDescriptorResponse(
            FileDescriptorResponse {
                file_descriptor_proto: index.with_imports(file, &mut self.sent),
            },
        ))
    }
}
