//! Requests by the grammar of RFC 9112: the specification of `http_connection`.
//!
//! Deliberate differences between the server and the grammar. In a request that "may be served", the server may also
//! reject it, and then closes the connection.
//!
//! | section | difference |
//! |---|---|
//! | 2.2 | LF alone ends a line of the head, and any number of empty lines may precede it. |
//! | 2.3 | Only HTTP/1.0 and HTTP/1.1 are served, and no higher minor version. |
//! | 3, RFC 9110 5.4 | A head over 8 KiB or with over 64 headers is rejected. So are such trailers. |
//! | 3.2 | A target with a fragment, which is removed, or with ASCII that no URI contains, may be served. |
//! | 3.2, RFC 3986 3.2.2 | A Host with a `%`, an IPv6 address, or an empty or huge port may be served. |
//! | 3.2.2 | A target with another scheme than http, or with such a host, may be served. |
//! | 3.2.3 | CONNECT may be served if its target has no slash. |
//! | 6.1 | Chunks with a Content-Length, which is removed, may be served. The connection closes. |
//! | 6.3, RFC 9110 8.6 | Equal Content-Lengths may be served as one, and a list of them in one header is not. |
//! | 7.1, 7.1.1 | Blanks after the size of a chunk, and any bytes except LF after a semicolon, may be served. |
//! | 7.1.2 | Trailers end at CR LF CR LF. LF alone in them, and whatever follows it there, may be served. |
//! | 9.6 | A Connection header with a byte above 127 is ignored. |
//! | RFC 9110 10.1.1 | An unknown Expect is ignored. |

use std::mem;

const MAX_HEAD_BYTES: usize = 8 << 10;
const MAX_HEADERS: usize = 64;
const MAX_BODY_BYTES: usize = 64 << 10;

/// A request as the handler receives it. Names are in lower case, and headers are sorted by name. Values and the body
/// are escaped, so that a failure is readable.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn new<'a>(
        method: &str,
        target: String,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        body: &[u8],
    ) -> Request {
        let headers =
            headers.map(|(name, value)| (name.to_owned(), value.escape_ascii().to_string()));
        let mut headers: Vec<_> = headers.collect();
        // Stable: values of a name stay in order.
        headers.sort_by(|(a, _), (b, _)| a.cmp(b));
        Request {
            method: method.to_owned(),
            target,
            headers,
            body: body.escape_ascii().to_string(),
        }
    }
}

/// A complete request that is valid, or invalid in a way that the server is allowed to ignore.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) request: Request,
    /// Whether the request is valid without exception.
    pub(crate) must_be_served: bool,
    /// Whether the connection ends with this request.
    pub(crate) closes: bool,
    /// Length in the stream.
    pub(crate) bytes: usize,
}

impl Message {
    /// Returns the request at the start of a stream, or `None` if the server must not serve it.
    pub(crate) fn parse(stream: &[u8]) -> Option<Message> {
        let mut rest = &stream[..stream.len().min(MAX_HEAD_BYTES)];
        let mut line = take_line(&mut rest)?;
        while line.is_empty() {
            line = take_line(&mut rest)?;
        }
        let mut parts = line.split(|&byte| byte == b' ');
        let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
        let is_1_1 = version == b"HTTP/1.1";
        if !is_token(method) || !(is_1_1 || version == b"HTTP/1.0") || parts.next().is_some() {
            return None;
        }
        let (target, mut must_be_served) = parse_target(text(method)?, text(target)?)?;

        let mut headers = Vec::new();
        loop {
            let line = take_line(&mut rest)?;
            if line.is_empty() {
                break;
            }
            headers.push(parse_header(line)?);
        }
        let mut bytes = stream.len().min(MAX_HEAD_BYTES) - rest.len();
        let values = |name: &'static str| {
            let headers = headers.iter().filter(move |header| header.0 == name);
            headers.map(|header| header.1.as_slice())
        };

        if headers.len() > MAX_HEADERS {
            return None;
        }
        match values("host").collect::<Vec<_>>()[..] {
            [] if !is_1_1 => {}
            [host] => must_be_served &= is_host(host)?,
            _ => return None,
        }
        let has_option = |name: &str| {
            let mut options = values("connection")
                .filter(|value| value.is_ascii())
                .flat_map(|value| value.split(|&byte| byte == b','));
            options.any(|option| trim(option).eq_ignore_ascii_case(name.as_bytes()))
        };
        let mut closes = has_option("close") || !is_1_1 && !has_option("keep-alive");

        let lengths: Vec<_> = values("content-length")
            .map(|value| number(value, 10))
            .collect();
        let codings: Vec<_> = values("transfer-encoding").collect();
        let body = match codings[..] {
            [] => {
                let length = lengths.first().copied().unwrap_or(Some(0))?;
                if lengths.iter().any(|&other| other != Some(length)) {
                    return None;
                }
                must_be_served &= lengths.len() <= 1;
                let length = usize::try_from(length).ok()?;
                let body = stream[bytes..].get(..length)?.to_vec();
                bytes += length;
                body
            }
            [coding] if is_1_1 && coding.eq_ignore_ascii_case(b"chunked") => {
                must_be_served &= lengths.is_empty();
                closes |= !lengths.is_empty();
                let mut rest = &stream[bytes..];
                let (body, is_strict) = take_chunks(&mut rest)?;
                must_be_served &= is_strict;
                bytes = stream.len() - rest.len();
                body
            }
            _ => return None,
        };
        if body.len() > MAX_BODY_BYTES {
            return None;
        }

        // The handler sees the Content-Length that counts.
        let mut counts = codings.is_empty();
        headers.retain(|(name, _)| name != "content-length" || mem::take(&mut counts));
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        let request = Request::new(text(method)?, target, headers, &body);
        Some(Message {
            request,
            must_be_served,
            closes,
            bytes,
        })
    }
}

/// Returns whether the head at the start of a stream is complete, within the limit.
pub(crate) fn has_whole_head(stream: &[u8]) -> bool {
    let mut rest = &stream[..stream.len().min(MAX_HEAD_BYTES)];
    let mut has_request_line = false;
    while let Some(line) = take_line(&mut rest) {
        if line.is_empty() && has_request_line {
            return true;
        }
        has_request_line |= !line.is_empty();
    }
    false
}

/// Returns the target as the handler receives it, and whether it is valid without exception.
fn parse_target(method: &str, target: &str) -> Option<(String, bool)> {
    let is_graphic = |byte: u8| byte > b' ' && byte != 0x7f;
    if !target.bytes().all(is_graphic) {
        return None;
    }
    let has_fragment = target.contains('#');
    let target = target
        .split('#')
        .next()
        .filter(|target| target.is_ascii())?;
    let is_connect = method == "CONNECT";
    let (start, path, is_strict) = match target.split_once("://") {
        _ if target.starts_with('/') => (String::new(), target, true),
        _ if target == "*" => {
            return (method == "OPTIONS").then(|| (target.to_owned(), !has_fragment));
        }
        Some((scheme, rest)) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            let is_http = ["http", "https"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(scheme));
            let is_strict = is_http && !host.is_empty() && is_host(host.as_bytes()) == Some(true);
            let scheme = if is_http {
                scheme.to_ascii_lowercase()
            } else {
                scheme.to_owned()
            };
            // An empty path is the same as a slash (9110 4.2.3).
            let slash = if path.starts_with('/') { "" } else { "/" };
            (format!("{scheme}://{host}{slash}"), path, is_strict)
        }
        None => return is_connect.then(|| (target.to_owned(), false)),
    };
    let is_strict = is_strict && !has_fragment && is_path(path);
    (!is_connect).then(|| (start + path, is_strict))
}

/// Returns whether this is a path with an optional query of RFC 3986.
fn is_path(text: &str) -> bool {
    let mut escapes = text.split('%').skip(1);
    let is_escape =
        |text: &str| text.len() >= 2 && text.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let is_known = |byte: u8| is_unreserved_or_delimiter(byte) || b"%/?:@".contains(&byte);
    text.bytes().all(is_known) && escapes.all(is_escape)
}

fn is_unreserved_or_delimiter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// Returns `None` if this is not a host with an optional port, and otherwise whether it is one without exception.
fn is_host(value: &[u8]) -> Option<bool> {
    let may_be_host = |&byte: &u8| is_unreserved_or_delimiter(byte) || b":%[]".contains(&byte);
    if !value.iter().all(may_be_host) {
        return None;
    }
    let mut parts = value.split(|&byte| byte == b':');
    let is_name = parts
        .next()?
        .iter()
        .all(|&byte| is_unreserved_or_delimiter(byte));
    let is_port =
        |port: &[u8]| (1..=4).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    Some(
        is_name
            && parts.next().is_none_or(is_port)
            && parts.next().is_none()
            && !value.starts_with(b":"),
    )
}

/// Takes a body in chunks and its trailers. Returns the body, and whether the framing is valid without exception.
fn take_chunks(rest: &mut &[u8]) -> Option<(Vec<u8>, bool)> {
    let (mut body, mut is_strict) = (Vec::new(), true);
    loop {
        let line = take_cr_lf_line(rest)?;
        let digits = line
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let (size, extensions) = line.split_at(digits);
        let blanks = extensions.iter().take_while(|&byte| is_blank(byte)).count();
        if !matches!(extensions.get(blanks), None | Some(b';')) || extensions.contains(&b'\n') {
            return None;
        }
        is_strict &= is_chunk_extensions(extensions);
        let size = usize::try_from(number(size, 16)?).ok()?;
        if size == 0 {
            break;
        }
        body.extend(rest.get(..size)?);
        *rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    let (start, mut count, mut has_lf) = (rest.len(), 0, false);
    loop {
        let line = take_cr_lf_line(rest)?;
        if line.is_empty() {
            break;
        }
        count += 1;
        has_lf |= line.contains(&b'\n');
        if !has_lf {
            parse_header(line)?;
        }
    }
    if count > MAX_HEADERS {
        return None;
    }
    // hyper's limit is near this one.
    is_strict &= !has_lf && start - rest.len() < MAX_HEAD_BYTES;
    Some((body, is_strict))
}

/// Returns whether these are extensions of a chunk: names, some with a token or a quoted string as value.
fn is_chunk_extensions(mut text: &[u8]) -> bool {
    while !text.is_empty() {
        let Some(rest) = skip_blanks(text).strip_prefix(b";") else {
            return false;
        };
        let rest = skip_blanks(rest);
        let length = rest.iter().take_while(|byte| is_token_byte(byte)).count();
        if length == 0 {
            return false;
        }
        text = &rest[length..];
        let Some(value) = skip_blanks(text).strip_prefix(b"=") else {
            continue;
        };
        let value = skip_blanks(value);
        text = match value.strip_prefix(b"\"") {
            Some(quoted) => {
                let mut bytes = quoted.iter();
                loop {
                    match bytes.next() {
                        Some(b'"') => break,
                        Some(b'\\') if bytes.next().is_some_and(is_text) => {}
                        Some(byte) if *byte != b'\\' && is_text(byte) => {}
                        _ => return false,
                    }
                }
                bytes.as_slice()
            }
            None => {
                let length = value.iter().take_while(|byte| is_token_byte(byte)).count();
                if length == 0 {
                    return false;
                }
                &value[length..]
            }
        };
    }
    true
}

fn parse_header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_valid = is_token(name) && value.iter().all(is_text);
    is_valid.then(|| {
        (
            text(name).unwrap().to_ascii_lowercase(),
            trim(value).to_vec(),
        )
    })
}

/// Takes a line, which LF or CR LF ends.
fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Takes a line, which CR LF ends. The line contains no CR.
fn take_cr_lf_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|&byte| byte == b'\r')?;
    let line = &rest[..end];
    *rest = rest[end..].strip_prefix(b"\r\n")?;
    Some(line)
}

/// Returns the number that these digits are, if there are any.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    // `from_str_radix` accepts a sign.
    let is_number = digits.iter().all(u8::is_ascii_alphanumeric);
    u64::from_str_radix(text(digits)?, radix)
        .ok()
        .filter(|_| is_number)
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

fn trim(value: &[u8]) -> &[u8] {
    let value = skip_blanks(value);
    let end = value.iter().rev().take_while(|byte| is_blank(byte)).count();
    &value[..value.len() - end]
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|byte| is_blank(byte)).count()..]
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Returns whether a byte may stand in the value of a header (RFC 9110 5.5) or in a quoted string (5.6.4).
fn is_text(byte: &u8) -> bool {
    *byte == b'\t' || *byte >= b' ' && *byte != 0x7f
}

/// Returns whether this is a token of RFC 9110 5.6.2.
fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(is_token_byte)
}

fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}
