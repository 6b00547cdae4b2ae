//! HTTP/2: each connection has several requests in progress at the same time.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body::Body;
use http_body_util::channel::Sender;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::chunks::Chunks;
use crate::http::{
    Disconnect, OneStream, assert_rejected, connect, exchange, pass_chunk, request, serve_load,
};
use crate::load::{BATCH, CLIENTS, End, Protocol, Record, Seen};
use crate::wall::{Kind, LIMIT, assert_all_released, assert_all_tasks_end, within_limit};

struct Connection<B> {
    sender: SendRequest<B>,
    _disconnect: Disconnect,
}

impl<B> Connection<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    async fn new(stream: TcpStream) -> Self {
        let (disconnect, stream) = Disconnect::new(stream);
        let handshake = handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(async {
            // The error is that of a request.
            let _ = connection.await;
        });
        Connection {
            sender,
            _disconnect: disconnect,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn load() {
    let record = Record::new(Protocol::Http2);
    let server = serve_load(&record).await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS / BATCH {
        clients.spawn(client(Arc::clone(&record), server.address));
    }
    timeout(record.limit(), clients.join_all())
        .await
        .expect("clients end");
    assert_all_released(&record.wall).await;
    server.stop().await;
    assert_all_tasks_end().await;
    record.verify();
}

async fn client(record: Arc<Record>, server: SocketAddr) {
    let mut connection: Option<Connection<Chunks>> = None;
    while let Some(batch) = record.next(BATCH) {
        let usable = match connection.take() {
            Some(usable) => usable,
            None => Connection::new(connect(server).await).await,
        };
        let mut requests = JoinSet::new();
        for plan in batch {
            let mut sender = usable.sender.clone();
            let (record, id) = (Arc::clone(&record), plan.id);
            requests.spawn(async move {
                let plan = &record.requests[id];
                let uri = format!("http://{server}/");
                let response = sender.send_request(request(plan, uri));
                let seen = timeout(LIMIT, exchange(plan, response)).await;
                let seen = seen.unwrap_or_else(|_| Seen::Failed("no response".to_owned()));
                record.see(plan, seen);
                if plan.end == End::Disconnect {
                    // Counts as one that has its end, if it was rejected.
                    plan.in_handler.notify_one();
                }
            });
        }
        if batch[0].end == End::Disconnect {
            for plan in batch {
                plan.in_handler.notified().await;
            }
            drop(usable);
        } else {
            connection = Some(usable);
        }
        requests.join_all().await;
    }
}

/// Starts a server, and reads the first chunk of a response from it.
async fn half_read_body() -> (OneStream, Connection<Empty<Bytes>>, Sender<Bytes>, Incoming) {
    let one = OneStream::start().await;
    let mut connection = Connection::new(connect(one.server.address).await).await;
    let mut sender = one.prepare();
    let response = within_limit(connection.sender.send_request(one.request()));
    let mut body = response.await.unwrap().into_body();
    pass_chunk(&mut sender, &mut body).await;
    (one, connection, sender, body)
}

#[tokio::test]
async fn permit_is_held_until_the_body_has_ended() {
    let one = OneStream::start().await;
    let mut connection = Connection::new(connect(one.server.address).await).await;
    let mut sender = one.prepare();
    let response = within_limit(connection.sender.send_request(one.request()));
    let mut body = response.await.unwrap().into_body();
    assert_eq!(one.in_use(), 1);
    pass_chunk(&mut sender, &mut body).await;
    assert_eq!(one.in_use(), 1);

    let response = within_limit(connection.sender.send_request(one.request())).await;
    assert_rejected(response.unwrap(), "pool_full").await;

    pass_chunk(&mut sender, &mut body).await;
    assert_eq!(one.in_use(), 1);
    drop(sender);
    // The last frame has no data, or there is none.
    let rest = within_limit(body.collect()).await.unwrap();
    assert!(rest.to_bytes().is_empty());
    one.assert_all_released().await;
    let response = within_limit(connection.sender.send_request(one.request())).await;
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test]
async fn permit_is_released_if_the_client_resets_the_stream_in_the_body() {
    let (one, mut connection, sender, body) = half_read_body().await;
    assert_eq!(one.in_use(), 1);
    drop(body);
    one.assert_all_released().await;
    drop(sender);
    // The connection goes on.
    let response = within_limit(connection.sender.send_request(one.request())).await;
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test]
async fn permit_is_released_if_the_client_disconnects_in_the_body() {
    let (one, connection, sender, _body) = half_read_body().await;
    assert_eq!(one.in_use(), 1);
    drop(connection);
    one.assert_all_released().await;
    drop(sender);
}

#[tokio::test]
async fn request_in_progress_ends_after_the_wall_is_closed() {
    let (one, mut connection, mut sender, mut body) = half_read_body().await;

    one.wall.close();
    let response = within_limit(connection.sender.send_request(one.request())).await;
    assert_rejected(response.unwrap(), "closed").await;

    let OneStream { server, wall, .. } = one;
    let stop = tokio::spawn(server.stop());
    pass_chunk(&mut sender, &mut body).await;
    assert_eq!(wall.snapshot().in_use(), 1);
    drop(sender);
    let rest = within_limit(body.collect()).await.unwrap();
    assert!(rest.to_bytes().is_empty());
    drop(connection);
    stop.await.unwrap();
    let snapshot = wall.snapshot();
    assert_eq!(snapshot.in_use(), 0);
    let message = &snapshot[Kind::Message];
    assert_eq!((message.admitted, message.closed), (1, 1));
}
