//! A storm of logins against a server with `floodwall-tower`, and with the limit of `tower`.
//!
//! An axum server on the loopback interface has a backend that handles 32 requests at a time, each in
//! 200 ms: 160 per second. Messages take a quarter of that. In the storm, logins are ten times as many
//! as the backend can handle. Clients send at a fixed rate, whether or not the server answers, and a
//! latency counts from the time at which the request was due. Three servers run, one after the other:
//!
//! - normal load, behind a `FloodwallLayer`;
//! - the storm, behind the same layer;
//! - the storm, behind `LoadShed` and `ConcurrencyLimit` of the same size.
//!
//! The exit status is an error unless the first layer keeps messages flowing and the second does not.
//!
//! ```text
//! cargo run --release --example tower_storm                  half a minute
//! cargo run --release --example tower_storm -- --seconds 3   ten seconds
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::get;
use axum::serve::ListenerExt;
use clap::Parser;
use comfy_table::presets::UTF8_FULL;
use comfy_table::{CellAlignment, Table};
use floodwall::{Class, Curve, Floodwall, Share, classes};
use floodwall_tower::{FloodwallLayer, http::reject};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rand_distr::{Distribution, Exp};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;

/// Requests that the backend handles at a time, and the time that each takes.
const CAPACITY: u32 = 32;
const SERVICE: Duration = Duration::from_millis(200);

/// Messages and logins per second. The backend can handle 160.
const NORMAL: [f64; 2] = [40.0, 10.0];
const STORM: [f64; 2] = [40.0, 1600.0];

const CONNECTIONS: usize = 4;
/// A request that is not answered within this time counts as not answered.
const PATIENCE: Duration = Duration::from_secs(5);

classes! { enum Kind { Message, Login } }

// Messages use 8 permits on average. Their guarantee leaves at most 8 to logins, which are shed as the pool fills.
static WALL: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::at_least(24)),
        Kind::Login
            .rule(Share::at_least(0))
            .shed(Curve::linear(0.5, 1.0)),
    ],
);

/// Sends a storm of logins to a server with `floodwall-tower`, and to one with the limit of `tower`.
#[derive(Parser)]
struct Arguments {
    /// Seconds of load for each of the three servers.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let time = Duration::from_secs(Arguments::parse().seconds);
    println!("Sends requests to three servers, for {time:?} each.");
    let normal = run(behind_wall(), NORMAL, time).await?;
    let wall = run(behind_wall(), STORM, time).await?;
    let limit = run(behind_limit(), STORM, time).await?;
    let phases = [
        ("normal load, FloodwallLayer", &normal),
        ("storm, FloodwallLayer", &wall),
        ("storm, LoadShed + ConcurrencyLimit", &limit),
    ];
    println!("{}", table(&phases));
    Ok(if judge(&normal[0], &wall[0], &limit[0]) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Creates the routes without a limit.
fn routes() -> Router {
    let handle = async || {
        sleep(SERVICE).await;
        "done"
    };
    Router::new()
        .route("/message", get(handle))
        .route("/login", get(handle))
}

fn behind_wall() -> Router {
    let classify = |request: &Request| match request.uri().path() {
        "/message" => Kind::Message,
        _ => Kind::Login,
    };
    routes().layer(FloodwallLayer::new(&WALL, classify, reject(5..=30)))
}

/// Creates the routes behind one limit for both: `Router::layer` makes a service for each route.
fn behind_limit() -> Router {
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async |_| {
            StatusCode::SERVICE_UNAVAILABLE
        }))
        .load_shed()
        .layer(GlobalConcurrencyLimitLayer::new(CAPACITY as usize));
    routes().layer(layers)
}

/// The requests of one class that were sent to one server.
struct Measured {
    class: Kind,
    sent: usize,
    /// The latencies of the requests that were answered with a status 2xx, in milliseconds, sorted.
    answered: Vec<f64>,
}

/// Starts a server, sends it the load, and returns what was measured for each class.
async fn run(app: Router, load: [f64; 2], time: Duration) -> Result<[Measured; 2], Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // Otherwise the kernel delays the end of some responses by 40 ms, and fewer of them in the storm.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("the option exists"));
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    let mut connections = vec![];
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        connections.push(client);
    }
    let measured = tokio::join!(
        send(Kind::Message, load[0], time, &connections),
        send(Kind::Login, load[1], time, &connections),
    );
    server.abort();
    Ok(measured.into())
}

type Client = SendRequest<Empty<Bytes>>;

/// Sends requests of a class at random times, at this rate per second, without waiting for responses.
async fn send(class: Kind, rate: f64, time: Duration, connections: &[Client]) -> Measured {
    let pause = Exp::new(rate).expect("the rate is positive");
    let mut responses = JoinSet::new();
    let mut due = Instant::now();
    let end = due + time;
    loop {
        due += Duration::from_secs_f64(pause.sample(&mut rand::rng()));
        if due >= end {
            break;
        }
        sleep_until(due).await;
        let client = connections[responses.len() % CONNECTIONS].clone();
        responses.spawn(latency(client, class, due));
    }
    let sent = responses.len();
    let mut answered: Vec<f64> = responses.join_all().await.into_iter().flatten().collect();
    answered.sort_by(f64::total_cmp);
    Measured {
        class,
        sent,
        answered,
    }
}

/// Sends a request, and returns the milliseconds from the time at which it was due to the end of its
/// response. Returns `None` without a response of status 2xx.
async fn latency(mut client: Client, class: Kind, due: Instant) -> Option<f64> {
    let uri = match class {
        Kind::Message => "http://localhost/message",
        Kind::Login => "http://localhost/login",
    };
    let request = Request::get(uri)
        .body(Empty::new())
        .expect("the request is valid");
    let response = async {
        let response = client.send_request(request).await.ok()?;
        let succeeded = response.status().is_success();
        response.collect().await.ok()?;
        succeeded.then(|| due.elapsed().as_secs_f64() * 1000.0)
    };
    timeout_at(due + PATIENCE, response).await.ok()?
}

impl Measured {
    /// Returns the percentage of the requests that were answered.
    fn percent(&self) -> f64 {
        100.0 * self.answered.len() as f64 / self.sent as f64
    }

    /// Returns a percentile of the latencies in milliseconds, or NaN if no request was answered.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.answered.len() * percent).div_ceil(100);
        let found = self.answered.get(rank.saturating_sub(1));
        found.copied().unwrap_or(f64::NAN)
    }
}

fn table(phases: &[(&str, &[Measured; 2])]) -> Table {
    let mut table = Table::new();
    let header = "load, layer|class|sent|answered|%|p50, ms|p99, ms";
    table.load_style(UTF8_FULL).set_header(header.split('|'));
    for (phase, classes) in phases {
        let lines = |text: fn(&Measured) -> String| classes.each_ref().map(text).join("\n");
        table.add_row([
            phase.to_string(),
            lines(|m| m.class.name().into()),
            lines(|m| m.sent.to_string()),
            lines(|m| m.answered.len().to_string()),
            lines(|m| format!("{:.1}", m.percent())),
            lines(|m| format!("{:.0}", m.percentile(50))),
            lines(|m| format!("{:.0}", m.percentile(99))),
        ]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Prints each expectation about messages, and returns `true` if all are met.
fn judge(normal: &Measured, wall: &Measured, limit: &Measured) -> bool {
    let expect = |met: bool, text: &str, measured: f64| {
        let verdict = if met { "ok" } else { "FAILED" };
        println!("{verdict}: messages, {text}: {measured:.2}");
        met
    };
    let answered = wall.percent();
    let slowdown = wall.percentile(99) / normal.percentile(99);
    let without = limit.percent();
    expect(
        answered >= 99.0,
        "% answered in the storm behind the wall, at least 99",
        answered,
    ) & expect(
        slowdown <= 1.3,
        "p99 there relative to normal load, at most 1.3",
        slowdown,
    ) & expect(
        without < 90.0,
        "% answered behind the other limit, below 90",
        without,
    )
}
