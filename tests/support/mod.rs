//! What the tests share: a server on free ports, and a client that speaks bytes.
#![allow(dead_code)] // each test file is a crate of its own, and uses what it needs

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use comet::door::settings::{Limits, Settings};
use comet::hub::{RING_EVENTS, Since};
use comet::server::Server;
use serde_json::Value;
use tungstenite::WebSocket;

/// How long a test waits for something that must come. It keeps a failing test from hanging, and measures
/// nothing.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Settings for a test: two listeners on free ports, and no desk.
pub fn settings() -> Settings {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings {
        listen: vec![free, free],
        desk: None,
        seed: 7,
        ..Settings::default()
    }
}

/// A server for one test; it ends with the test.
pub struct TestServer {
    pub address: SocketAddr,
    pub server: Option<Server>,
}

impl TestServer {
    pub fn start() -> TestServer {
        TestServer::with(settings())
    }

    /// A server with a desk and this cap on connections.
    pub fn with_desk(max_connections: Option<usize>) -> TestServer {
        TestServer::with(Settings {
            desk: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            max_connections,
            ..settings()
        })
    }

    /// The desk's address.
    pub fn desk(&self) -> SocketAddr {
        self.server().desk_address.expect("it has a desk")
    }

    /// A server with its time limits changed.
    pub fn with_limits(change: impl FnOnce(&mut Limits)) -> TestServer {
        let mut settings = settings();
        change(&mut settings.limits);
        TestServer::with(settings)
    }

    pub fn with(settings: Settings) -> TestServer {
        let server = Server::start(settings).expect("the server starts on free ports");
        TestServer {
            address: server.addresses[0],
            server: Some(server),
        }
    }

    pub fn server(&self) -> &Server {
        self.server
            .as_ref()
            .expect("the server has not been stopped")
    }

    pub fn connect(&self) -> Client {
        Client::to(self.address)
    }

    /// A connection on which this request has been sent.
    pub fn ask(&self, request: &str) -> Client {
        let mut client = self.connect();
        client.send(request);
        client
    }

    /// A connection on which `GET target` has been sent, as HTTP/1.1.
    pub fn get(&self, target: &str) -> Client {
        self.ask(&get(target))
    }

    /// A WebSocket connection after its handshake, to send and read frames on.
    pub fn open(&self, target: &str) -> Client {
        let mut client = self.ask(&handshake(target));
        let head = client.read_head();
        assert_eq!(head.status, 101, "{}", head.text);
        client
    }

    /// The same through a WebSocket library.
    pub fn open_socket(&self, target: &str) -> WebSocket<TcpStream> {
        let url = format!("ws://localhost{target}");
        let opened = tungstenite::client(url, self.connect().socket);
        opened.expect("the server agrees to the upgrade").0
    }

    /// Publishes text through the hub; returns the event's id.
    pub fn publish(&self, topic: &str, text: &str) -> u64 {
        let data = serde_json::json!({ "text": text });
        let published = self.server().shared.hub.publish(topic, &data);
        published.expect("there is room for the topic")
    }

    /// Publishes text; returns the event's id and its time.
    pub fn publish_at(&self, topic: &str, text: &str) -> (u64, u64) {
        let id = self.publish(topic, text);
        let hub = &self.server().shared.hub;
        let news = hub.read(topic, Since::After(id - 1)).unwrap();
        (id, news.events[0].at)
    }

    /// Publishes one event more than the ring holds; returns the id of the first, the one that the ring has
    /// lost.
    pub fn overflow_ring(&self, topic: &str) -> u64 {
        let first = self.publish(topic, "0");
        for n in 1..=RING_EVENTS {
            self.publish(topic, &n.to_string());
        }
        first
    }

    /// Publishes 5,000 events of 2 KiB, more than the sockets and the ring can hold for a client that does
    /// not read. Returns the ids of the first and the last.
    pub fn burst(&self, topic: &str) -> (u64, u64) {
        let text = "x".repeat(2048);
        let first = self.publish(topic, &text);
        (
            first,
            (1..5000).fold(first, |_, _| self.publish(topic, &text)),
        )
    }

    /// Requests all these on one connection. Each answer must be a 400 with this error in JSON, and the
    /// connection must stay usable.
    pub fn assert_refused(&self, targets: &[&str], error: &str) {
        let mut client = self.connect();
        for target in targets {
            client.send(get(target));
            let (head, body) = client.read_answer();
            assert_eq!(head.status, 400, "{target}: {body}");
            assert_eq!(head.header("Content-Type"), Some("application/json"));
            let answered = json(&body)["error"].to_string();
            assert!(answered.contains(error), "{target}: {answered}");
        }
        client.send(get("/polling"));
        assert_eq!(client.read_answer().0.status, 200, "still usable");
    }

    /// How many connections the technique of this name holds now.
    pub fn held(&self, name: &str) -> usize {
        let counts = &self.server().shared.metrics.routes;
        let count = counts.iter().find(|count| count.name == name);
        count
            .expect("a route has this name")
            .held
            .load(Ordering::SeqCst)
    }

    /// Waits until this technique holds exactly `wanted` connections.
    pub fn wait_held(&self, name: &str, wanted: usize) {
        wait_until(&format!("{wanted} held by {name}"), || {
            self.held(name) == wanted
        });
    }

    pub fn connections(&self) -> usize {
        self.server()
            .shared
            .metrics
            .connections
            .load(Ordering::SeqCst)
    }

    /// Stops the server, ending each connection properly, and starts one like it in its place.
    pub fn restart(&mut self) {
        let settings = self.settings_again();
        assert_eq!(self.stop(), 0, "every connection ended in time");
        self.start_again(&settings);
    }

    /// The server's settings with its present ports.
    pub fn settings_again(&self) -> Settings {
        Settings {
            listen: self.server().addresses.clone(),
            ..self.server().shared.settings.clone()
        }
    }

    /// Starts a server on the ports of one that has just been stopped.
    pub fn start_again(&mut self, settings: &Settings) {
        wait_until("the ports are free again", || {
            self.server = Server::start(settings.clone()).ok();
            self.server.is_some()
        });
    }

    /// Stops the server; returns how many connections did not end in time.
    pub fn stop(&mut self) -> usize {
        self.server.take().map_or(0, |server| server.stop(PATIENCE))
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(Duration::ZERO);
        }
    }
}

/// The bytes of a plain GET.
pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// The bytes of a POST.
pub fn post(target: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// The bytes of a WebSocket handshake, with the key of RFC 6455 section 1.3.
pub fn handshake(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A chunk in its wire format.
pub fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// A WebSocket frame as a client sends it, masked. `first` is FIN, the reserved bits and the opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = frame_head(first, payload.len());
    bytes.extend(MASK);
    let masked = payload.iter().zip(MASK.iter().cycle());
    bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The part of a frame before the mask, for any length (RFC 6455 section 5.2).
pub fn frame_head(first: u8, length: usize) -> Vec<u8> {
    match length {
        0..=125 => vec![first, 0x80 | length as u8],
        126..=0xffff => [&[first, 0x80 | 126], &(length as u16).to_be_bytes()[..]].concat(),
        _ => [&[first, 0x80 | 127], &(length as u64).to_be_bytes()[..]].concat(),
    }
}

/// Waits until a condition is true; fails after [`PATIENCE`]. It checks a thousand times a second: more would
/// take CPU time from the threads that it waits for.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A program started by a test; killed when it is dropped, so that a failing test leaves nothing running.
pub struct Program(pub Child);

impl Program {
    /// Reads the first lines that it prints.
    pub fn first_lines(&mut self, count: usize) -> Vec<String> {
        let out = BufReader::new(self.0.stdout.take().expect("piped"));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().take(count) {
                let _ = sender.send(line.expect("UTF-8"));
            }
        });
        let line = |_| receiver.recv_timeout(PATIENCE);
        let lines: Result<_, _> = (0..count).map(line).collect();
        lines.unwrap_or_else(|_| panic!("the program did not print {count} lines"))
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        wait_until("the program to end", || {
            ended = self.0.try_wait().expect("a child's state");
            ended.is_some()
        });
        ended.expect("it has ended")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client that sends and reads bytes, with as much HTTP as a test needs.
pub struct Client {
    pub socket: TcpStream,
    /// Bytes read from the socket and not yet consumed.
    buffer: Vec<u8>,
}

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    pub text: String,
}

impl Head {
    /// The value of a header; its name may be in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self
            .text
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }

    /// Fails unless the head has each of these lines.
    pub fn assert_lines(&self, lines: &[&str]) {
        for line in lines {
            let found = self.text.split("\r\n").any(|other| other == *line);
            assert!(found, "no {line:?} in {:?}", self.text);
        }
    }
}

impl Client {
    pub fn to(address: SocketAddr) -> Client {
        let socket = TcpStream::connect(address).expect("the server accepts");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Client {
            socket,
            buffer: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket
            .write_all(bytes.as_ref())
            .expect("the server takes what is sent");
    }

    /// Sends one byte at a time, each in its own packet.
    pub fn send_split(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref() {
            self.send([*byte]);
        }
    }

    /// Reads more into the buffer; `false` at the end of the connection.
    fn fill(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self
            .socket
            .read(&mut bytes)
            .expect("bytes or the end of the connection, within PATIENCE");
        self.buffer.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// Everything up to and including `end`.
    pub fn read_until(&mut self, end: &str) -> String {
        loop {
            let found = self
                .buffer
                .windows(end.len())
                .position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let bytes: Vec<u8> = self.buffer.drain(..at + end.len()).collect();
                return String::from_utf8(bytes).expect("UTF-8");
            }
            let more = self.fill();
            assert!(
                more,
                "the connection ended before {end:?}; it had {:?}",
                self.rest()
            );
        }
    }

    pub fn read_exact(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            let more = self.fill();
            assert!(
                more,
                "the connection ended before {count} bytes; it had {:?}",
                self.rest()
            );
        }
        self.buffer.drain(..count).collect()
    }

    /// Reads exactly these bytes; fails at the first that differs.
    pub fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        while self.buffer.len() < expected.len() && expected.starts_with(&self.buffer) {
            let more = self.fill();
            assert!(more, "the connection ended after {:?}", self.rest());
        }
        let count = expected.len().min(self.buffer.len());
        let came = self.buffer.drain(..count).collect::<Vec<u8>>();
        let readable = String::from_utf8_lossy;
        assert_eq!(readable(&came), readable(expected));
        assert_eq!(came, expected);
    }

    /// The code and the reason of the server's Close frame, which must be the last.
    pub fn read_close(&mut self) -> (u16, String) {
        let (first, payload) = self.read_frame();
        assert_eq!(first, 0x88, "Close, not {payload:?}");
        assert_eq!(self.read_to_end(), "");
        let reason = String::from_utf8(payload[2..].to_vec()).expect("UTF-8");
        (u16::from_be_bytes([payload[0], payload[1]]), reason)
    }

    /// One WebSocket frame from the server: its first byte (FIN and opcode) and its payload.
    pub fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.read_exact(2);
        let length = match head[1] {
            126 => self.read_number(2),
            127 => self.read_number(8),
            length => usize::from(length), // a masked frame has 128 or more, and would fail here
        };
        (head[0], self.read_exact(length))
    }

    /// A number in network byte order.
    fn read_number(&mut self, bytes: usize) -> usize {
        let bytes = self.read_exact(bytes);
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    }

    fn rest(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    pub fn read_head(&mut self) -> Head {
        let text = self.read_until("\r\n\r\n");
        let status = text
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Head {
            status: status.unwrap_or_else(|| panic!("no status in {text:?}")),
            text,
        }
    }

    /// One chunk's data; empty for the last chunk.
    pub fn read_chunk(&mut self) -> String {
        let size = self.read_until("\r\n");
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a chunk size in hexadecimal");
        let data = self.read_exact(size + 2);
        assert!(data.ends_with(b"\r\n"), "a chunk ends with CR LF");
        String::from_utf8(data[..size].to_vec()).expect("UTF-8")
    }

    /// An answer with a length: its head and its body.
    pub fn read_answer(&mut self) -> (Head, String) {
        let head = self.read_head();
        let length = head.header("Content-Length").expect("a Content-Length");
        let length = length.parse().expect("a number");
        let body = String::from_utf8(self.read_exact(length)).expect("UTF-8");
        (head, body)
    }

    /// An answer in chunks: its head and its body.
    pub fn read_chunked_answer(&mut self) -> (Head, String) {
        let head = self.read_head();
        assert_eq!(head.header("Transfer-Encoding"), Some("chunked"));
        let mut body = String::new();
        loop {
            match self.read_chunk() {
                chunk if chunk.is_empty() => return (head, body),
                chunk => body.push_str(&chunk),
            }
        }
    }

    /// Everything until the server closes.
    pub fn read_to_end(&mut self) -> String {
        String::from_utf8(self.read_to_end_as_bytes()).expect("UTF-8")
    }

    pub fn read_to_end_as_bytes(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffer)
    }

    /// True if nothing has come to read. It can't see what the server has yet to send: use it after something
    /// that proves that the server is past that point.
    pub fn is_silent(&mut self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        let mut byte = [0];
        let peeked = self.socket.peek(&mut byte);
        self.socket.set_nonblocking(false).unwrap();
        self.buffer.is_empty()
            && peeked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Closes the sending half.
    pub fn half_close(&mut self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }
}

/// Parses JSON.
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

/// The ids of the events of a poll's answer.
pub fn ids(answer: &Value) -> Vec<u64> {
    let events = answer["events"].as_array().expect("events is a list");
    events
        .iter()
        .map(|event| event["id"].as_u64().expect("an id"))
        .collect()
}

/// True if this program is installed. If not, the test that needs it is skipped.
pub fn has(program: &str, install: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|path| path.join(program).is_file());
    if !found {
        skip(&format!("no {program} ({install})"));
    }
    found
}

/// Reports that a test is skipped, and why. Fails instead if `COMET_REQUIRE=all` is set.
pub fn skip(why: &str) {
    assert!(!is_all_required(), "COMET_REQUIRE=all, and {why}");
    // Not println!: cargo hides the output of a passing test.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// True if no test may be skipped (`COMET_REQUIRE=all`).
pub fn is_all_required() -> bool {
    std::env::var("COMET_REQUIRE").is_ok_and(|required| required == "all")
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|why| panic!("{folder:?}: {why}"));
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

/// Stands for any text in a line of a document.
pub const ANYTHING: &str = "[…]";

/// True if the line is as expected, with any text in place of each `[…]`.
pub fn is_like(line: &str, expected: &str) -> bool {
    let Some((start, rest)) = expected.split_once(ANYTHING) else {
        return line == expected;
    };
    let Some(line) = line.strip_prefix(start) else {
        return false;
    };
    let mut starts = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    starts.any(|at| is_like(&line[at..], rest))
}

/// The ids of a stream's messages, one in JSON on each line.
pub fn line_ids(lines: &str) -> Vec<u64> {
    let id = |line| json(line)["id"].as_u64().expect("an id");
    lines.lines().map(id).collect()
}

/// Follows a client's messages by id. It fails if an event comes twice, if one is missing without a gap, and if
/// a gap comes where nothing is missing.
pub struct Follower {
    pub last: u64,
    pub gaps: usize,
}

impl Follower {
    /// A client that has seen the event with this id.
    pub fn after(id: u64) -> Follower {
        Follower { last: id, gaps: 0 }
    }

    pub fn hear(&mut self, message: &Value) {
        if message["gap"] == true {
            let next = message["next"].as_u64().expect("an id to go on from");
            assert!(next > self.last, "a gap, but nothing is missing");
            self.last = next;
            self.gaps += 1;
        } else {
            self.last += 1;
            assert_eq!(message["id"], self.last, "the next event");
        }
    }
}

/// Runs a test with random choices. The seed is `COMET_SEED`, or comes from the clock; if the test fails, the
/// message names it.
pub fn seeded<T>(test: impl FnOnce(fastrand::Rng) -> T) -> T {
    let seed = match std::env::var("COMET_SEED") {
        Ok(seed) => seed.parse().expect("COMET_SEED is a number"),
        Err(_) => comet::event::unix_time().as_micros() as u64,
    };
    let test = std::panic::AssertUnwindSafe(|| test(fastrand::Rng::with_seed(seed)));
    std::panic::catch_unwind(test).unwrap_or_else(|why| {
        let why = why
            .downcast_ref::<String>()
            .map(String::as_str)
            .or(why.downcast_ref::<&str>().copied());
        panic!("COMET_SEED={seed}: {}", why.unwrap_or("failed"));
    })
}

/// A client on a socket that the test has configured.
impl From<TcpStream> for Client {
    fn from(socket: TcpStream) -> Client {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        let buffer = Vec::new();
        Client { socket, buffer }
    }
}

/// Follows the messages in the bytes of any stream, and skips everything between them (chunk sizes, script
/// tags, frame heads). It is fast, and reads only ids and gaps.
pub struct StreamReader {
    pub follower: Follower,
    /// `next` of the last gap, or 0.
    pub last_gap: u64,
    /// Bytes that may be the beginning of a message.
    rest: Vec<u8>,
}

impl StreamReader {
    /// For a client that has seen the event with this id.
    pub fn after(id: u64) -> StreamReader {
        StreamReader {
            follower: Follower::after(id),
            last_gap: 0,
            rest: Vec::new(),
        }
    }

    pub fn hear(&mut self, bytes: &[u8]) {
        /// The length of a gap, or of an event up to its id.
        const LONGEST: usize = r#"{"gap":true,"next":1763802000123456}"#.len();
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut at = 0;
        while let Some(brace) = rest[at..].iter().position(|byte| *byte == b'{') {
            at += brace;
            if rest.len() - at < LONGEST {
                self.rest = rest[at..].to_vec(); // perhaps incomplete
                return;
            }
            self.hear_message(&rest[at..at + LONGEST]);
            at += 1;
        }
    }

    /// Takes the beginning of a message, or of something else in braces.
    fn hear_message(&mut self, start: &[u8]) {
        if let Some(id) = start.strip_prefix(br#"{"id":"#) {
            self.follower.last += 1;
            assert_eq!(number(id), self.follower.last, "the next event");
        } else if let Some(next) = start.strip_prefix(br#"{"gap":true,"next":"#) {
            self.last_gap = number(next);
            self.follower
                .hear(&serde_json::json!({"gap": true, "next": self.last_gap}));
        }
    }
}

/// The number at the beginning of this text.
fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

impl TestServer {
    /// Waits until every connection made so far has been accepted: the server accepts them in order.
    pub fn accept_all(&self) {
        self.get("/ports").read_answer();
    }
}

/// The threads of a process (its id, or `self`) that have not ended yet: their ids and names.
pub fn threads(process: &str) -> Vec<(i32, String)> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("/proc is there");
    let threads = tasks.filter_map(|task| {
        let task = task.ok()?;
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let id = task.file_name().to_str()?.parse().ok()?;
        Some((id, name.trim_end().to_string()))
    });
    threads.collect()
}

/// A line of `/proc/PROCESS/status`, such as `VmRSS`, without its name.
pub fn status(process: &str, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"));
    let status = status.expect("the process is there");
    let lines = status.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(field, _)| *field == name);
    found
        .next()
        .expect("a field of status")
        .1
        .trim()
        .to_string()
}

/// This process's resident memory, in bytes.
pub fn resident_memory() -> u64 {
    let memory = status("self", "VmRSS");
    let kilobytes = memory.trim_end_matches(" kB").parse::<u64>();
    kilobytes.expect("a number of kB") * 1024
}
