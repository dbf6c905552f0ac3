//! XHR streaming, byte by byte.

mod support;

use std::thread;
use std::time::Duration;

use support::{Client, Follower, PATIENCE, TestServer, chunk, get, json, line_ids, post};

/// What a stream begins with: three empty lines, because browsers keep back the first two bytes of
/// a text until they know that it has no byte order mark.
const BEGINNING: &str = "3\r\n\n\n\n\r\n";

/// A stream that has begun: its head and its first empty lines have come.
fn stream(server: &TestServer, target: &str) -> Client {
    let mut client = server.get(target);
    assert_eq!(client.read_head().status, 200);
    client.expect(BEGINNING);
    client
}

#[test]
fn the_head_and_first_empty_lines_come_at_once() {
    let server = TestServer::start();
    let mut client = server.get("/xhr-streaming?topic=chat");
    let head = client.read_head();
    assert_eq!(head.status, 200);
    head.assert_lines(&[
        "Content-Type: text/plain; charset=utf-8",
        "Cache-Control: no-store, no-transform",
        "X-Accel-Buffering: no",
        "X-Content-Type-Options: nosniff",
        "Transfer-Encoding: chunked",
    ]);
    client.expect(BEGINNING);
    server.wait_held("xhr_streaming", 1);
    assert!(
        client.is_silent(),
        "held: nothing more before there is news"
    );
}

#[test]
fn each_event_is_a_line_sent_as_one_chunk() {
    let server = TestServer::start();
    let mut client = stream(&server, "/xhr-streaming");
    for text in ["hello", "안녕", ""] {
        let (id, at) = server.publish_at("chat", text);
        client.expect(chunk(&format!(
            "{{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\"data\":{{\"text\":\"{text}\"}}}}\n"
        )));
    }
}

#[test]
fn the_backlog_comes_as_one_chunk_and_then_what_is_new() {
    let server = TestServer::start();
    let first = server.publish("chat", "one");
    let [second, third] = ["two", "three"].map(|text| server.publish("chat", text));
    for since in [format!("{first}"), "-2".to_string()] {
        let mut client = stream(&server, &format!("/xhr-streaming?since={since}"));
        assert_eq!(line_ids(&client.read_chunk()), [second, third]);
    }
    let mut client = stream(&server, &format!("/xhr-streaming?since={third}"));
    let fourth = server.publish("chat", "four");
    assert_eq!(line_ids(&client.read_chunk()), [fourth]);
}

#[test]
fn no_event_falls_between_the_backlog_and_what_is_new() {
    let server = TestServer::with_limits(|limits| limits.write = 3 * PATIENCE);
    thread::scope(|scope| {
        let publisher = scope.spawn(|| {
            for _ in 0..3000 {
                server.publish("chat", "x");
            }
        });
        let join = |_| {
            let id = server.publish("chat", "a client joins");
            let client = stream(&server, &format!("/xhr-streaming?since={id}"));
            (client, Follower::after(id))
        };
        let clients: Vec<(Client, Follower)> = (0..20).map(join).collect();
        publisher.join().unwrap();
        let last = server.publish("chat", "the last");
        for (mut client, mut follower) in clients {
            while follower.last < last {
                let lines = client.read_chunk();
                lines.lines().for_each(|line| follower.hear(&json(line)));
            }
        }
    });
}

#[test]
fn a_cursor_the_ring_no_longer_reaches_is_told_of_the_gap_first() {
    let server = TestServer::start();
    let lost = server.overflow_ring("chat");
    let mut client = stream(&server, &format!("/xhr-streaming?since={}", lost - 1));
    let lines = client.read_chunk();
    let (gap, events) = lines.split_once('\n').unwrap();
    assert_eq!(gap, format!(r#"{{"gap":true,"next":{lost}}}"#));
    let all: Vec<u64> = (lost + 1..=lost + comet::hub::RING_EVENTS as u64).collect();
    assert_eq!(line_ids(events), all, "then everything the ring has");
}

#[test]
fn a_cursor_from_before_a_restart_is_told_of_the_gap_first() {
    let server = TestServer::start();
    let mut client = stream(&server, "/xhr-streaming?since=1");
    let gap = client.read_chunk();
    let id = server.publish("chat", "new");
    assert_eq!(gap, format!("{{\"gap\":true,\"next\":{}}}\n", id - 1));
    assert_eq!(line_ids(&client.read_chunk()), [id]);
}

#[test]
fn a_reader_that_falls_behind_misses_nothing_but_what_a_gap_tells() {
    let server = TestServer::with_limits(|limits| limits.write = 3 * PATIENCE);
    let mut client = stream(&server, "/xhr-streaming");
    let (first, last) = server.burst("chat");
    let mut follower = Follower::after(first - 1);
    while follower.last < last {
        let lines = client.read_chunk();
        let messages = lines.lines().filter(|line| !line.is_empty());
        messages.for_each(|line| follower.hear(&json(line)));
    }
    assert!(follower.gaps > 0, "more was published than could be kept");
}

#[test]
fn a_reader_that_takes_nothing_for_too_long_is_given_up() {
    let server = TestServer::with_limits(|limits| limits.write = Duration::from_millis(50));
    let client = stream(&server, "/xhr-streaming");
    server.wait_held("xhr_streaming", 1);
    support::wait_until("the thread free", || {
        server.publish("chat", &"x".repeat(64 << 10));
        server.held("xhr_streaming") == 0
    });
    drop(client);
}

#[test]
fn a_client_that_sends_much_too_early_and_hangs_up_frees_its_thread_too() {
    let server = TestServer::with_limits(|limits| limits.heartbeat = Duration::from_millis(20));
    let mut client = stream(&server, "/xhr-streaming");
    client.send(get("/polling").repeat(1000)); // more than is read before its turn
    drop(client);
    server.wait_held("xhr_streaming", 0);
}

#[test]
fn the_heartbeat_is_repeated() {
    let server = TestServer::with_limits(|limits| limits.heartbeat = Duration::from_millis(20));
    let mut client = stream(&server, "/xhr-streaming");
    client.expect("1\r\n\n\r\n1\r\n\n\r\n");
}

#[test]
fn the_default_heartbeat_is_every_20_seconds() {
    let limits = comet::settings::Limits::default();
    assert_eq!(limits.heartbeat, Duration::from_secs(20));
}

#[test]
fn http_1_0_gets_no_chunks_and_an_end_by_close() {
    let mut server = TestServer::start();
    let mut client = server.ask("GET /xhr-streaming HTTP/1.0\r\n\r\n");
    let head = client.read_head();
    assert_eq!(head.header("Transfer-Encoding"), None);
    assert_eq!(head.header("Connection"), Some("close"));
    client.expect("\n\n\n");
    let (id, at) = server.publish_at("chat", "plain");
    client.expect(format!(
        "{{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\"data\":{{\"text\":\"plain\"}}}}\n"
    ));
    let ending = thread::spawn(move || server.stop());
    assert_eq!(client.read_to_end(), "");
    drop(client);
    assert_eq!(ending.join().unwrap(), 0);
}

#[test]
fn the_answer_ends_with_the_event_that_reaches_its_limit_and_the_connection_goes_on() {
    let server = TestServer::start();
    let length = |id, at| {
        format!("{{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\"data\":{{\"text\":\"x\"}}}}\n")
            .len()
    };
    let (id, at) = server.publish_at("chat", "x");
    let two = "\n\n\n".len() + 2 * length(id, at);
    for (limit, events) in [(1, 1), (two - 1, 2), (two, 2), (two + 1, 3)] {
        let mut client = stream(&server, &format!("/xhr-streaming?limit={limit}"));
        for _ in 0..events {
            let id = server.publish("chat", "x");
            assert_eq!(line_ids(&client.read_chunk()), [id], "limit={limit}");
        }
        client.send(get("/polling")); // by the time of its answer, all of the stream has come
        client.expect("0\r\n\r\n");
        assert_eq!(client.read_answer().0.status, 200);
    }
}

#[test]
fn heartbeats_alone_do_not_end_an_answer() {
    let server = TestServer::with_limits(|limits| limits.heartbeat = Duration::from_millis(20));
    let mut client = stream(&server, "/xhr-streaming?limit=1");
    client.expect("1\r\n\n\r\n1\r\n\n\r\n");
    let id = server.publish("chat", "x");
    client.read_until(&format!("{{\"id\":{id},"));
    client.read_until("}\n\r\n");
    client.expect("0\r\n\r\n");
}

#[test]
fn http_1_0_gets_its_limit_too() {
    let server = TestServer::start();
    let mut client = server.ask("GET /xhr-streaming?limit=1 HTTP/1.0\r\n\r\n");
    client.read_head();
    client.expect("\n\n\n");
    let id = server.publish("chat", "x");
    assert_eq!(line_ids(&client.read_to_end()), [id]);
}

#[test]
fn requests_sent_early_do_not_disturb_the_stream() {
    let server = TestServer::start();
    let mut client = stream(&server, "/xhr-streaming");
    for _ in 0..20 {
        client.send(get("/polling"));
        let id = server.publish("chat", "x");
        assert_eq!(line_ids(&client.read_chunk()), [id]);
    }
}

#[test]
fn a_client_that_hangs_up_frees_its_thread_even_after_an_early_request() {
    let server = TestServer::start();
    let hung_up = stream(&server, "/xhr-streaming");
    let mut early = stream(&server, "/xhr-streaming");
    let mut half_closed = stream(&server, "/xhr-streaming");
    server.wait_held("xhr_streaming", 3);
    early.send(get("/polling"));
    half_closed.half_close();
    drop(hung_up);
    drop(early);
    server.wait_held("xhr_streaming", 0);
    support::wait_until("no connection left", || server.connections() == 0);
}

#[test]
fn the_end_of_the_server_is_the_last_chunk() {
    let mut server = TestServer::start();
    let mut client = stream(&server, "/xhr-streaming");
    let ending = thread::spawn(move || server.stop());
    assert_eq!(client.read_to_end(), "0\r\n\r\n");
    drop(client);
    assert_eq!(ending.join().unwrap(), 0);
}

#[test]
fn a_wrong_topic_cursor_or_limit_is_refused() {
    let server = TestServer::start();
    server.assert_refused(&["/xhr-streaming?topic=No"], "topic must be");
    server.assert_refused(&["/xhr-streaming?since=x"], "since must be");
    let limits = ["", "0", "-1", "1.5", "64k", "99999999999999999999"];
    let targets = limits.map(|limit| format!("/xhr-streaming?limit={limit}"));
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    server.assert_refused(&targets, "limit must be a number of bytes, 1 or more");
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send_split(get("/xhr-streaming"));
    assert_eq!(client.read_head().status, 200);
    client.expect(BEGINNING);
}

#[test]
fn post_works_as_get_does_and_other_methods_are_refused() {
    let server = TestServer::start();
    let mut client = server.ask(&post("/xhr-streaming", "ignored"));
    assert_eq!(client.read_head().status, 200);
    client.expect(BEGINNING);
    let mut client = server.ask("PUT /xhr-streaming HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, _) = client.read_answer();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("GET, POST"));
}
