//! An axum server behind a wall. Its logins compute on a fixed pool of threads.
//!
//! ```text
//! cargo run --release --example axum_server
//! curl -i -d 'my password' http://127.0.0.1:8080/login
//! ```
//!
//! A request passes, from the outside: the limit of connections, the reception of its body, the wall, its handler.

mod connections;
mod pool;

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use clap::Parser;
use floodwall::{Curve, Floodwall, Permit, Share, classes};
use floodwall_prometheus::FloodwallCollector;
use floodwall_tower::http::reject;
use floodwall_tower::{FloodwallLayer, HandlerPermit};
use futures_util::stream;
use prometheus_client::{encoding::text, registry::Registry};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use tower::ServiceBuilder;

use connections::CONNECTIONS;
use pool::Pool;

classes! {
    enum Kind {
        Message = "message",
        Login = "login",
        BackgroundLogin = "background login",
        Export = "export",
        Health = "health",
        Other = "other",
    }
}

/// Each permit is the right to occupy one thread of the pool.
const CAPACITY: u32 = 16;

#[rustfmt::skip]
static WALL: Floodwall<Kind> = Floodwall::new(CAPACITY, &[
    Kind::Message.rule(Share::at_least(6)),
    Kind::Login.rule(Share::between(2, 6)),
    Kind::BackgroundLogin.rule(Share::at_most(4)).shed(Curve::linear(0.2, 0.5)),
    Kind::Export.rule(Share::at_most(4)),
    Kind::Health.rule(Share::between(1, 2)),
    Kind::Other.rule(Share::at_most(1)),
]);

/// The body of a request may have this size.
const BODY_BYTES: usize = 16 << 10;
/// The body of a request has to arrive in this time.
const BODY_TIME: Duration = Duration::from_secs(5);
/// Admitted requests have this time to end after SIGTERM.
const DRAIN_TIME: Duration = Duration::from_secs(30);

/// An axum server behind a floodwall.
#[derive(Parser)]
struct Arguments {
    /// Port for clients; 0 picks a free port.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Port for operators: keep it private.
    #[arg(long, default_value_t = 8081)]
    operators_port: u16,
    /// Rounds of the key derivation of a login.
    #[arg(long, default_value_t = 600_000)]
    rounds: u32,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );

    let clients = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
    println!("listening on http://{}", clients.local_addr()?);
    let serve = connections::serve(clients, app(Pool::new(CAPACITY), arguments.rounds));

    // Outside of the wall, with a listener of their own: a storm does not lock operators out.
    let operators = TcpListener::bind(("127.0.0.1", arguments.operators_port)).await?;
    println!("operators on http://{}", operators.local_addr()?);
    let routes = Router::new()
        .route("/ready", get(ready))
        .route("/metrics", get(metrics));
    tokio::spawn(async { axum::serve(operators, routes).await });

    tokio::select! {
        () = serve => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // The future of `serve` is dropped: no connection is accepted, and each one closes after the response that it owes.
    WALL.close();
    let drain = async {
        while WALL.snapshot().in_use() > 0 || CONNECTIONS.in_use() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let drained = timeout(DRAIN_TIME, drain).await;
    let snapshot = WALL.snapshot();
    let admitted: u64 = snapshot.classes().iter().map(|class| class.admitted).sum();
    println!("admitted {admitted} requests");
    Ok(match drained {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

fn app(pool: Pool, rounds: u32) -> Router {
    // The first layer sees a request first.
    let layers = ServiceBuilder::new().layer(from_fn(receive_body)).layer(
        FloodwallLayer::new(&WALL, classify, reject(5..=30))
            .hold_until_body_sent()
            .pass_permit_to_handler(),
    );
    Router::new()
        .route("/login", post(login))
        .route("/messages", post(async |text: String| text))
        .route("/export", get(export))
        .route("/health", get("healthy"))
        .layer(layers)
        .with_state((pool, rounds))
}

fn classify(request: &Request) -> Kind {
    match request.uri().path() {
        "/login" if request.headers().contains_key("x-background") => Kind::BackgroundLogin,
        "/login" => Kind::Login,
        "/messages" => Kind::Message,
        "/export" => Kind::Export,
        "/health" => Kind::Health,
        _ => Kind::Other,
    }
}

/// Receives the body of a request before the wall sees it. Otherwise a client would hold a permit while it sends.
async fn receive_body(request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match timeout(BODY_TIME, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(head, bytes.into())).await,
        Ok(Err(_)) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

/// Moves the permit to the thread that works, which cannot be cancelled: it is not free when the client disconnects.
async fn login(
    State((pool, rounds)): State<(Pool, u32)>,
    Extension(permit): Extension<HandlerPermit<Permit<'static>>>,
    password: Bytes,
) -> Result<String, StatusCode> {
    let permit = permit.take().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    let key = pool.run(permit, move || derive_key(&password, rounds));
    key.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

fn derive_key(password: &[u8], rounds: u32) -> String {
    // A server has a random salt for each user.
    let key: [u8; 32] = pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(password, b"salt", rounds);
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Streams 64 MiB. The layer holds the permit until the last byte has been taken from the stream, or it is dropped.
async fn export() -> Body {
    const PART: Bytes = Bytes::from_static(&[b'x'; 64 << 10]);
    Body::from_stream(stream::iter((0..1024).map(|_| Ok::<_, Infallible>(PART))))
}

/// A balancer sends no more requests to this server once the wall is closed.
async fn ready() -> (StatusCode, &'static str) {
    match WALL.is_closed() {
        false => (StatusCode::OK, "ready"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "closed"),
    }
}

async fn metrics() -> String {
    let collector = FloodwallCollector::new()
        .floodwall("http", &WALL)
        .bulkhead("connections", &CONNECTIONS);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collector));
    let mut samples = String::new();
    text::encode(&mut samples, &registry).expect("writing to a String never fails");
    samples
}
