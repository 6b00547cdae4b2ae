//! The part of HTTP/1.1 that this server needs: connections, bodies and responses. `head.rs` parses heads.
//!
//! Each of them has a limit in bytes and in time. A client that sends slowly or without end occupies
//! one connection thread for seconds, and nothing else.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::head::{Head, HeadError};

/// Longest wait of a connection for its next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest time in which a head or a body arrives, from its first byte on.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time that one write of a response may block.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a closing connection reads and discards input after its last response.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// How often an idle connection checks for shutdown.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Error returned when a request could not be read.
pub(crate) enum RequestError {
    /// The connection is closed, or was silent for too long.
    Disconnected,
    /// The request is invalid. The response says why.
    Invalid(Response),
}

impl From<io::Error> for RequestError {
    fn from(_: io::Error) -> Self {
        RequestError::Disconnected
    }
}

impl From<HeadError> for RequestError {
    fn from(error: HeadError) -> Self {
        RequestError::Invalid(Response::text(error.status, &error.message))
    }
}

/// One client connection.
pub(crate) struct Connection {
    stream: TcpStream,
    peer: IpAddr,
    /// Bytes received and not yet consumed.
    received: Vec<u8>,
    /// Bytes of the current request's body that were not consumed yet.
    body_left: usize,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(SEND_TIMEOUT))?;
        let peer = stream.peer_addr()?.ip();
        Ok(Connection {
            stream,
            peer,
            received: Vec::new(),
            body_left: 0,
        })
    }

    /// Returns the address of the client.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Waits for the first byte of a request, until `is_cancelled` returns true.
    pub(crate) fn wait_for_request(
        &mut self,
        is_cancelled: impl Fn() -> bool,
    ) -> Result<(), RequestError> {
        let deadline = Instant::now() + IDLE_TIMEOUT;
        while self.received.is_empty() {
            match self.receive(Instant::now() + POLL_INTERVAL) {
                Err(error) if is_timeout(&error) => {
                    if is_cancelled() || Instant::now() >= deadline {
                        return Err(RequestError::Disconnected);
                    }
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Reads the head of the next request.
    pub(crate) fn read_head(&mut self) -> Result<Head, RequestError> {
        let deadline = Instant::now() + RECEIVE_TIMEOUT;
        loop {
            if let Some((head, bytes)) = Head::parse(&self.received)? {
                self.received.drain(..bytes);
                self.body_left = head.body_bytes;
                return Ok(head);
            }
            self.receive_by(deadline)?;
        }
    }

    /// Reads the body of the request with this head.
    pub(crate) fn read_body(&mut self, head: &Head) -> Result<Vec<u8>, RequestError> {
        if head.expects_continue() && self.received.len() < self.body_left {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        self.rest_of_body()
    }

    /// Returns whether the start of the next request is ambiguous.
    ///
    /// A client that expected `100 Continue` and got another response may send the body or omit it.
    pub(crate) fn is_ambiguous_after(&self, head: &Head) -> bool {
        head.expects_continue() && self.body_left > 0
    }

    /// Discards the rest of the body, up to the start of the next request.
    pub(crate) fn skip_body(&mut self) -> Result<(), RequestError> {
        self.rest_of_body().map(drop)
    }

    fn rest_of_body(&mut self) -> Result<Vec<u8>, RequestError> {
        let deadline = Instant::now() + RECEIVE_TIMEOUT;
        while self.received.len() < self.body_left {
            self.receive_by(deadline)?;
        }
        let bytes = mem::take(&mut self.body_left);
        Ok(self.received.drain(..bytes).collect())
    }

    /// Sends a response, without its body if `head_only`.
    ///
    /// The `Connection` header says whether the client may send another request.
    pub(crate) fn send(
        &mut self,
        response: &Response,
        head_only: bool,
        keep_alive: bool,
    ) -> io::Result<()> {
        let mut message = format!("HTTP/1.1 {}\r\n", response.status);
        for (name, value) in &response.headers {
            message += &format!("{name}: {value}\r\n");
        }
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let bytes = response.body.len();
        message += &format!("Content-Length: {bytes}\r\nConnection: {connection}\r\n\r\n");
        if !head_only {
            message += &response.body;
        }
        self.stream.write_all(message.as_bytes())
    }

    /// Closes the connection so that the last response arrives.
    ///
    /// Closing with unread input would reset the connection, and the client could lose the response.
    pub(crate) fn close(mut self) {
        let deadline = Instant::now() + LINGER_TIMEOUT;
        if self.stream.shutdown(Shutdown::Write).is_ok() {
            while self.receive(deadline).is_ok() {
                self.received.clear();
            }
        }
    }

    fn receive_by(&mut self, deadline: Instant) -> Result<(), RequestError> {
        match self.receive(deadline) {
            Err(error) if is_timeout(&error) => Err(RequestError::Invalid(Response::text(
                "408 Request Timeout",
                "the request took too long to arrive",
            ))),
            result => Ok(result?),
        }
    }

    fn receive(&mut self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut bytes = [0; 4 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.received.extend_from_slice(&bytes[..count]);
                Ok(())
            }
            // A signal interrupted the read, for example SIGSTOP and SIGCONT. The caller retries.
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Returns whether a read timed out. The kind differs by platform.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

pub(crate) struct Response {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Response {
    pub(crate) fn new(status: &'static str, media_type: &str, body: String) -> Self {
        let headers = vec![("Content-Type", media_type.to_owned())];
        Response {
            status,
            headers,
            body,
        }
    }

    /// Creates a response with one line of plain text.
    pub(crate) fn text(status: &'static str, line: &str) -> Self {
        Response::new(status, "text/plain; charset=utf-8", format!("{line}\n"))
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}
