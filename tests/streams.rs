//! What the four streams promise alike, byte by byte. Each test runs once for each row of `STREAMS`.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use comet::hub::RING_EVENTS;
use serde_json::Value;
use support::{Client, Follower, Head, PATIENCE, StreamReader, TestServer, chunk, get, json};

/// A stream, and its bytes on the wire without their chunks. `JSON` stands for a message, `LENGTH` for its
/// length in bytes, `ID` for its id, and `NONCE` for the nonce in the answer's head.
struct Stream {
    path: &'static str,
    content_type: &'static str,
    /// The methods it takes.
    allow: &'static str,
    beginning: &'static str,
    heartbeat: &'static str,
    event: &'static str,
    gap: &'static str,
    /// What it sends before the last chunk.
    end: &'static str,
}

const STREAMS: [Stream; 4] = [
    Stream {
        path: "xhr-streaming",
        content_type: "text/plain; charset=utf-8",
        allow: "GET, POST",
        beginning: "\n\n\n", // three: browsers hold back two bytes in case of a byte order mark
        heartbeat: "\n",
        event: "JSON\n",
        gap: "JSON\n",
        end: "",
    },
    Stream {
        path: "forever-frame",
        content_type: "text/html; charset=utf-8",
        allow: "GET",
        beginning: "<!doctype html><meta charset=\"utf-8\"><title>forever frame</title>\n\
                    <script nonce=\"NONCE\">parent.comet.heartbeat?.();document.currentScript.remove()</script>\n",
        heartbeat: "<script nonce=\"NONCE\">parent.comet.heartbeat?.();document.currentScript.remove()</script>\n",
        event: "<script nonce=\"NONCE\">parent.comet.receive(JSON);document.currentScript.remove()</script>\n",
        gap: "<script nonce=\"NONCE\">parent.comet.receive(JSON);document.currentScript.remove()</script>\n",
        end: "",
    },
    Stream {
        path: "multipart-streaming",
        content_type: "multipart/x-mixed-replace; boundary=comet",
        allow: "GET",
        beginning: "--comet\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n--comet\r\n",
        heartbeat: "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n--comet\r\n",
        event: "Content-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nJSON\r\n--comet\r\n",
        gap: "Content-Type: application/json\r\nContent-Length: LENGTH\r\n\r\nJSON\r\n--comet\r\n",
        end: "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n--comet--\r\n",
    },
    Stream {
        path: "event-source",
        content_type: "text/event-stream; charset=utf-8",
        allow: "GET",
        beginning: "retry: 1000\n\n",
        heartbeat: ":\n\n",
        event: "id: ID\ndata: JSON\n\n",
        gap: "id: ID\nevent: gap\ndata: JSON\n\n",
        end: "",
    },
];

/// Runs a test on every stream, each in a thread with the stream's name, so that a panic names the stream.
fn on_each_stream(test: fn(&'static Stream)) {
    let mut failed = Vec::new();
    for stream in &STREAMS {
        let thread = thread::Builder::new().name(stream.path.to_string());
        let running = thread.spawn(move || test(stream)).expect("a thread");
        if running.join().is_err() {
            failed.push(stream.path);
        }
    }
    assert!(failed.is_empty(), "failed on {failed:?}: see above");
}

impl Stream {
    fn target(&self, query: &str) -> String {
        format!("/{}?{query}", self.path)
    }

    /// The technique's name in the server's counts.
    fn name(&self) -> String {
        self.path.replace('-', "_")
    }

    /// Opens the stream, and reads its head and its beginning.
    fn open(&'static self, server: &TestServer, query: &str) -> Open {
        self.begin(server.get(&self.target(query)))
    }

    /// Reads the head and the beginning of a stream that has been asked for.
    fn begin(&'static self, mut client: Client) -> Open {
        let head = client.read_head();
        assert_eq!(head.status, 200);
        let mut open = Open {
            stream: self,
            nonce: nonce(&head),
            client,
        };
        let beginning = chunk(&open.with_nonce(self.beginning));
        open.client.expect(beginning);
        open
    }

    /// The end of the answer, in its chunks.
    fn end_in_chunks(&self) -> String {
        let end = Some(self.end).filter(|end| !end.is_empty());
        end.map(chunk).unwrap_or_default() + "0\r\n\r\n"
    }
}

/// The nonce in the answer's policy; empty if the stream has none.
fn nonce(head: &Head) -> String {
    let policy = head.header("Content-Security-Policy").unwrap_or_default();
    let nonce = policy
        .split('\'')
        .find_map(|word| word.strip_prefix("nonce-"));
    nonce.unwrap_or_default().to_string()
}

/// An open stream, after its beginning.
struct Open {
    stream: &'static Stream,
    nonce: String,
    client: Client,
}

impl Open {
    fn with_nonce(&self, bytes: &str) -> String {
        bytes.replace("NONCE", &self.nonce)
    }

    /// A message as this stream must send it.
    fn on_the_wire(&self, message: &str) -> String {
        let value = json(message);
        let (form, id) = match value["gap"] == true {
            true => (self.stream.gap, &value["next"]),
            false => (self.stream.event, &value["id"]),
        };
        let form = form.replace("LENGTH", &message.len().to_string());
        let form = form.replace("ID", &id.to_string());
        self.with_nonce(&form).replace("JSON", message)
    }

    /// The messages in these bytes. Every byte must belong to a message or a heartbeat.
    fn messages(&self, mut bytes: &str) -> Vec<Value> {
        let heartbeat = self.with_nonce(self.stream.heartbeat);
        let (_, end) = self
            .stream
            .event
            .split_once("JSON")
            .expect("a place for JSON");
        let mut messages = Vec::new();
        while !bytes.is_empty() {
            if let Some(rest) = bytes.strip_prefix(&heartbeat) {
                bytes = rest;
                continue;
            }
            let length = bytes.find(end).expect("a whole message") + end.len();
            let (sent, rest) = bytes.split_at(length);
            let message = &sent[sent.find('{').expect("JSON")..=sent.rfind('}').expect("JSON")];
            assert_eq!(sent, self.on_the_wire(message));
            messages.push(json(message));
            bytes = rest;
        }
        messages
    }

    /// The messages of the next chunk.
    fn read_messages(&mut self) -> Vec<Value> {
        let bytes = self.client.read_chunk();
        self.messages(&bytes)
    }

    /// The ids of the events in the next chunk.
    fn read_ids(&mut self) -> Vec<u64> {
        ids(&self.read_messages())
    }
}

fn ids(events: &[Value]) -> Vec<u64> {
    let id = |event: &Value| event["id"].as_u64().expect("an id");
    events.iter().map(id).collect()
}

fn frequent_heartbeats() -> TestServer {
    TestServer::with_limits(|limits| limits.heartbeat = Duration::from_millis(20))
}

#[test]
fn the_head_and_the_beginning_come_at_once_and_then_the_answer_is_held() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        let mut client = server.get(&stream.target("topic=chat"));
        let head = client.read_head();
        assert_eq!(head.status, 200);
        head.assert_lines(&[
            &format!("Content-Type: {}", stream.content_type),
            "Cache-Control: no-store, no-transform",
            "X-Accel-Buffering: no",
            "X-Content-Type-Options: nosniff",
            "Transfer-Encoding: chunked",
        ]);
        client.expect(chunk(&stream.beginning.replace("NONCE", &nonce(&head))));
        server.wait_held(&stream.name(), 1);
        assert!(client.is_silent(), "nothing more before there is an event");
    });
}

#[test]
fn each_event_is_sent_as_one_chunk() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        let mut open = stream.open(&server, "");
        for text in ["hello", "안녕", ""] {
            let (id, at) = server.publish_at("chat", text);
            let data = format!(r#"{{"text":"{text}"}}"#);
            let event = format!(r#"{{"id":{id},"topic":"chat","at":{at},"data":{data}}}"#);
            open.client.expect(chunk(&open.on_the_wire(&event)));
        }
    });
}

#[test]
fn the_backlog_comes_as_one_chunk_before_new_events() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        let first = server.publish("chat", "one");
        let [second, third] = ["two", "three"].map(|text| server.publish("chat", text));
        for since in [format!("{first}"), "-2".to_string()] {
            let mut open = stream.open(&server, &format!("since={since}"));
            assert_eq!(open.read_ids(), [second, third]);
        }
        let mut open = stream.open(&server, &format!("since={third}"));
        let fourth = server.publish("chat", "four");
        assert_eq!(open.read_ids(), [fourth]);
    });
}

#[test]
fn no_event_is_lost_between_the_backlog_and_new_events() {
    on_each_stream(|stream| {
        let server = TestServer::with_limits(|limits| limits.write = 3 * PATIENCE);
        thread::scope(|scope| {
            let publisher = scope.spawn(|| {
                for _ in 0..3000 {
                    server.publish("chat", "x");
                }
            });
            let join = |_| {
                let id = server.publish("chat", "a client joins");
                let open = stream.open(&server, &format!("since={id}"));
                (open, Follower::after(id))
            };
            let clients: Vec<(Open, Follower)> = (0..20).map(join).collect();
            publisher.join().unwrap();
            let last = server.publish("chat", "the last");
            for (open, follower) in clients {
                read_up_to(last, open, follower);
            }
        });
    });
}

/// Reads up to this event, and returns how many gaps there were.
fn read_up_to(last: u64, mut open: Open, mut follower: Follower) -> usize {
    support::wait_until("the last event", || {
        let messages = open.read_messages();
        messages.iter().for_each(|message| follower.hear(message));
        follower.last == last
    });
    follower.gaps
}

#[test]
fn a_cursor_older_than_the_ring_gets_the_gap_first() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        let lost = server.overflow_ring("chat");
        let mut open = stream.open(&server, &format!("since={}", lost - 1));
        let messages = open.read_messages();
        assert_eq!(messages[0], serde_json::json!({"gap": true, "next": lost}));
        let all: Vec<u64> = (lost + 1..=lost + RING_EVENTS as u64).collect();
        assert_eq!(ids(&messages[1..]), all, "then everything in the ring");
    });
}

#[test]
fn a_cursor_from_before_a_restart_gets_the_gap_first() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        let mut open = stream.open(&server, "since=1");
        let gap = open.client.read_chunk();
        let id = server.publish("chat", "new");
        let expected = format!(r#"{{"gap":true,"next":{}}}"#, id - 1);
        assert_eq!(gap, open.on_the_wire(&expected));
        assert_eq!(open.read_ids(), [id]);
    });
}

#[test]
fn a_reader_that_falls_behind_loses_only_what_a_gap_reports() {
    on_each_stream(|stream| {
        let server = TestServer::with_limits(|limits| limits.write = 3 * PATIENCE);
        let open = stream.open(&server, "");
        let (first, last) = server.burst("chat");
        let gaps = read_up_to(last, open, Follower::after(first - 1));
        assert!(gaps > 0, "more was published than could be kept");
    });
}

#[test]
fn a_reader_that_reads_nothing_is_disconnected_after_the_write_limit() {
    on_each_stream(|stream| {
        let server = TestServer::with_limits(|limits| limits.write = Duration::from_millis(50));
        let open = stream.open(&server, "");
        server.wait_held(&stream.name(), 1);
        support::wait_until("the thread to be free", || {
            server.publish("chat", &"x".repeat(64 << 10));
            server.held(&stream.name()) == 0
        });
        drop(open);
    });
}

#[test]
fn the_heartbeat_is_repeated() {
    on_each_stream(|stream| {
        let server = frequent_heartbeats();
        let mut open = stream.open(&server, "");
        let heartbeat = chunk(&open.with_nonce(stream.heartbeat));
        open.client.expect(heartbeat.repeat(2));
    });
}

#[test]
fn the_default_heartbeat_is_every_20_seconds() {
    let limits = comet::door::settings::Limits::default();
    assert_eq!(limits.heartbeat, Duration::from_secs(20));
}

#[test]
fn http_1_0_gets_no_chunks_and_the_answer_ends_with_the_connection() {
    on_each_stream(|stream| {
        let mut server = TestServer::start();
        let (mut open, head) = open_as_http_1_0(stream, &server, "");
        assert_eq!(head.header("Transfer-Encoding"), None);
        assert_eq!(head.header("Connection"), Some("close"));
        let (id, at) = server.publish_at("chat", "plain");
        let event = format!(r#"{{"id":{id},"topic":"chat","at":{at},"data":{{"text":"plain"}}}}"#);
        open.client.expect(open.on_the_wire(&event));
        let ending = thread::spawn(move || server.stop());
        assert_eq!(open.client.read_to_end(), stream.end);
        drop(open);
        assert_eq!(ending.join().unwrap(), 0, "every connection ended in time");
    });
}

fn open_as_http_1_0(stream: &'static Stream, server: &TestServer, query: &str) -> (Open, Head) {
    let mut client = server.ask(&format!("GET {} HTTP/1.0\r\n\r\n", stream.target(query)));
    let head = client.read_head();
    let nonce = nonce(&head);
    client.expect(stream.beginning.replace("NONCE", &nonce));
    let open = Open {
        stream,
        nonce,
        client,
    };
    (open, head)
}

#[test]
fn the_answer_ends_with_the_event_that_reaches_its_limit_and_the_connection_goes_on() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        server.publish("chat", "x");
        let mut open = stream.open(&server, "since=-1");
        let beginning = open.with_nonce(stream.beginning);
        let two = beginning.len() + 2 * open.client.read_chunk().len();
        for (limit, events) in [(1, 1), (two - 1, 2), (two, 2), (two + 1, 3)] {
            let mut open = stream.open(&server, &format!("limit={limit}"));
            for _ in 0..events {
                let id = server.publish("chat", "x");
                assert_eq!(open.read_ids(), [id], "limit={limit}");
            }
            open.client.send(get("/polling")); // its answer comes after all of the stream
            open.client.expect(stream.end_in_chunks());
            assert_eq!(open.client.read_answer().0.status, 200);
        }
    });
}

#[test]
fn heartbeats_alone_do_not_end_an_answer() {
    on_each_stream(|stream| {
        let server = frequent_heartbeats();
        let mut open = stream.open(&server, "limit=1");
        let heartbeat = chunk(&open.with_nonce(stream.heartbeat));
        open.client.expect(heartbeat.repeat(2));
        let id = server.publish("chat", "x");
        let mut came = Vec::new();
        support::wait_until("the event after the heartbeats", || {
            came = open.read_ids();
            !came.is_empty()
        });
        assert_eq!(came, [id]);
        open.client.expect(stream.end_in_chunks());
    });
}

#[test]
fn http_1_0_gets_its_limit_too() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        let (mut open, _) = open_as_http_1_0(stream, &server, "limit=1");
        let id = server.publish("chat", "x");
        let rest = open.client.read_to_end();
        let event = rest.strip_suffix(stream.end).expect("the stream's end");
        assert_eq!(ids(&open.messages(event)), [id]);
    });
}

#[test]
fn requests_sent_early_do_not_disturb_the_stream() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        let mut open = stream.open(&server, "");
        for _ in 0..20 {
            open.client.send(get("/polling"));
            let id = server.publish("chat", "x");
            assert_eq!(open.read_ids(), [id]);
        }
    });
}

#[test]
fn a_client_that_hangs_up_frees_its_thread_even_after_an_early_request() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        let [hung_up, mut early, mut half_closed] = [(); 3].map(|()| stream.open(&server, ""));
        server.wait_held(&stream.name(), 3);
        early.client.send(get("/polling"));
        half_closed.client.half_close();
        drop((hung_up, early));
        server.wait_held(&stream.name(), 0);
        support::wait_until("no connection left", || server.connections() == 0);
    });
}

#[test]
fn a_client_that_sends_more_than_is_kept_and_hangs_up_frees_its_thread_too() {
    on_each_stream(|stream| {
        let server = frequent_heartbeats();
        let mut open = stream.open(&server, "");
        open.client.send(get("/polling").repeat(1000));
        drop(open);
        server.wait_held(&stream.name(), 0);
    });
}

#[test]
fn the_end_of_the_server_is_the_end_of_the_answer() {
    on_each_stream(|stream| {
        let mut server = TestServer::start();
        let mut open = stream.open(&server, "");
        let ending = thread::spawn(move || server.stop());
        assert_eq!(open.client.read_to_end(), stream.end_in_chunks());
        drop(open);
        assert_eq!(ending.join().unwrap(), 0, "every connection ended in time");
    });
}

#[test]
fn a_wrong_topic_cursor_or_limit_is_refused() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        server.assert_refused(&[&stream.target("topic=No")], "topic must be");
        server.assert_refused(&[&stream.target("since=x")], "since must be");
        for limit in ["", "0", "-1", "1.5", "64k", "99999999999999999999"] {
            let target = stream.target(&format!("limit={limit}"));
            server.assert_refused(&[&target], "limit must be a number of bytes, 1 or more");
        }
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        let mut client = server.connect();
        client.send_split(get(&stream.target("")));
        stream.begin(client);
    });
}

#[test]
fn other_methods_are_refused() {
    on_each_stream(|stream| {
        let server = TestServer::start();
        for method in ["POST", "PUT"] {
            if stream.allow.contains(method) {
                continue;
            }
            let target = stream.target("");
            let request = format!(
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            );
            let (head, _) = server.ask(&request).read_answer();
            assert_eq!(head.status, 405, "{method}");
            assert_eq!(head.header("Allow"), Some(stream.allow), "{method}");
        }
    });
}

const EVENTS: u64 = 3000;
const LIMIT: usize = 3000;

#[test]
fn a_stream_in_many_limited_answers_brings_each_event_once_and_in_order() {
    on_each_stream(|stream| {
        let server = TestServer::with_limits(|limits| limits.write = 3 * PATIENCE);
        let mut reader = Reader::new(&server, stream);
        let first = reader.stream.follower.last;
        let seen = AtomicU64::new(first);
        thread::scope(|scope| {
            let _end = End(&seen);
            scope.spawn(|| publish(&server, first, &seen));
            while reader.stream.follower.last < first + EVENTS {
                reader.read_answer();
                seen.store(reader.stream.follower.last, Ordering::SeqCst);
            }
        });
        assert_eq!(reader.stream.follower.gaps, 0);
        assert!(reader.answers > 1, "it ended only once");
    });
}

/// Ends the publisher when the reader ends, also by a panic.
struct End<'a>(&'a AtomicU64);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(u64::MAX / 2, Ordering::SeqCst);
    }
}

/// Publishes until the reader has seen enough, never further ahead of it than half a ring.
fn publish(server: &TestServer, first: u64, seen: &AtomicU64) {
    let mut last = first;
    while seen.load(Ordering::SeqCst) < first + EVENTS {
        if last < seen.load(Ordering::SeqCst) + RING_EVENTS as u64 / 2 {
            last = server.publish("chat", "</script>홈런");
        } else {
            thread::yield_now();
        }
    }
}

/// A client that asks again from its last id, on the same connection, each time an answer has ended.
struct Reader {
    client: Client,
    path: &'static str,
    stream: StreamReader,
    answers: usize,
}

impl Reader {
    fn new(server: &TestServer, stream: &Stream) -> Reader {
        Reader {
            client: server.connect(),
            path: stream.path,
            stream: StreamReader::after(server.publish("chat", "the client has seen this")),
            answers: 0,
        }
    }

    /// Reads one answer to its end. No event may come after the chunk that reaches the limit.
    fn read_answer(&mut self) {
        let (path, since) = (self.path, self.stream.follower.last);
        self.client
            .send(get(&format!("/{path}?since={since}&limit={LIMIT}")));
        assert_eq!(self.client.read_head().status, 200);
        let mut length = 0;
        loop {
            let chunk = self.client.read_chunk();
            if chunk.is_empty() {
                break;
            }
            let closing = chunk.ends_with("\r\n--comet--\r\n");
            assert!(closing || length < LIMIT, "{chunk:?} is too much");
            length += chunk.len();
            self.stream.hear(chunk.as_bytes());
        }
        assert!(length >= LIMIT, "the answer ended after {length} bytes");
        self.answers += 1;
    }
}
