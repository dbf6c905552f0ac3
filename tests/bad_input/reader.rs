//! Gives bytes to the request reader, cut into any pieces, and checks what must hold for all bytes. The tests and
//! the fuzz targets share it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use comet::door::policy_file;
use comet::door::reader::{self, MAX_BODY, MAX_HEAD, MAX_HEADERS};
use comet::door::response::json_in_script;
use comet::failure::Failure;
use comet::hub::{RING_EVENTS, Since};
use comet::request::{self, Request};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

/// The largest read of the request reader.
const READ: usize = 4096;

/// What the reader made of some bytes.
#[derive(Debug)]
pub enum Outcome {
    Request(Request),
    PolicyFile,
    Refused(u16, String),
}

/// Reads requests until the end, or until one is refused. Each piece arrives in one read of the socket.
pub fn read_all(pieces: &[&[u8]]) -> Vec<Outcome> {
    sent(pieces, |socket| {
        let mut inbox = Vec::new();
        let mut outcomes = Vec::new();
        while let Some(outcome) = read_one(&socket, &mut inbox) {
            let is_last = !matches!(outcome, Outcome::Request(_));
            outcomes.push(outcome);
            if is_last {
                break;
            }
        }
        outcomes
    })
}

/// Reads only the first request; returns the bytes after it, too.
pub fn read_first(pieces: &[&[u8]]) -> (Option<Outcome>, Vec<u8>) {
    sent(pieces, |socket| {
        let mut inbox = Vec::new();
        let outcome = read_one(&socket, &mut inbox);
        while read_packet(&socket, &mut inbox) {}
        (outcome, inbox)
    })
}

/// Reads while another thread sends.
fn sent<T>(pieces: &[&[u8]], read: impl FnOnce(TcpStream) -> T) -> T {
    let (ours, theirs) = pair();
    thread::scope(|scope| {
        scope.spawn(|| send(&theirs, pieces));
        read(ours) // and drops its end, which stops the sender
    })
}

/// Two ends of a connection that keeps packets apart: each write arrives as one read. The reader can't tell it from
/// TCP.
fn pair() -> (TcpStream, TcpStream) {
    let pair = Socket::pair(Domain::UNIX, Type::SEQPACKET, None);
    let (ours, theirs) = pair.expect("a pair of sockets");
    (ours.into(), theirs.into())
}

/// An error means that the reader has closed its end.
fn send(mut socket: &TcpStream, pieces: &[&[u8]]) {
    for packet in pieces.iter().flat_map(|piece| piece.chunks(READ)) {
        if socket.write_all(packet).is_err() {
            return;
        }
    }
    let _ = socket.shutdown(Shutdown::Write);
}

/// The next outcome, checked; `None` at the end.
fn read_one(socket: &TcpStream, inbox: &mut Vec<u8>) -> Option<Outcome> {
    let outcome = read_any(socket, inbox);
    outcome.inspect(check)
}

fn read_any(socket: &TcpStream, inbox: &mut Vec<u8>) -> Option<Outcome> {
    if !begins(socket, inbox) {
        return None;
    }
    let read = reader::read_request(socket, inbox, PATIENT);
    assert!(inbox.len() < MAX_BODY + READ, "the inbox has its bounds");
    match read {
        Ok(Some(request)) => Some(Outcome::Request(request)),
        Ok(None) if inbox.starts_with(policy_file::REQUEST) => Some(Outcome::PolicyFile),
        Ok(None) => None,
        Err(Failure::Refused(refusal)) => Some(Outcome::Refused(refusal.status, refusal.message)),
        Err(Failure::Lost(error)) => panic!("the sender is still there: {error}"),
    }
}

/// Waits for a request's first byte, as a connection does; `false` at the end.
fn begins(socket: &TcpStream, inbox: &mut Vec<u8>) -> bool {
    while !reader::has_begun(inbox) {
        if !read_packet(socket, inbox) {
            return false;
        }
    }
    true
}

/// One read, with room for a whole packet: the rest of a longer one would be lost. `false` at the end.
fn read_packet(mut socket: &TcpStream, inbox: &mut Vec<u8>) -> bool {
    let mut buffer = [0; READ];
    loop {
        match socket.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {} // the fuzzer's clock
            read => {
                let count = read.expect("bytes, or the end");
                inbox.extend_from_slice(&buffer[..count]);
                return count > 0;
            }
        }
    }
}

/// A limit that no test reaches: here only the bytes count.
const PATIENT: Duration = Duration::from_secs(3600);

/// Checks that the bytes are read as the same requests however they are cut.
pub fn check_cuts(bytes: &[u8], cuts: &[Vec<&[u8]>]) {
    let whole = read_all(&[bytes]);
    for pieces in cuts {
        let cut = read_all(pieces);
        assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "cut differently");
    }
}

/// Cuts bytes into pieces of this length.
pub fn every(length: usize, bytes: &[u8]) -> Vec<&[u8]> {
    bytes.chunks(length).collect()
}

fn check(outcome: &Outcome) {
    match outcome {
        Outcome::Request(request) => check_request(request),
        Outcome::PolicyFile => {}
        Outcome::Refused(status, message) => {
            assert!((400..600).contains(status), "{status} is no refusal");
            assert!(message.len() > 10, "{message:?} is too short to help");
        }
    }
}

/// Checks that a request that was read has nothing that HTTP forbids.
fn check_request(request: &Request) {
    assert!(request.head_bytes <= MAX_HEAD);
    assert!(request.headers.lines().count() <= MAX_HEADERS);
    assert!(request.body.len() <= MAX_BODY);
    assert!(request.path.starts_with('/') || request.path == "*");
    let forbidden = |byte: u8| matches!(byte, b'\r' | b'\n' | b'\0');
    assert!(
        !request
            .path
            .bytes()
            .any(|byte| forbidden(byte) || byte == b' ')
    );
    for line in request.headers.split_terminator("\r\n") {
        assert!(
            line.contains(':') && !line.bytes().any(forbidden),
            "{line:?}"
        );
    }
    check_topic(request);
    if let Some(since) = request.parameter("since") {
        check_cursor(&since);
    }
    for (name, value) in decoded_query(request) {
        check_script(&name);
        check_script(&value);
    }
}

/// The query's names and values.
pub fn decoded_query(request: &Request) -> Vec<(String, String)> {
    let query = form_urlencoded::parse(request.query.as_bytes());
    query.into_owned().collect()
}

fn check_topic(request: &Request) {
    if let Ok(topic) = request.topic() {
        let fits = |char| matches!(char, 'a'..='z' | '0'..='9' | '-');
        assert!((1..=32).contains(&topic.len()) && topic.chars().all(fits));
    }
}

/// Checks that a cursor is accepted exactly if it is a number, and means that number.
pub fn check_cursor(since: &str) {
    let digits = since.strip_prefix('-').unwrap_or(since);
    let is_plain = digits.chars().all(|char| char.is_ascii_digit());
    let number = digits.parse::<u64>().ok().filter(|_| is_plain);
    let expected = number.map(|number| match since.starts_with('-') {
        true => Since::Last(number.min(RING_EVENTS as u64) as usize),
        false => Since::After(number),
    });
    assert_eq!(request::parse_since(since).ok(), expected, "{since:?}");
}

/// Checks that text inside a script can't end it or break its line, and stays the same text.
pub fn check_script(text: &str) {
    let json = Value::from(text).to_string();
    let script = json_in_script(&json);
    let forbidden = |char| matches!(char, '<' | '\u{2028}' | '\u{2029}' | '\n' | '\r');
    assert!(!script.contains(forbidden), "{script:?}");
    assert_eq!(serde_json::from_str::<Value>(&script).unwrap(), text);
}

/// Checks that a query means the same when it is encoded again.
pub fn check_query(query: &[u8]) {
    let [Outcome::Request(first)] = &read_all(&[&with_query(query)])[..] else {
        return; // not one complete request
    };
    let again = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(decoded_query(first))
        .finish();
    match &read_all(&[&with_query(again.as_bytes())])[..] {
        [Outcome::Request(again)] => {
            assert_eq!(decoded_query(again), decoded_query(first))
        }
        [Outcome::Refused(414, _)] => {} // escapes made it too long
        others => panic!("{again:?} became {others:?}"),
    }
}

fn with_query(query: &[u8]) -> Vec<u8> {
    [
        b"GET /polling?",
        query,
        b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]
    .concat()
}
