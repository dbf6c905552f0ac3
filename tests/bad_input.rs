//! Bad input gets an answer, never a panic.

mod support;

#[path = "bad_input/page.rs"]
mod page;
#[path = "bad_input/reader.rs"]
mod reader;
#[path = "bad_input/table.rs"]
mod table;

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use comet::event::Event;
use comet::request::Request;
use form_urlencoded::Serializer;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;
use reader::Outcome;
use serde_json::{Value, json};
use support::{Client, Head, TestServer, get, wait_until};
use table::{Row, Then, table};
use tiny_http::HTTPVersion;

// --- the table ---

#[test]
fn bad_input_gets_an_answer_never_a_panic() {
    let (patient, hurried) = (patient(), hurried());
    for row in table().into_iter().flat_map(|group| group.rows) {
        let server = if row.hurried { &hurried } else { &patient };
        for piece in [row.bytes.len(), 1] {
            let sent = format!("{}, {piece} at a time", row.what);
            try_row(server, &row, piece, &sent);
            let (head, _) = server.get("/weigh").read_answer();
            assert_eq!(head.status, 200, "the server goes on after {sent}");
        }
    }
    for server in [patient, hurried] {
        wait_until("no connection left", || server.connections() == 0);
    }
}

/// A server that waits as long as the slowest test takes, but holds a poll only briefly.
fn patient() -> TestServer {
    TestServer::with_limits(|limits| {
        limits.request = 3 * support::PATIENCE;
        limits.hold = Duration::from_millis(20);
    })
}

/// A server with a short request limit.
fn hurried() -> TestServer {
    TestServer::with_limits(|limits| limits.request = Duration::from_millis(50))
}

fn try_row(server: &TestServer, row: &Row, piece: usize, sent: &str) {
    let mut client = server.connect();
    let socket = client.socket.try_clone().unwrap();
    let answered = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| send_pieces(&socket, &row.bytes, piece, &answered));
        let last = read_answers(&mut client, row, sent);
        answered.store(true, Ordering::Relaxed);
        check_end(&mut client, row, &last, sent);
    });
}

/// Sends the pieces until all are sent, or the server has closed.
fn send_pieces(mut socket: &TcpStream, bytes: &[u8], piece: usize, answered: &AtomicBool) {
    for piece in bytes.chunks(piece) {
        if answered.load(Ordering::Relaxed) || socket.write_all(piece).is_err() {
            return;
        }
    }
}

/// Reads the answers of a row; returns the last head.
fn read_answers(client: &mut Client, row: &Row, sent: &str) -> Head {
    let mut last = None;
    for status in &row.statuses {
        let (head, body) = read_any_answer(client);
        assert_eq!(head.status, *status, "{sent}: {body}");
        last = Some((head, body));
    }
    let (head, body) = last.expect("each row has an answer");
    if head.status >= 400 {
        assert_eq!(head.header("Content-Type"), Some("application/json"));
        assert_eq!(support::json(&body)["error"], row.says, "{sent}");
    }
    head
}

/// Reads an answer, with a length or in chunks.
fn read_any_answer(client: &mut Client) -> (Head, String) {
    let head = client.read_head();
    let body = match head.header("Content-Length") {
        Some(length) => client.read_exact(length.parse().expect("a number")),
        None => read_chunks(client),
    };
    (head, String::from_utf8(body).expect("UTF-8"))
}

fn read_chunks(client: &mut Client) -> Vec<u8> {
    let chunks = std::iter::from_fn(|| Some(client.read_chunk()).filter(|chunk| !chunk.is_empty()));
    chunks.collect::<String>().into_bytes()
}

fn check_end(client: &mut Client, row: &Row, last: &Head, sent: &str) {
    match row.then {
        Then::Closes => {
            last.assert_lines(&["Connection: close"]);
            assert_eq!(client.read_to_end(), "", "{sent}");
        }
        Then::StaysOpen => {
            client.send(get("/weigh"));
            assert_eq!(client.read_answer().0.status, 200, "then after {sent}");
        }
    }
}

#[test]
fn no_answer_follows_one_that_was_cut_short() {
    let server = TestServer::start();
    let mut client = server.ask(&(get("/long-polling") + &get("/weigh")));
    server.wait_held("long_polling", 1);
    client.half_close();
    assert_eq!(client.read_head().status, 200);
    assert_eq!(
        client.read_to_end(),
        "",
        "a second answer would be taken for a chunk"
    );
}

#[test]
fn the_page_of_bad_input_shows_this_table() {
    let path = here("../docs/bad-input.md");
    let page = page::page(&table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/bad-input.md is out of date: UPDATE_DOCS=1 cargo test --test bad_input writes it"
    );
}

// --- any input ---

/// Enough cases for a few seconds; `PROPTEST_CASES=100000` tries more.
fn config() -> Config {
    let few = Config::with_cases(100);
    Config {
        cases: match std::env::var_os("PROPTEST_CASES") {
            Some(_) => Config::default().cases,
            None => few.cases,
        },
        failure_persistence: None, // what is found belongs in the corpus
        ..few
    }
}

/// Bytes cut at these places.
fn cut<'a>(bytes: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places
        .iter()
        .map(|place| place.index(bytes.len() + 1))
        .collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    let pieces = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
    pieces.filter(|piece| !piece.is_empty()).collect()
}

fn places() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..10)
}

/// A valid request, in its parts.
#[derive(Clone, Debug)]
struct Meant {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    version: u8,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

prop_compose! {
    fn valid_requests()(
        method in "GET|POST|[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,12}",
        path in "/[A-Za-z0-9._~!$&'()*+,;=:@/%-]{0,30}",
        query in vec((any::<String>(), any::<String>()), 0..4),
        version in 0..=1u8,
        headers in vec(("X-[A-Za-z0-9_-]{1,12}", "([!-~]([\t -~]{0,30}[!-~])?)?"), 0..6),
        body in prop_oneof![9 => vec(any::<u8>(), 0..200), 1 => vec(any::<u8>(), 4000..9000)],
    ) -> Meant {
        Meant { method, path, query, version, headers, body }
    }
}

impl Meant {
    fn bytes(&self) -> Vec<u8> {
        let headers = self.all_headers();
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        let (method, version) = (&self.method, self.version);
        let head = format!("{method} {} HTTP/1.{version}\r\n", self.target())
            + &lines.collect::<String>()
            + "\r\n";
        [head.as_bytes(), &self.body].concat()
    }

    fn target(&self) -> String {
        let mut query = Serializer::new(String::new());
        let query = query.extend_pairs(&self.query).finish();
        match self.query.len() {
            0 => self.path.clone(),
            _ => format!("{}?{query}", self.path),
        }
    }

    fn all_headers(&self) -> Vec<(String, String)> {
        let ours = [
            ("Host".to_string(), "localhost".to_string()),
            ("Content-Length".to_string(), self.body.len().to_string()),
        ];
        [&ours, &self.headers[..]].concat()
    }

    fn assert_is(&self, request: &Request) {
        let headers = request.headers.split_terminator("\r\n").map(|line| {
            let (name, value) = line.split_once(':').expect("a name and a value");
            (name.to_string(), value.to_string())
        });
        assert_eq!(request.method.as_str(), self.method);
        assert_eq!(request.path, self.path);
        assert_eq!(reader::decoded_query(request), self.query);
        assert_eq!(request.version, HTTPVersion(1, self.version));
        assert_eq!(headers.collect::<Vec<_>>(), self.all_headers());
        assert_eq!(request.body, self.body);
    }
}

/// A way to damage bytes.
#[derive(Clone, Debug)]
enum Mishap {
    Lost(Index),
    Changed(Index, u8),
    Inserted(Index, Vec<u8>),
    Repeated(Index, usize),
}

fn mishaps() -> impl Strategy<Value = Vec<Mishap>> {
    let odd = prop::sample::select(ODD).prop_map(|odd| odd.as_bytes().to_vec());
    let mishap = prop_oneof![
        any::<Index>().prop_map(Mishap::Lost),
        any::<(Index, u8)>().prop_map(|(place, byte)| Mishap::Changed(place, byte)),
        (any::<Index>(), odd).prop_map(|(place, odd)| Mishap::Inserted(place, odd)),
        (any::<Index>(), 1..20usize).prop_map(|(place, count)| Mishap::Repeated(place, count)),
    ];
    vec(mishap, 1..5)
}

/// Odd pieces to insert anywhere.
const ODD: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\r\n\r\n",
    " ",
    ":",
    "\u{ff}",
    "%",
    "?",
    "\r\nContent-Length: 7",
    "\r\nTransfer-Encoding: chunked",
    "\r\nExpect: 100-continue",
    "\r\nExpect: wonders",
    "\r\nHost: x",
    "\r\n folded",
    "<policy-file-request/>\0",
    "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
];

fn befall(bytes: &mut Vec<u8>, mishap: &Mishap) {
    let place = |index: &Index| index.index(bytes.len());
    match mishap {
        _ if bytes.is_empty() => {}
        Mishap::Lost(at) => drop(bytes.remove(place(at))),
        Mishap::Changed(at, byte) => {
            let at = place(at);
            bytes[at] = *byte;
        }
        Mishap::Inserted(at, odd) => {
            let at = place(at);
            bytes.splice(at..at, odd.iter().copied());
        }
        Mishap::Repeated(at, count) => {
            let at = place(at);
            let part = bytes[at..bytes.len().min(at + count)].to_vec();
            bytes.splice(at..at, part);
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_answered_the_same_however_they_are_cut(
        bytes in vec(any::<u8>(), 0..2000),
        places in places(),
    ) {
        reader::check_cuts(&bytes, &[cut(&bytes, &places), reader::every(1, &bytes)]);
    }

    #[test]
    fn a_damaged_request_is_answered_the_same_however_it_is_cut(
        meant in valid_requests(),
        mishaps in mishaps(),
        places in places(),
    ) {
        let mut bytes = meant.bytes();
        for mishap in &mishaps {
            befall(&mut bytes, mishap);
        }
        reader::check_cuts(&bytes, &[cut(&bytes, &places), reader::every(bytes.len() / 500 + 1, &bytes)]);
    }

    #[test]
    fn a_valid_request_is_read_as_it_was_meant_and_the_next_bytes_are_left(
        meant in valid_requests(),
        empty_lines in 0..3usize,
        after in vec(any::<u8>(), 0..100),
        places in places(),
    ) {
        let bytes = ["\r\n".repeat(empty_lines).as_bytes(), &meant.bytes(), &after].concat();
        match reader::read_first(&cut(&bytes, &places)) {
            (Some(Outcome::Request(request)), left) => {
                meant.assert_is(&request);
                prop_assert_eq!(left, after);
            }
            (other, _) => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_cursor_is_a_number_or_refused(since in "-?[0-9]{0,22}|-?[0-9+-]{0,3}|\\PC{0,5}|[٠-٩]{1,3}") {
        reader::check_cursor(&since);
    }

    #[test]
    fn a_query_means_the_same_when_it_is_encoded_again(
        query in "((topic|since|wait|callback|name)=)?[ -~]{0,30}|(%[0-9a-fA-F]{2}){0,20}|\\PC{0,20}",
    ) {
        reader::check_query(query.as_bytes());
    }

    #[test]
    fn nothing_ends_a_script_or_breaks_a_line(text in text()) {
        reader::check_script(&text);
        let event = Event::new(1, "chat", &Value::from(text));
        prop_assert!(!event.json.contains(['\n', '\r', '\0']));
    }
}

/// Text with many of the characters that delimit scripts, lines and JSON.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "</script>",
        "<!--",
        "\u{2028}",
        "\u{2029}",
        "\r\n",
        "\n",
        "\"",
        "\\",
        "\0",
        "\u{feff}",
        ");",
        "*/",
    ];
    let part = prop_oneof![
        prop::sample::select(odd.to_vec()).prop_map(String::from),
        any::<String>()
    ];
    vec(part, 0..6).prop_map(|parts| parts.concat())
}

#[test]
fn a_callback_is_a_name_or_refused_and_its_answer_is_a_script() {
    let server = TestServer::start();
    let callback = prop_oneof![
        "[A-Za-z0-9_.$]{1,70}",
        "[A-Za-z0-9_.$<>()/;,' -]{0,12}",
        any::<String>(),
    ];
    proptest!(config(), |(callback in callback, text in text())| {
        let data = json!({ "text": text });
        server.server().shared.hub.publish("chat", &data).unwrap();
        let query = Serializer::new("since=-1&wait=0".to_string())
            .append_pair("callback", &callback)
            .finish();
        let (head, body) = read_any_answer(&mut server.get(&format!("/jsonp-polling?{query}")));
        match is_name(&callback) {
            true => check_call(&body, &callback, &data),
            false => prop_assert_eq!(head.status, 400),
        }
    });
}

fn is_name(callback: &str) -> bool {
    let fits = |char: char| char.is_ascii_alphanumeric() || "_.$".contains(char);
    (1..=64).contains(&callback.len()) && callback.chars().all(fits)
}

fn check_call(body: &str, callback: &str, data: &Value) {
    assert!(!body.contains(['<', '\u{2028}', '\u{2029}', '\n', '\r']));
    let before = format!("/**/{callback}(");
    let json = body
        .strip_prefix(&before)
        .and_then(|body| body.strip_suffix(");"));
    let answer = support::json(json.expect("one call and nothing else"));
    assert_eq!(answer["events"][0]["data"], *data);
}

// --- what the fuzzer has found ---

/// The files of one kind in `tests/bad_input/corpus/`.
fn corpus(kind: &str) -> Vec<Vec<u8>> {
    let folder = here("bad_input/corpus").join(kind);
    let files = fs::read_dir(&folder).expect("a folder of files");
    let files = files.map(|file| fs::read(file.unwrap().path()).unwrap());
    files.collect()
}

#[test]
fn the_fuzzers_finds_are_read_the_same_however_they_are_cut() {
    for bytes in corpus("request") {
        let cuts = [1, 2, 7, bytes.len() / 2 + 1].map(|length| reader::every(length, &bytes));
        reader::check_cuts(&bytes, &cuts);
    }
    for bytes in corpus("query") {
        reader::check_query(&bytes);
        reader::check_cursor(&String::from_utf8_lossy(&bytes));
        reader::check_script(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn the_fuzzers_finds_do_not_stop_the_server() {
    let server = TestServer::start();
    for bytes in corpus("request") {
        let mut client = server.connect();
        client.send(&bytes);
        client.half_close();
        read_away(&client.socket);
    }
    assert_eq!(server.get("/weigh").read_answer().0.status, 200);
    wait_until("no connection left", || server.connections() == 0);
}

/// Reads to the end, which must come.
fn read_away(mut socket: &TcpStream) {
    if let Err(error) = std::io::copy(&mut socket, &mut std::io::sink()) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}

/// A path below `tests/`.
fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path)
}
