//! Tests with real servers and clients: hyper and axum over HTTP/1 and HTTP/2, tonic over gRPC. They talk over TCP
//! sockets of the loopback interface, in one process.
//!
//! # The load
//! Each protocol has a test `load`. It makes `FLOODWALL_REQUESTS` requests, or 3,000 by default, from 32 concurrent
//! clients to a wall with 16 permits. A seeded plan decides the class and the end of each request: see
//! [`load::End`]. Two thirds end normally; of the others, the client cuts most off, and the server ends some.
//!
//! Each request has an id, so that three records of it can be compared: whether it arrived at the layer (counted by the
//! classifier), whether it reached the handler, and what its client saw. [`load::Record::verify`] states what must be
//! equal.
//!
//! # Panics of handlers
//! The server of hyper-util runs each HTTP/1 connection and each HTTP/2 stream as a task of its own. A panic in a
//! handler or in a response body therefore ends one HTTP/1 connection or one HTTP/2 stream, and the client sees an error.
//!
//! # Time
//! No timing decides a test, but a permit is released by a task of the server after the client has seen the end of the
//! request, so the tests wait for that: at most 30 seconds. A load is verified once all tasks have ended.

mod chunks;
mod grpc;
mod http;
mod http1;
mod http2;
mod load;
mod wall;
