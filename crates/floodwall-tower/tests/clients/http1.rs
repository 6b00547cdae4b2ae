//! HTTP/1: each client has a connection, and makes one request after the other.

use std::sync::Arc;

use bytes::Bytes;
use http_body::Body;
use http_body_util::channel::Sender;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::chunks::Chunks;
use crate::http::{OneStream, assert_rejected, connect, exchange, pass_chunk, request, serve_load};
use crate::load::{self, CLIENTS, End, ID, Protocol, Record, Seen};
use crate::wall::{Kind, LIMIT, assert_all_released, assert_all_tasks_end, within_limit};

struct Connection<B> {
    sender: SendRequest<B>,
    task: JoinHandle<()>,
}

impl<B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static>
    Connection<B>
{
    async fn new(stream: TcpStream) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        let task = tokio::spawn(async {
            // The error is that of a request.
            let _ = connection.await;
        });
        Connection { sender, task }
    }
}

/// Closes the socket.
impl<B> Drop for Connection<B> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn load() {
    let record = Record::new(Protocol::Http1);
    let server = serve_load(&record).await;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
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

async fn client(record: Arc<Record>, server: std::net::SocketAddr) {
    let mut connection: Option<Connection<Chunks>> = None;
    while let Some([plan]) = record.next(1) {
        let seen = match plan.end {
            End::CutOffInHead => cut_off_in_head(plan, server).await,
            End::CutOffBeforeResponse if plan.size % 2 == 0 => {
                reset_before_response(plan, server).await
            }
            _ => {
                let mut usable = match connection.take() {
                    Some(usable) => usable,
                    None => Connection::new(connect(server).await).await,
                };
                let response = usable.sender.send_request(request(plan, "/".to_owned()));
                let seen = timeout(LIMIT, exchange(plan, response)).await;
                let seen = seen.unwrap_or_else(|_| Seen::Failed("no response".to_owned()));
                // The server closes the connection if it has not read all of the request.
                let is_unread = plan.has_upload() && seen != Seen::Complete;
                let is_timeout = plan.end == End::Timeout;
                if matches!(seen, Seen::Complete | Seen::Rejected(_)) && !is_unread || is_timeout {
                    connection = Some(usable);
                }
                seen
            }
        };
        record.see(plan, seen);
    }
}

/// Closes a connection after a part of the head of a request.
async fn cut_off_in_head(plan: &load::Request, server: std::net::SocketAddr) -> Seen {
    let mut stream = connect(server).await;
    let head = head(plan);
    stream
        .write_all(&head.as_bytes()[..plan.size])
        .await
        .unwrap();
    Seen::CutOff
}

/// Resets a connection (`RST`) once the handler has the request.
async fn reset_before_response(plan: &load::Request, server: std::net::SocketAddr) -> Seen {
    let mut stream = connect(server).await;
    stream.write_all(head(plan).as_bytes()).await.unwrap();
    let mut response = String::new();
    tokio::select! {
        result = stream.read_to_string(&mut response) => {
            result.unwrap();
            let (_, reason) = response.split_once("\r\n\r\n").unwrap();
            return Seen::rejected(reason);
        }
        () = plan.in_handler.notified() => {}
    }
    stream.set_zero_linger().unwrap();
    Seen::CutOff
}

fn head(plan: &load::Request) -> String {
    format!(
        "GET / HTTP/1.1\r\nhost: server\r\nconnection: close\r\n{ID}: {}\r\n\r\n",
        plan.id
    )
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

    let mut other = Connection::new(connect(one.server.address).await).await;
    let response = within_limit(other.sender.send_request(one.request())).await;
    assert_rejected(response.unwrap(), "pool_full").await;

    pass_chunk(&mut sender, &mut body).await;
    assert_eq!(one.in_use(), 1);
    drop(sender);
    assert!(within_limit(body.frame()).await.is_none());
    one.assert_all_released().await;
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
    let (one, connection, mut sender, mut body) = half_read_body().await;

    one.wall.close();
    let mut other = Connection::new(connect(one.server.address).await).await;
    let response = within_limit(other.sender.send_request(one.request())).await;
    assert_rejected(response.unwrap(), "closed").await;

    let OneStream { server, wall, .. } = one;
    let stop = tokio::spawn(server.stop());
    pass_chunk(&mut sender, &mut body).await;
    assert_eq!(wall.snapshot().in_use(), 1);
    drop(sender);
    assert!(within_limit(body.frame()).await.is_none());
    drop((connection, other));
    stop.await.unwrap();
    let snapshot = wall.snapshot();
    assert_eq!(snapshot.in_use(), 0);
    let message = &snapshot[Kind::Message];
    assert_eq!((message.admitted, message.closed), (1, 1));
}
