//! gRPC: tonic's server and client, and its health service.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use floodwall::{Floodwall, Rejection};
use floodwall_tower::FloodwallLayer;
use floodwall_tower::grpc::reject;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::select;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::BoxFuture;
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_health::ServingStatus;
use tonic_health::pb::health_check_response::ServingStatus as WireStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::{HealthReporter, health_reporter};
use tower::{Layer, Service, service_fn};

use crate::chunks::{CHUNK, Chunks, Messages, panic_quietly};
use crate::http::{Disconnect, connect};
use crate::load::{self, BATCH, CLIENTS, End, ID, Protocol, Record, Seen};
use crate::wall::{
    Kind, LIMIT, ONE_PERMIT, assert_all_released, assert_all_tasks_end, within_limit,
};

/// A codec for messages that are bytes.
#[derive(Clone, Copy)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = BytesCodec;
    type Decoder = BytesCodec;

    fn encoder(&mut self) -> BytesCodec {
        BytesCodec
    }

    fn decoder(&mut self) -> BytesCodec {
        BytesCodec
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A service with one method. Its messages may be one or several, in both directions.
#[derive(Clone)]
struct TestService(Arc<Record>);

impl NamedService for TestService {
    const NAME: &'static str = "test.Test";
}

const METHOD: PathAndQuery = PathAndQuery::from_static("/test.Test/Call");

impl Service<http::Request<Body>> for TestService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let record = Arc::clone(&self.0);
        Box::pin(async {
            let method = service_fn(move |request| handle(Arc::clone(&record), request));
            Ok(tonic::server::Grpc::new(BytesCodec)
                .streaming(method, request)
                .await)
        })
    }
}

async fn handle(
    record: Arc<Record>,
    request: Request<Streaming<Bytes>>,
) -> Result<Response<Chunks>, Status> {
    let plan = record.request(request.metadata().as_ref());
    let in_handler = record.enter(plan);
    if let Some(messages) = plan.download() {
        return Ok(Response::new(messages.with(in_handler)));
    }
    let answer = match plan.end {
        End::Answer => {
            sleep(Duration::from_millis(plan.size as u64 % 3)).await;
            plan.answer(0)
        }
        End::Upload | End::CutOffInUpload => {
            let mut messages = request.into_inner();
            let mut uploaded = 0;
            while let Some(message) = messages.message().await? {
                uploaded += message.len();
            }
            plan.answer(uploaded)
        }
        End::Panic => panic_quietly(),
        _ => pending().await,
    };
    Ok(Response::new(Chunks::one(answer.into()).with(in_handler)))
}

/// Serves on a free port until the sender sends or is dropped, and then until all connections have ended.
async fn serve<L>(layer: L, routes: Routes) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>)
where
    L: Layer<Routes> + Clone + Send + 'static,
    L::Service: Service<
            http::Request<Body>,
            Response = http::Response<PermitBody>,
            Error: Into<BoxError> + Send,
            Future: Send,
        > + Clone
        + Send
        + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = Server::builder().layer(layer).add_routes(routes);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let task = tokio::spawn(async {
        let shutdown = async {
            // Closed without a message if a test fails.
            let _ = stopped.await;
        };
        server
            .serve_with_incoming_shutdown(incoming, shutdown)
            .await
            .unwrap();
    });
    (address, stop, task)
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type PermitBody = floodwall_tower::PermitBody<Body, floodwall::Permit<'static>>;

/// Returns a channel with one connection, and the guard that closes it.
async fn channel(server: SocketAddr) -> (Disconnect, Channel) {
    let (disconnect, stream) = Disconnect::new(connect(server).await);
    let stream = Mutex::new(Some(TokioIo::new(stream)));
    // The channel does not connect again.
    let connector = service_fn(move |_| -> Ready<std::io::Result<_>> {
        let stream = stream.lock().unwrap().take();
        ready(stream.ok_or_else(|| std::io::ErrorKind::NotConnected.into()))
    });
    let endpoint = Endpoint::from_shared(format!("http://{server}")).unwrap();
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    (disconnect, channel)
}

/// Returns the reason of a rejection, or `None` if the layer has not made this status.
fn reason(status: &Status) -> Option<&str> {
    let has_time = status.metadata().contains_key("grpc-retry-pushback-ms");
    let code = match status.message() {
        "class_full" => Code::ResourceExhausted,
        _ => Code::Unavailable,
    };
    (has_time && status.code() == code).then(|| status.message())
}

// The load.

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn load() {
    let record = Record::new(Protocol::Grpc);
    // The wall of the layer is a `&'static Floodwall`, and not an `Arc` as in the tests of HTTP.
    let wall: &'static Floodwall<Kind> = Box::leak(Box::new(Arc::clone(&record.wall)));
    let classifier = Arc::clone(&record);
    let classify = move |request: &http::Request<_>| classifier.classify(request.headers());
    let rejections = Arc::clone(&record);
    let respond = reject(5..=30);
    let reject = move |rejection: Rejection| {
        rejections.reject(&rejection);
        respond(rejection)
    };
    let layer = FloodwallLayer::new(wall, classify, reject).hold_until_body_sent();
    let routes = Routes::new(TestService(Arc::clone(&record)));
    let (server, stop, task) = serve(layer, routes).await;

    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS / BATCH {
        clients.spawn(client(Arc::clone(&record), server));
    }
    timeout(record.limit(), clients.join_all())
        .await
        .expect("clients end");
    assert_all_released(wall).await;
    stop.send(()).unwrap();
    within_limit(task).await.unwrap();
    assert_all_tasks_end().await;
    record.verify();
}

async fn client(record: Arc<Record>, server: SocketAddr) {
    let mut connection = None;
    while let Some(batch) = record.next(BATCH) {
        let (disconnect, channel) = match connection.take() {
            Some(usable) => usable,
            None => channel(server).await,
        };
        let mut requests = JoinSet::new();
        for plan in batch {
            let client = Grpc::new(channel.clone());
            let (record, id) = (Arc::clone(&record), plan.id);
            requests.spawn(async move {
                let plan = &record.requests[id];
                let seen = timeout(LIMIT, exchange(plan, client)).await;
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
            drop((disconnect, channel));
        } else {
            connection = Some((disconnect, channel));
        }
        requests.join_all().await;
    }
}

/// Makes a request until its planned end, and returns what the client saw. The request is cut off when this future ends.
async fn exchange(plan: &load::Request, client: Grpc<Channel>) -> Seen {
    let cut_off = async {
        match plan.end {
            End::CutOffAtOnce => {
                for _ in 0..plan.size {
                    yield_now().await;
                }
            }
            End::CutOffBeforeResponse | End::CutOffInUpload => plan.in_handler.notified().await,
            _ => pending().await,
        }
    };
    let result = select! {
        biased;
        result = messages(plan, client) => result,
        () = cut_off => return Seen::CutOff,
    };
    match result {
        Ok(None) => Seen::CutOff,
        Ok(Some(received)) if plan.is_complete(&received) => Seen::Complete,
        Ok(Some(received)) => Seen::Failed(format!("{} bytes", received.len())),
        Err(status) => match reason(&status) {
            Some(reason) => Seen::rejected(reason),
            None if plan.end == End::Disconnect => Seen::CutOff,
            None => Seen::Failed(format!("{status:?}")),
        },
    }
}

/// Returns the messages of a response, joined, or `None` if the client is to cut it off after the first.
async fn messages(
    plan: &load::Request,
    mut client: Grpc<Channel>,
) -> Result<Option<Vec<u8>>, Status> {
    let unavailable = |error: tonic::transport::Error| Status::unknown(format!("{error:?}"));
    client.ready().await.map_err(unavailable)?;
    let mut metadata = MetadataMap::new();
    metadata.insert(ID, plan.id.into());
    let request = Request::from_parts(metadata.clone(), Default::default(), Bytes::new());
    if plan.has_upload() {
        let messages = Messages(plan.upload());
        let request = Request::from_parts(metadata, Default::default(), messages);
        let response = client.client_streaming(request, METHOD, BytesCodec).await?;
        return Ok(Some(response.into_inner().to_vec()));
    }
    if plan.download().is_none() {
        let mut request = request;
        if plan.end == End::Deadline {
            request.set_timeout(Duration::from_millis(plan.size as u64));
        }
        let response = client.unary(request, METHOD, BytesCodec).await?;
        return Ok(Some(response.into_inner().to_vec()));
    }
    let response = client.server_streaming(request, METHOD, BytesCodec).await?;
    let mut messages = response.into_inner();
    let mut received = Vec::new();
    while let Some(message) = messages.message().await? {
        if plan.end == End::CutOffInBody {
            return Ok(None);
        }
        assert_eq!(message, CHUNK);
        received.extend_from_slice(&message);
    }
    Ok(Some(received))
}

// tonic's health service, with a wall of one permit.

struct Health {
    server: SocketAddr,
    wall: &'static Floodwall<Kind>,
    reporter: HealthReporter,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Health {
    async fn start() -> Self {
        let wall = Box::leak(Box::new(Floodwall::from_rules(ONE_PERMIT)));
        let wall: &'static Floodwall<Kind> = wall;
        let classify = |_: &http::Request<_>| Kind::Health;
        let layer = FloodwallLayer::new(wall, classify, reject(5..=30)).hold_until_body_sent();
        let (reporter, service) = health_reporter();
        let (server, stop, task) = serve(layer, Routes::new(service)).await;
        Health {
            server,
            wall,
            reporter,
            stop,
            task,
        }
    }

    async fn client(&self) -> (Disconnect, HealthClient<Channel>) {
        let (disconnect, channel) = channel(self.server).await;
        (disconnect, HealthClient::new(channel))
    }

    /// Changes the status, and waits until the client has received it.
    async fn pass_status(
        &self,
        status: ServingStatus,
        statuses: &mut Streaming<HealthCheckResponse>,
    ) {
        self.reporter.set_service_status("", status).await;
        let message = within_limit(statuses.message()).await.unwrap().unwrap();
        assert_eq!(message.status, WireStatus::from(status) as i32);
    }

    fn in_use(&self) -> u32 {
        self.wall.in_use(Kind::Health)
    }
}

/// Returns a stream of statuses from which the first has been received.
async fn watch(client: &mut HealthClient<Channel>) -> Streaming<HealthCheckResponse> {
    let response = within_limit(client.watch(HealthCheckRequest::default()));
    let mut statuses = response.await.unwrap().into_inner();
    let first = within_limit(statuses.message()).await.unwrap();
    assert!(first.is_some());
    statuses
}

async fn assert_rejected(client: &mut HealthClient<Channel>, expected: &str) {
    let response = within_limit(client.check(HealthCheckRequest::default()));
    let status = response.await.unwrap_err();
    assert_eq!(reason(&status), Some(expected), "{status:?}");
}

async fn assert_admitted(client: &mut HealthClient<Channel>) {
    let response = within_limit(client.check(HealthCheckRequest::default()));
    response.await.unwrap();
}

#[tokio::test]
async fn permit_is_held_until_the_stream_has_ended() {
    let health = Health::start().await;
    let (_disconnect, mut client) = health.client().await;
    let mut statuses = watch(&mut client).await;
    assert_eq!(health.in_use(), 1);
    assert_rejected(&mut client, "pool_full").await;
    health
        .pass_status(ServingStatus::NotServing, &mut statuses)
        .await;
    assert_eq!(health.in_use(), 1);

    // Ends the stream.
    health.reporter.clone().clear_service_status("").await;
    assert!(!matches!(
        within_limit(statuses.message()).await,
        Ok(Some(_))
    ));
    assert_all_released(health.wall).await;
    health
        .reporter
        .set_service_status("", ServingStatus::Serving)
        .await;
    assert_admitted(&mut client).await;
}

#[tokio::test]
async fn permit_is_released_if_the_client_resets_the_stream() {
    let health = Health::start().await;
    let (_disconnect, mut client) = health.client().await;
    let statuses = watch(&mut client).await;
    assert_eq!(health.in_use(), 1);
    drop(statuses);
    assert_all_released(health.wall).await;
    // The connection goes on.
    assert_admitted(&mut client).await;
}

#[tokio::test]
async fn permit_is_released_if_the_client_disconnects_in_the_stream() {
    let health = Health::start().await;
    let (disconnect, mut client) = health.client().await;
    let statuses = watch(&mut client).await;
    assert_eq!(health.in_use(), 1);
    drop(disconnect);
    assert_all_released(health.wall).await;
    drop(statuses);
}

#[tokio::test]
async fn request_in_progress_ends_after_the_wall_is_closed() {
    let health = Health::start().await;
    let (disconnect, mut client) = health.client().await;
    let mut statuses = watch(&mut client).await;
    health.wall.close();
    assert_rejected(&mut client, "closed").await;
    health
        .pass_status(ServingStatus::NotServing, &mut statuses)
        .await;
    assert_eq!(health.in_use(), 1);
    health.reporter.clone().clear_service_status("").await;
    assert!(!matches!(
        within_limit(statuses.message()).await,
        Ok(Some(_))
    ));
    assert_all_released(health.wall).await;

    drop((disconnect, client));
    health.stop.send(()).unwrap();
    within_limit(health.task).await.unwrap();
    let class = &health.wall.snapshot()[Kind::Health];
    assert_eq!((class.admitted, class.closed), (1, 1));
}
