//! Connections of the example server, compared with the grammar of RFC 9112.
//!
//! Which requests the handler receives, and their responses, depend neither on the pieces in which the bytes arrive nor
//! on how the stream ends.

// The target drives `serve`; the rest of the module is for the routes and the listeners of the example.
#[allow(dead_code, reason = "used by other modules of the example")]
#[path = "../../examples/http_server/src/edge.rs"]
mod edge;

use std::cell::RefCell;
use std::time::Duration;

use hyper::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use tokio::runtime;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::rfc9112::{Message, Request, has_whole_head};

/// Statuses that hyper and the edge produce, and those of the handler below.
const STATUSES: [u16; 9] = [100, 200, 400, 405, 408, 413, 414, 431, 501];

/// The first bytes of a connection in HTTP/2. If they follow an error, hyper closes the connection without a response.
const HTTP_2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How a client ends its stream.
#[derive(Clone, Copy)]
enum End {
    /// Closes its side of the connection.
    HalfClose,
    /// Stays silent until the server closes the connection.
    Silence,
}

/// Serves a connection. The first line of the input is the sizes of the first pieces, the rest is the stream.
///
/// Returns whether the handler has received a request.
pub fn http_connection(input: &[u8]) -> bool {
    let line_break = input.iter().position(|&byte| byte == b'\n');
    let (sizes, stream) = match line_break {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (&[][..], input),
    };
    // Time is paused: it advances as soon as the client and the server wait.
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let exchange = |sizes, end| runtime.block_on(Exchange::over_a_connection(stream, sizes, end));
    let whole = exchange(&[], End::HalfClose);
    let in_pieces = exchange(sizes, End::HalfClose);
    let silent = exchange(&[], End::Silence);

    let rest = whole.check_requests(stream);
    for other in [&whole, &in_pieces, &silent] {
        assert_eq!(other.requests, whole.requests);
        assert_eq!(other.split().0, whole.split().0);
        other.check_end(rest);
    }
    // hyper parses the first piece of a head at once, and further pieces when the head is complete. So the response to
    // an invalid request is the same only if its head is complete.
    if rest.is_some_and(is_answered) {
        assert_eq!(in_pieces.responses, whole.responses);
        let mut statuses = silent.statuses();
        // A body that ends too early is invalid, and one that does not arrive takes too long.
        if let Some(last @ 408) = statuses.last_mut() {
            *last = 400;
        }
        assert_eq!(statuses, whole.statuses());
    }
    !whole.requests.is_empty()
}

/// Returns whether the bytes after the last request are a whole head, to which the server responds.
fn is_answered(rest: &[u8]) -> bool {
    let mut parts = rest.windows(HTTP_2_PREFACE.len());
    has_whole_head(rest) && !parts.any(|part| part == HTTP_2_PREFACE)
}

/// A response, without `Date`.
#[derive(Debug, PartialEq)]
struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// A connection as both sides have seen it.
struct Exchange {
    /// Requests that the handler has received.
    requests: Vec<Request>,
    responses: Vec<Response>,
}

impl Exchange {
    async fn over_a_connection(stream: &[u8], sizes: &[u8], end: End) -> Exchange {
        let requests = RefCell::new(Vec::new());
        let respond = |request: edge::Request| {
            // The server opens no tunnels: a response to CONNECT with status 200 would begin one.
            let status = match request.method() {
                &Method::CONNECT => StatusCode::METHOD_NOT_ALLOWED,
                _ => StatusCode::OK,
            };
            let mut requests = requests.borrow_mut();
            requests.push(received(&request));
            let response = edge::text(status, &format!("request {}", requests.len()));
            async {
                // The end of the client's stream arrives before the response.
                sleep(Duration::from_millis(5)).await;
                response
            }
        };
        let (client, server) = duplex(1 << 20);
        let (mut reader, mut writer) = split(client);
        let (_phase, phase) = watch::channel(edge::Phase::Serving);
        let serve = edge::serve(server, respond, || true, phase);
        let send = async {
            for piece in pieces(stream, sizes) {
                // Fails if the server has closed the connection.
                let _ = writer.write_all(piece).await;
                // The server has read the piece when time advances.
                sleep(Duration::from_millis(1)).await;
            }
            if let End::HalfClose = end {
                let _ = writer.shutdown().await;
            }
        };
        let mut output = Vec::new();
        let all = async { tokio::join!(serve, send, reader.read_to_end(&mut output)) };
        let (_, _, received) = timeout(Duration::from_secs(60), all)
            .await
            .expect("the connection did not end");
        received.unwrap();
        let requests = requests.into_inner();
        let responses = parse_responses(&output, &requests);
        Exchange {
            requests,
            responses,
        }
    }

    /// Compares the requests with the grammar. Returns the rest of the stream after the last request, or `None` if the
    /// connection ended with that request.
    fn check_requests<'a>(&self, mut stream: &'a [u8]) -> Option<&'a [u8]> {
        let mut requests = self.requests.iter();
        while let Some(message) = Message::parse(stream) {
            match requests.next() {
                Some(request) => assert_eq!(*request, message.request),
                None if message.must_be_served => panic!("not served: {message:?}"),
                None => return Some(stream),
            }
            stream = &stream[message.bytes..];
            if message.closes {
                assert_eq!(requests.next(), None, "served after a request that closes");
                return None;
            }
        }
        assert_eq!(requests.next(), None, "served, but invalid or incomplete");
        Some(stream)
    }

    /// Checks the response to the bytes after the last request.
    fn check_end(&self, rest: Option<&[u8]>) {
        let (served, error) = self.split();
        let served = served.iter().filter(|response| response.status != 100);
        for (request, response) in self.requests.iter().zip(served) {
            let status = if request.method == "CONNECT" {
                405
            } else {
                200
            };
            assert_eq!(response.status, status, "{response:?}");
        }
        assert!(error.len() <= 2);
        for response in error {
            assert!(matches!(response.status, 100 | 400..), "{response:?}");
        }
        match rest {
            None => assert_eq!(error, []),
            Some(rest) if is_answered(rest) => {
                assert!(!error.is_empty(), "an invalid request has no response");
            }
            Some(_) => {}
        }
    }

    /// Splits the responses into those to the requests of the handler and the others.
    fn split(&self) -> (&[Response], &[Response]) {
        let mut left = self.requests.len();
        let is_error = |response: &Response| {
            let is_error = left == 0;
            left -= usize::from(left > 0 && response.status != 100);
            is_error
        };
        let first_error = self.responses.iter().position(is_error);
        assert_eq!(left, 0, "a request has no response");
        let served = first_error.unwrap_or(self.responses.len());
        self.responses.split_at(served)
    }

    fn statuses(&self) -> Vec<u16> {
        let responses = self.responses.iter();
        responses.map(|response| response.status).collect()
    }
}

/// Returns the pieces in which a stream arrives.
fn pieces<'a>(mut stream: &'a [u8], sizes: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for &size in sizes.iter().take(64) {
        let size = match size {
            0..128 => 1 + usize::from(size),
            128.. => 32 * usize::from(size - 127),
        };
        let (piece, rest) = stream.split_at(size.min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces.push(stream);
    pieces
}

fn received(request: &edge::Request) -> Request {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let target = request.uri().to_string();
    Request::new(request.method().as_str(), target, headers, request.body())
}

/// Parses all responses of a connection.
fn parse_responses(mut bytes: &[u8], requests: &[Request]) -> Vec<Response> {
    let mut responses = Vec::new();
    let mut methods = requests.iter().map(|request| request.method.as_str());
    let mut closes = false;
    while !bytes.is_empty() {
        assert!(!closes, "a response after one that closes the connection");
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Response::new(&mut headers);
        let length = parsed.parse(bytes).unwrap();
        assert!(length.is_complete(), "{:?}", String::from_utf8_lossy(bytes));
        bytes = &bytes[length.unwrap()..];

        let status = parsed.code.unwrap();
        assert!(STATUSES.contains(&status), "{status}");
        let value = |name: &str| {
            let mut headers = parsed.headers.iter();
            let header = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
            str::from_utf8(header.value).ok()
        };
        closes = value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        assert_eq!(value("transfer-encoding"), None);
        let body_bytes = match status {
            100 => 0,
            _ => value("content-length").unwrap().parse().unwrap(),
        };
        let method = if status == 100 { None } else { methods.next() };
        // The response to HEAD has no body (RFC 9110 9.3.2), and the handler has not received an invalid HEAD.
        let has_body = method.map_or(!bytes.is_empty(), |method| method != "HEAD");
        let (body, rest) = bytes.split_at(if has_body { body_bytes } else { 0 });
        bytes = rest;

        let headers = parsed.headers.iter();
        let headers = headers.filter(|header| !header.name.eq_ignore_ascii_case("date"));
        responses.push(Response {
            status,
            headers: headers
                .map(|header| (header.name.to_owned(), header.value.to_vec()))
                .collect(),
            body: body.to_vec(),
        });
    }
    responses
}
