//! The plan and the record of a load.

use std::array;
use std::env;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use fastrand::Rng;
use floodwall::{Class, Curve, Floodwall, Reason, Rejection, Rules, Share};
use http::HeaderMap;
use tokio::sync::Notify;

use crate::chunks::{CHUNK, Chunks, Then};
use crate::wall::Kind;

pub(crate) const CAPACITY: u32 = 16;
/// The requests that are in progress at the same time on one HTTP/2 connection.
pub(crate) const BATCH: usize = 8;
pub(crate) const CLIENTS: usize = 32;
/// The header with the id of a request.
pub(crate) const ID: &str = "x-id";

const SEED: u64 = 0x4465_6963;

/// The names of all reasons, in the order of [`Record::rejected`].
const REASONS: [&str; 5] = ["shed", "class_full", "pool_full", "too_large", "closed"];

const RULES: Rules<Kind> = Rules::new(
    CAPACITY,
    &[
        Kind::Health.rule(Share::at_least(2)),
        Kind::Message
            .rule(Share::between(4, 12))
            .shed(Curve::linear(0.5, 1.0).capped(0.8)),
        Kind::Export.rule(Share::at_most(3)),
    ],
);

/// The way in which a request ends, if it is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The handler answers at once, or after 1 or 2 ms.
    Answer,
    /// The response body has several chunks.
    Stream,
    /// The request body has several chunks.
    Upload,
    /// The handler panics.
    Panic,
    /// The response body panics after some chunks.
    PanicInBody,
    /// The handler never answers. A timeout outside of the layer drops its future, and answers the client.
    Timeout,
    /// The handler never answers. A deadline drops its future, on the server or on the client. Only over gRPC.
    Deadline,
    /// The client drops the request while it sends it. The handler never answers.
    CutOffAtOnce,
    /// The client closes the connection in the middle of the head. Only over HTTP/1.
    CutOffInHead,
    /// The client drops the request once the handler has it. The handler never answers.
    CutOffBeforeResponse,
    /// The client drops the response after some of its body. The body never ends.
    CutOffInBody,
    /// The client drops the request once the handler waits for the rest of its body, which never comes.
    CutOffInUpload,
    /// The client closes the connection once the handlers have all requests of a batch. Half of the handlers never
    /// answer, and half have a body that never ends. Only over HTTP/2 and gRPC.
    Disconnect,
}

/// The ways in which a request ends normally.
const NORMAL: [End; 3] = [End::Answer, End::Stream, End::Upload];
/// The other ways, except for [`End::Disconnect`], which is that of a whole batch.
const HTTP1: [End; 8] = [
    End::Panic,
    End::PanicInBody,
    End::Timeout,
    End::CutOffAtOnce,
    End::CutOffInHead,
    End::CutOffBeforeResponse,
    End::CutOffInBody,
    End::CutOffInUpload,
];
const HTTP2: [End; 7] = [
    End::Panic,
    End::PanicInBody,
    End::Timeout,
    End::CutOffAtOnce,
    End::CutOffBeforeResponse,
    End::CutOffInBody,
    End::CutOffInUpload,
];
const GRPC: [End; 7] = [
    End::Panic,
    End::PanicInBody,
    End::Deadline,
    End::CutOffAtOnce,
    End::CutOffBeforeResponse,
    End::CutOffInBody,
    End::CutOffInUpload,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    Grpc,
}

impl Protocol {
    fn other_ends(self) -> &'static [End] {
        match self {
            Protocol::Http1 => &HTTP1,
            Protocol::Http2 => &HTTP2,
            Protocol::Grpc => &GRPC,
        }
    }
}

/// What a client saw of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The whole response of the handler, as expected.
    Complete,
    /// The whole response of the layer, with the name of the reason.
    Rejected(&'static str),
    /// An error, or the answer of a timeout.
    Failed(String),
    /// Nothing, because the client has cut the request off.
    CutOff,
}

impl Seen {
    /// Returns [`Seen::Rejected`] with one of [`REASONS`].
    pub(crate) fn rejected(reason: &str) -> Seen {
        match REASONS.iter().find(|name| **name == reason) {
            Some(name) => Seen::Rejected(name),
            None => Seen::Failed(format!("rejected without a reason: {reason:?}")),
        }
    }
}

/// One request: its plan, and what happened.
pub(crate) struct Request {
    pub(crate) id: usize,
    pub(crate) kind: Kind,
    pub(crate) end: End,
    /// The number of chunks of a body, or another small number.
    pub(crate) size: usize,
    /// Is notified once the handler has the request.
    pub(crate) in_handler: Notify,
    arrived: AtomicU32,
    reached: AtomicU32,
    seen: OnceLock<Seen>,
}

impl Request {
    fn new(id: usize, end: End, rng: &mut Rng) -> Self {
        Request {
            id,
            kind: *rng.choice(Kind::ALL).expect("there are classes"),
            end,
            size: rng.usize(1..=40),
            in_handler: Notify::new(),
            arrived: AtomicU32::new(0),
            reached: AtomicU32::new(0),
            seen: OnceLock::new(),
        }
    }

    pub(crate) fn has_upload(&self) -> bool {
        matches!(self.end, End::Upload | End::CutOffInUpload)
    }

    /// Returns the body of the request.
    pub(crate) fn upload(&self) -> Chunks {
        match self.end {
            End::Upload => Chunks::new(self.size, Then::End),
            End::CutOffInUpload => Chunks::new(self.size, Then::Stall),
            _ => Chunks::new(0, Then::End),
        }
    }

    /// Returns the response body if it is one of several chunks.
    pub(crate) fn download(&self) -> Option<Chunks> {
        match self.end {
            End::Stream => Some(Chunks::new(self.size, Then::End)),
            End::PanicInBody => Some(Chunks::new(self.size, Then::Panic)),
            End::CutOffInBody => Some(Chunks::new(self.size, Then::Stall)),
            End::Disconnect if self.id % 2 == 0 => Some(Chunks::new(self.size, Then::Stall)),
            _ => None,
        }
    }

    /// Returns the response body of a handler that answers, to a request with a body of `uploaded` bytes.
    pub(crate) fn answer(&self, uploaded: usize) -> String {
        format!("{} {uploaded}", self.id)
    }

    /// Returns whether a client has received the whole response of the handler.
    pub(crate) fn is_complete(&self, body: &[u8]) -> bool {
        match self.end {
            End::Answer => body == self.answer(0).as_bytes(),
            End::Stream => body == CHUNK.repeat(self.size),
            End::Upload => body == self.answer(self.size * CHUNK.len()).as_bytes(),
            _ => false,
        }
    }

    /// Returns what is wrong with the three records of this request, if anything.
    fn fault(&self, protocol: Protocol) -> Option<String> {
        let arrived = self.arrived.load(Ordering::SeqCst);
        let reached = self.reached.load(Ordering::SeqCst);
        let seen = self.seen.get();
        let is_valid = match (self.end, seen) {
            // The layer answered, and the handler never had the request.
            (_, Some(Seen::Rejected(_))) => (arrived, reached) == (1, 0),
            // The handler had the request once.
            (End::Answer | End::Stream | End::Upload, Some(Seen::Complete))
            | (End::Panic | End::PanicInBody | End::Timeout, Some(Seen::Failed(_)))
            | (
                End::CutOffBeforeResponse
                | End::CutOffInBody
                | End::CutOffInUpload
                | End::Disconnect,
                Some(Seen::CutOff),
            ) => (arrived, reached) == (1, 1),
            // The client cannot know.
            (End::CutOffAtOnce, Some(Seen::CutOff)) | (End::Deadline, Some(Seen::Failed(_))) => {
                arrived <= 1 && reached <= arrived
            }
            // The server has answered and closed the connection before the client had sent the whole body. Then the
            // client may see an error instead of the answer, because its system discards received data when it learns
            // that what it sends is not read.
            (End::Upload | End::CutOffInUpload, Some(Seen::Failed(_)))
                if protocol == Protocol::Http1 =>
            {
                (arrived, reached) == (1, 0)
            }
            // No complete head was sent.
            (End::CutOffInHead, Some(Seen::CutOff)) => (arrived, reached) == (0, 0),
            _ => false,
        };
        (!is_valid).then(|| {
            format!(
                "{} {:?} of {:?}, size {}: arrived {arrived} times, reached the handler {reached} times, its client saw \
                 {seen:?}",
                self.id, self.end, self.kind, self.size
            )
        })
    }
}

/// The requests of one load, and what happened to them.
pub(crate) struct Record {
    pub(crate) wall: Arc<Floodwall<Kind>>,
    pub(crate) requests: Vec<Request>,
    protocol: Protocol,
    next: AtomicUsize,
    start: Instant,
    /// The requests in a handler, or with a response body that has not ended, per class.
    in_handler: [AtomicU32; Kind::ALL.len()],
    /// The largest number of requests of all classes in a handler.
    most_in_handler: AtomicU32,
    /// Rejections per class and reason, counted as the response is made.
    rejected: [[AtomicU64; REASONS.len()]; Kind::ALL.len()],
    /// The first faults that handlers have found.
    faults: Mutex<Vec<String>>,
}

impl Record {
    pub(crate) fn new(protocol: Protocol) -> Arc<Self> {
        let count = env::var("FLOODWALL_REQUESTS").map_or(3_000, |count| {
            count.parse().expect("FLOODWALL_REQUESTS is a number")
        });
        let mut rng = Rng::with_seed(SEED);
        let mut requests = Vec::with_capacity(count);
        while requests.len() < count {
            let disconnects = protocol != Protocol::Http1 && rng.u32(0..20) == 0;
            for _ in 0..BATCH.min(count - requests.len()) {
                let ends = match rng.u32(0..3) {
                    _ if disconnects => &[End::Disconnect],
                    0 => protocol.other_ends(),
                    _ => &NORMAL,
                };
                let end = *rng.choice(ends).expect("there are ends");
                requests.push(Request::new(requests.len(), end, &mut rng));
            }
        }
        Arc::new(Record {
            wall: Arc::new(Floodwall::from_rules(RULES)),
            requests,
            protocol,
            next: AtomicUsize::new(0),
            start: Instant::now(),
            in_handler: array::from_fn(|_| AtomicU32::new(0)),
            most_in_handler: AtomicU32::new(0),
            rejected: array::from_fn(|_| array::from_fn(|_| AtomicU64::new(0))),
            faults: Mutex::new(Vec::new()),
        })
    }

    /// Returns a limit on the time of the whole load.
    pub(crate) fn limit(&self) -> Duration {
        Duration::from_secs(60) + Duration::from_millis(10) * self.requests.len() as u32
    }

    /// Returns the next requests, at most `count`, or `None` after the last.
    pub(crate) fn next(&self, count: usize) -> Option<&[Request]> {
        let first = self.next.fetch_add(count, Ordering::SeqCst);
        let requests = self.requests.get(first..)?;
        let batch = &requests[..requests.len().min(count)];
        (!batch.is_empty()).then_some(batch)
    }

    /// Returns the request with these headers.
    pub(crate) fn request(&self, headers: &HeaderMap) -> &Request {
        let id = headers.get(ID).expect("each request has an id");
        let id: usize = id.to_str().unwrap().parse().unwrap();
        &self.requests[id]
    }

    /// Counts the arrival of a request at the layer, and returns its class.
    pub(crate) fn classify(&self, headers: &HeaderMap) -> Kind {
        let request = self.request(headers);
        request.arrived.fetch_add(1, Ordering::SeqCst);
        request.kind
    }

    /// Counts a rejection.
    pub(crate) fn reject(&self, rejection: &Rejection) {
        let class = Kind::ALL
            .iter()
            .position(|kind| kind.name() == rejection.class);
        let reason = match rejection.reason() {
            Reason::Shed { .. } => 0,
            Reason::ClassFull { .. } => 1,
            Reason::PoolFull { .. } => 2,
            Reason::TooLarge { .. } => 3,
            _ => 4,
        };
        self.rejected[class.expect("a class of this wall")][reason].fetch_add(1, Ordering::SeqCst);
    }

    /// Counts a request in its handler, until the result is dropped.
    pub(crate) fn enter(self: &Arc<Self>, request: &Request) -> InHandler {
        request.reached.fetch_add(1, Ordering::SeqCst);
        let class = request.kind.index();
        let count_of_class = self.in_handler[class].fetch_add(1, Ordering::SeqCst) + 1;
        let in_handler = InHandler {
            record: Arc::clone(self),
            class,
        };
        let count: u32 = self
            .in_handler
            .iter()
            .map(|count| count.load(Ordering::SeqCst))
            .sum();
        self.most_in_handler.fetch_max(count, Ordering::SeqCst);

        // The permit is acquired before the request is counted, and released after that.
        let snapshot = self.wall.snapshot();
        let class = &snapshot[request.kind];
        if count_of_class > class.reachable
            || class.in_use > class.reachable
            || class.in_use == 0
            || snapshot.in_use() > CAPACITY
        {
            self.fault(format!(
                "{count_of_class} requests of {:?} in a handler: {snapshot:?}",
                request.kind
            ));
        }
        request.in_handler.notify_one();
        in_handler
    }

    /// Records what the client of a request saw.
    pub(crate) fn see(&self, request: &Request, seen: Seen) {
        if request.seen.set(seen).is_err() {
            self.fault(format!("{} was made twice", request.id));
        }
    }

    fn fault(&self, fault: String) {
        let mut faults = self.faults.lock().unwrap();
        if faults.len() < 20 {
            faults.push(fault);
        }
    }

    /// Compares the records of all requests. The tasks of the server and of the clients have ended.
    ///
    /// These numbers are equal, also for requests that were cut off:
    ///
    /// - The permits in use, and the requests in a handler, are 0.
    /// - The wall has admitted the requests that have reached a handler, each once.
    /// - The wall has rejected the requests that arrived and have reached no handler, and the layer has made a response
    ///   from each rejection, with the same reason.
    ///
    /// A request that its client did not cut off has arrived. If it has reached the handler, the client saw the whole
    /// response of the handler, or the error that the handler caused; if not, the whole response of the layer. So these
    /// clients saw as many responses and rejections as there were. The one exception is in [`Request::fault`]: a
    /// rejected upload over HTTP/1.
    ///
    /// A client that has cut its request off after a sign of the handler knows that it was admitted. Before that, it
    /// knows nothing, and only the records of the server agree.
    pub(crate) fn verify(&self) {
        let snapshot = self.wall.snapshot();
        assert_eq!(
            (snapshot.in_use(), snapshot.utilization),
            (0, 0.0),
            "{snapshot:?}"
        );
        for count in &self.in_handler {
            assert_eq!(count.load(Ordering::SeqCst), 0, "requests are in a handler");
        }

        let mut faults = self.faults.lock().unwrap().clone();
        faults.extend(
            self.requests
                .iter()
                .filter_map(|request| request.fault(self.protocol))
                .take(20),
        );
        assert!(
            faults.is_empty(),
            "{:?}: {:#?}\n{snapshot:?}",
            self.protocol,
            faults
        );

        for (kind, class) in snapshot.iter() {
            let requests = || self.requests.iter().filter(|request| request.kind == kind);
            let count =
                |of: fn(&Request) -> bool| requests().filter(|&request| of(request)).count();
            let arrived = count(|request| request.arrived.load(Ordering::SeqCst) == 1);
            let reached = count(|request| request.reached.load(Ordering::SeqCst) == 1);
            assert_eq!(class.admitted, reached as u64, "{kind}: {class:?}");
            assert_eq!(
                class.rejected(),
                (arrived - reached) as u64,
                "{kind}: {class:?}"
            );

            let by_reason = [
                class.shed,
                class.class_full,
                class.pool_full,
                class.too_large,
                class.closed,
            ];
            for ((name, rejected), responses) in REASONS
                .into_iter()
                .zip(by_reason)
                .zip(&self.rejected[kind.index()])
            {
                let seen = requests()
                    .filter(|request| request.seen.get() == Some(&Seen::Rejected(name)))
                    .count() as u64;
                assert_eq!(responses.load(Ordering::SeqCst), rejected, "{kind}, {name}");
                assert!(
                    seen <= rejected,
                    "{kind}, {name}: {seen} seen of {rejected}"
                );
            }

            let normal = |of: fn(&Request) -> bool| {
                requests()
                    .filter(|request| NORMAL.contains(&request.end) && of(request))
                    .count()
            };
            let reached = normal(|request| request.reached.load(Ordering::SeqCst) == 1);
            let complete = normal(|request| request.seen.get() == Some(&Seen::Complete));
            let rejected = normal(|request| matches!(request.seen.get(), Some(Seen::Rejected(_))));
            let lost = normal(|request| matches!(request.seen.get(), Some(Seen::Failed(_))));
            assert_eq!(complete, reached, "{kind}");
            assert_eq!(rejected + lost, normal(|_| true) - reached, "{kind}");
            assert!(lost == 0 || self.protocol == Protocol::Http1, "{kind}");
            assert!(class.peak <= class.reachable, "{kind}: {class:?}");
        }
        let most = self.most_in_handler.load(Ordering::SeqCst);
        self.print(most, &snapshot);

        // A load that ends in only some of the ways, or that the wall does not limit, tests little.
        if self.requests.len() >= 1_000 {
            for &end in NORMAL.iter().chain(self.protocol.other_ends()) {
                let reached = self.requests.iter().any(|request| {
                    request.end == end && request.reached.load(Ordering::SeqCst) == 1
                });
                assert!(
                    reached || end == End::CutOffInHead,
                    "no {end:?} in a handler"
                );
            }
            assert!(snapshot.rejected() > 0, "{snapshot:?}");
        }
    }

    fn print(&self, most: u32, snapshot: &floodwall::Snapshot<Kind>) {
        let count = |end| {
            let of_end = self.requests.iter().filter(|request| request.end == end);
            let reached = of_end
                .clone()
                .filter(|request| request.reached.load(Ordering::SeqCst) == 1);
            format!("{end:?} {}/{}", reached.count(), of_end.count())
        };
        println!(
            "{:?}: {} requests in {:.1?}, at most {most} in handlers, reached/made: {}",
            self.protocol,
            self.requests.len(),
            self.start.elapsed(),
            NORMAL
                .iter()
                .chain(self.protocol.other_ends())
                .chain([&End::Disconnect])
                .map(|&end| count(end))
                .collect::<Vec<_>>()
                .join(", ")
        );
        let is_lost = |request: &&Request| {
            request.has_upload() && matches!(request.seen.get(), Some(Seen::Failed(_)))
        };
        println!(
            "  rejections of uploads that the client did not receive: {}",
            self.requests.iter().filter(is_lost).count()
        );
        for (kind, class) in snapshot.iter() {
            println!(
                "  {kind}: {} admitted, {} shed, {} class full, {} pool full, peak {} of {}",
                class.admitted,
                class.shed,
                class.class_full,
                class.pool_full,
                class.peak,
                class.reachable
            );
        }
    }
}

/// A guard: a request in its handler.
pub(crate) struct InHandler {
    record: Arc<Record>,
    class: usize,
}

impl Drop for InHandler {
    fn drop(&mut self) {
        self.record.in_handler[self.class].fetch_sub(1, Ordering::SeqCst);
    }
}
