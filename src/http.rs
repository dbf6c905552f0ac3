//! Reads one HTTP/1.1 request, with limits, and writes ordinary answers (RFC 9110, RFC 9112).
//!
//! The vocabulary is `tiny_http`'s: its `Method`, `Header`, `HTTPVersion` and `Response`, which also
//! prints itself. The reading is ours, because a server for held connections has to know at every
//! moment who may send how much, and for how long.
//!
//! Chapter: [Bad input](../../../../docs/bad-input.md).

use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tiny_http::{HTTPVersion, Header, Method, Response, StatusCode};

use crate::failure::{Failure, Refusal, refuse};
use crate::hub::{self, Cursor as EventCursor};
use crate::policy_file;
use crate::settings::Limits;

/// Request line and headers together, in bytes.
pub const MAX_HEAD: usize = 16 << 10;
/// How many headers.
pub const MAX_HEADERS: usize = 100;
/// The body, in bytes.
pub const MAX_BODY: usize = 64 << 10;

/// An ordinary answer: all of it is known before it is sent.
pub type Answer = Response<Cursor<Vec<u8>>>;

/// One request, read whole.
#[derive(Debug)]
pub struct Request {
    pub method: Method,
    /// The path as it was sent, without the query.
    pub path: String,
    /// The query's names and values, decoded.
    pub query: Vec<(String, String)>,
    pub version: HTTPVersion,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
    /// How long the head was on the wire.
    pub head_bytes: usize,
}

/// What the first bytes of a connection, or of the rest of it, turned out to be.
pub enum Incoming {
    Request(Request),
    /// Flash asks for the policy file.
    PolicyFile,
    /// An empty line and no more: no request has begun.
    EmptyLine,
    /// The client has gone.
    Nothing,
}

/// Reads the next request. `inbox` holds what has been read and not yet been used; what comes
/// after this request is left in it. The whole request has to be here within `limits.request` of
/// this call, which is made when its first byte has come.
pub fn read_request(
    socket: &TcpStream,
    inbox: &mut Vec<u8>,
    limits: &Limits,
) -> Result<Incoming, Failure> {
    let deadline = Instant::now() + limits.request;
    let mut scanned = 0;
    let head_bytes = loop {
        skip_empty_lines(inbox, &mut scanned);
        if inbox.starts_with(policy_file::REQUEST) {
            return Ok(Incoming::PolicyFile);
        }
        if let Some(end) = find_head_end(inbox, &mut scanned)? {
            break end;
        }
        if inbox.is_empty() {
            return Ok(Incoming::EmptyLine);
        }
        if !read_more(socket, inbox, deadline)? {
            return Ok(Incoming::Nothing);
        }
    };
    let mut request = parse_head(&inbox[..head_bytes])?;
    let whole = head_bytes + body_length(&request)?;
    if expects_continue(&request)? && inbox.len() < whole {
        let mut writer = socket;
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    while inbox.len() < whole {
        if !read_more(socket, inbox, deadline)? {
            return Ok(Incoming::Nothing);
        }
    }
    request.body = inbox[head_bytes..whole].to_vec();
    inbox.drain(..whole); // not sooner: whoever refuses a request looks what method it has
    inbox.shrink_to_fit(); // the request may be held for long, and needs no room
    Ok(Incoming::Request(request))
}

/// An empty line before the request line is ignored (RFC 9112 section 2.2). All are taken away at
/// once: one by one, what stands behind thousands of them would be moved thousands of times.
fn skip_empty_lines(inbox: &mut Vec<u8>, scanned: &mut usize) {
    let pairs = inbox.chunks_exact(2);
    let lines = pairs.take_while(|pair| pair == b"\r\n").count();
    if lines > 0 {
        inbox.drain(..2 * lines);
        *scanned = 0;
    }
}

/// Where the head ends, if all of it is here. `scanned` remembers how far earlier calls looked, so
/// that a head which comes byte by byte is still read only once.
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

/// No method begins with anything but a letter; `<` may begin a policy-file request, and CR the
/// empty line before a request. Whatever else comes (a TLS hello, say) never was HTTP.
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

/// Waits for more bytes, until `deadline` at the latest. `false`: the client has sent its last.
fn read_more(socket: &TcpStream, inbox: &mut Vec<u8>, deadline: Instant) -> Result<bool, Failure> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(refuse(408, "the request took too long: send it whole, and faster").into());
        }
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut reader = socket;
        match append(inbox, |room| reader.read(room)) {
            Ok(count) => return Ok(count > 0),
            // EINTR is a debugger's stop, the others are the time-out: look at the clock again.
            Err(error) if is_try_again(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Appends what one `read` answers with, and says how much it was. There is no buffer for it on the stack:
/// a page of the stack that was touched once stays with the thread for as long as it sleeps.
pub fn append(
    inbox: &mut Vec<u8>,
    read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    const ROOM: usize = 4096;
    let before = inbox.len();
    inbox.resize(before + ROOM, 0);
    let count = read(&mut inbox[before..]);
    inbox.truncate(before + count.as_ref().map_or(0, |count| *count));
    count
}

/// Errors of a read or write that mean "not now".
pub fn is_try_again(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
    )
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
        headers: parsed.headers.iter().filter_map(header).collect(),
        body: Vec::new(),
        head_bytes: head.len(),
    };
    check_host(&request)?;
    match host {
        Some("") => return Err(refuse(400, "the target is a URL without a host")),
        Some(host) => request.set_host(host),
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

/// Any token is a method (RFC 9110 section 9.1); those that tiny_http doesn't know, it keeps as text.
fn method(name: &str) -> Method {
    Method::from_str(name).unwrap_or(Method::Trace)
}

/// `Header` holds ASCII only. A byte beyond that (a cookie in UTF-8, say) becomes `?`: no header
/// whose meaning counts here has one.
fn header(parsed: &httparse::Header) -> Option<Header> {
    let ascii: Vec<u8> = parsed
        .value
        .iter()
        .map(|&byte| if byte.is_ascii() { byte } else { b'?' })
        .collect();
    Header::from_bytes(parsed.name, ascii).ok()
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

/// `/path?query` into its parts.
fn split_target(target: &str) -> Result<(String, Vec<(String, String)>), Refusal> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = if path.is_empty() { "/" } else { path };
    if !path.starts_with('/') && path != "*" {
        let advice = "the target must be a path such as /polling?topic=chat";
        return Err(refuse(400, advice));
    }
    let query = form_urlencoded::parse(query.as_bytes()).into_owned();
    Ok((path.to_string(), query.collect()))
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

/// How long the body is, from Content-Length alone. Two lengths that disagree, or a length beside
/// Transfer-Encoding, are how requests are smuggled past a proxy (RFC 9112 section 6.3): refused.
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

/// A client that sent `Expect: 100-continue` waits for a word before it sends the body
/// (RFC 9110 section 10.1.1).
fn expects_continue(request: &Request) -> Result<bool, Refusal> {
    match request.header("Expect") {
        None => Ok(false),
        Some(_) if request.version == HTTPVersion(1, 0) => Ok(false), // it doesn't know the answer
        Some(expectation) if expectation.eq_ignore_ascii_case("100-continue") => Ok(true),
        Some(_) => Err(refuse(417, "the only expectation met here is 100-continue")),
    }
}

impl Request {
    /// The first header of this name.
    pub fn header(&self, name: &'static str) -> Option<&str> {
        self.values(name).next()
    }

    /// Every header of this name.
    fn values(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let same = self
            .headers
            .iter()
            .filter(move |header| header.field.equiv(name));
        same.map(|header| header.value.as_str().trim())
    }

    /// What the target says of the host counts, and not what `Host` says.
    fn set_host(&mut self, host: &str) {
        self.headers.retain(|header| !header.field.equiv("Host"));
        self.headers.push(make_header("Host", host));
    }

    /// Does a header that is a list of words (`Connection`, `Upgrade`) name this one?
    pub fn header_has(&self, name: &'static str, word: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    }

    /// The first query parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// May the connection be used again after this request? HTTP/1.0 clients get one answer.
    pub fn keep_alive(&self) -> bool {
        self.version == HTTPVersion(1, 1) && !self.header_has("Connection", "close")
    }

    /// `topic=T`: 1 to 32 of `a-z`, `0-9` and `-`. The default is `chat`.
    pub fn topic(&self) -> Result<&str, Refusal> {
        let topic = self.parameter("topic").unwrap_or("chat");
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if topic.is_empty() || topic.len() > 32 || !topic.bytes().all(fits) {
            return Err(refuse(
                400,
                "topic must be 1 to 32 of a-z, 0-9 and -, such as topic=chat",
            ));
        }
        Ok(topic)
    }

    /// `since=N` begins after event N, `since=-K` with the last K events; without it, only what
    /// comes now is told.
    pub fn cursor(&self) -> Result<EventCursor, Refusal> {
        match self.parameter("since") {
            None => Ok(EventCursor::Now),
            Some(since) => parse_cursor(since),
        }
    }

    /// `wait=SECONDS`: hold no longer than this, nor longer than `limit`. `wait=0` answers at once.
    pub fn wait(&self, limit: Duration) -> Result<Duration, Refusal> {
        match self.parameter("wait").map(str::parse::<u32>) {
            None => Ok(limit),
            Some(Ok(seconds)) => Ok(Duration::from_secs(seconds.into()).min(limit)),
            Some(Err(_)) => Err(refuse(
                400,
                "wait must be a number of seconds, such as wait=5",
            )),
        }
    }

    /// `limit=BYTES`: a stream ends with the event that makes its body so long, or longer, and the client
    /// asks for the next, from the last id on. An answer has one event at the least, so `limit=1` makes a
    /// long poll of a stream. Without it, a stream doesn't end.
    pub fn limit(&self) -> Result<usize, Refusal> {
        match self.parameter("limit").map(str::parse::<usize>) {
            None => Ok(usize::MAX),
            Some(Ok(bytes @ 1..)) => Ok(bytes),
            Some(_) => Err(refuse(
                400,
                "limit must be a number of bytes, 1 or more, such as limit=1048576",
            )),
        }
    }
}

/// A cursor as it stands in `since=` or `Last-Event-ID`.
pub fn parse_cursor(since: &str) -> Result<EventCursor, Refusal> {
    let wrong = || {
        refuse(
            400,
            "since must be the id of the last event seen, or -K for the last K, such as since=-10",
        )
    };
    let digits = since.strip_prefix('-').unwrap_or(since);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    match since.starts_with('-') {
        true => Ok(EventCursor::Last((number as usize).min(hub::RING_EVENTS))),
        false => Ok(EventCursor::After(number)),
    }
}

/// An ordinary answer.
pub fn answer(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
    let body = body.into();
    let length = body.len();
    let headers = vec![
        make_header("Server", "comet"),
        make_header("Content-Type", content_type),
        make_header("X-Content-Type-Options", "nosniff"),
    ];
    Response::new(
        StatusCode(status),
        headers,
        Cursor::new(body),
        Some(length),
        None,
    )
    .with_chunked_threshold(usize::MAX) // an ordinary answer has a Content-Length, however long
}

/// An answer in JSON that no cache keeps.
pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    answer(status, "application/json", body)
        .with_header(make_header("Cache-Control", "no-store, no-transform"))
}

/// What a refusal looks like on the wire, without the headers that it may call for.
pub fn refusal_answer(refusal: &Refusal) -> Answer {
    let body = serde_json::json!({ "error": refusal.message });
    json(refusal.status, body.to_string())
}

/// A header of ours. What can't be a header value (it never can be) is left empty.
pub fn make_header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value)
        .or_else(|()| Header::from_bytes(name, ""))
        .expect("the names of our own headers are ASCII")
}

/// The bytes of an answer, head and body; of a HEAD request's, the head alone. `more` goes into the
/// head, too: `Response` does not take `Connection` and `Upgrade`, which are its own server's to set.
pub fn print(answer: Answer, more: &[(&'static str, String)], head_only: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let empty = matches!(answer.status_code().0, 204 | 304);
    // The request's headers are not shown to it: they could only talk it into another encoding.
    let printed = answer.raw_print(&mut bytes, HTTPVersion(1, 1), &[], head_only, None);
    printed.expect("a Vec takes all that is written to it");
    if empty {
        // No content, so no length of it (RFC 9110 section 8.6); but it prints one.
        bytes = String::from_utf8_lossy(&bytes)
            .replace("Content-Length: 0\r\n", "")
            .into_bytes();
    }
    let status_line = bytes
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(0, |end| end + 1);
    bytes.splice(status_line..status_line, header_lines(more).into_bytes());
    bytes
}

/// Headers as they stand in a head.
pub fn header_lines(headers: &[(&'static str, String)]) -> String {
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    lines.collect()
}
