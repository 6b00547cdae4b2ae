//! As much of HTTP/1.1 as a server needs: a request's head, its body, an answer. Each has a limit in
//! bytes and in time, so that whoever sends slowly or without end costs one connection thread for
//! seconds, and nothing else.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::time::{Duration, Instant};

const HEAD_BYTES: usize = 8 << 10;
const HEADERS: usize = 64;
const BODY_BYTES: usize = 64 << 10;

/// For as long as this, a connection may wait for its next request.
const IDLE: Duration = Duration::from_secs(15);
/// From its first byte on, a head or a body is complete within this.
const RECEIVE: Duration = Duration::from_secs(5);
/// Whoever does not take its answer within this, does not get it.
const SEND: Duration = Duration::from_secs(5);
/// For as long as this, what still arrives after the last answer is read, and forgotten.
const LINGER: Duration = Duration::from_secs(1);
/// How soon a connection that waits notices that the server is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// What a server knows before it reads the body.
pub(crate) struct Head {
    pub(crate) method: String,
    path: String,
    headers: Vec<(String, String)>,
    body_bytes: usize,
    pub(crate) keeps_alive: bool,
}

impl Head {
    /// The path without what is asked of it.
    pub(crate) fn path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Whether the client waits to be told before it sends the body.
    fn is_cautious(&self) -> bool {
        self.header("expect").is_some()
    }

    /// The value of a header, the first if there are several.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        let (_, value) = self.headers.iter().find(found)?;
        Some(value)
    }
}

/// Why a request is not answered as it wants to be.
pub(crate) enum Refusal {
    /// Nobody is there any more, or nothing came for too long.
    Gone,
    /// What is wrong with it.
    Wrong(Answer),
}

impl From<io::Error> for Refusal {
    fn from(_: io::Error) -> Self {
        Refusal::Gone
    }
}

fn wrong(status: &'static str, why: &str) -> Refusal {
    Refusal::Wrong(Answer::text(status, why))
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    peer: IpAddr,
    /// What has been read of the next requests.
    read: Vec<u8>,
    /// How many bytes come first that belong to the last one.
    body_left: usize,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(SEND))?;
        let peer = stream.peer_addr()?.ip();
        Ok(Connection {
            stream,
            peer,
            read: Vec::new(),
            body_left: 0,
        })
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Waits for the first byte of a request. While there is none, `is_over` may say that there is no
    /// use in it.
    pub(crate) fn wait(&mut self, is_over: impl Fn() -> bool) -> Result<(), Refusal> {
        let until = Instant::now() + IDLE;
        while self.read.is_empty() {
            match self.receive(Instant::now() + LOOK) {
                Err(error) if is_timeout(&error) => {
                    if is_over() || Instant::now() >= until {
                        return Err(Refusal::Gone);
                    }
                }
                received => received?,
            }
        }
        Ok(())
    }

    /// The head of a request that has begun.
    pub(crate) fn head(&mut self) -> Result<Head, Refusal> {
        let until = Instant::now() + RECEIVE;
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS];
            let mut request = httparse::Request::new(&mut headers);
            match request.parse(&self.read) {
                Ok(httparse::Status::Complete(bytes)) if bytes <= HEAD_BYTES => {
                    let head = head_of(&request)?;
                    self.read.drain(..bytes);
                    self.body_left = head.body_bytes;
                    return Ok(head);
                }
                Ok(httparse::Status::Partial) if self.read.len() < HEAD_BYTES => {}
                Ok(_) | Err(httparse::Error::TooManyHeaders) => {
                    let why =
                        format!("a head has at most {HEAD_BYTES} bytes and {HEADERS} headers");
                    return Err(wrong("431 Request Header Fields Too Large", &why));
                }
                Err(error) => return Err(wrong("400 Bad Request", &error.to_string())),
            }
            self.receive_in_time(until)?;
        }
    }

    /// The body that belongs to this head.
    pub(crate) fn body(&mut self, head: &Head) -> Result<Vec<u8>, Refusal> {
        if head.is_cautious() && self.read.len() < self.body_left {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        self.rest_of_body()
    }

    /// Whether a client that waited to be told may send a body that nobody wanted, or may not: then
    /// there is no telling where its next request begins.
    pub(crate) fn is_in_doubt(&self, head: &Head) -> bool {
        head.is_cautious() && self.body_left > 0
    }

    /// Goes past a body that nobody wanted, to where the next request begins.
    pub(crate) fn skip_body(&mut self) -> Result<(), Refusal> {
        self.rest_of_body().map(drop)
    }

    fn rest_of_body(&mut self) -> Result<Vec<u8>, Refusal> {
        let until = Instant::now() + RECEIVE;
        while self.read.len() < self.body_left {
            self.receive_in_time(until)?;
        }
        let bytes = mem::take(&mut self.body_left);
        Ok(self.read.drain(..bytes).collect())
    }

    /// Sends an answer, or its head alone, and says in it whether another request may follow.
    pub(crate) fn send(
        &mut self,
        answer: &Answer,
        head_alone: bool,
        may_follow: bool,
    ) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {}\r\n", answer.status);
        for (name, value) in &answer.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let connection = if may_follow { "keep-alive" } else { "close" };
        let bytes = answer.body.len();
        head += &format!("Content-Length: {bytes}\r\nConnection: {connection}\r\n\r\n");
        if !head_alone {
            head += &answer.body;
        }
        self.stream.write_all(head.as_bytes())
    }

    /// Closes it so that the last answer arrives: what is left unread would reset the connection.
    pub(crate) fn close(mut self) {
        let until = Instant::now() + LINGER;
        if self.stream.shutdown(Shutdown::Write).is_ok() {
            while self.receive(until).is_ok() {
                self.read.clear();
            }
        }
    }

    fn receive_in_time(&mut self, until: Instant) -> Result<(), Refusal> {
        match self.receive(until) {
            Err(error) if is_timeout(&error) => {
                Err(wrong("408 Request Timeout", "it took too long to arrive"))
            }
            received => Ok(received?),
        }
    }

    fn receive(&mut self, until: Instant) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut bytes = [0; 4 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.read.extend_from_slice(&bytes[..count]);
                Ok(())
            }
            // The process was stopped and went on, say: nothing came, and nothing is wrong.
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The one or the other, by platform.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

/// Whatever leaves it open how long the body is, is refused: that is how requests are smuggled.
fn head_of(request: &httparse::Request<'_, '_>) -> Result<Head, Refusal> {
    let bad = |why| wrong("400 Bad Request", why);
    let is_1_1 = request.version == Some(1);
    let mut head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        headers: Vec::with_capacity(request.headers.len()),
        body_bytes: 0,
        keeps_alive: is_1_1,
    };
    let (mut hosts, mut lengths) = (0, 0);
    for header in request.headers.iter() {
        let value = str::from_utf8(header.value).map_err(|_| bad("a header is not UTF-8"))?;
        let value = value.trim_matches([' ', '\t']);
        match header.name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            "transfer-encoding" => {
                return Err(wrong(
                    "411 Length Required",
                    "a body comes with its length here",
                ));
            }
            "content-length" => {
                let is_number =
                    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                if !is_number {
                    return Err(bad("the length is not a number"));
                }
                lengths += 1;
                // What does not even fit is too large.
                head.body_bytes = value.parse().unwrap_or(usize::MAX);
            }
            "connection" => {
                let mut options = value.split(',').map(str::trim);
                if options.any(|option| option.eq_ignore_ascii_case("close")) {
                    head.keeps_alive = false;
                }
            }
            _ => {}
        }
        head.headers
            .push((header.name.to_owned(), value.to_owned()));
    }
    if lengths > 1 {
        return Err(bad("it has more than one length"));
    }
    if is_1_1 && hosts != 1 || hosts > 1 {
        return Err(bad("it names no host, or more than one"));
    }
    if head.body_bytes > BODY_BYTES {
        let why = format!("a body has at most {BODY_BYTES} bytes");
        return Err(wrong("413 Content Too Large", &why));
    }
    Ok(head)
}

pub(crate) struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    pub(crate) fn new(status: &'static str, media_type: &str, body: String) -> Self {
        let headers = vec![("Content-Type", media_type.to_owned())];
        Answer {
            status,
            headers,
            body,
        }
    }

    /// A line to read.
    pub(crate) fn text(status: &'static str, line: &str) -> Self {
        Answer::new(status, "text/plain; charset=utf-8", format!("{line}\n"))
    }

    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}
