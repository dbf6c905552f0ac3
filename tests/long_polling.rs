//! Long polling, byte by byte.

mod support;

use std::time::Duration;

use support::{TestServer, get, ids, json};

#[test]
fn the_head_goes_out_at_once_and_the_body_when_there_is_news() {
    let server = TestServer::start();
    let mut client = server.get("/long-polling?topic=chat");
    let head = client.read_head();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("Content-Type"), Some("application/json"));
    assert_eq!(head.header("Transfer-Encoding"), Some("chunked"));
    assert_eq!(head.header("Cache-Control"), Some("no-store, no-transform"));
    assert_eq!(head.header("X-Accel-Buffering"), Some("no"));
    assert_eq!(head.header("X-Content-Type-Options"), Some("nosniff"));
    server.wait_held("long_polling", 1);
    assert!(client.is_silent(), "held: no body before there is news");

    let id = server.publish("chat", "hello");
    let answer = json(&client.read_chunk());
    assert_eq!(ids(&answer), [id]);
    assert_eq!(answer["events"][0]["data"]["text"], "hello");
    assert_eq!(answer["next"], id);
    assert_eq!(answer["gap"], false);
    assert_eq!(client.read_chunk(), "", "the last chunk");
}

#[test]
fn what_is_already_there_is_answered_at_once() {
    let server = TestServer::start();
    let first = server.publish("chat", "one");
    let second = server.publish("chat", "two");
    let (_, body) = server
        .get(&format!("/long-polling?since={first}"))
        .read_chunked_answer();
    assert_eq!(ids(&json(&body)), [second]);
    let (_, body) = server.get("/long-polling?since=-2").read_chunked_answer();
    assert_eq!(ids(&json(&body)), [first, second]);
}

#[test]
fn nothing_falls_between_two_polls() {
    let server = TestServer::start();
    let mut client = server.get("/long-polling?wait=0");
    let (_, body) = client.read_chunked_answer();
    let missed = server.publish("chat", "while nobody was asking");
    client.send(get(&format!("/long-polling?since={}", json(&body)["next"])));
    let (_, body) = client.read_chunked_answer();
    assert_eq!(ids(&json(&body)), [missed]);
}

#[test]
fn what_is_already_there_comes_even_when_the_time_is_up_at_once() {
    let server = TestServer::start();
    let id = server.publish("chat", "already there");
    let mut client = server.connect();
    for _ in 0..200 {
        client.send(get("/long-polling?wait=0&since=-1"));
        assert_eq!(ids(&json(&client.read_chunked_answer().1)), [id]);
    }
}

#[test]
fn when_the_time_is_up_the_answer_is_empty() {
    let server = TestServer::with_limits(|limits| limits.hold = Duration::from_millis(50));
    let last = server.publish("chat", "before");
    let (_, body) = server.get("/long-polling").read_chunked_answer();
    assert_eq!(
        body,
        format!(r#"{{"events":[],"next":{last},"gap":false}}"#)
    );
}

#[test]
fn the_default_hold_is_25_seconds() {
    assert_eq!(
        comet::settings::Limits::default().hold,
        Duration::from_secs(25)
    );
}

#[test]
fn wait_shortens_the_hold_and_must_be_a_number() {
    let server = TestServer::start();
    let (_, body) = server.get("/long-polling?wait=0").read_chunked_answer();
    assert_eq!(json(&body)["events"], serde_json::json!([]));
    let (head, body) = server.get("/long-polling?wait=soon").read_answer();
    assert_eq!(head.status, 400);
    assert!(body.contains("wait must be a number of seconds"), "{body}");
}

#[test]
fn a_cursor_the_ring_no_longer_reaches_is_told_of_the_gap() {
    let server = TestServer::start();
    let first = server.publish("chat", "0");
    for n in 1..=comet::hub::RING_EVENTS {
        server.publish("chat", &n.to_string());
    }
    let (_, body) = server
        .get(&format!("/long-polling?since={}", first - 1))
        .read_chunked_answer();
    let answer = json(&body);
    assert_eq!(answer["gap"], true);
    let expected: Vec<u64> = (first + 1..=first + comet::hub::RING_EVENTS as u64).collect();
    assert_eq!(ids(&answer), expected, "then everything the ring has");
}

#[test]
fn a_cursor_from_before_a_restart_is_told_of_the_gap() {
    let server = TestServer::start();
    let (_, body) = server.get("/long-polling?since=1").read_chunked_answer();
    let answer = json(&body);
    assert_eq!(answer["gap"], true);
    let (_, body) = server
        .get(&format!("/long-polling?wait=0&since={}", answer["next"]))
        .read_chunked_answer();
    assert_eq!(json(&body)["gap"], false, "once told, the cursor is good");
}

#[test]
fn after_a_held_answer_the_connection_takes_the_next_request() {
    let server = TestServer::start();
    let mut client = server.get("/long-polling");
    for n in 0..3 {
        server.wait_held("long_polling", 1);
        let id = server.publish("chat", &n.to_string());
        let (_, body) = client.read_chunked_answer();
        assert_eq!(ids(&json(&body)), [id]);
        server.wait_held("long_polling", 0);
        client.send(get(&format!("/long-polling?since={id}")));
    }
}

#[test]
fn a_request_sent_early_waits_its_turn() {
    let server = TestServer::start();
    let mut client = server.get("/long-polling");
    client.read_head();
    server.wait_held("long_polling", 1);
    client.send(get("/polling?topic=other"));
    let id = server.publish("chat", "now");
    assert_eq!(ids(&json(&client.read_chunk())), [id]);
    assert_eq!(client.read_chunk(), "");
    let (head, body) = client.read_answer();
    assert_eq!(head.status, 200);
    assert_eq!(ids(&json(&body)), [0u64; 0]);
}

#[test]
fn a_client_that_hangs_up_frees_its_thread_even_after_an_early_request() {
    let server = TestServer::start();
    let hung_up = server.get("/long-polling");
    let mut early = server.get("/long-polling");
    server.wait_held("long_polling", 2);
    early.send(get("/polling"));
    drop(hung_up);
    drop(early);
    server.wait_held("long_polling", 0);
    support::wait_until("no connection left", || server.connections() == 0);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send_split(get("/long-polling?wait=0"));
    assert_eq!(client.read_chunked_answer().0.status, 200);
}

#[test]
fn http_1_0_gets_no_chunks_and_an_end_by_close() {
    let server = TestServer::start();
    let mut client = server.ask("GET /long-polling HTTP/1.0\r\n\r\n");
    let head = client.read_head();
    assert_eq!(head.header("Transfer-Encoding"), None);
    assert_eq!(head.header("Connection"), Some("close"));
    server.wait_held("long_polling", 1);
    let id = server.publish("chat", "plain");
    assert_eq!(ids(&json(&client.read_to_end())), [id]);
}

#[test]
fn post_works_as_get_does_and_other_methods_are_refused() {
    let server = TestServer::start();
    let (head, _) = server
        .ask(&support::post("/long-polling?wait=0", ""))
        .read_chunked_answer();
    assert_eq!(head.status, 200);
    let (head, _) = server
        .ask("DELETE /long-polling HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .read_answer();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("GET, POST"));
}

#[test]
fn the_end_of_the_server_is_an_empty_answer() {
    let mut server = TestServer::start();
    let mut client = server.get("/long-polling");
    server.wait_held("long_polling", 1);
    let ending = std::thread::spawn(move || server.stop());
    let (_, body) = client.read_chunked_answer();
    assert_eq!(json(&body)["events"], serde_json::json!([]));
    assert_eq!(client.read_to_end(), "", "and then the connection closes");
    assert_eq!(ending.join().unwrap(), 0);
}
