//! Long polling, byte by byte. What it shares with JSONP polling: see `polls.rs`.

mod support;

use std::time::Duration;

use support::{TestServer, ids, json};

#[test]
fn the_head_comes_at_once_and_the_body_with_the_first_event() {
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
    assert!(client.is_silent(), "held: no body before there is an event");

    let id = server.publish("chat", "hello");
    let answer = json(&client.read_chunk());
    assert_eq!(ids(&answer), [id]);
    assert_eq!(answer["events"][0]["data"]["text"], "hello");
    assert_eq!(answer["next"], id);
    assert_eq!(answer["gap"], false);
    assert_eq!(client.read_chunk(), "", "the last chunk");
}

#[test]
fn the_default_hold_is_25_seconds() {
    assert_eq!(
        comet::door::settings::Limits::default().hold,
        Duration::from_secs(25)
    );
}

#[test]
fn wait_shortens_the_hold() {
    let server = TestServer::start();
    let (_, body) = server.get("/long-polling?wait=0").read_chunked_answer();
    assert_eq!(json(&body)["events"], serde_json::json!([]));
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
