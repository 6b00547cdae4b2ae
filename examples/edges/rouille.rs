//! rouille behind a wall: the handler admits, and the permit travels in the response body.
//!
//! ```text
//! cargo run --release --example rouille -- --port 8000
//! curl -i http://127.0.0.1:8000/page
//! ```
//!
//! # In front of it
//! rouille is built on tiny_http. The wall sees none of this:
//!
//! - 300 connections with an unfinished request are 300 threads;
//! - of five connections that open at once, the last may get no thread before another one closes;
//! - a client that does not read its response holds its permit, and a thread of the pool, forever;
//! - requests wait in a queue without a bound until a thread of the pool is free.
//!
//! `behind_haproxy.cfg` bounds it. HAProxy opens a connection only for a complete request, at most `maxconn` at once, sends
//! one request on each, and closes it if the client does not read.

use std::error::Error;
use std::io::{self, Read};

use clap::Parser;
use floodwall::{Floodwall, Permit, Share, classes};
use rouille::{Request, Response, ResponseBody, Server};

classes! { enum Kind { Page = "page", Export = "export" } }

const CAPACITY: u32 = 8;

static WALL: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Page.rule(Share::at_least(4)),
        Kind::Export.rule(Share::at_most(4)),
    ],
);

/// Threads that run handlers and write responses: more than permits, because rejecting a request needs a free thread.
/// As many as HAProxy's `maxconn`, so that no request waits for one.
const THREADS: usize = 16;

const EXPORT_BYTES: usize = 32 << 20;

/// rouille behind a floodwall.
#[derive(Parser)]
struct Arguments {
    /// Port; 0 picks a free port.
    #[arg(long, default_value_t = 8000)]
    port: u16,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = Server::new(("127.0.0.1", Arguments::parse().port), admit)?.pool_size(THREADS);
    println!("listening on http://{}", server.server_addr());
    server.run();
    Ok(())
}

fn admit(request: &Request) -> Response {
    if request.raw_url() == "/in-use" {
        // Exempt from the wall: the number of permits in use.
        return Response::text(WALL.snapshot().in_use().to_string());
    }
    match WALL.admit(classify(request)) {
        Ok(permit) => hold_until_body_sent(handle(request), permit),
        // `floodwall_tower::http::reject` chooses the status by the reason, and a random time.
        Err(rejection) => Response::text(rejection.to_string())
            .with_status_code(503)
            .with_additional_header("Retry-After", "5"),
    }
}

fn classify(request: &Request) -> Kind {
    match request.raw_url() {
        "/export" => Kind::Export,
        _ => Kind::Page,
    }
}

fn handle(request: &Request) -> Response {
    match request.raw_url() {
        "/export" => Response {
            data: ResponseBody::from_reader_and_size(
                io::repeat(b'x').take(EXPORT_BYTES as u64),
                EXPORT_BYTES,
            ),
            ..Response::text("")
        },
        _ => Response::text("a page"),
    }
}

/// Puts the permit into the body. rouille writes the body after the handler has returned, and drops it when it is
/// written, or if the client is gone.
fn hold_until_body_sent(response: Response, permit: Permit<'static>) -> Response {
    let (body, size) = response.data.into_reader_and_size();
    let body = PermitReader {
        body,
        _permit: permit,
    };
    let data = match size {
        Some(size) => ResponseBody::from_reader_and_size(body, size),
        None => ResponseBody::from_reader(body),
    };
    Response { data, ..response }
}

/// A reader that owns a permit. The reader is dropped before the permit.
struct PermitReader<R> {
    body: R,
    _permit: Permit<'static>,
}

impl<R: Read> Read for PermitReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer)
    }
}
