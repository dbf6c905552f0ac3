//! The table: each input and its answer. The test sends it; the page shows it.

use comet::door::reader::{MAX_BODY, MAX_HEAD, MAX_HEADERS};

/// Rows that belong together.
pub struct Group {
    pub title: &'static str,
    pub rows: Vec<Row>,
}

/// One kind of input.
pub struct Row {
    /// What is sent, in words.
    pub what: &'static str,
    /// The rule: the number of the RFC, and the section.
    pub rfc: (u16, &'static str),
    pub bytes: Vec<u8>,
    /// The status of each answer, in order.
    pub statuses: Vec<u16>,
    /// The error in the last answer; empty if it has none.
    pub says: &'static str,
    pub then: Then,
    /// True if the row needs a short request limit, as the rest of its request never comes.
    pub hurried: bool,
}

/// What happens to the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It takes the next request.
    StaysOpen,
    /// It closes: the server can't tell where the next request begins.
    Closes,
}

/// A request that is refused; the connection closes.
fn closes(
    what: &'static str,
    rfc: (u16, &'static str),
    bytes: impl Into<Vec<u8>>,
    status: u16,
    says: &'static str,
) -> Row {
    Row {
        what,
        rfc,
        bytes: bytes.into(),
        statuses: vec![status],
        says,
        then: Then::Closes,
        hurried: false,
    }
}

/// A request that is answered or refused; the connection stays open.
fn stays_open(
    what: &'static str,
    rfc: (u16, &'static str),
    bytes: impl Into<Vec<u8>>,
    status: u16,
    says: &'static str,
) -> Row {
    Row {
        then: Then::StaysOpen,
        ..closes(what, rfc, bytes, status, says)
    }
}

/// A request of which only a part is ever sent.
fn never_whole(what: &'static str, rfc: (u16, &'static str), bytes: impl Into<Vec<u8>>) -> Row {
    Row {
        hurried: true,
        ..closes(what, rfc, bytes, 408, TOO_SLOW)
    }
}

/// Several requests sent together.
fn pipelined(statuses: &[u16], row: Row) -> Row {
    let statuses = statuses.to_vec();
    Row { statuses, ..row }
}

/// A GET of /weigh with these headers, each with its CR LF.
fn with(headers: &str) -> String {
    format!("GET /weigh HTTP/1.1\r\n{headers}Host: localhost\r\n\r\n")
}

/// A POST to /publish with these headers and this body.
fn publish(headers: &str, body: &str) -> String {
    format!("POST /publish HTTP/1.1\r\n{headers}Host: localhost\r\n\r\n{body}")
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// A handshake with these headers, which must include the version and the key.
fn handshake(headers: &str) -> String {
    format!(
        "GET /websocket HTTP/1.1\r\n{headers}Upgrade: websocket\r\nConnection: Upgrade\r\nHost: localhost\r\n\r\n"
    )
}

/// A mebibyte of this text, more than any limit.
fn endless(what: &str) -> String {
    what.repeat((1 << 20) / what.len())
}

const NOT_HTTP: &str = "this is not an HTTP request: it must begin with a method such as GET";
const VERSION: &str = "only HTTP/1.1 and HTTP/1.0 are spoken here";
const TOO_SLOW: &str = "the request took too long: send it whole, and faster";
const LF: &str = "a line must end with CR LF, not with LF alone";
const REQUEST_LINE: &str =
    "the request line must be a method, a target and HTTP/1.1, with one space between them";
const NAME: &str = "each header must be a line such as Name: value, with no space before the colon";
const VALUE: &str = "a header's value must not have control characters in it";
const TARGET: &str = "the target must be a path such as /polling?topic=chat";
const HEAD: &str = "the head is longer than 16384 bytes: send fewer or shorter headers";
const LINE: &str = "the request line is longer than 16384 bytes: shorten the URL";
const NUMBER: &str = "Content-Length must be a plain number";
const TWICE: &str =
    "the body's length is given twice: send one Content-Length and no Transfer-Encoding";
const TOO_LONG: &str = "the body may have 65536 bytes at the most";
const TOPIC: &str = "topic must be 1 to 32 of a-z, 0-9 and -, such as topic=chat";
const SINCE: &str =
    "since must be the id of the last event seen, or -K for the last K, such as since=-10";
const LIMIT: &str = "limit must be a number of bytes, 1 or more, such as limit=1048576";
const CALLBACK: &str =
    "callback must be 1 to 64 letters, digits, _, . and $, such as callback=receive";
const SOCKET: &str = "this is a WebSocket: open it with new WebSocket(\"ws://…\")";
const SOCKET_VERSION: &str = "the only WebSocket version is 13";
const SOCKET_KEY: &str = "Sec-WebSocket-Key must be 16 bytes in Base64";

pub fn table() -> Vec<Group> {
    let group = |title, rows| Group { title, rows };
    vec![
        group("Not HTTP", not_http()),
        group("The request line", request_line()),
        group("The headers", headers()),
        group("The body", body()),
        group("The query", query()),
        group("An upgrade", upgrade()),
        group("One request after another", one_after_the_other()),
    ]
}

#[rustfmt::skip]
fn not_http() -> Vec<Row> {
    vec![
        closes("a TLS hello", (8446, "5.1"), b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 400, "this port speaks plain HTTP, not TLS: use http:// or ws://"),
        closes("NUL bytes", (9112, "3"), [0; 8], 400, NOT_HTTP),
        closes("any bytes", (9112, "3"), [0xff, 0xfe, 0x80, 0x0a], 400, NOT_HTTP),
        closes("JSON", (9112, "3"), r#"{"jsonrpc":"2.0","method":"polling"}"#, 400, NOT_HTTP),
        closes("a bare LF", (9112, "2.2"), "\n", 400, NOT_HTTP),
        closes("HTTP/2, by its preface", (9113, "3.4"), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, VERSION),
        closes("HTTP/0.9", (9112, "2.3"), "GET /\r\n\r\n", 400, REQUEST_LINE),
        closes("almost a policy-file request", (9112, "3"), "<policy-file-requesT/>\0", 400, NOT_HTTP),
        never_whole("an SSH client's greeting", (9112, "9.5"), "SSH-2.0-OpenSSH_9.2\r\n"),
    ]
}

#[rustfmt::skip]
fn request_line() -> Vec<Row> {
    vec![
        stays_open("an unknown method", (9110, "9.1"), "BREW /polling HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "/polling takes GET, POST, not BREW"),
        stays_open("a known method in lower case", (9110, "9.1"), "get /polling HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "/polling takes GET, POST, not get"),
        stays_open("a method that is not for this", (9110, "15.5.6"), "GET /publish HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "/publish takes POST, not GET"),
        closes("a method that is not a token", (9110, "5.6.2"), "G(T / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, REQUEST_LINE),
        closes("CONNECT: this is not a proxy", (9112, "3.2.3"), "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n", 400, TARGET),
        closes("a target that is not a path", (9112, "3.2"), get("polling"), 400, TARGET),
        stays_open("a path without a page", (9110, "15.5.5"), get("/nowhere"), 404, "there is no /nowhere here: begin at /"),
        stays_open("a path that leads outside the site", (3986, "6.2.2.3"), get("/../Cargo.toml"), 404, "there is no /../Cargo.toml here: begin at /"),
        stays_open("a bad percent-escape in the path", (3986, "2.1"), get("/%zz%"), 404, "there is no /%zz% here: begin at /"),
        closes("bytes that are not UTF-8 in the target", (3986, "2"), b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, REQUEST_LINE),
        closes("a NUL in the target", (3986, "2"), get("/polling\0"), 400, REQUEST_LINE),
        closes("two spaces", (9112, "3"), "GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, REQUEST_LINE),
        closes("another version", (9110, "15.6.6"), "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505, VERSION),
        closes("another protocol", (9110, "15.6.6"), "GET / HTCPCP/1.0\r\nHost: localhost\r\n\r\n", 505, VERSION),
        closes("a URL of 16 KiB", (9110, "15.5.15"), get(&format!("/polling?{}", "x".repeat(MAX_HEAD))), 414, LINE),
        closes("an endless URL", (9110, "15.5.15"), format!("GET /{}", endless("x")), 414, LINE),
        closes("an endless method", (9110, "15.5.15"), endless("GET"), 414, LINE),
    ]
}

#[rustfmt::skip]
fn headers() -> Vec<Row> {
    vec![
        closes("a bare LF after the request line", (9112, "2.2"), "GET / HTTP/1.1\nHost: localhost\r\n\r\n", 400, LF),
        closes("a bare LF after a header", (9112, "2.2"), with("A: b\n"), 400, LF),
        closes("a bare CR", (9112, "2.2"), with("A: b\rC: d\r\n"), 400, VALUE),
        closes("a NUL in a value", (9110, "5.5"), with("A: b\0c\r\n"), 400, VALUE),
        closes("a folded line (obs-fold)", (9112, "5.2"), with("A: b\r\n c\r\n"), 400, NAME),
        closes("a space before the colon", (9112, "5.1"), with("Content-Length : 5\r\n"), 400, NAME),
        closes("no colon", (9112, "5"), with("no colon\r\n"), 400, NAME),
        closes("no name", (9112, "5"), with(": no name\r\n"), 400, NAME),
        stays_open("a value that is not ASCII", (9110, "5.5"), with("Cookie: name=쿠키\r\n"), 200, ""),
        stays_open("a value that is not even UTF-8", (9110, "5.5"), b"GET /weigh HTTP/1.1\r\nHost: localhost\r\nCookie: \xff\xfe\r\n\r\n", 200, ""),
        closes("101 headers", (6585, "5"), with(&"X: y\r\n".repeat(MAX_HEADERS)), 431, "more than 100 headers: send fewer"),
        closes("a head of more than 16 KiB", (6585, "5"), with(&format!("X: {}\r\n", "x".repeat(MAX_HEAD))), 431, HEAD),
        closes("an endless head", (6585, "5"), format!("GET / HTTP/1.1\r\n{}", endless("X: y\r\n")), 431, HEAD),
        closes("no Host", (9112, "3.2"), "GET / HTTP/1.1\r\n\r\n", 400, "send exactly one Host header"),
        closes("two Hosts", (9112, "3.2"), with("Host: localhost\r\n"), 400, "send exactly one Host header"),
        closes("a Host that is not a host", (9112, "3.2"), "GET / HTTP/1.1\r\nHost: local host/\r\n\r\n", 400, "Host must be a name and a port, such as localhost:8080"),
        stays_open("another server's Host", (9110, "7.4"), "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "this server does not go by the name evil.example; use its address, or start it with --allow-origin http://evil.example"),
    ]
}

#[rustfmt::skip]
fn body() -> Vec<Row> {
    vec![
        closes("a length of nine exabytes", (9110, "8.6"), publish("Content-Length: 9000000000000000000\r\n", ""), 413, TOO_LONG),
        closes("a length that fits no integer", (9110, "8.6"), publish("Content-Length: 99999999999999999999999\r\n", ""), 413, TOO_LONG),
        closes("one byte too many", (9110, "15.5.14"), publish("Content-Length: 65537\r\n", &"x".repeat(MAX_BODY + 1)), 413, TOO_LONG),
        closes("an endless body", (9110, "15.5.14"), publish("Content-Length: 1048576\r\n", &endless("x")), 413, TOO_LONG),
        closes("a negative length", (9110, "8.6"), publish("Content-Length: -5\r\n", "hello"), 400, NUMBER),
        closes("a length with a sign", (9110, "8.6"), publish("Content-Length: +5\r\n", "hello"), 400, NUMBER),
        closes("a length in hexadecimal", (9110, "8.6"), publish("Content-Length: 0x5\r\n", "hello"), 400, NUMBER),
        closes("a list of lengths", (9110, "8.6"), publish("Content-Length: 5, 5\r\n", "hello"), 400, NUMBER),
        closes("an empty length", (9110, "8.6"), publish("Content-Length:\r\n", "hello"), 400, NUMBER),
        closes("two lengths that disagree", (9112, "6.3"), publish("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400, TWICE),
        stays_open("two lengths that agree", (9112, "6.3"), publish("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 200, ""),
        closes("a length with chunked", (9112, "6.3"), publish("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400, TWICE),
        closes("chunked", (9110, "15.5.12"), publish("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), 411, "send the body with a Content-Length, not in chunks"),
        closes("an unknown transfer coding", (9112, "6.1"), publish("Transfer-Encoding: xchunked\r\n", "hello"), 411, "send the body with a Content-Length, not in chunks"),
        stays_open("no body where one is needed", (9110, "15.5.1"), publish("", ""), 400, "send JSON or text in the body"),
        stays_open("a body that is not UTF-8", (3629, "3"), b"POST /publish HTTP/1.1\r\nContent-Length: 2\r\nHost: localhost\r\n\r\n\xff\xfe", 400, "the body must be UTF-8"),
        stays_open("JSON nested 65,536 deep: it becomes text", (8259, "9"), publish("Content-Length: 65536\r\n", &"[".repeat(MAX_BODY)), 200, ""),
        closes("an expectation other than 100-continue", (9110, "10.1.1"), publish("Expect: the-unexpected\r\nContent-Length: 5\r\n", "hello"), 417, "the only expectation met here is 100-continue"),
        closes("an expectation, and a body that is too large", (9110, "10.1.1"), publish("Expect: 100-continue\r\nContent-Length: 65537\r\n", ""), 413, TOO_LONG),
        never_whole("a body shorter than its length", (9110, "15.5.9"), publish("Content-Length: 5\r\n", "hell")),
        pipelined(&[200, 400], closes("a body longer than its length: the rest is the next request", (9112, "6.3"), publish("Content-Length: 5\r\n", "hello{}"), 400, NOT_HTTP)),
    ]
}

#[rustfmt::skip]
fn query() -> Vec<Row> {
    vec![
        stays_open("a topic in upper case", (3986, "3.4"), get("/polling?topic=CHAT"), 400, TOPIC),
        stays_open("an empty topic", (3986, "3.4"), get("/polling?topic="), 400, TOPIC),
        stays_open("a topic of 33 letters", (3986, "3.4"), get(&format!("/polling?topic={}", "x".repeat(33))), 400, TOPIC),
        stays_open("a NUL in the topic", (3986, "2.1"), get("/polling?topic=chat%00"), 400, TOPIC),
        stays_open("a bad percent-escape", (3986, "2.1"), get("/polling?topic=%zz"), 400, TOPIC),
        stays_open("half a percent-escape", (3986, "2.1"), get("/polling?since=%3"), 400, SINCE),
        stays_open("an escape that is not UTF-8", (3986, "2.5"), get("/polling?topic=%ff%fe"), 400, TOPIC),
        stays_open("a line end in the topic", (3986, "2.1"), get("/polling?topic=chat%0d%0aSet-Cookie:a=b"), 400, TOPIC),
        stays_open("a cursor that is not a number", (3986, "3.4"), get("/polling?since=yesterday"), 400, SINCE),
        stays_open("a cursor that fits no integer", (3986, "3.4"), get("/polling?since=18446744073709551616"), 400, SINCE),
        stays_open("a cursor with two signs", (3986, "3.4"), get("/polling?since=--5"), 400, SINCE),
        stays_open("a negative time to wait", (3986, "3.4"), get("/long-polling?wait=-1"), 400, "wait must be a number of seconds, such as wait=5"),
        stays_open("a limit of 0", (3986, "3.4"), get("/xhr-streaming?limit=0"), 400, LIMIT),
        stays_open("a limit that is not a number of bytes", (3986, "3.4"), get("/xhr-streaming?limit=1MiB"), 400, LIMIT),
        stays_open("JSONP without a callback", (3986, "3.4"), get("/jsonp-polling"), 400, CALLBACK),
        stays_open("a callback that is code", (3986, "3.4"), get("/jsonp-polling?callback=alert(1)"), 400, CALLBACK),
        stays_open("a callback of 65 letters", (3986, "3.4"), get(&format!("/jsonp-polling?callback={}", "x".repeat(65))), 400, CALLBACK),
        stays_open("code as the name of a forever frame", (3986, "3.4"), get("/forever-frame?name=a;b"), 400, "name must be 1 to 32 letters, digits and _, such as name=comet"),
    ]
}

#[rustfmt::skip]
fn upgrade() -> Vec<Row> {
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const VERSION_13: &str = "Sec-WebSocket-Version: 13\r\n";
    vec![
        stays_open("no upgrade where one is needed", (9110, "15.5.22"), get("/websocket"), 426, SOCKET),
        stays_open("an upgrade to something else", (9110, "7.8"), "GET /websocket HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nHost: localhost\r\n\r\n", 426, SOCKET),
        stays_open("an upgrade that Connection doesn't name", (9110, "7.8"), format!("GET /websocket HTTP/1.1\r\nUpgrade: websocket\r\n{VERSION_13}{KEY}Host: localhost\r\n\r\n"), 426, SOCKET),
        closes("an upgrade by HTTP/1.0", (9110, "7.8"), format!("GET /websocket HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{VERSION_13}{KEY}\r\n"), 426, SOCKET),
        stays_open("an upgrade with a bad version", (6455, "4.2.2"), handshake(&format!("Sec-WebSocket-Version: 12\r\n{KEY}")), 426, SOCKET_VERSION),
        stays_open("an upgrade without a version", (6455, "4.2.1"), handshake(KEY), 426, SOCKET_VERSION),
        stays_open("an upgrade with a bad key", (6455, "4.2.1"), handshake(&format!("Sec-WebSocket-Key: short==\r\n{VERSION_13}")), 400, SOCKET_KEY),
        stays_open("an upgrade without a key", (6455, "4.2.1"), handshake(VERSION_13), 400, SOCKET_KEY),
        stays_open("an upgrade from another site's page", (6455, "10.2"), handshake(&format!("Origin: http://evil.example\r\n{VERSION_13}{KEY}")), 403, "pages of http://evil.example may not do this; start comet with --allow-origin http://evil.example if they should"),
        stays_open("an upgrade to another protocol, which is ignored", (9110, "7.8"), with("Upgrade: h2c\r\nConnection: Upgrade\r\n"), 200, ""),
    ]
}

#[rustfmt::skip]
fn one_after_the_other() -> Vec<Row> {
    let behind_held = |next: &str| get("/long-polling") + next;
    vec![
        stays_open("blank lines before a request", (9112, "2.2"), format!("\r\n\r\n{}", get("/weigh")), 200, ""),
        pipelined(&[200, 200], stays_open("a request behind one that is held", (9112, "9.3.2"), behind_held(&get("/weigh")), 200, "")),
        pipelined(&[200, 405], stays_open("an unknown method behind one that is held", (9112, "9.3.2"), behind_held("BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 405, "/ takes GET, HEAD, not BREW")),
        pipelined(&[200, 400], closes("a TLS hello behind one that is held", (9112, "9.3.2"), [get("/long-polling").as_bytes(), b"\x16\x03\x01"].concat(), 400, "this port speaks plain HTTP, not TLS: use http:// or ws://")),
        pipelined(&[200, 431], closes("a head of more than 16 KiB behind one that is held", (9112, "9.3.2"), behind_held(&with(&format!("X: {}\r\n", "x".repeat(MAX_HEAD)))), 431, HEAD)),
        never_whole("half a head, and then nothing", (9110, "15.5.9"), "GET /weigh HTTP/1.1\r\nHost: loc"),
    ]
}
