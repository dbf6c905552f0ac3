//! Multipart streaming, byte by byte.

mod support;

use std::thread;
use std::time::Duration;

use support::{Client, Follower, PATIENCE, TestServer, chunk, get, json, post};

const HEARTBEAT: &str = "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n--comet\r\n";

/// What the body begins with: the first boundary, and a first heartbeat.
const BEGINNING: &str =
    "--comet\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n--comet\r\n";

/// A stream that has begun: its head and its first heartbeat have come.
fn stream(server: &TestServer, target: &str) -> Client {
    let mut client = server.get(target);
    assert_eq!(client.read_head().status, 200);
    client.expect(chunk(BEGINNING));
    client
}

/// The bodies of a chunk's parts, each closed by its boundary; empty ones are heartbeats.
fn bodies(parts: &str) -> Vec<&str> {
    let parts = parts.strip_suffix("\r\n--comet\r\n").expect("a boundary");
    let bodies = parts.split("\r\n--comet\r\n").map(body);
    bodies.filter(|body| !body.is_empty()).collect()
}

fn body(part: &str) -> &str {
    let (head, body) = part.split_once("\r\n\r\n").expect("a head and a body");
    let length = format!("Content-Length: {}", body.len());
    assert!(head.split("\r\n").any(|line| line == length), "{head:?}");
    body
}

fn ids(bodies: &[&str]) -> Vec<u64> {
    let id = |body: &&str| json(body)["id"].as_u64().expect("an id");
    bodies.iter().map(id).collect()
}

#[test]
fn the_head_and_a_first_part_come_at_once() {
    let server = TestServer::start();
    let mut client = server.get("/multipart-streaming?topic=chat");
    let head = client.read_head();
    assert_eq!(head.status, 200);
    head.assert_lines(&[
        "Content-Type: multipart/x-mixed-replace; boundary=comet",
        "Cache-Control: no-store, no-transform",
        "X-Accel-Buffering: no",
        "X-Content-Type-Options: nosniff",
        "Transfer-Encoding: chunked",
    ]);
    client.expect(chunk(BEGINNING));
    server.wait_held("multipart_streaming", 1);
    assert!(
        client.is_silent(),
        "held: nothing more before there is news"
    );
}

#[test]
fn each_event_is_a_part_closed_at_once() {
    let server = TestServer::start();
    let mut client = stream(&server, "/multipart-streaming");
    for text in ["hello", "안녕"] {
        let (id, at) = server.publish_at("chat", text);
        let event = format!(r#"{{"id":{id},"topic":"chat","at":{at},"data":{{"text":"{text}"}}}}"#);
        client.expect(chunk(&format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{event}\r\n--comet\r\n",
            event.len() // in bytes, not in characters
        )));
    }
}

#[test]
fn the_backlog_comes_as_one_chunk_and_then_what_is_new() {
    let server = TestServer::start();
    let first = server.publish("chat", "one");
    let [second, third] = ["two", "three"].map(|text| server.publish("chat", text));
    for since in [format!("{first}"), "-2".to_string()] {
        let mut client = stream(&server, &format!("/multipart-streaming?since={since}"));
        assert_eq!(ids(&bodies(&client.read_chunk())), [second, third]);
    }
    let mut client = stream(&server, &format!("/multipart-streaming?since={third}"));
    let fourth = server.publish("chat", "four");
    assert_eq!(ids(&bodies(&client.read_chunk())), [fourth]);
}

#[test]
fn a_cursor_the_ring_no_longer_reaches_is_told_of_the_gap_first() {
    let server = TestServer::start();
    let lost = server.overflow_ring("chat");
    let mut client = stream(&server, &format!("/multipart-streaming?since={}", lost - 1));
    let parts = client.read_chunk();
    let bodies = bodies(&parts);
    assert_eq!(bodies[0], format!(r#"{{"gap":true,"next":{lost}}}"#));
    let all: Vec<u64> = (lost + 1..=lost + comet::hub::RING_EVENTS as u64).collect();
    assert_eq!(ids(&bodies[1..]), all, "then everything the ring has");
}

#[test]
fn a_cursor_from_before_a_restart_is_told_of_the_gap_first() {
    let server = TestServer::start();
    let mut client = stream(&server, "/multipart-streaming?since=1");
    let gap = client.read_chunk();
    let id = server.publish("chat", "new");
    let json = format!(r#"{{"gap":true,"next":{}}}"#, id - 1);
    let length = json.len();
    assert_eq!(
        gap,
        format!(
            "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}\r\n--comet\r\n"
        )
    );
    assert_eq!(ids(&bodies(&client.read_chunk())), [id]);
}

#[test]
fn a_reader_that_falls_behind_misses_nothing_but_what_a_gap_tells() {
    let server = TestServer::with_limits(|limits| limits.write = 3 * PATIENCE);
    let mut client = stream(&server, "/multipart-streaming");
    let (first, last) = server.burst("chat");
    let mut follower = Follower::after(first - 1);
    while follower.last < last {
        let parts = client.read_chunk();
        let bodies = bodies(&parts);
        bodies.iter().for_each(|body| follower.hear(&json(body)));
    }
    assert!(follower.gaps > 0, "more was published than could be kept");
}

#[test]
fn the_heartbeat_is_repeated() {
    let server = TestServer::with_limits(|limits| limits.heartbeat = Duration::from_millis(20));
    let mut client = stream(&server, "/multipart-streaming");
    client.expect(chunk(HEARTBEAT).repeat(2));
}

#[test]
fn http_1_0_gets_no_chunks_and_an_end_by_close() {
    let mut server = TestServer::start();
    let mut client = server.ask("GET /multipart-streaming HTTP/1.0\r\n\r\n");
    let head = client.read_head();
    assert_eq!(head.header("Transfer-Encoding"), None);
    assert_eq!(head.header("Connection"), Some("close"));
    client.expect(BEGINNING);
    let id = server.publish("chat", "plain");
    let part = client.read_until("\r\n--comet\r\n");
    assert_eq!(ids(&bodies(&part)), [id]);
    let ending = thread::spawn(move || server.stop());
    assert_eq!(
        client.read_to_end(),
        "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n--comet--\r\n"
    );
    drop(client);
    assert_eq!(ending.join().unwrap(), 0);
}

#[test]
fn the_answer_ends_with_the_part_that_reaches_its_limit_and_the_connection_goes_on() {
    let server = TestServer::start();
    server.publish("chat", "x");
    let mut client = stream(&server, "/multipart-streaming?since=-1");
    let two = BEGINNING.len() + 2 * client.read_chunk().len();
    for (limit, events) in [(1, 1), (two - 1, 2), (two, 2), (two + 1, 3)] {
        let mut client = stream(&server, &format!("/multipart-streaming?limit={limit}"));
        for _ in 0..events {
            let id = server.publish("chat", "x");
            assert_eq!(ids(&bodies(&client.read_chunk())), [id], "limit={limit}");
        }
        client.send(get("/polling")); // by the time of its answer, all of the stream has come
        let end = "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n--comet--\r\n";
        client.expect(chunk(end) + "0\r\n\r\n");
        assert_eq!(client.read_answer().0.status, 200);
    }
}

#[test]
fn requests_sent_early_do_not_disturb_the_stream() {
    let server = TestServer::start();
    let mut client = stream(&server, "/multipart-streaming");
    for _ in 0..20 {
        client.send(get("/polling"));
        let id = server.publish("chat", "x");
        assert_eq!(ids(&bodies(&client.read_chunk())), [id]);
    }
}

#[test]
fn a_client_that_hangs_up_frees_its_thread_even_after_an_early_request() {
    let server = TestServer::start();
    let hung_up = stream(&server, "/multipart-streaming");
    let mut early = stream(&server, "/multipart-streaming");
    server.wait_held("multipart_streaming", 2);
    early.send(get("/polling"));
    drop(hung_up);
    drop(early);
    server.wait_held("multipart_streaming", 0);
    support::wait_until("no connection left", || server.connections() == 0);
}

#[test]
fn the_end_of_the_server_is_the_closing_boundary_and_the_last_chunk() {
    let mut server = TestServer::start();
    let mut client = stream(&server, "/multipart-streaming");
    let ending = thread::spawn(move || server.stop());
    let end = "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n--comet--\r\n";
    assert_eq!(client.read_to_end(), chunk(end) + "0\r\n\r\n");
    drop(client);
    assert_eq!(ending.join().unwrap(), 0);
}

#[test]
fn a_wrong_topic_cursor_or_limit_is_refused() {
    let server = TestServer::start();
    server.assert_refused(&["/multipart-streaming?topic=No"], "topic must be");
    server.assert_refused(&["/multipart-streaming?since=x"], "since must be");
    server.assert_refused(&["/multipart-streaming?limit=0"], "limit must be");
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send_split(get("/multipart-streaming"));
    assert_eq!(client.read_head().status, 200);
    client.expect(chunk(BEGINNING));
}

#[test]
fn other_methods_than_get_are_refused() {
    let server = TestServer::start();
    let (head, _) = server.ask(&post("/multipart-streaming", "")).read_answer();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("GET"));
}
