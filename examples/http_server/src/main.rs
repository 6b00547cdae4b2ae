//! An HTTP/1.1 server with a thread pool and a wall around its handlers.
//!
//! ```text
//! cargo run --release --example http_server
//! curl -X POST -d 'hello' http://127.0.0.1:8080/message
//! ```
//!
//! Start reading at `app.rs`: it admits a request, sends the permit along with the job, and answers a
//! rejection.
//!
//! The server parses HTTP itself because common synchronous servers start a thread per connection, or
//! queue each request, before a limiter can act, and bound neither. Everything in front of a wall
//! needs its own bound: here, a `Bulkhead` limits the connection threads.

mod admin;
mod app;
mod head;
mod http;
mod metrics;
mod page;
mod pool;
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

use app::App;
use http::{Connection, RequestError};
use pool::Pool;
use wall::{CAPACITY, WALL};

/// An HTTP server behind a floodwall. `FLOODWALL_ADMIN_TOKEN` is the token for `/admin/rules`.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on; port 0 picks a free port.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Milliseconds that a handler waits for the simulated backend.
    #[arg(long, default_value_t = 400)]
    backend_ms: u64,
    /// Admit every request, to show what the wall prevents.
    #[arg(long)]
    no_wall: bool,
    /// Let a handler panic if the request has the header `X-Panic`.
    #[arg(long)]
    may_panic: bool,
    /// Longest time, in seconds, to wait for running requests at shutdown.
    #[arg(long, default_value_t = 10)]
    drain_seconds: u64,
}

/// Limits connection threads: each connection has one. The limit stays below 1024, a common limit on
/// open files; with no free file descriptor, the server could not even accept and close a connection.
static CONNECTIONS: Bulkhead = Bulkhead::new(900);

/// Counts requests from the end of their head to the end of their response.
static IN_FLIGHT: Gauge = Gauge::new(CAPACITY);

/// Set when the server shuts down.
static SHUTTING_DOWN: AtomicBool = AtomicBool::new(false);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let listener = TcpListener::bind(arguments.listen)?;
    println!("listening on http://{}", listener.local_addr()?);
    // Leaked: connection threads are detached and use it until the process exits.
    let app: &'static App = Box::leak(Box::new(App {
        pool: Pool::new(CAPACITY),
        has_wall: !arguments.no_wall,
        backend_time: Duration::from_millis(arguments.backend_ms),
        may_panic: arguments.may_panic,
        admin_token: env::var("FLOODWALL_ADMIN_TOKEN").ok(),
    }));
    thread::spawn(move || accept(&listener, app));
    thread::spawn(page::sample_reject_ratios);
    signals.forever().next();
    Ok(drain(Duration::from_secs(arguments.drain_seconds)))
}

/// Accepts connections and starts a thread for each, up to the limit.
fn accept(listener: &TcpListener, app: &'static App) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Probably out of file descriptors: retry when some are free again.
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        // Over the limit, the connection is closed without a response: a response needs a thread.
        if let Ok(permit) = CONNECTIONS.try_acquire() {
            let serve = permit.wrap(move || {
                if let Ok(connection) = Connection::new(stream) {
                    serve(connection, app);
                }
            });
            // If the thread cannot be started, dropping the closure releases the permit.
            let _ = thread::Builder::new().spawn(serve);
        }
    }
}

/// Serves the requests of one connection, one after another.
fn serve(mut connection: Connection, app: &App) {
    let is_cancelled = || SHUTTING_DOWN.load(Ordering::Relaxed);
    while connection.wait_for_request(is_cancelled).is_ok() {
        match exchange(&mut connection, app) {
            Ok(true) => {}
            Ok(false) => return connection.close(),
            Err(RequestError::Disconnected) => return,
            Err(RequestError::Invalid(response)) => {
                if connection.send(&response, false, false).is_ok() {
                    connection.close();
                }
                return;
            }
        }
    }
}

/// Serves one request. Returns whether the connection can carry another one.
fn exchange(connection: &mut Connection, app: &App) -> Result<bool, RequestError> {
    let head = connection.read_head()?;
    // From here on, `drain` waits for the response.
    let _in_flight = IN_FLIGHT.enter();
    let response = app.respond(&head, connection)?;
    let is_shutting_down = SHUTTING_DOWN.load(Ordering::Relaxed);
    let keep_alive = head.keeps_alive && !is_shutting_down && !connection.is_ambiguous_after(&head);
    connection.send(&response, head.method == "HEAD", keep_alive)?;
    // The response is sent: if the rest of the body does not arrive, only the connection ends.
    Ok(keep_alive && connection.skip_body().is_ok())
}

/// Closes the wall and waits until every admitted request is answered, at most for `timeout`.
fn drain(timeout: Duration) -> ExitCode {
    let deadline = Instant::now() + timeout;
    SHUTTING_DOWN.store(true, Ordering::Relaxed);
    WALL.close();
    // Permits first: reading 0 in use synchronizes with every released permit, so the gauge then counts
    // each admitted request whose response is not sent yet.
    let is_drained = || WALL.snapshot().in_use() == 0 && IN_FLIGHT.active() == 0;
    while !is_drained() {
        if Instant::now() >= deadline {
            let running = IN_FLIGHT.active();
            eprintln!("drain timed out: {running} requests are still running");
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
    // Not `println!`, which panics if stdout is closed.
    let _ = writeln!(io::stdout(), "answered {admitted} admitted requests");
    ExitCode::SUCCESS
}
