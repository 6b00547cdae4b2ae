//! The server and the exchange that HTTP/1 and HTTP/2 share.

use std::future::{Future, pending};
use std::net::{Shutdown, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use bytes::Bytes;
use floodwall::{Floodwall, Rejection};
use floodwall_tower::FloodwallLayer;
use floodwall_tower::http::reject;
use http::{Request, StatusCode};
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{sleep, timeout};

use crate::chunks::{Chunks, panic_quietly};
use crate::load::{self, End, ID, Record, Seen};
use crate::wall::{Kind, ONE_PERMIT, assert_all_released, within_limit};

/// The server of a test. Ends when it is dropped; [`Server::stop`] waits for its connections.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves HTTP/1, and HTTP/2 with prior knowledge, on a free port.
    async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let shutdown = async {
                // Closed without a message if a test fails.
                let _ = stopped.await;
            };
            axum::serve(listener, router)
                .with_graceful_shutdown(shutdown)
                .await
                .unwrap();
        });
        Server {
            address,
            stop: Some(stop),
            task,
        }
    }

    /// Accepts no more connections, and waits until all have ended.
    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        within_limit(self.task).await.unwrap();
    }
}

pub(crate) async fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A guard that closes a connection, also if its socket is in a task that runs on, as those of hyper's and tonic's
/// clients are.
pub(crate) struct Disconnect(std::net::TcpStream);

impl Disconnect {
    /// Returns the guard of a connection, and its stream.
    pub(crate) fn new(stream: TcpStream) -> (Self, TcpStream) {
        let stream = stream.into_std().unwrap();
        let guard = Disconnect(stream.try_clone().unwrap());
        (guard, TcpStream::from_std(stream).unwrap())
    }
}

impl Drop for Disconnect {
    fn drop(&mut self) {
        // An error says that the server has closed the connection.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

// The load.

/// Starts a server for a load.
pub(crate) async fn serve_load(record: &Arc<Record>) -> Server {
    let classifier = Arc::clone(record);
    let classify = move |request: &Request<Body>| classifier.classify(request.headers());
    let rejections = Arc::clone(record);
    let respond = reject(5..=30);
    let reject = move |rejection: Rejection| {
        rejections.reject(&rejection);
        respond(rejection)
    };
    let layer = FloodwallLayer::new(Arc::clone(&record.wall), classify, reject);
    let router = Router::new()
        .fallback(handle)
        .with_state(Arc::clone(record))
        .layer(layer.hold_until_body_sent())
        .layer(from_fn_with_state(Arc::clone(record), time_out));
    Server::start(router).await
}

/// Drops the future of the layer if the request is to end with a timeout.
async fn time_out(
    State(record): State<Arc<Record>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let plan = record.request(request.headers());
    let response = next.run(request);
    if plan.end != End::Timeout {
        return response.await;
    }
    // A rejection is ready when it is first polled, before the timeout is.
    match timeout(Duration::from_millis(1), response).await {
        Ok(response) => response,
        Err(_) => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}

async fn handle(State(record): State<Arc<Record>>, request: Request<Body>) -> Response {
    let plan = record.request(request.headers());
    let in_handler = record.enter(plan);
    if let Some(body) = plan.download() {
        return Body::new(body.with(in_handler)).into_response();
    }
    match plan.end {
        End::Answer => {
            sleep(Duration::from_millis(plan.size as u64 % 3)).await;
            plan.answer(0).into_response()
        }
        End::Upload | End::CutOffInUpload => match request.into_body().collect().await {
            Ok(body) => plan.answer(body.to_bytes().len()).into_response(),
            Err(_) => StatusCode::BAD_REQUEST.into_response(),
        },
        End::Panic => panic_quietly(),
        _ => pending().await,
    }
}

/// Returns a request of the load.
pub(crate) fn request(plan: &load::Request, uri: String) -> Request<Chunks> {
    let method = if plan.has_upload() { "POST" } else { "GET" };
    Request::builder()
        .method(method)
        .uri(uri)
        .header(ID, plan.id)
        .body(plan.upload())
        .unwrap()
}

/// Makes a request until its planned end, and returns what the client saw.
///
/// The request is cut off when this future ends, and with HTTP/1 if its caller then closes the connection.
pub(crate) async fn exchange(
    plan: &load::Request,
    response: impl Future<Output = hyper::Result<http::Response<Incoming>>>,
) -> Seen {
    let mut response = pin!(response);
    let result = match plan.end {
        End::CutOffAtOnce => select! {
            biased;
            result = &mut response => result,
            () = yield_times(plan.size) => return Seen::CutOff,
        },
        End::CutOffBeforeResponse | End::CutOffInUpload => select! {
            result = &mut response => result,
            () = plan.in_handler.notified() => return Seen::CutOff,
        },
        _ => response.await,
    };
    let response = match result {
        Ok(response) => response,
        Err(_) if plan.end == End::Disconnect => return Seen::CutOff,
        Err(error) => return Seen::Failed(format!("{error:?}")),
    };

    let (head, mut body) = response.into_parts();
    let mut received = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => received.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) if plan.end == End::Disconnect => return Seen::CutOff,
            Err(error) => return Seen::Failed(format!("{error:?}")),
        }
        if plan.end == End::CutOffInBody && head.status == StatusCode::OK {
            return Seen::CutOff;
        }
    }
    match head.status {
        StatusCode::OK if plan.is_complete(&received) => Seen::Complete,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
            if head.headers.contains_key("retry-after") =>
        {
            let reason = std::str::from_utf8(&received).unwrap_or_default();
            let is_429 = head.status == StatusCode::TOO_MANY_REQUESTS;
            assert_eq!(is_429, reason == "class_full", "{} {reason}", head.status);
            Seen::rejected(reason)
        }
        status => Seen::Failed(format!("{status}, {} bytes", received.len())),
    }
}

async fn yield_times(count: usize) {
    for _ in 0..count {
        yield_now().await;
    }
}

// Single requests.

/// A server with a wall of one permit. The test sends the response bodies.
pub(crate) struct OneStream {
    pub(crate) server: Server,
    pub(crate) wall: Arc<Floodwall<Kind>>,
    bodies: Arc<Mutex<Vec<Channel<Bytes>>>>,
}

impl OneStream {
    pub(crate) async fn start() -> Self {
        let wall = Arc::new(Floodwall::from_rules(ONE_PERMIT));
        let bodies = Arc::new(Mutex::new(Vec::<Channel<Bytes>>::new()));
        let answers = Arc::clone(&bodies);
        let handler = async move || match answers.lock().unwrap().pop() {
            Some(body) => Body::new(body),
            None => Body::empty(),
        };
        let layer = FloodwallLayer::new(
            Arc::clone(&wall),
            |_: &Request<Body>| Kind::Message,
            reject(5..=30),
        );
        let router = Router::new()
            .fallback(handler)
            .layer(layer.hold_until_body_sent());
        OneStream {
            server: Server::start(router).await,
            wall,
            bodies,
        }
    }

    /// Sets the response body of the next request.
    pub(crate) fn prepare(&self) -> Sender<Bytes> {
        let (sender, body) = Channel::new(1);
        self.bodies.lock().unwrap().push(body);
        sender
    }

    pub(crate) fn in_use(&self) -> u32 {
        self.wall.in_use(Kind::Message)
    }

    pub(crate) fn request(&self) -> Request<Empty<Bytes>> {
        let uri = format!("http://{}/", self.server.address);
        Request::builder().uri(uri).body(Empty::new()).unwrap()
    }

    pub(crate) async fn assert_all_released(&self) {
        assert_all_released(&self.wall).await;
    }
}

/// Sends a chunk of a response, and waits until the client has received it.
pub(crate) async fn pass_chunk(sender: &mut Sender<Bytes>, body: &mut Incoming) {
    sender
        .send_data(Bytes::from_static(b"chunk"))
        .await
        .unwrap();
    let frame = within_limit(body.frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "chunk");
}

/// Asserts that the layer has rejected a request.
pub(crate) async fn assert_rejected(response: http::Response<Incoming>, reason: &str) {
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let body = within_limit(response.into_body().collect()).await.unwrap();
    assert_eq!(body.to_bytes(), reason);
}
