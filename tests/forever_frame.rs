//! The forever frame, byte by byte.

mod support;

use std::thread;
use std::time::Duration;

use support::{Client, Follower, Head, PATIENCE, TestServer, chunk, get, json, post};

/// One line of the document: a script that does this and removes itself.
fn script(nonce: &str, call: &str) -> String {
    format!("<script nonce=\"{nonce}\">{call};document.currentScript.remove()</script>\n")
}

/// What the document begins with.
fn beginning(nonce: &str) -> String {
    let document = "<!doctype html><meta charset=\"utf-8\"><title>forever frame</title>\n";
    document.to_string() + &script(nonce, "parent.comet.heartbeat?.()")
}

/// The nonce of an answer, as its head has it; the policy must allow nothing else.
fn nonce(head: &Head) -> String {
    let policy = head.header("Content-Security-Policy").expect("a policy");
    let nonce = policy.strip_prefix("default-src 'none'; script-src 'nonce-");
    let nonce = nonce.and_then(|rest| rest.strip_suffix("'; frame-ancestors 'self'"));
    nonce.unwrap_or_else(|| panic!("{policy}")).to_string()
}

/// A frame that has begun, and its nonce.
fn frame(server: &TestServer, target: &str) -> (Client, String) {
    let mut client = server.get(target);
    let head = client.read_head();
    assert_eq!(head.status, 200, "{target}");
    let nonce = nonce(&head);
    client.expect(chunk(&beginning(&nonce)));
    (client, nonce)
}

/// What a chunk's scripts call `receive` with.
fn messages<'a>(scripts: &'a str, nonce: &str) -> Vec<&'a str> {
    let begin = format!("<script nonce=\"{nonce}\">parent.comet.receive(");
    let end = ");document.currentScript.remove()</script>";
    let inner = |line: &'a str| line.strip_prefix(&begin)?.strip_suffix(end);
    scripts.lines().filter_map(inner).collect()
}

fn ids(messages: &[&str]) -> Vec<u64> {
    let id = |message: &&str| json(message)["id"].as_u64().expect("an id");
    messages.iter().map(id).collect()
}

#[test]
fn the_document_begins_at_once() {
    let server = TestServer::start();
    let mut client = server.get("/forever-frame?topic=chat");
    let head = client.read_head();
    assert_eq!(head.status, 200);
    head.assert_lines(&[
        "Content-Type: text/html; charset=utf-8",
        "Cache-Control: no-store, no-transform",
        "X-Accel-Buffering: no",
        "X-Content-Type-Options: nosniff",
        "Transfer-Encoding: chunked",
    ]);
    client.expect(chunk(&beginning(&nonce(&head))));
    server.wait_held("forever_frame", 1);
    assert!(
        client.is_silent(),
        "held: nothing more before there is news"
    );
}

#[test]
fn the_nonce_is_hard_to_guess_and_another_one_in_each_answer() {
    let server = TestServer::start();
    let (_, one) = frame(&server, "/forever-frame");
    let (_, other) = frame(&server, "/forever-frame");
    assert_ne!(one, other);
    for nonce in [one, other] {
        assert!(nonce.len() >= 16, "{nonce}");
        assert!(
            nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{nonce}"
        );
    }
}

#[test]
fn each_event_is_a_script_sent_as_one_chunk() {
    let server = TestServer::start();
    let (mut client, nonce) = frame(&server, "/forever-frame");
    for text in ["hello", "안녕"] {
        let (id, at) = server.publish_at("chat", text);
        client.expect(chunk(&format!(
            "<script nonce=\"{nonce}\">parent.comet.receive({{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\
             \"data\":{{\"text\":\"{text}\"}}}});document.currentScript.remove()</script>\n"
        )));
    }
}

#[test]
fn an_event_cannot_become_code() {
    let server = TestServer::start();
    let (mut client, nonce) = frame(&server, "/forever-frame");
    let (id, at) = server.publish_at("chat", "</script><!--\u{2028}\u{2029}");
    let event = format!(
        r#"{{"id":{id},"topic":"chat","at":{at},"data":{{"text":"\u003c/script>\u003c!--\u2028\u2029"}}}}"#
    );
    client.expect(chunk(&script(
        &nonce,
        &format!("parent.comet.receive({event})"),
    )));
}

#[test]
fn name_chooses_the_object_that_is_called() {
    let server = TestServer::start();
    for name in ["A_z09", "abcdefghijklmnopqrstuvwxyz_01234"] {
        let mut client = server.get(&format!("/forever-frame?since=1&name={name}"));
        let nonce = nonce(&client.read_head());
        let beat = script(&nonce, &format!("parent.{name}.heartbeat?.()"));
        assert!(client.read_chunk().ends_with(&beat));
        let call = format!("parent.{name}.receive({{\"gap\":true,");
        assert!(client.read_chunk().contains(&call));
    }
}

#[test]
fn a_name_that_could_be_code_is_refused() {
    let server = TestServer::start();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let others = (0..=255u8).filter(|byte| !fits(*byte));
    let mut targets: Vec<String> = others
        .map(|byte| format!("/forever-frame?name=a%{byte:02X}b"))
        .collect();
    targets.push("/forever-frame?name=".to_string());
    targets.push(format!("/forever-frame?name={}", "a".repeat(33)));
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    server.assert_refused(&targets, "name must be 1 to 32 letters, digits and _");
}

#[test]
fn the_backlog_comes_as_one_chunk_and_then_what_is_new() {
    let server = TestServer::start();
    let first = server.publish("chat", "one");
    let [second, third] = ["two", "three"].map(|text| server.publish("chat", text));
    for since in [format!("{first}"), "-2".to_string()] {
        let (mut client, nonce) = frame(&server, &format!("/forever-frame?since={since}"));
        let backlog = client.read_chunk();
        assert_eq!(ids(&messages(&backlog, &nonce)), [second, third]);
    }
    let (mut client, nonce) = frame(&server, &format!("/forever-frame?since={third}"));
    let fourth = server.publish("chat", "four");
    let new = client.read_chunk();
    assert_eq!(ids(&messages(&new, &nonce)), [fourth]);
}

#[test]
fn a_cursor_the_ring_no_longer_reaches_is_told_of_the_gap_first() {
    let server = TestServer::start();
    let lost = server.overflow_ring("chat");
    let (mut client, nonce) = frame(&server, &format!("/forever-frame?since={}", lost - 1));
    let scripts = client.read_chunk();
    let messages = messages(&scripts, &nonce);
    assert_eq!(messages[0], format!(r#"{{"gap":true,"next":{lost}}}"#));
    let all: Vec<u64> = (lost + 1..=lost + comet::hub::RING_EVENTS as u64).collect();
    assert_eq!(ids(&messages[1..]), all, "then everything the ring has");
}

#[test]
fn a_cursor_from_before_a_restart_is_told_of_the_gap_first() {
    let server = TestServer::start();
    let (mut client, nonce) = frame(&server, "/forever-frame?since=1");
    let gap = client.read_chunk();
    let id = server.publish("chat", "new");
    let call = format!("parent.comet.receive({{\"gap\":true,\"next\":{}}})", id - 1);
    assert_eq!(gap, script(&nonce, &call));
    assert_eq!(ids(&messages(&client.read_chunk(), &nonce)), [id]);
}

#[test]
fn a_reader_that_falls_behind_misses_nothing_but_what_a_gap_tells() {
    let server = TestServer::with_limits(|limits| limits.write = 3 * PATIENCE);
    let (mut client, nonce) = frame(&server, "/forever-frame");
    let (first, last) = server.burst("chat");
    let mut follower = Follower::after(first - 1);
    while follower.last < last {
        let scripts = client.read_chunk();
        let messages = messages(&scripts, &nonce);
        messages
            .iter()
            .for_each(|message| follower.hear(&json(message)));
    }
    assert!(follower.gaps > 0, "more was published than could be kept");
}

#[test]
fn the_heartbeat_is_repeated() {
    let server = TestServer::with_limits(|limits| limits.heartbeat = Duration::from_millis(20));
    let (mut client, nonce) = frame(&server, "/forever-frame");
    let beat = chunk(&script(&nonce, "parent.comet.heartbeat?.()"));
    client.expect(beat.repeat(2));
}

#[test]
fn http_1_0_gets_no_chunks_and_an_end_by_close() {
    let mut server = TestServer::start();
    let mut client = server.ask("GET /forever-frame HTTP/1.0\r\n\r\n");
    let head = client.read_head();
    assert_eq!(head.header("Transfer-Encoding"), None);
    assert_eq!(head.header("Connection"), Some("close"));
    client.expect(beginning(&nonce(&head)));
    let id = server.publish("chat", "plain");
    let line = client.read_until("</script>\n");
    assert_eq!(ids(&messages(&line, &nonce(&head))), [id]);
    let ending = thread::spawn(move || server.stop());
    assert_eq!(client.read_to_end(), "");
    drop(client);
    assert_eq!(ending.join().unwrap(), 0);
}

#[test]
fn the_document_ends_with_the_event_that_reaches_its_limit_and_the_connection_goes_on() {
    let server = TestServer::start();
    server.publish("chat", "x");
    let (mut client, nonce) = frame(&server, "/forever-frame?since=-1");
    let two = beginning(&nonce).len() + 2 * client.read_chunk().len();
    for (limit, events) in [(1, 1), (two - 1, 2), (two, 2), (two + 1, 3)] {
        let (mut client, nonce) = frame(&server, &format!("/forever-frame?limit={limit}"));
        for _ in 0..events {
            let id = server.publish("chat", "x");
            let scripts = client.read_chunk();
            assert_eq!(ids(&messages(&scripts, &nonce)), [id], "limit={limit}");
        }
        client.send(get("/polling")); // by the time of its answer, all of the stream has come
        client.expect("0\r\n\r\n");
        assert_eq!(client.read_answer().0.status, 200);
    }
}

#[test]
fn requests_sent_early_do_not_disturb_the_stream() {
    let server = TestServer::start();
    let (mut client, nonce) = frame(&server, "/forever-frame");
    for _ in 0..20 {
        client.send(get("/polling"));
        let id = server.publish("chat", "x");
        assert_eq!(ids(&messages(&client.read_chunk(), &nonce)), [id]);
    }
}

#[test]
fn a_client_that_hangs_up_frees_its_thread_even_after_an_early_request() {
    let server = TestServer::start();
    let (hung_up, _) = frame(&server, "/forever-frame");
    let (mut early, _) = frame(&server, "/forever-frame");
    server.wait_held("forever_frame", 2);
    early.send(get("/polling"));
    drop(hung_up);
    drop(early);
    server.wait_held("forever_frame", 0);
    support::wait_until("no connection left", || server.connections() == 0);
}

#[test]
fn the_end_of_the_server_is_the_last_chunk() {
    let mut server = TestServer::start();
    let (mut client, _) = frame(&server, "/forever-frame");
    let ending = thread::spawn(move || server.stop());
    assert_eq!(client.read_to_end(), "0\r\n\r\n");
    drop(client);
    assert_eq!(ending.join().unwrap(), 0);
}

#[test]
fn a_wrong_topic_cursor_or_limit_is_refused() {
    let server = TestServer::start();
    server.assert_refused(&["/forever-frame?topic=No"], "topic must be");
    server.assert_refused(&["/forever-frame?since=x"], "since must be");
    server.assert_refused(&["/forever-frame?limit=0"], "limit must be");
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send_split(get("/forever-frame"));
    let nonce = nonce(&client.read_head());
    client.expect(chunk(&beginning(&nonce)));
}

#[test]
fn other_methods_than_get_are_refused() {
    let server = TestServer::start();
    let (head, _) = server.ask(&post("/forever-frame", "")).read_answer();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("GET"));
}
