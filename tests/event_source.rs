//! Event source, byte by byte.

mod support;

use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::{Client, Follower, PATIENCE, TestServer, chunk, get, json, post};

const RETRY: &str = "retry: 1000\n\n";
const HEARTBEAT: &str = ":\n\n";

/// A stream that has begun: its head and its first lines have come.
fn stream(server: &TestServer, target: &str) -> Client {
    begun(server.get(target))
}

/// A stream that the browser has come back to, as it says in `Last-Event-ID`.
fn stream_again(server: &TestServer, target: &str, last: &str) -> Client {
    begun(server.ask(&format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {last}\r\n\r\n"
    )))
}

fn begun(mut client: Client) -> Client {
    assert_eq!(client.read_head().status, 200);
    client.expect(chunk(RETRY));
    client
}

/// The messages of a chunk's blocks. Each has its id in both places; heartbeats are left out.
fn messages(blocks: &str) -> Vec<Value> {
    let blocks = blocks.strip_suffix("\n\n").expect("a whole block");
    let blocks = blocks.split("\n\n").filter(|block| *block != ":");
    blocks.map(message).collect()
}

fn message(block: &str) -> Value {
    let fields = block.strip_prefix("id: ").expect("the id first");
    let (id, fields) = fields.split_once('\n').expect("more than an id");
    let gap = fields.strip_prefix("event: gap\n");
    let data = gap.unwrap_or(fields).strip_prefix("data: ").expect("data");
    let message = json(data);
    let same = if gap.is_some() { "next" } else { "id" };
    assert_eq!(message[same].to_string(), id);
    assert_eq!(message["gap"] == true, gap.is_some());
    message
}

fn ids(blocks: &str) -> Vec<u64> {
    let id = |message: &Value| message["id"].as_u64().expect("an id");
    messages(blocks).iter().map(id).collect()
}

#[test]
fn the_head_and_the_time_to_come_back_come_at_once() {
    let server = TestServer::start();
    let mut client = server.get("/event-source?topic=chat");
    let head = client.read_head();
    assert_eq!(head.status, 200);
    head.assert_lines(&[
        "Content-Type: text/event-stream; charset=utf-8",
        "Cache-Control: no-store, no-transform",
        "X-Accel-Buffering: no",
        "X-Content-Type-Options: nosniff",
        "Transfer-Encoding: chunked",
    ]);
    client.expect("d\r\nretry: 1000\n\n\r\n");
    server.wait_held("event_source", 1);
    assert!(
        client.is_silent(),
        "held: nothing more before there is news"
    );
}

#[test]
fn each_event_is_a_block_with_its_id_sent_as_one_chunk() {
    let server = TestServer::start();
    let mut client = stream(&server, "/event-source");
    for text in ["hello", "안녕"] {
        let (id, at) = server.publish_at("chat", text);
        client.expect(chunk(&format!(
            "id: {id}\ndata: {{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\"data\":{{\"text\":\"{text}\"}}}}\n\n"
        )));
    }
}

#[test]
fn an_event_of_many_lines_is_still_one_data_line() {
    let server = TestServer::start();
    let mut client = stream(&server, "/event-source");
    let (id, at) = server.publish_at("chat", "a\n\nid: 1\rb");
    client.expect(chunk(&format!(
        "id: {id}\ndata: {{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\
         \"data\":{{\"text\":\"a\\n\\nid: 1\\rb\"}}}}\n\n"
    )));
}

#[test]
fn the_backlog_comes_as_one_chunk_and_then_what_is_new() {
    let server = TestServer::start();
    let first = server.publish("chat", "one");
    let [second, third] = ["two", "three"].map(|text| server.publish("chat", text));
    for since in [format!("{first}"), "-2".to_string()] {
        let mut client = stream(&server, &format!("/event-source?since={since}"));
        assert_eq!(ids(&client.read_chunk()), [second, third]);
    }
    let mut client = stream(&server, &format!("/event-source?since={third}"));
    let fourth = server.publish("chat", "four");
    assert_eq!(ids(&client.read_chunk()), [fourth]);
}

#[test]
fn the_last_event_id_beats_since() {
    let server = TestServer::start();
    server.publish("chat", "one");
    let second = server.publish("chat", "two");
    let third = server.publish("chat", "three");
    let mut client = stream_again(&server, "/event-source?since=-3", &second.to_string());
    assert_eq!(ids(&client.read_chunk()), [third]);
    let mut client = stream_again(&server, "/event-source?since=-2", "");
    assert_eq!(
        ids(&client.read_chunk()),
        [second, third],
        "an empty one says nothing"
    );
}

#[test]
fn a_browser_that_comes_back_misses_nothing() {
    let server = TestServer::start();
    let mut client = stream(&server, "/event-source");
    let seen = server.publish("chat", "seen");
    assert_eq!(ids(&client.read_chunk()), [seen]);
    drop(client);
    let missed = server.publish("chat", "missed");
    let mut client = stream_again(&server, "/event-source", &seen.to_string());
    assert_eq!(ids(&client.read_chunk()), [missed]);
}

#[test]
fn a_wrong_last_event_id_is_refused() {
    let server = TestServer::start();
    let mut client =
        server.ask("GET /event-source HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: x\r\n\r\n");
    let (head, body) = client.read_answer();
    assert_eq!(head.status, 400);
    assert!(
        body.contains("must be the id of the last event seen"),
        "{body}"
    );
}

#[test]
fn a_cursor_the_ring_no_longer_reaches_is_told_of_the_gap_first() {
    let server = TestServer::start();
    let lost = server.overflow_ring("chat");
    let mut client = stream_again(&server, "/event-source", &(lost - 1).to_string());
    let blocks = client.read_chunk();
    let gap = format!("id: {lost}\nevent: gap\ndata: {{\"gap\":true,\"next\":{lost}}}\n\n");
    let events = blocks.strip_prefix(&gap).expect("the gap first");
    let all: Vec<u64> = (lost + 1..=lost + comet::hub::RING_EVENTS as u64).collect();
    assert_eq!(ids(events), all, "then everything the ring has");
}

#[test]
fn a_cursor_from_before_a_restart_is_told_of_the_gap_first() {
    let server = TestServer::start();
    let mut client = stream(&server, "/event-source?since=1");
    let gap = client.read_chunk();
    let id = server.publish("chat", "new");
    let next = id - 1;
    assert_eq!(
        gap,
        format!("id: {next}\nevent: gap\ndata: {{\"gap\":true,\"next\":{next}}}\n\n")
    );
    assert_eq!(ids(&client.read_chunk()), [id]);
}

#[test]
fn a_reader_that_falls_behind_misses_nothing_but_what_a_gap_tells() {
    let server = TestServer::with_limits(|limits| limits.write = 3 * PATIENCE);
    let mut client = stream(&server, "/event-source");
    let (first, last) = server.burst("chat");
    let mut follower = Follower::after(first - 1);
    while follower.last < last {
        let messages = messages(&client.read_chunk());
        messages.iter().for_each(|message| follower.hear(message));
    }
    assert!(follower.gaps > 0, "more was published than could be kept");
}

#[test]
fn the_heartbeat_is_repeated() {
    let server = TestServer::with_limits(|limits| limits.heartbeat = Duration::from_millis(20));
    let mut client = stream(&server, "/event-source");
    client.expect(chunk(HEARTBEAT).repeat(2));
}

#[test]
fn http_1_0_gets_no_chunks_and_an_end_by_close() {
    let mut server = TestServer::start();
    let mut client = server.ask("GET /event-source HTTP/1.0\r\n\r\n");
    let head = client.read_head();
    assert_eq!(head.header("Transfer-Encoding"), None);
    assert_eq!(head.header("Connection"), Some("close"));
    client.expect(RETRY);
    let id = server.publish("chat", "plain");
    assert_eq!(ids(&client.read_until("\n\n")), [id]);
    let ending = thread::spawn(move || server.stop());
    assert_eq!(client.read_to_end(), "");
    drop(client);
    assert_eq!(ending.join().unwrap(), 0);
}

#[test]
fn the_answer_ends_with_the_event_that_reaches_its_limit_and_the_connection_goes_on() {
    let server = TestServer::start();
    server.publish("chat", "x");
    let mut client = stream(&server, "/event-source?since=-1");
    let two = RETRY.len() + 2 * client.read_chunk().len();
    for (limit, events) in [(1, 1), (two - 1, 2), (two, 2), (two + 1, 3)] {
        let mut client = stream(&server, &format!("/event-source?limit={limit}"));
        for _ in 0..events {
            let id = server.publish("chat", "x");
            assert_eq!(ids(&client.read_chunk()), [id], "limit={limit}");
        }
        client.send(get("/polling")); // by the time of its answer, all of the stream has come
        client.expect("0\r\n\r\n");
        assert_eq!(client.read_answer().0.status, 200);
    }
}

#[test]
fn requests_sent_early_do_not_disturb_the_stream() {
    let server = TestServer::start();
    let mut client = stream(&server, "/event-source");
    for _ in 0..20 {
        client.send(get("/polling"));
        let id = server.publish("chat", "x");
        assert_eq!(ids(&client.read_chunk()), [id]);
    }
}

#[test]
fn a_client_that_hangs_up_frees_its_thread_even_after_an_early_request() {
    let server = TestServer::start();
    let hung_up = stream(&server, "/event-source");
    let mut early = stream(&server, "/event-source");
    server.wait_held("event_source", 2);
    early.send(get("/polling"));
    drop(hung_up);
    drop(early);
    server.wait_held("event_source", 0);
    support::wait_until("no connection left", || server.connections() == 0);
}

#[test]
fn the_end_of_the_server_is_the_last_chunk() {
    let mut server = TestServer::start();
    let mut client = stream(&server, "/event-source");
    let ending = thread::spawn(move || server.stop());
    assert_eq!(client.read_to_end(), "0\r\n\r\n");
    drop(client);
    assert_eq!(ending.join().unwrap(), 0);
}

#[test]
fn a_wrong_topic_cursor_or_limit_is_refused() {
    let server = TestServer::start();
    server.assert_refused(&["/event-source?topic=No"], "topic must be");
    server.assert_refused(&["/event-source?since=x"], "since must be");
    server.assert_refused(&["/event-source?limit=0"], "limit must be");
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send_split(get("/event-source"));
    begun(client);
}

#[test]
fn other_methods_than_get_are_refused() {
    let server = TestServer::start();
    let (head, _) = server.ask(&post("/event-source", "")).read_answer();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("GET"));
}
