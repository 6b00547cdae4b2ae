//! The edge: connections, and requests until they are complete.
//!
//! A request reaches a handler only as a whole, so a client that sends slowly holds no permit of the wall. Each part of an
//! exchange has a bound in bytes and in time: the head, the body, the response, and the end of the connection. hyper reads
//! and writes HTTP. One thread does that for all connections, so a connection costs a file descriptor and its buffers, not
//! a thread.

use std::borrow::Cow;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::http::uri::{Authority, PathAndQuery};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, sink};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

/// A request whose body has arrived.
pub(crate) type Request = hyper::Request<Bytes>;
pub(crate) type Response = hyper::Response<Full<Bytes>>;

pub(crate) const MAX_BODY_BYTES: usize = 64 << 10;
/// The least that hyper accepts. A longer head is answered with status 431.
const MAX_HEAD_BYTES: usize = 8 << 10;
const MAX_HEADERS: usize = 64;

/// Longest time in which a head arrives, from the end of the request before it on. An idle connection is closed then.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time in which a body arrives.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time that a response may make no progress.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a closing connection reads and discards input after its last response.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a closing server waits for the first request of a connection that it has accepted.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// How the server treats connections and new requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// Requests are served, and each response closes its connection.
    Leaving,
    /// New requests are rejected, and idle connections are closed.
    Closing,
}

/// Serves the requests of one connection, one after another, and closes it.
///
/// `keeps_alive` returns whether the connection may carry another request. A request that has arrived when the phase
/// becomes `Closing` is answered.
pub(crate) async fn serve<F: Future<Output = Response>>(
    stream: impl AsyncRead + AsyncWrite,
    respond: impl Fn(Request) -> F,
    keeps_alive: impl Fn() -> bool,
    mut phase: watch::Receiver<Phase>,
) {
    let is_used = AtomicBool::new(false);
    let service = service_fn(|request| {
        is_used.store(true, Ordering::Relaxed);
        // hyper closes a connection without its own shutdown only if the future can move.
        Box::pin(async {
            let (mut response, is_complete) = match receive(request).await {
                Ok(request) => (respond(request).await, true),
                Err((status, message)) => (text(status, &message), false),
            };
            // The rest of an incomplete request would be taken for the next one.
            if !(is_complete && keeps_alive()) {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(response)
        })
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // A client may end its side of the connection after its request (RFC 9112 9.6).
        .half_close(true)
        .max_headers(MAX_HEADERS)
        // The buffer alone is no limit: hyper doubles it if a head begins behind another request.
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);

    let mut done = poll_fn(|context| connection.poll_without_shutdown(context));
    // Errors are not reported: hyper has already sent the response, if an error has one.
    let is_done = tokio::select! {
        _ = &mut done => true,
        () = closing(&mut phase) => {
            let wait = if is_used.load(Ordering::Relaxed) { Duration::ZERO } else { FIRST_REQUEST_TIMEOUT };
            timeout(wait, done).await.is_ok()
        }
    };
    if !is_done {
        Pin::new(&mut connection).graceful_shutdown();
        let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    }

    // Closing with unread input would reset the connection, and the client could lose the response.
    let mut stream = connection.into_parts().io.into_inner();
    let _ = timeout(LINGER_TIMEOUT, async {
        stream.shutdown().await?;
        copy(&mut stream, &mut sink()).await
    })
    .await;
}

/// Waits until the server closes.
pub(crate) async fn closing(phase: &mut watch::Receiver<Phase>) {
    // Fails if the server has ended.
    let _ = phase.wait_for(|&phase| phase == Phase::Closing).await;
}

/// An invalid or incomplete request: the status and the text of the response.
type Invalid = (StatusCode, Cow<'static, str>);

/// Checks what RFC 9112 demands of a head and hyper leaves to the application.
fn check_head<B>(request: &hyper::Request<B>) -> Result<(), Invalid> {
    let invalid = |message: &'static str| Err((StatusCode::BAD_REQUEST, message.into()));
    let headers = request.headers();

    // 3.2: HTTP/1.1 requires Host. There is one at most, and it is valid.
    let mut hosts = headers.get_all(HOST).iter();
    let is_host_valid = match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => host.is_empty() || is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    if !is_host_valid {
        return invalid("Host is missing, repeated or invalid");
    }

    // 3.2.3 and 3.2.4: only CONNECT has an authority as its target, and only OPTIONS has an asterisk.
    let (method, target) = (request.method(), request.uri());
    let is_form_valid = match target.path() {
        "" => method == Method::CONNECT,
        "*" => method == Method::OPTIONS,
        _ => method != Method::CONNECT,
    };
    // 3.2.1: a path and a query are ASCII (RFC 3986).
    let is_ascii = |path: &PathAndQuery| path.as_str().is_ascii();
    if !(is_form_valid && target.path_and_query().is_none_or(is_ascii)) {
        return invalid("the target is invalid");
    }

    // 6.1: a coding that the server does not implement is answered with 501, and chunked is applied once.
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !(codings.next().is_none_or(is_chunked) && codings.next().is_none()) {
        let message = "the only transfer coding is chunked";
        return Err((StatusCode::NOT_IMPLEMENTED, message.into()));
    }
    Ok(())
}

/// Returns whether this is a host with an optional port.
fn is_host(value: &[u8]) -> bool {
    Authority::try_from(value).is_ok_and(|authority| !authority.as_str().contains('@'))
}

/// Receives the body of a request.
async fn receive(request: hyper::Request<Incoming>) -> Result<Request, Invalid> {
    check_head(&request)?;
    let (head, mut body) = request.into_parts();
    let too_large = || {
        let message = format!("the body exceeds {MAX_BODY_BYTES} bytes");
        (StatusCode::PAYLOAD_TOO_LARGE, message.into())
    };
    // The least that can follow: the declared length, or 0 of a chunked body.
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let mut received = Vec::new();
    let receive_all = async {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Err((StatusCode::BAD_REQUEST, "the body is invalid".into()));
            };
            // Frames without data are trailers.
            let data = frame.into_data().unwrap_or_default();
            if received.len() + data.len() > MAX_BODY_BYTES {
                return Err(too_large());
            }
            // Copied: a frame of one byte would keep a read buffer of 8 KiB.
            received.extend_from_slice(&data);
        }
        Ok(())
    };
    match timeout(BODY_TIMEOUT, receive_all).await {
        Ok(Ok(())) => Ok(Request::from_parts(head, received.into())),
        Ok(Err(invalid)) => Err(invalid),
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive".into(),
        )),
    }
}

pub(crate) fn response(status: StatusCode, media_type: &'static str, body: String) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// Creates a response with one line of plain text.
pub(crate) fn text(status: StatusCode, line: &str) -> Response {
    response(status, "text/plain; charset=utf-8", format!("{line}\n"))
}
