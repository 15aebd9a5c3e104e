//! `grpc.testing.TestService`, as gRPC's interoperability tests describe it, on a router.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md>

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use grpc_health::router::{Compressed, Request, Response, Route, Router, Streaming};
use grpc_health::wire::metadata::Metadata;
use grpc_health::{Code, Status};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::Stream;

use proto::{
    BoolValue, EchoStatus, Empty, Payload, PayloadType, ResponseParameters, SimpleRequest,
    SimpleResponse, StreamingInputCallRequest, StreamingInputCallResponse,
    StreamingOutputCallRequest, StreamingOutputCallResponse,
};

/// Package `grpc.testing`, by scripts/regenerate.sh.
#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub)]
pub(crate) mod proto {
    include!("grpc.testing.rs");
}

/// The largest payload anybody gets, and the most responses to requests that are kept until they have all come.
const MAX_PAYLOAD: usize = 4 << 20;
const MAX_KEPT: usize = 1024;

const INITIAL: &str = "x-grpc-test-echo-initial";
const TRAILING: &str = "x-grpc-test-echo-trailing-bin";

/// All methods but those that no server has. Where clients may ask for compressed responses, each message says for itself.
pub(crate) fn router() -> Router {
    let at = |method| Route::new(format!("/grpc.testing.TestService/{method}"));
    Router::empty()
        .unary(at("EmptyCall"), empty_call)
        .unary(at("UnaryCall").compress(), unary_call)
        .server_streaming(at("StreamingOutputCall").compress(), streaming_output_call)
        .client_streaming(at("StreamingInputCall"), streaming_input_call)
        .bidi(at("FullDuplexCall").compress(), full_duplex_call)
        .bidi(at("HalfDuplexCall").compress(), half_duplex_call)
}

async fn empty_call(_: Request<Empty>) -> Result<Response<Empty>, Status> {
    Ok(Response::new(Empty {}))
}

async fn unary_call(
    request: Request<Compressed<SimpleRequest>>,
) -> Result<Response<Compressed<SimpleResponse>>, Status> {
    let echo = Echo::of(&request)?;
    let Compressed {
        message,
        compressed,
    } = request.into_inner();
    check_compressed(message.expect_compressed, compressed)?;
    check_status(message.response_status)?;
    let response = SimpleResponse {
        payload: Some(payload(message.response_type, message.response_size)?),
        ..SimpleResponse::default()
    };
    Ok(echo.on(Compressed {
        message: response,
        compressed: is_true(message.response_compressed),
    }))
}

async fn streaming_input_call(
    request: Request<Streaming<Compressed<StreamingInputCallRequest>>>,
) -> Result<Response<StreamingInputCallResponse>, Status> {
    let mut requests = request.into_inner();
    let mut size: i32 = 0;
    while let Some(request) = requests.message().await? {
        check_compressed(request.message.expect_compressed, request.compressed)?;
        let payload = request.message.payload.unwrap_or_default();
        let more = i32::try_from(payload.body.len()).unwrap_or(i32::MAX);
        size = size.saturating_add(more);
    }
    Ok(Response::new(StreamingInputCallResponse {
        aggregated_payload_size: size,
    }))
}

async fn streaming_output_call(
    request: Request<StreamingOutputCallRequest>,
) -> Result<Response<Replies>, Status> {
    let echo = Echo::of(&request)?;
    Ok(echo.on(Replies::new(|sender| async move {
        respond(request.into_inner(), &sender).await
    })))
}

async fn full_duplex_call(
    request: Request<Streaming<StreamingOutputCallRequest>>,
) -> Result<Response<Replies>, Status> {
    let echo = Echo::of(&request)?;
    Ok(echo.on(Replies::new(|sender| async move {
        let mut requests = request.into_inner();
        while let Some(request) = requests.message().await? {
            respond(request, &sender).await?;
        }
        Ok(())
    })))
}

async fn half_duplex_call(
    request: Request<Streaming<StreamingOutputCallRequest>>,
) -> Result<Response<Replies>, Status> {
    Ok(Response::new(Replies::new(|sender| async move {
        let mut requests = request.into_inner();
        let mut all = StreamingOutputCallRequest::default();
        while let Some(request) = requests.message().await? {
            check_status(request.response_status)?;
            all.response_type = request.response_type;
            all.response_parameters.extend(request.response_parameters);
            if all.response_parameters.len() > MAX_KEPT {
                return Err(Status::new(Code::RESOURCE_EXHAUSTED, "too many responses"));
            }
        }
        respond(all, &sender).await
    })))
}

/// Sends the responses that one request of a stream asks for.
async fn respond(
    request: StreamingOutputCallRequest,
    sender: &mpsc::Sender<Output>,
) -> Result<(), Status> {
    check_status(request.response_status)?;
    for parameters in request.response_parameters {
        let ResponseParameters {
            size,
            interval_us,
            compressed,
        } = parameters;
        let message = StreamingOutputCallResponse {
            payload: Some(payload(request.response_type, size)?),
        };
        if let Ok(interval @ 1..) = u64::try_from(interval_us) {
            sleep(Duration::from_micros(interval)).await;
        }
        let output = Compressed {
            message,
            compressed: is_true(compressed),
        };
        if sender.send(output).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn is_true(value: Option<BoolValue>) -> bool {
    value.is_some_and(|value| value.value)
}

fn payload(kind: i32, size: i32) -> Result<Payload, Status> {
    let size = usize::try_from(size)
        .ok()
        .filter(|&size| size <= MAX_PAYLOAD);
    match (PayloadType::try_from(kind), size) {
        (Ok(PayloadType::Compressable), Some(size)) => Ok(Payload {
            r#type: kind,
            body: vec![0; size].into(),
        }),
        _ => Err(Status::new(Code::INVALID_ARGUMENT, "no such payload")),
    }
}

fn check_compressed(expected: Option<BoolValue>, compressed: bool) -> Result<(), Status> {
    if expected.is_some_and(|expected| expected.value != compressed) {
        let message = "compressed where it should not be, or the other way round";
        return Err(Status::new(Code::INVALID_ARGUMENT, message));
    }
    Ok(())
}

/// The status that the client asks for is the call's end.
fn check_status(status: Option<EchoStatus>) -> Result<(), Status> {
    status.map_or(Ok(()), |status| {
        Err(Status::new(Code::new(status.code), status.message))
    })
}

/// The client's metadata that is sent back.
struct Echo {
    initial: Metadata,
    trailing: Metadata,
}

impl Echo {
    fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let too_large = |error| Status::new(Code::INVALID_ARGUMENT, format!("{error}"));
        let (mut initial, mut trailing) = (Metadata::new(), Metadata::new());
        for value in request.metadata().get_all(INITIAL) {
            initial.append(INITIAL, value).map_err(too_large)?;
        }
        for value in request.metadata().get_all_binary(TRAILING) {
            trailing
                .append_binary(TRAILING, &value)
                .map_err(too_large)?;
        }
        Ok(Self { initial, trailing })
    }

    fn on<T>(self, message: T) -> Response<T> {
        Response::new(message)
            .with_metadata(self.initial)
            .with_trailers(self.trailing)
    }
}

type Output = Compressed<StreamingOutputCallResponse>;
type Sending = dyn Future<Output = Result<(), Status>> + Send;

/// The replies that a future sends, and then the error that it ends with. It is dropped with them.
struct Replies {
    replies: mpsc::Receiver<Output>,
    sending: Option<Pin<Box<Sending>>>,
    error: Option<Status>,
}

impl Replies {
    fn new<F>(send: impl FnOnce(mpsc::Sender<Output>) -> F) -> Self
    where
        F: Future<Output = Result<(), Status>> + Send + 'static,
    {
        // Room for one, so that the future waits until it has been taken.
        let (sender, replies) = mpsc::channel(1);
        Self {
            replies,
            sending: Some(Box::pin(send(sender))),
            error: None,
        }
    }
}

impl Stream for Replies {
    type Item = Result<Output, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // What it sent before goes first.
        if let Some(sending) = this.sending.as_mut().filter(|_| this.replies.is_empty()) {
            if let Poll::Ready(result) = sending.as_mut().poll(cx) {
                this.sending = None;
                this.error = result.err();
            }
        }
        let reply = ready!(this.replies.poll_recv(cx));
        Poll::Ready(reply.map(Ok).or_else(|| this.error.take().map(Err)))
    }
}
