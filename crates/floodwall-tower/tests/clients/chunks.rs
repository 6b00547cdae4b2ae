//! A body of several chunks, for requests and responses, over HTTP and gRPC.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tonic::Status;
use tonic::codegen::tokio_stream::Stream;

use crate::load::InHandler;

/// The bytes of one chunk. Forty of them exceed the window of an HTTP/2 stream.
pub(crate) const CHUNK: &[u8] = &[b'x'; 2048];

/// What follows the last chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    End,
    /// Nothing: the body never ends.
    Stall,
    Panic,
}

/// A body that is ready with a chunk every second time that it is polled.
pub(crate) struct Chunks {
    left: usize,
    chunk: Bytes,
    then: Then,
    is_ready: bool,
    in_handler: Option<InHandler>,
}

impl Chunks {
    pub(crate) fn new(count: usize, then: Then) -> Self {
        Chunks {
            left: count,
            chunk: Bytes::from_static(CHUNK),
            then,
            is_ready: false,
            in_handler: None,
        }
    }

    /// Creates a body of one chunk.
    pub(crate) fn one(chunk: Bytes) -> Self {
        Chunks {
            chunk,
            ..Chunks::new(1, Then::End)
        }
    }

    /// Keeps the request in the handler until the end of this body.
    pub(crate) fn with(mut self, in_handler: InHandler) -> Self {
        self.in_handler = Some(in_handler);
        self
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.is_ready = !self.is_ready;
        if self.is_ready {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.left > 0 {
            self.left -= 1;
            return Poll::Ready(Some(self.chunk.clone()));
        }
        match self.then {
            Then::End => {
                self.in_handler = None;
                Poll::Ready(None)
            }
            Then::Stall => Poll::Pending,
            Then::Panic => panic_quietly(),
        }
    }
}

/// Panics without a message on standard error.
pub(crate) fn panic_quietly() -> ! {
    resume_unwind(Box::new("a panic of the test"))
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.poll_chunk(context)
            .map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// The messages of a response over gRPC.
impl Stream for Chunks {
    type Item = Result<Bytes, Status>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Status>>> {
        self.poll_chunk(context).map(|chunk| chunk.map(Ok))
    }
}

/// The messages of a request over gRPC.
pub(crate) struct Messages(pub(crate) Chunks);

impl Stream for Messages {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.0.poll_chunk(context)
    }
}
