//! tiny_http behind a wall: a request is admitted when it is received, before a worker gets it.
//!
//! ```text
//! cargo run --release --example tiny_http -- --port 8000
//! curl -i http://127.0.0.1:8000/page
//! ```
//!
//! # In front of it
//! tiny_http starts a thread for each connection and has no timeouts. The wall sees none of this:
//!
//! - 300 connections with an unfinished request are 300 threads;
//! - of five connections that open at once, the last may get no thread before another one closes;
//! - a client that does not read its response holds its permit forever;
//! - one that sends more requests on that connection can block the loop below: their responses wait for it.
//!
//! `behind_haproxy.cfg` bounds it. HAProxy opens a connection only for a complete request, at most `maxconn` at once, sends
//! one request on each, and closes it if the client does not read.

use std::error::Error;
use std::io::{self, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use clap::Parser;
use crossbeam_channel::unbounded;
use floodwall::{Floodwall, Rejection, Share, classes};
use tiny_http::{Header, Request, Response, Server, StatusCode};

classes! { enum Kind { Page = "page", Export = "export" } }

const CAPACITY: u32 = 8;

static WALL: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Page.rule(Share::at_least(4)),
        Kind::Export.rule(Share::at_most(4)),
    ],
);

const EXPORT_BYTES: usize = 32 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// tiny_http behind a floodwall.
#[derive(Parser)]
struct Arguments {
    /// Port; 0 picks a free port.
    #[arg(long, default_value_t = 8000)]
    port: u16,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = Server::http(("127.0.0.1", Arguments::parse().port))?;
    println!("listening on http://{}", server.server_addr());

    // A worker for each permit. The queue never holds more jobs than the wall has permits.
    let (jobs, queue) = unbounded::<Job>();
    for _ in 0..CAPACITY {
        let queue = queue.clone();
        thread::spawn(move || {
            for job in queue {
                let _panicked = catch_unwind(AssertUnwindSafe(job));
            }
        });
    }

    // tiny_http's own queue has no bound: nothing in this loop may wait.
    for request in server.incoming_requests() {
        if request.url() == "/in-use" {
            // Exempt from the wall: the number of permits in use.
            respond(
                request,
                Response::from_string(WALL.snapshot().in_use().to_string()),
            );
            continue;
        }
        match WALL.admit(classify(&request)) {
            // `respond` returns when the body is written, so the permit is held until then.
            Ok(permit) => {
                let job = permit.wrap(move || handle(request));
                jobs.send(Box::new(job)).expect("workers do not end");
            }
            Err(rejection) => respond(request, rejected(&rejection)),
        }
    }
    Ok(())
}

fn classify(request: &Request) -> Kind {
    match request.url() {
        "/export" => Kind::Export,
        _ => Kind::Page,
    }
}

fn handle(request: Request) {
    match request.url() {
        "/export" => {
            let body = io::repeat(b'x').take(EXPORT_BYTES as u64);
            respond(
                request,
                Response::new(StatusCode(200), vec![], body, Some(EXPORT_BYTES), None),
            );
        }
        _ => respond(request, Response::from_string("a page")),
    }
}

fn rejected(rejection: &Rejection) -> Response<io::Cursor<Vec<u8>>> {
    // `floodwall_tower::http::reject` chooses the status by the reason, and a random time.
    let retry_after = Header::from_bytes("Retry-After", "5").expect("a valid header");
    Response::from_string(rejection.to_string())
        .with_status_code(503)
        .with_header(retry_after)
}

/// Writes a response. Writing fails if the client is gone.
fn respond(request: Request, response: Response<impl io::Read>) {
    let _ = request.respond(response);
}
