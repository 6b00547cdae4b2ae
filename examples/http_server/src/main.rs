//! An HTTP/1.1 server with a pool of threads, and a wall around its handlers.
//!
//! ```text
//! cargo run --release --example http_server
//! curl -X POST -d 'hello' http://127.0.0.1:8080/message
//! ```
//!
//! Begin to read at `site.rs`: it admits, hands the permit over with the job, and turns away.
//!
//! Why not a ready-made synchronous server: those that are in use start a thread for each connection,
//! or queue each request, before any limiter of ours is asked, and bound neither. In front of a
//! wall there must be a bound as well: here it is a `Bulkhead` around the threads of connections.

mod admin;
mod http;
mod metrics;
mod page;
mod pool;
mod site;
mod wall;

use std::error::Error;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use clap::Parser;
use floodwall::{Bulkhead, Gauge};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use http::{Connection, Refusal};
use pool::Pool;
use site::Site;
use wall::{CAPACITY, WALL};

/// An HTTP server behind a floodwall. `FLOODWALL_ADMIN_TOKEN` is the token for `PUT /admin/rules`.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 is any that is free.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// For how many milliseconds a handler waits for the backend.
    #[arg(long, default_value_t = 400)]
    backend_ms: u64,
    /// Admits everything, to see what becomes of that.
    #[arg(long)]
    no_wall: bool,
    /// Lets handlers panic when a request asks for it, with the header `X-Panic`.
    #[arg(long)]
    may_panic: bool,
    /// For how many seconds, at most, what runs is waited for at the end.
    #[arg(long, default_value_t = 10)]
    drain_seconds: u64,
}

/// Threads of connections: each is read and answered on one. A process often may have 1024 files open,
/// and whoever comes when it has no more is not even hung up on.
static CONNECTIONS: Bulkhead = Bulkhead::new(900);

/// Requests that are being answered.
static ANSWERING: Gauge = Gauge::new(CAPACITY);

/// Set when the server is to stop.
static STOPS: AtomicBool = AtomicBool::new(false);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let listener = TcpListener::bind(arguments.listen)?;
    println!("listening on http://{}", listener.local_addr()?);
    // It lives as long as the process.
    let site: &'static Site = Box::leak(Box::new(Site {
        pool: Pool::new(CAPACITY),
        has_wall: !arguments.no_wall,
        backend: Duration::from_millis(arguments.backend_ms),
        may_panic: arguments.may_panic,
        admin_token: env::var("FLOODWALL_ADMIN_TOKEN").ok(),
    }));
    thread::spawn(move || accept(&listener, site));
    thread::spawn(page::watch);
    signals.forever().next();
    Ok(drain(Duration::from_secs(arguments.drain_seconds)))
}

/// Takes in connections, so many at once, and starts a thread for each.
fn accept(listener: &TcpListener, site: &'static Site) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of file descriptors, say: some will be free again.
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        // Beyond that many, whoever comes is hung up on: not even a thread to say so is theirs.
        if let Ok(permit) = CONNECTIONS.try_acquire() {
            let serve = permit.wrap(move || {
                if let Ok(connection) = Connection::new(stream) {
                    serve(connection, site);
                }
            });
            // If no thread can be had, the permit comes back as the closure is dropped.
            let _ = thread::Builder::new().spawn(serve);
        }
    }
}

/// Answers one request after another.
fn serve(mut connection: Connection, site: &Site) {
    let stops = || STOPS.load(Ordering::Relaxed);
    while connection.wait(stops).is_ok() {
        match exchange(&mut connection, site) {
            Ok(true) => {}
            Ok(false) => return connection.close(),
            Err(Refusal::Gone) => return,
            Err(Refusal::Wrong(answer)) => {
                if connection.send(&answer, false, false).is_ok() {
                    connection.close();
                }
                return;
            }
        }
    }
}

/// Answers one request. Says whether another one may follow.
fn exchange(connection: &mut Connection, site: &Site) -> Result<bool, Refusal> {
    let head = connection.head()?;
    // From here on the server does not end before this has been answered.
    let _answering = ANSWERING.enter();
    let answer = site.answer(&head, connection)?;
    let stops = STOPS.load(Ordering::Relaxed);
    let may_follow = head.keeps_alive && !stops && !connection.is_in_doubt(&head);
    connection.send(&answer, head.method == "HEAD", may_follow)?;
    // If a body does not come that nobody wants, it has been answered all the same.
    Ok(may_follow && connection.skip_body().is_ok())
}

/// Turns away what is new, and waits for what runs. Nothing that was admitted is lost, unless it
/// takes too long.
fn drain(at_most: Duration) -> ExitCode {
    let until = Instant::now() + at_most;
    STOPS.store(true, Ordering::Relaxed);
    let closed = WALL.set_capacity(0);
    closed.expect("a wall can always be closed");
    // In this order: whoever has given its permit back has begun to be answered before.
    let is_over = || {
        WALL.snapshot()
            .classes()
            .iter()
            .all(|class| class.in_use == 0)
            && ANSWERING.active() == 0
    };
    while !is_over() {
        if Instant::now() >= until {
            eprintln!("gave up on {} requests that still run", ANSWERING.active());
            return ExitCode::FAILURE;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let admitted: u64 = WALL
        .snapshot()
        .classes()
        .iter()
        .map(|class| class.admitted)
        .sum();
    // Nobody needs to listen any more.
    let _ = writeln!(
        io::stdout(),
        "answered {admitted} requests that were admitted"
    );
    ExitCode::SUCCESS
}
