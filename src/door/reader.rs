//! Reads one HTTP/1.1 request, within limits (RFC 9112). The reading is ours, because a server that holds connections
//! must limit what each client may send, and for how long. `httparse` parses the head.
//!
//! Chapter: [Bad input](../../../../../docs/bad-input.md).

use std::io::{self, ErrorKind, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tiny_http::{HTTPVersion, Method};

use crate::door::{policy_file, socket};
use crate::failure::{Failure, Refusal, refuse};
use crate::request::Request;

/// Request line and headers together, in bytes.
pub const MAX_HEAD: usize = 16 << 10;
/// How many headers.
pub const MAX_HEADERS: usize = 100;
/// The body, in bytes.
pub const MAX_BODY: usize = 64 << 10;

/// Reads the next request, whose first byte has come. `inbox` holds what was read but not yet used; what follows this
/// request stays in it. The whole request must come within `limit`. `None`: the client has sent its last, or asks for
/// Flash's policy file; that request stays in the inbox.
///
/// # Errors
/// When the request is bad, too large or too slow, or the connection is gone.
pub fn read_request(
    socket: &TcpStream,
    inbox: &mut Vec<u8>,
    limit: Duration,
) -> Result<Option<Request>, Failure> {
    let deadline = Instant::now() + limit;
    let Some(head_bytes) = read_head(socket, inbox, deadline)? else {
        return Ok(None);
    };
    let mut request = parse_head(&inbox[..head_bytes])?;
    let whole = head_bytes + body_length(&request)?;
    if expects_continue(&request)? && inbox.len() < whole {
        let mut writer = socket;
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    while inbox.len() < whole {
        if !read_more(socket, inbox, deadline)? {
            return Ok(None);
        }
    }
    request.body = inbox[head_bytes..whole].to_vec();
    inbox.drain(..whole); // last: a refusal looks up the method in it
    Ok(Some(request))
}

/// Reads until a whole head is in the inbox; returns its length.
fn read_head(
    socket: &TcpStream,
    inbox: &mut Vec<u8>,
    deadline: Instant,
) -> Result<Option<usize>, Failure> {
    let mut scanned = 0;
    loop {
        skip_blank_lines(inbox, &mut scanned);
        if inbox.starts_with(policy_file::REQUEST) {
            return Ok(None);
        }
        if let Some(end) = find_head_end(inbox, &mut scanned)? {
            return Ok(Some(end));
        }
        if !read_more(socket, inbox, deadline)? {
            return Ok(None);
        }
    }
}

/// Has a request begun? Blank lines before it are dropped.
pub fn has_begun(inbox: &mut Vec<u8>) -> bool {
    skip_blank_lines(inbox, &mut 0);
    !matches!(inbox.as_slice(), b"" | b"\r")
}

/// Drops blank lines before the request line (RFC 9112 section 2.2), all at once: one by one, the rest of the inbox
/// would move once for each.
fn skip_blank_lines(inbox: &mut Vec<u8>, scanned: &mut usize) {
    let pairs = inbox.chunks_exact(2);
    let lines = pairs.take_while(|pair| pair == b"\r\n").count();
    if lines > 0 {
        inbox.drain(..2 * lines);
        *scanned = 0;
    }
}

/// Finds the end of the head. `scanned` is how far earlier calls have looked: a head that comes byte by byte is
/// scanned only once.
fn find_head_end(inbox: &[u8], scanned: &mut usize) -> Result<Option<usize>, Refusal> {
    check_first_byte(inbox)?;
    for at in *scanned..inbox.len().min(MAX_HEAD) {
        if inbox[at] == b'\n' {
            if at == 0 || inbox[at - 1] != b'\r' {
                return Err(refuse(400, "a line must end with CR LF, not with LF alone"));
            }
            if inbox[..=at].ends_with(b"\r\n\r\n") {
                return Ok(Some(at + 1));
            }
        }
    }
    *scanned = inbox.len();
    match inbox.len() {
        0..MAX_HEAD => Ok(None),
        _ => Err(head_too_large(inbox)),
    }
}

/// A method begins with a letter, a policy-file request with `<`, a blank line with CR. Anything else, such as a TLS
/// hello, isn't HTTP.
fn check_first_byte(inbox: &[u8]) -> Result<(), Refusal> {
    match inbox.first() {
        None | Some(b'A'..=b'Z' | b'a'..=b'z' | b'\r') => Ok(()),
        Some(b'<') if policy_file::REQUEST.starts_with(inbox) => Ok(()),
        Some(0x16) => Err(refuse(
            400,
            "this port speaks plain HTTP, not TLS: use http:// or ws://",
        )),
        Some(_) => Err(refuse(
            400,
            "this is not an HTTP request: it must begin with a method such as GET",
        )),
    }
}

fn head_too_large(inbox: &[u8]) -> Refusal {
    match inbox[..MAX_HEAD].contains(&b'\n') {
        true => refuse(
            431,
            format!("the head is longer than {MAX_HEAD} bytes: send fewer or shorter headers"),
        ),
        false => refuse(
            414,
            format!("the request line is longer than {MAX_HEAD} bytes: shorten the URL"),
        ),
    }
}

/// Waits for more bytes, until `deadline`. `false`: the client has sent its last.
fn read_more(socket: &TcpStream, inbox: &mut Vec<u8>, deadline: Instant) -> Result<bool, Failure> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(refuse(408, "the request took too long: send it whole, and faster").into());
        }
        if !is_readable(socket, left)? {
            continue; // look at the clock again
        }
        match socket::read_now(socket, inbox) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until the socket has something, for up to `left`. EINTR is a debugger's stop.
fn is_readable(socket: &TcpStream, left: Duration) -> io::Result<bool> {
    let left = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], left) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn parse_head(head: &[u8]) -> Result<Request, Refusal> {
    let mut headers = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(refuse(400, "the head ends in the middle")),
        Err(error) => return Err(refuse_head(error)),
    }
    let (host, target) = split_url(parsed.path.unwrap_or_default());
    let (path, query) = split_target(target)?;
    let mut request = Request {
        method: method(parsed.method.unwrap_or_default()),
        path,
        query,
        version: HTTPVersion(1, parsed.version.unwrap_or_default()),
        headers: header_lines(parsed.headers),
        body: Vec::new(),
        head_bytes: head.len(),
    };
    check_host(&request)?;
    match host {
        Some("") => return Err(refuse(400, "the target is a URL without a host")),
        Some(host) => set_host(&mut request, host),
        None => return Ok(request),
    }
    check_host(&request)?;
    Ok(request)
}

fn refuse_head(error: httparse::Error) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => {
            refuse(431, format!("more than {MAX_HEADERS} headers: send fewer"))
        }
        httparse::Error::Version => refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here"),
        httparse::Error::Token => refuse(
            400,
            "the request line must be a method, a target and HTTP/1.1, with one space between them",
        ),
        httparse::Error::HeaderName => refuse(
            400,
            "each header must be a line such as Name: value, with no space before the colon",
        ),
        httparse::Error::HeaderValue => refuse(
            400,
            "a header's value must not have control characters in it",
        ),
        httparse::Error::NewLine => refuse(400, "a line must end with CR LF, not with CR alone"),
        other => refuse(400, format!("the head is not valid HTTP/1.1: {other}")),
    }
}

/// Any token is a method (RFC 9110 section 9.1); tiny_http keeps the unknown ones as text.
fn method(name: &str) -> Method {
    Method::from_str(name).unwrap_or(Method::Trace)
}

/// The headers as lines. A byte beyond ASCII (a cookie in UTF-8, say) becomes `?`: no header that counts here has
/// one.
fn header_lines(headers: &[httparse::Header]) -> String {
    let length = headers
        .iter()
        .map(|header| header.name.len() + header.value.len() + 3);
    let mut lines = String::with_capacity(length.sum());
    for header in headers {
        let value = header.value.iter().map(|&byte| match byte.is_ascii() {
            true => char::from(byte),
            false => '?',
        });
        lines += header.name;
        lines.push(':');
        lines.extend(value);
        lines += "\r\n";
    }
    lines
}

/// A target may be a whole URL, as proxies send it: its host, and the rest (RFC 9112 section 3.2.2).
pub fn split_url(target: &str) -> (Option<&str>, &str) {
    match target.split_at_checked("http://".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http://") => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        _ => (None, target),
    }
}

/// Splits `/path?query`.
fn split_target(target: &str) -> Result<(String, String), Refusal> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = if path.is_empty() { "/" } else { path };
    if !path.starts_with('/') && path != "*" {
        let advice = "the target must be a path such as /polling?topic=chat";
        return Err(refuse(400, advice));
    }
    Ok((path.to_string(), query.to_string()))
}

/// The target's host replaces what `Host` says (RFC 9112 section 3.2.2).
fn set_host(request: &mut Request, host: &str) {
    let is_host = |line: &&str| {
        line.get(..5)
            .is_some_and(|name| name.eq_ignore_ascii_case("host:"))
    };
    let others = request.headers.split_inclusive('\n');
    let others: String = others.filter(|line| !is_host(line)).collect();
    request.headers = format!("Host:{host}\r\n{others}");
}

/// HTTP/1.1 asks for exactly one Host header, and it must be a host (RFC 9112 section 3.2).
fn check_host(request: &Request) -> Result<(), Refusal> {
    let hosts: Vec<&str> = request.values("Host").collect();
    let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    match hosts.as_slice() {
        [host] if host.bytes().all(host_byte) => Ok(()),
        [_] => Err(refuse(
            400,
            "Host must be a name and a port, such as localhost:8080",
        )),
        [] if request.version == HTTPVersion(1, 0) => Ok(()),
        _ => Err(refuse(400, "send exactly one Host header")),
    }
}

/// The body's length, from Content-Length alone. Two different lengths, or a length beside Transfer-Encoding, are
/// refused: they smuggle requests past a proxy (RFC 9112 section 6.3).
fn body_length(request: &Request) -> Result<usize, Refusal> {
    let mut lengths: Vec<&str> = request.values("Content-Length").collect();
    lengths.dedup();
    match (
        lengths.as_slice(),
        request.values("Transfer-Encoding").next(),
    ) {
        ([], None) => Ok(0),
        ([length], None) => parse_length(length),
        ([], Some(_)) => Err(refuse(
            411,
            "send the body with a Content-Length, not in chunks",
        )),
        _ => Err(refuse(
            400,
            "the body's length is given twice: send one Content-Length and no Transfer-Encoding",
        )),
    }
}

fn parse_length(length: &str) -> Result<usize, Refusal> {
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse(400, "Content-Length must be a plain number"));
    }
    match length.parse() {
        Ok(length) if length <= MAX_BODY => Ok(length),
        _ => Err(refuse(
            413,
            format!("the body may have {MAX_BODY} bytes at the most"),
        )),
    }
}

/// A client that sent `Expect: 100-continue` waits for that answer before it sends the body (RFC 9110 section
/// 10.1.1).
fn expects_continue(request: &Request) -> Result<bool, Refusal> {
    match request.header("Expect") {
        None => Ok(false),
        Some(_) if request.version == HTTPVersion(1, 0) => Ok(false), // it doesn't know the answer
        Some(expectation) if expectation.eq_ignore_ascii_case("100-continue") => Ok(true),
        Some(_) => Err(refuse(417, "the only expectation met here is 100-continue")),
    }
}
