//! Heads of HTTP/1.1 requests, apart from connections: the fuzz target `http_head` includes this file.

pub(crate) const MAX_HEAD_BYTES: usize = 8 << 10;
pub(crate) const MAX_HEADERS: usize = 64;
pub(crate) const MAX_BODY_BYTES: usize = 64 << 10;

/// The request line and the headers: all that is known before the body is read.
#[derive(Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body_bytes: usize,
    pub(crate) keeps_alive: bool,
}

impl Head {
    /// Parses the head at the start of the bytes received so far. Returns it and its length in bytes,
    /// or `None` if it is not complete.
    ///
    /// Bytes beyond the limit of a head are not read: how many of them have arrived depends on the
    /// network, and the answer does not.
    pub(crate) fn parse(received: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
        let received = &received[..received.len().min(MAX_HEAD_BYTES)];
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(received) {
            Ok(httparse::Status::Complete(bytes)) => Ok(Some((check(&request)?, bytes))),
            Ok(httparse::Status::Partial) if received.len() < MAX_HEAD_BYTES => Ok(None),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                let message =
                    format!("the head exceeds {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} headers");
                Err(invalid("431 Request Header Fields Too Large", &message))
            }
            Err(error) => Err(invalid("400 Bad Request", &error.to_string())),
        }
    }

    /// Returns the path, without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Returns whether the client waits for `100 Continue` before it sends the body.
    pub(crate) fn expects_continue(&self) -> bool {
        self.header("expect").is_some()
    }

    /// Returns the value of the first header with this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let is_named = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
        let (_, value) = self.headers.iter().find(is_named)?;
        Some(value)
    }
}

/// Error returned if a head is invalid or exceeds a limit: the response to send.
#[derive(Debug, PartialEq)]
pub(crate) struct HeadError {
    pub(crate) status: &'static str,
    pub(crate) message: String,
}

fn invalid(status: &'static str, message: &str) -> HeadError {
    let message = message.to_owned();
    HeadError { status, message }
}

/// Checks a parsed head. Rejects every request whose body length is ambiguous, which would allow
/// request smuggling.
fn check(request: &httparse::Request<'_, '_>) -> Result<Head, HeadError> {
    let bad_request = |message| invalid("400 Bad Request", message);
    let is_1_1 = request.version == Some(1);
    let mut head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        headers: Vec::with_capacity(request.headers.len()),
        body_bytes: 0,
        keeps_alive: is_1_1,
    };
    let (mut hosts, mut lengths) = (0, 0);
    for header in request.headers.iter() {
        let value =
            str::from_utf8(header.value).map_err(|_| bad_request("a header is not UTF-8"))?;
        let value = value.trim_matches([' ', '\t']);
        match header.name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            "transfer-encoding" => {
                return Err(invalid(
                    "411 Length Required",
                    "Transfer-Encoding is not supported: send Content-Length",
                ));
            }
            "content-length" => {
                let is_number =
                    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                if !is_number {
                    return Err(bad_request("Content-Length is not a number"));
                }
                lengths += 1;
                // A number that does not fit in a usize exceeds the limit.
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
        return Err(bad_request("more than one Content-Length"));
    }
    if is_1_1 && hosts != 1 || hosts > 1 {
        return Err(bad_request("Host is missing or repeated"));
    }
    if head.body_bytes > MAX_BODY_BYTES {
        let message = format!("the body exceeds {MAX_BODY_BYTES} bytes");
        return Err(invalid("413 Content Too Large", &message));
    }
    Ok(head)
}
