//! What bounds the connections of clients. `axum::serve` is the same loop without these bounds.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use floodwall::Bulkhead;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// A wall does not see a connection until a request on it is complete. Without this limit, clients that connect and send
/// nothing would take all file descriptors. Keep it below `ulimit -n`.
pub(crate) static CONNECTIONS: Bulkhead = Bulkhead::new(512);

/// The head of an HTTP/1 request has to arrive in this time after the connection's first bytes, or its last response.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// A connection gets no more requests after this time. It ends silent connections.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// The last response of a connection has this time. It ends clients that do not read, which hold a permit.
const LAST_RESPONSE_TIME: Duration = Duration::from_secs(20);
/// Requests on one HTTP/2 connection at once: each of them buffers its body in front of the wall.
const STREAMS: u32 = 32;

/// Serves HTTP/1, and HTTP/2 with prior knowledge. If the future is dropped, each connection closes after the responses
/// that it owes.
pub(crate) async fn serve(listener: TcpListener, app: Router) {
    // Dropped with this future.
    let (_serving, seen) = watch::channel(());
    loop {
        match listener.accept().await {
            // Over the limit, the connection is closed without a response, for which it would have to be kept.
            Ok((stream, _)) => {
                if let Ok(permit) = CONNECTIONS.try_acquire() {
                    let connection = serve_connection(stream, app.clone(), seen.clone());
                    tokio::spawn(async move {
                        let _permit = permit;
                        connection.await;
                    });
                }
            }
            // Probably out of file descriptors: retry when some are free again.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve_connection(stream: TcpStream, app: Router, mut serving: watch::Receiver<()>) {
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS);
    let service = TowerToHyperService::new(app);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(CONNECTION_TIME) => {}
        _ = serving.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_RESPONSE_TIME, connection).await;
}
