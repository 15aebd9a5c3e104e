//! Servers that the command cannot be.

use std::{
    net::{SocketAddr, TcpListener},
    sync::mpsc,
};

use bytes::{Bytes, BytesMut};
use grpc_health::{HealthService, Registry, Router, Server};
use http::{HeaderMap, Response, request::Parts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

/// A runtime of its own, and what runs there until the value is dropped.
pub(crate) struct Background(Runtime);

impl Background {
    pub(crate) fn new() -> Self {
        Self(
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        )
    }

    /// A server of this crate that has no health service.
    pub(crate) fn without_health(&self) -> String {
        let serving = Server::builder()
            .service(Router::empty())
            .bind("127.0.0.1:0");
        let server = self.0.block_on(serving).unwrap();
        let addr = server.local_addr().unwrap();
        self.0.spawn(server.serve());
        addr.to_string()
    }

    /// Hangs up on the first connection, and serves the second.
    pub(crate) fn second_time(&self) -> String {
        let listener = self.listener();
        let addr = listener.local_addr().unwrap();
        let server = Server::builder()
            .service(HealthService::new(Registry::new()))
            .build();
        self.0.spawn(async move {
            let (mut io, _) = listener.accept().await.unwrap();
            // Closed when the client has closed: unread bytes would make a reset of the end.
            io.shutdown().await.unwrap();
            io.read_to_end(&mut Vec::new()).await.unwrap();
            let (io, _) = listener.accept().await.unwrap();
            server.serve_connection(io).await
        });
        addr.to_string()
    }

    /// An h2 server that tells of each request, and answers as `answer` says.
    pub(crate) fn scripted(&self, answer: Answer) -> (String, mpsc::Receiver<(Parts, Bytes)>) {
        let (tell, told) = mpsc::channel();
        let listener = self.listener();
        let addr = listener.local_addr().unwrap();
        self.0.spawn(async move {
            loop {
                let (io, _) = listener.accept().await.unwrap();
                tokio::spawn(one_connection(io, answer.clone(), tell.clone()));
            }
        });
        (addr.to_string(), told)
    }

    fn listener(&self) -> tokio::net::TcpListener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let _inside = self.0.enter();
        tokio::net::TcpListener::from_std(listener).unwrap()
    }
}

/// What a scripted server answers.
#[derive(Clone)]
pub(crate) enum Answer {
    Nothing,
    Trailers(&'static str, &'static str),
    /// An envelope, in a reply with this encoding.
    Message(Vec<u8>, &'static str),
}

impl Answer {
    pub(crate) fn serving() -> Self {
        Self::Message(vec![0, 0, 0, 0, 2, 8, 1], "identity")
    }
}

async fn one_connection(
    io: tokio::net::TcpStream,
    answer: Answer,
    tell: mpsc::Sender<(Parts, Bytes)>,
) {
    let mut connection = h2::server::handshake(io).await.unwrap();
    // A client that leaves ends the connection.
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let (answer, tell) = (answer.clone(), tell.clone());
        tokio::spawn(async move {
            let (head, mut body) = request.into_parts();
            let mut message = BytesMut::new();
            while let Some(data) = body.data().await {
                message.extend_from_slice(&data.unwrap());
            }
            let _ = tell.send((head, message.freeze()));
            let head = Response::builder().header("content-type", "application/grpc");
            match answer {
                Answer::Nothing => std::future::pending().await,
                Answer::Trailers(code, message) => {
                    let head = head.header("grpc-status", code);
                    let head = head.header("grpc-message", message).body(()).unwrap();
                    respond.send_response(head, true).unwrap();
                }
                Answer::Message(message, encoding) => {
                    let head = head.header("grpc-encoding", encoding).body(()).unwrap();
                    let mut stream = respond.send_response(head, false).unwrap();
                    stream.send_data(message.into(), false).unwrap();
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", 0.into());
                    stream.send_trailers(trailers).unwrap();
                }
            }
        });
    }
}

/// A port that refuses connections for as long as the value lives: bound, and not listened on.
pub(crate) struct Closed(#[allow(dead_code)] socket2::Socket, String);

impl Closed {
    pub(crate) fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).unwrap();
        let addr = socket.local_addr().unwrap().as_socket().unwrap();
        Self(socket, addr.to_string())
    }

    pub(crate) fn addr(&self) -> &str {
        &self.1
    }
}

/// A socket that takes connections and says nothing.
pub(crate) fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    (listener, addr)
}
