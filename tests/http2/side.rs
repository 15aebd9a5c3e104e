//! The two servers, and what is a request to each.

use crate::support::frame::{self, END_HEADERS, END_STREAM};
use crate::support::grpc::{CHECK, Request, health_request};
use crate::support::peer::PIPE;
use grpc_health::{HealthService, Registry, Server};
use tokio::io::DuplexStream;

#[cfg(feature = "__internals")]
#[path = "../../examples/support/bare.rs"]
mod bare;
#[cfg(feature = "__internals")]
pub(crate) use bare::BODY;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Without gRPC.
    #[cfg(feature = "__internals")]
    Bare,
    /// The health service.
    Grpc,
}

impl Side {
    /// A connection that has not said anything yet.
    pub(crate) fn dial(self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        match self {
            #[cfg(feature = "__internals")]
            Self::Bare => {
                let server = Server::builder().service(bare::Bare).build();
                tokio::spawn(server.serve_connection(theirs));
            }
            Self::Grpc => {
                let service = HealthService::new(Registry::new());
                let server = Server::builder().service(service).build();
                tokio::spawn(server.serve_connection(theirs));
            }
        }
        ours
    }

    /// What is asked for.
    pub(crate) fn request(self) -> Request {
        match self {
            #[cfg(feature = "__internals")]
            Self::Bare => Request::new("/").without("te").without("content-type"),
            Self::Grpc => Request::new(CHECK),
        }
    }

    pub(crate) fn block(self) -> Vec<u8> {
        self.request().encode()
    }

    /// HEADERS of a request whose body is yet to come.
    pub(crate) fn open(self, stream: u32) -> Vec<u8> {
        frame::headers(stream, false, &self.block())
    }

    /// HEADERS of the request that it is changed to, without a body.
    pub(crate) fn with(self, change: impl FnOnce(Request) -> Request) -> Vec<u8> {
        frame::headers(1, true, &change(self.request()).encode())
    }

    /// HEADERS with any flags, of type, stream and payload as usual.
    pub(crate) fn headers(self, flags: u8, payload: &[u8]) -> Vec<u8> {
        frame::raw(frame::HEADERS, flags, 1, payload)
    }

    /// The body that belongs to it.
    pub(crate) fn body(self, stream: u32) -> Vec<u8> {
        frame::data(stream, true, &health_request(""))
    }

    /// A whole request.
    pub(crate) fn whole(self, stream: u32) -> Vec<u8> {
        [self.open(stream), self.body(stream)].concat()
    }

    /// A whole request whose answer waits for the client to make room: a stream that is half-closed (remote).
    pub(crate) fn held(self) -> Vec<u8> {
        let no_room = frame::settings(&[(frame::SETTINGS_INITIAL_WINDOW_SIZE, 0)]);
        [no_room, self.whole(1)].concat()
    }

    /// A header block as it is, in a frame of stream 1 that ends it and the stream.
    pub(crate) fn with_block(self, block: &[u8]) -> Vec<u8> {
        frame::raw(frame::HEADERS, END_HEADERS | END_STREAM, 1, block)
    }
}
