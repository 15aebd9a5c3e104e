//! Servers that do what a test says, and an endpoint that leads to them.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, SendStream};
use http::{HeaderMap, Request, Response};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::client::connector::{Connected, TIMEOUT, Within};
use crate::client::monitor::dial::{Dial, Dialled, Opened};
use crate::client::monitor::{Changes, Endpoint, Pair, State};
use crate::client::{Client, ReportedStatus};
use crate::proto::health::HealthCheckRequest;

/// The attempts to connect to one endpoint.
pub(super) struct Net {
    pub(super) endpoint: Endpoint,
    attempts: mpsc::UnboundedReceiver<Attempt>,
}

/// One attempt to connect. Dropping the pipe closes the connection before the server has said anything.
pub(super) struct Attempt {
    pub(super) at: Instant,
    pub(super) io: DuplexStream,
}

struct Pipes(mpsc::UnboundedSender<Attempt>);

impl Dial for Pipes {
    fn dial(&self) -> Dialled<'_> {
        let (ours, io) = duplex(256 * 1024);
        let at = Instant::now();
        let _ = self.0.send(Attempt { at, io });
        Box::pin(async {
            let (connection, driver) = Within::new(TIMEOUT).open(ours).await?;
            let connected = Connected {
                connection,
                driver,
                scheme: http::uri::Scheme::HTTP,
                authority: None,
            };
            let (client, driver) = Client::new(connected, None);
            Ok(Opened { client, driver })
        })
    }
}

impl Net {
    pub(super) fn new() -> Self {
        let (tell, attempts) = mpsc::unbounded_channel();
        let endpoint = Endpoint::made(move || Box::new(Pipes(tell.clone())));
        Self { endpoint, attempts }
    }

    pub(super) async fn attempt(&mut self) -> Attempt {
        self.attempts.recv().await.unwrap()
    }

    /// Accepts the next attempt.
    pub(super) async fn accept(&mut self) -> Peer {
        Peer::new(self.attempt().await.io).await
    }

    /// Whether nobody connects for `time`.
    pub(super) async fn is_quiet(&mut self, time: Duration) -> bool {
        timeout(time, self.attempts.recv()).await.is_err()
    }
}

/// A server's end of a connection.
pub(super) struct Peer {
    calls: mpsc::UnboundedReceiver<Call>,
    goaway: mpsc::UnboundedSender<Reason>,
    pub(super) task: JoinHandle<()>,
}

/// A call that the client has made.
pub(super) struct Call {
    pub(super) method: String,
    pub(super) service: String,
    pub(super) respond: SendResponse<Bytes>,
}

impl Peer {
    pub(super) async fn new(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        Self::with(io, &Builder::new()).await
    }

    pub(super) async fn with(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        builder: &Builder,
    ) -> Self {
        let mut connection: Connection<_, Bytes> = builder.handshake(io).await.unwrap();
        let (tell, calls) = mpsc::unbounded_channel();
        let (goaway, mut go) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    accepted = connection.accept() => {
                        let Some(Ok((request, respond))) = accepted else { return };
                        let tell = tell.clone();
                        tokio::spawn(async move {
                            let _ = tell.send(call(request, respond).await);
                        });
                    }
                    Some(reason) = go.recv() => match reason {
                        Reason::NO_ERROR => connection.graceful_shutdown(),
                        reason => connection.abrupt_shutdown(reason),
                    },
                }
            }
        });
        Self {
            calls,
            goaway,
            task,
        }
    }

    pub(super) async fn call(&mut self) -> Call {
        self.calls.recv().await.unwrap()
    }

    /// Takes a Watch call for `service`.
    pub(super) async fn watch(&mut self, service: &str) -> Call {
        let call = self.call().await;
        assert_eq!(
            (call.method.as_str(), call.service.as_str()),
            ("Watch", service)
        );
        call
    }

    /// Takes a Check call for `service`.
    pub(super) async fn check(&mut self, service: &str) -> Call {
        let call = self.call().await;
        assert_eq!(
            (call.method.as_str(), call.service.as_str()),
            ("Check", service)
        );
        call
    }

    /// Whether nobody calls for `time`.
    pub(super) async fn is_quiet(&mut self, time: Duration) -> bool {
        timeout(time, self.calls.recv()).await.is_err()
    }

    pub(super) fn go_away(&self, reason: Reason) {
        self.goaway.send(reason).unwrap();
    }

    /// Waits until the client has closed the connection.
    pub(super) async fn closed(self) {
        self.task.await.unwrap();
    }

    /// Breaks the connection without a word.
    pub(super) fn cut(self) {
        self.task.abort();
    }
}

async fn call(request: Request<h2::RecvStream>, respond: SendResponse<Bytes>) -> Call {
    let path = request.uri().path();
    let method = path.rsplit('/').next().unwrap().to_owned();
    let mut body = request.into_body();
    let mut bytes = BytesMut::new();
    while let Some(data) = body.data().await {
        bytes.extend_from_slice(&data.unwrap());
    }
    let request = HealthCheckRequest::decode(&bytes[5..]).unwrap();
    Call {
        method,
        service: request.service,
        respond,
    }
}

pub(super) fn head() -> Response<()> {
    Response::builder()
        .header("content-type", "application/grpc")
        .body(())
        .unwrap()
}

pub(super) fn envelope(message: &[u8]) -> Bytes {
    let len = u32::try_from(message.len()).unwrap();
    [&[0], &len.to_be_bytes()[..], message].concat().into()
}

pub(super) fn trailers(code: i32, message: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    if !message.is_empty() {
        trailers.insert("grpc-message", message.parse().unwrap());
    }
    trailers
}

pub(super) fn status(status: ReportedStatus) -> Bytes {
    envelope(&[8, u8::try_from(status.value()).unwrap()])
}

impl Call {
    /// Answers with a status, and leaves the call open.
    pub(super) fn open(mut self, first: ReportedStatus) -> Open {
        let mut stream = self.respond.send_response(head(), false).unwrap();
        stream.send_data(status(first), false).unwrap();
        Open(stream)
    }

    /// Answers a Check with a status.
    pub(super) fn answer(self, status: ReportedStatus) {
        self.open(status).end(0);
    }

    /// Ends the call with a code, without a message.
    pub(super) fn fail(mut self, code: i32, message: &str) {
        let mut response = head();
        response.headers_mut().extend(trailers(code, message));
        self.respond.send_response(response, true).unwrap();
    }
}

/// A call that the server has answered and not ended.
pub(super) struct Open(pub(super) SendStream<Bytes>);

impl Open {
    pub(super) fn send(&mut self, now: ReportedStatus) {
        self.0.send_data(status(now), false).unwrap();
    }

    pub(super) fn end(mut self, code: i32) {
        self.0.send_trailers(trailers(code, "")).unwrap();
    }

    /// Waits until the client has cancelled the call.
    pub(super) async fn cancelled(mut self) {
        let reset = std::future::poll_fn(|cx| self.0.poll_reset(cx)).await;
        assert_eq!(reset.unwrap(), Reason::CANCEL);
    }
}

/// The next change, which must come before anything else happens for an hour.
pub(super) async fn next(changes: &mut Changes) -> Pair {
    let next = timeout(Duration::from_secs(3_600), changes.next());
    next.await.unwrap().unwrap()
}

/// The next change, which must be this status.
pub(super) async fn reports(changes: &mut Changes, status: ReportedStatus) {
    assert_eq!(next(changes).await.state, State::Reported(status));
}

/// The next change, which must be that the endpoint is unreachable. Returns the reason.
pub(super) async fn unreachable(changes: &mut Changes) -> String {
    match next(changes).await.state {
        State::Unreachable(why) => why.reason().to_owned(),
        other => panic!("{other}"),
    }
}

/// Whether there is no change for `time`.
pub(super) async fn is_still(changes: &mut Changes, time: Duration) -> bool {
    timeout(time, changes.next()).await.is_err()
}

pub(super) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
