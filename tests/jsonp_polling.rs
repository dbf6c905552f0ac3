//! JSONP polling, byte by byte.

mod support;

use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::{TestServer, chunk, get, json, post};

/// The answer inside the call of `f`.
fn answer(script: &str) -> Value {
    let inner = script.strip_prefix("/**/f(");
    let inner = inner.and_then(|rest| rest.strip_suffix(");"));
    json(inner.unwrap_or_else(|| panic!("not a call of f: {script:?}")))
}

fn ids(script: &str) -> Vec<u64> {
    support::ids(&answer(script))
}

#[test]
fn the_head_goes_out_at_once_and_the_call_when_there_is_news() {
    let server = TestServer::start();
    let mut client = server.get("/jsonp-polling?topic=chat&callback=comet.receive");
    let head = client.read_head();
    assert_eq!(head.status, 200);
    head.assert_lines(&[
        "Content-Type: text/javascript; charset=utf-8",
        "Cache-Control: no-store, no-transform",
        "X-Accel-Buffering: no",
        "X-Content-Type-Options: nosniff",
        "Transfer-Encoding: chunked",
    ]);
    server.wait_held("jsonp_polling", 1);
    assert!(client.is_silent(), "held: no body before there is news");

    let (id, at) = server.publish_at("chat", "안녕");
    let call = format!(
        "/**/comet.receive({{\"events\":[{{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\
         \"data\":{{\"text\":\"안녕\"}}}}],\"next\":{id},\"gap\":false}});"
    );
    client.expect(chunk(&call) + "0\r\n\r\n");
}

#[test]
fn an_event_cannot_become_code() {
    let server = TestServer::start();
    server.publish("chat", "</script><!--\u{2028}\u{2029}");
    let mut client = server.get("/jsonp-polling?callback=f&since=-1");
    let (_, body) = client.read_chunked_answer();
    let text = r#""data":{"text":"\u003c/script>\u003c!--\u2028\u2029"}"#;
    assert!(body.contains(text), "{body}");
    let same = &answer(&body)["events"][0]["data"]["text"];
    assert_eq!(
        same, "</script><!--\u{2028}\u{2029}",
        "and it still says the same"
    );
}

#[test]
fn a_callback_is_letters_digits_underscores_dots_and_dollars() {
    let server = TestServer::start();
    let last = server.publish("chat", "before");
    let longest = "a".repeat(64);
    let all = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz.0123456789";
    for callback in ["f", "$", "_.$9", all, longest.as_str()] {
        let mut client = server.get(&format!("/jsonp-polling?wait=0&callback={callback}"));
        let (_, body) = client.read_chunked_answer();
        assert_eq!(
            body,
            format!(r#"/**/{callback}({{"events":[],"next":{last},"gap":false}});"#)
        );
    }
}

#[test]
fn a_callback_that_could_be_other_code_is_refused() {
    let server = TestServer::start();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.$".contains(&byte);
    let others = (0..=255u8).filter(|byte| !fits(*byte));
    let mut targets: Vec<String> = others
        .map(|byte| format!("/jsonp-polling?wait=0&callback=a%{byte:02X}b"))
        .collect();
    targets.push("/jsonp-polling?wait=0".to_string());
    targets.push("/jsonp-polling?wait=0&callback=".to_string());
    targets.push(format!("/jsonp-polling?wait=0&callback={}", "a".repeat(65)));
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    server.assert_refused(
        &targets,
        "callback must be 1 to 64 letters, digits, _, . and $",
    );
}

#[test]
fn the_answer_to_a_wrong_callback_does_not_repeat_it() {
    let server = TestServer::start();
    let (_, body) = server.get("/jsonp-polling?callback=alert(1)").read_answer();
    assert!(!body.contains("alert"), "{body}");
}

#[test]
fn what_is_already_there_is_answered_at_once() {
    let server = TestServer::start();
    let first = server.publish("chat", "one");
    let second = server.publish("chat", "two");
    let mut client = server.get(&format!("/jsonp-polling?callback=f&since={first}"));
    assert_eq!(ids(&client.read_chunked_answer().1), [second]);
    client.send(get("/jsonp-polling?callback=f&since=-2"));
    assert_eq!(ids(&client.read_chunked_answer().1), [first, second]);
}

#[test]
fn nothing_falls_between_two_polls() {
    let server = TestServer::start();
    let mut client = server.get("/jsonp-polling?callback=f&wait=0");
    let next = answer(&client.read_chunked_answer().1)["next"].clone();
    let missed = server.publish("chat", "while nobody was asking");
    client.send(get(&format!("/jsonp-polling?callback=f&since={next}")));
    assert_eq!(ids(&client.read_chunked_answer().1), [missed]);
}

#[test]
fn when_the_time_is_up_the_call_brings_no_events() {
    let server = TestServer::with_limits(|limits| limits.hold = Duration::from_millis(50));
    let last = server.publish("chat", "before");
    let (_, body) = server
        .get("/jsonp-polling?callback=f")
        .read_chunked_answer();
    assert_eq!(
        body,
        format!(r#"/**/f({{"events":[],"next":{last},"gap":false}});"#)
    );
}

#[test]
fn a_cursor_the_ring_no_longer_reaches_is_told_of_the_gap() {
    let server = TestServer::start();
    let lost = server.overflow_ring("chat");
    let mut client = server.get(&format!("/jsonp-polling?callback=f&since={}", lost - 1));
    let (_, body) = client.read_chunked_answer();
    assert_eq!(answer(&body)["gap"], true);
    let all: Vec<u64> = (lost + 1..=lost + comet::hub::RING_EVENTS as u64).collect();
    assert_eq!(ids(&body), all, "then everything the ring has");
}

#[test]
fn a_cursor_from_before_a_restart_is_told_of_the_gap() {
    let server = TestServer::start();
    let mut client = server.get("/jsonp-polling?callback=f&since=1");
    let told = answer(&client.read_chunked_answer().1);
    assert_eq!(told["gap"], true);
    let next = &told["next"];
    client.send(get(&format!(
        "/jsonp-polling?callback=f&wait=0&since={next}"
    )));
    let told = answer(&client.read_chunked_answer().1);
    assert_eq!(told["gap"], false, "once told, the cursor is good");
}

#[test]
fn after_a_held_answer_the_connection_takes_the_next_request() {
    let server = TestServer::start();
    let mut client = server.get("/jsonp-polling?callback=f");
    for n in 0..3 {
        server.wait_held("jsonp_polling", 1);
        let id = server.publish("chat", &n.to_string());
        assert_eq!(ids(&client.read_chunked_answer().1), [id]);
        server.wait_held("jsonp_polling", 0);
        client.send(get(&format!("/jsonp-polling?callback=f&since={id}")));
    }
}

#[test]
fn a_request_sent_early_waits_its_turn() {
    let server = TestServer::start();
    let mut client = server.connect();
    for _ in 0..20 {
        client.send(get("/jsonp-polling?callback=f"));
        client.read_head();
        client.send(get("/polling?topic=other"));
        server.get("/polling").read_answer(); // time enough for the early one to be seen
        let id = server.publish("chat", "now");
        assert_eq!(ids(&client.read_chunk()), [id]);
        assert_eq!(client.read_chunk(), "");
        assert_eq!(support::ids(&json(&client.read_answer().1)), [0u64; 0]);
    }
}

#[test]
fn a_client_that_hangs_up_frees_its_thread_even_after_an_early_request() {
    let server = TestServer::start();
    let hung_up = server.get("/jsonp-polling?callback=f");
    let mut early = server.get("/jsonp-polling?callback=f");
    server.wait_held("jsonp_polling", 2);
    early.send(get("/polling"));
    drop(hung_up);
    drop(early);
    server.wait_held("jsonp_polling", 0);
    support::wait_until("no connection left", || server.connections() == 0);
}

#[test]
fn http_1_0_gets_no_chunks_and_an_end_by_close() {
    let server = TestServer::start();
    let mut client = server.ask("GET /jsonp-polling?callback=f HTTP/1.0\r\n\r\n");
    let head = client.read_head();
    assert_eq!(head.header("Transfer-Encoding"), None);
    assert_eq!(head.header("Connection"), Some("close"));
    server.wait_held("jsonp_polling", 1);
    let id = server.publish("chat", "plain");
    assert_eq!(ids(&client.read_to_end()), [id]);
}

#[test]
fn the_end_of_the_server_is_a_call_without_events() {
    let mut server = TestServer::start();
    let mut client = server.get("/jsonp-polling?callback=f");
    server.wait_held("jsonp_polling", 1);
    let ending = thread::spawn(move || server.stop());
    assert_eq!(ids(&client.read_chunked_answer().1), [0u64; 0]);
    assert_eq!(client.read_to_end(), "", "and then the connection closes");
    drop(client);
    assert_eq!(ending.join().unwrap(), 0);
}

#[test]
fn a_wrong_topic_cursor_or_wait_is_refused() {
    let server = TestServer::start();
    server.assert_refused(&["/jsonp-polling?callback=f&topic=No"], "topic must be");
    server.assert_refused(&["/jsonp-polling?callback=f&since=x"], "since must be");
    server.assert_refused(&["/jsonp-polling?callback=f&wait=x"], "wait must be");
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send_split(get("/jsonp-polling?callback=f&wait=0"));
    assert_eq!(ids(&client.read_chunked_answer().1), [0u64; 0]);
}

#[test]
fn other_methods_than_get_are_refused() {
    let server = TestServer::start();
    let (head, _) = server
        .ask(&post("/jsonp-polling?callback=f", ""))
        .read_answer();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("GET"));
}
