//! Heads of requests: parsed in pieces and as a whole, and compared with a parser by the grammar of RFC 9112.

#[path = "../../examples/http_server/src/head.rs"]
mod head;

use head::{Head, HeadError};

const MAX_HEAD_BYTES: usize = 8_192;
const MAX_HEADERS: usize = 64;
const MAX_BODY_BYTES: u64 = 65_536;

type Answer = Result<Option<(Head, usize)>, HeadError>;

/// Parses the head of a request. The first line of the input is the sizes of the first pieces, the rest is the stream.
pub fn http_head(input: &[u8]) -> bool {
    let line_break = input.iter().position(|&byte| byte == b'\n');
    let (sizes, stream) = match line_break {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (&[][..], input),
    };
    let answer = Head::parse(stream);
    assert_eq!(
        parse_in_pieces(stream, sizes),
        answer,
        "the answer depends on the pieces"
    );
    let within_limit = &stream[..stream.len().min(MAX_HEAD_BYTES)];
    assert_eq!(
        Head::parse(within_limit),
        answer,
        "the answer depends on bytes beyond the limit"
    );

    let expected = Expected::of(stream);
    match (&answer, expected) {
        (Ok(Some((head, bytes))), Some(expected)) => {
            assert_eq!(
                (head.method.as_bytes(), *bytes),
                (expected.method, expected.bytes)
            );
            assert_eq!(head.target.as_bytes(), expected.target);
            let headers = head
                .headers
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            assert!(headers.eq(expected.headers.iter().copied()), "{head:?}");
            assert_eq!(head.body_bytes as u64, expected.body_bytes);
            assert_eq!(head.keeps_alive, expected.keeps_alive);
            check_readers(head);
            true
        }
        (Ok(Some((head, _))), None) => panic!("an invalid head was accepted: {head:?}"),
        (_, Some(expected)) => panic!("{expected:?} was rejected: {answer:?}"),
        (Ok(None), None) => {
            assert!(
                stream.len() < MAX_HEAD_BYTES,
                "{} bytes are no answer",
                stream.len()
            );
            false
        }
        (Err(HeadError { status, message }), None) => {
            let statuses = ["400 ", "411 ", "413 ", "431 "];
            assert!(
                statuses.iter().any(|known| status.starts_with(known)),
                "{status}"
            );
            assert!(!message.is_empty());
            false
        }
    }
}

/// Parses as the server does: after each piece that arrives, until there is an answer.
fn parse_in_pieces(stream: &[u8], sizes: &[u8]) -> Answer {
    // Each piece is parsed together with all before it, so more of them would only be slow.
    let mut sizes = sizes.iter().take(16);
    let mut received = 0;
    loop {
        let answer = Head::parse(&stream[..received]);
        if received == stream.len() || !matches!(answer, Ok(None)) {
            return answer;
        }
        // The server reads at most 4 KiB at once.
        let size = match sizes.next() {
            Some(&size @ 0..128) => 1 + usize::from(size),
            Some(&size) => 32 * usize::from(size - 127),
            None => 4_096,
        };
        received = stream.len().min(received + size);
    }
}

fn check_readers(head: &Head) {
    assert!(head.target.starts_with(head.path()) && !head.path().contains('?'));
    assert_eq!(head.expects_continue(), head.header("Expect").is_some());
    for (name, _) in &head.headers {
        let mut same_name = head
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let first = same_name.next().map(|(_, value)| value.as_str());
        assert_eq!(head.header(name), first);
    }
}

/// A valid head, by RFC 9112 with the differences that [`Expected::of`] lists.
#[derive(Debug)]
struct Expected<'a> {
    method: &'a [u8],
    target: &'a [u8],
    headers: Vec<(&'a [u8], &'a [u8])>,
    body_bytes: u64,
    keeps_alive: bool,
    /// Length of the head.
    bytes: usize,
}

impl<'a> Expected<'a> {
    /// Returns the head at the start of the stream, or `None` if it is invalid or incomplete.
    ///
    /// Deliberate differences from the RFC:
    /// - The target is any UTF-8 text without spaces and control characters; routes are compared with it as a whole.
    /// - Bytes above 127 in header values must be UTF-8.
    /// - Transfer-Encoding is rejected, and so is a list of equal Content-Lengths.
    /// - The value of Host is not checked.
    fn of(stream: &'a [u8]) -> Option<Expected<'a>> {
        let mut rest = &stream[..stream.len().min(MAX_HEAD_BYTES)];
        let limit = rest.len();
        let mut line = take_line(&mut rest)?;
        while line.is_empty() {
            line = take_line(&mut rest)?;
        }
        let mut parts = line.split(|&byte| byte == b' ');
        let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
        let is_target = !target.is_empty()
            && str::from_utf8(target).is_ok()
            && target.iter().all(|&byte| byte > b' ' && byte != 0x7f);
        let is_1_1 = version == b"HTTP/1.1";
        if !is_token(method)
            || !is_target
            || !(is_1_1 || version == b"HTTP/1.0")
            || parts.next().is_some()
        {
            return None;
        }

        let mut headers = Vec::new();
        loop {
            let line = take_line(&mut rest)?;
            if line.is_empty() {
                break;
            }
            let colon = line.iter().position(|&byte| byte == b':')?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            let is_value = str::from_utf8(value).is_ok()
                && value
                    .iter()
                    .all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7f);
            if !is_token(name) || !is_value {
                return None;
            }
            headers.push((name, trim(value)));
        }

        let values = |name: &'static str| {
            let has_name =
                move |header: &&(&[u8], &[u8])| header.0.eq_ignore_ascii_case(name.as_bytes());
            headers.iter().filter(has_name).map(|&(_, value)| value)
        };
        let body_bytes = match values("content-length").collect::<Vec<_>>()[..] {
            [] => 0,
            [length] if !length.is_empty() => length.iter().try_fold(0, |sum: u64, digit| {
                let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
                Some(sum * 10 + digit).filter(|&sum| sum <= MAX_BODY_BYTES)
            })?,
            _ => return None,
        };
        let hosts = values("host").count();
        let is_valid = headers.len() <= MAX_HEADERS
            && values("transfer-encoding").count() == 0
            && hosts <= 1
            && (hosts == 1 || !is_1_1);
        let closes = values("connection")
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|option| trim(option).eq_ignore_ascii_case(b"close"));
        is_valid.then(|| Expected {
            method,
            target,
            body_bytes,
            keeps_alive: is_1_1 && !closes,
            bytes: limit - rest.len(),
            headers,
        })
    }
}

/// Takes a line, which LF or CR LF ends.
fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

fn trim(value: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().take_while(|byte| is_blank(byte)).count();
    let end = value.iter().rev().take_while(|byte| is_blank(byte)).count();
    value.get(start..value.len() - end).unwrap_or_default()
}

/// Returns whether this is a token of RFC 9110.
fn is_token(name: &[u8]) -> bool {
    let is_token = |&byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.iter().all(is_token)
}
