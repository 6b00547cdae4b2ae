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
//! Handlers block, each on a thread of the pool. Connections do not: hyper reads all of them on one thread. Common
//! synchronous servers start a thread per connection, or queue each request, before a limiter can act, and bound neither.

mod admin;
mod agent;
mod app;
mod connections;
mod edge;
mod metrics;
mod page;
mod pool;
mod rules;
mod wall;

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use admin::Admin;
use app::App;
use connections::{ADMIN_CONNECTIONS, CONNECTIONS, OPEN_FILES, accept, listen};
use edge::Phase;
use pool::Pool;
use wall::WALL;

/// An HTTP server behind a floodwall. `FLOODWALL_ADMIN_TOKEN` is the token for `/admin/rules`.
#[derive(Parser)]
#[command(args_override_self = true)]
struct Arguments {
    /// Address for clients; port 0 picks a free port.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address for operators, probes and Prometheus: keep it private.
    #[arg(long, default_value = "127.0.0.1:8081")]
    admin: SocketAddr,
    /// Address for HAProxy's agent check.
    #[arg(long)]
    agent: Option<SocketAddr>,
    /// Milliseconds that a handler waits for the simulated backend.
    #[arg(long, default_value_t = 400)]
    backend_ms: u64,
    /// Admit every request, to show what the wall prevents.
    #[arg(long)]
    no_wall: bool,
    /// Let a handler panic if the request has the header `X-Panic`.
    #[arg(long)]
    may_panic: bool,
    /// Time, in seconds, to serve on after SIGTERM while `/readyz` reports 503, so that a balancer can notice. A second
    /// signal ends it.
    #[arg(long, default_value = "5", value_parser = seconds)]
    grace_seconds: Duration,
    /// Longest time, in seconds, to wait for running requests after that. A request that has just begun can take 11 to
    /// arrive.
    #[arg(long, default_value = "15", value_parser = seconds)]
    drain_seconds: Duration,
}

fn seconds(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };

    let files = rlimit::increase_nofile_limit(OPEN_FILES)?;
    if files < OPEN_FILES {
        return Err(format!("{OPEN_FILES} open files are needed, and {files} are allowed").into());
    }
    // A thread of its own, so that probes do not wait for the requests of clients. It ends with the process.
    let admin_runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let admin_runtime = ManuallyDrop::new(admin_runtime);

    let (phase, phase_seen) = watch::channel(Phase::Serving);
    let (admin_phase, admin_phase_seen) = watch::channel(Phase::Serving);
    let (sampled, reject_ratios) = watch::channel(Vec::new());
    tokio::spawn(page::sample_reject_ratios(sampled));

    let app = Arc::new(App {
        pool: Pool::new(),
        has_wall: !arguments.no_wall,
        backend_time: Duration::from_millis(arguments.backend_ms),
        may_panic: arguments.may_panic,
    });
    let admin = Arc::new(Admin {
        app: Arc::clone(&app),
        token: env::var("FLOODWALL_ADMIN_TOKEN").ok(),
        phase: phase_seen.clone(),
        reject_ratios,
    });

    let listener = listen(arguments.listen)?;
    println!("listening on http://{}", listener.local_addr()?);
    let respond = move |request| {
        let app = Arc::clone(&app);
        async move { app.respond(request).await }
    };
    let clients = tokio::spawn(accept(listener, &CONNECTIONS, phase_seen.clone(), respond));

    let listener = listen(arguments.admin)?;
    println!("admin on http://{}", listener.local_addr()?);
    let respond = move |request| {
        let admin = Arc::clone(&admin);
        async move { admin.respond(request).await }
    };
    let accept = accept(listener, &ADMIN_CONNECTIONS, admin_phase_seen, respond);
    let operators = admin_runtime.spawn(accept);

    if let Some(address) = arguments.agent {
        let listener = listen(address)?;
        println!("agent on {}", listener.local_addr()?);
        admin_runtime.spawn(agent::answer(listener, phase_seen));
    }

    signals.next().await;
    phase.send_replace(Phase::Leaving);
    tokio::select! {
        () = sleep(arguments.grace_seconds) => {}
        () = signals.next() => {}
    }
    // The wall is closed first: a request that is admitted now would lengthen the drain.
    WALL.close();
    phase.send_replace(Phase::Closing);
    let drained = timeout(arguments.drain_seconds, async {
        clients.await??;
        until(|| CONNECTIONS.in_use() == 0 && WALL.snapshot().in_use() == 0).await;
        Ok::<(), Box<dyn Error>>(())
    });
    match drained.await {
        Ok(result) => result?,
        Err(_) => {
            let (connections, permits) = (CONNECTIONS.in_use(), WALL.snapshot().in_use());
            eprintln!(
                "drain timed out: {connections} connections are open, {permits} permits are in use"
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    // Operators and probes see the server until its end.
    admin_phase.send_replace(Phase::Closing);
    let _ = timeout(Duration::from_secs(1), async {
        let _ = operators.await;
        until(|| ADMIN_CONNECTIONS.in_use() == 0).await;
    })
    .await;
    let classes = WALL.snapshot();
    let admitted: u64 = classes.classes().iter().map(|class| class.admitted).sum();
    // Not `println!`, which panics if stdout is closed.
    let _ = writeln!(io::stdout(), "answered {admitted} admitted requests");
    Ok(ExitCode::SUCCESS)
}

/// The signals that end the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        sleep(Duration::from_millis(10)).await;
    }
}
