//! Publishing, byte by byte.

mod support;

use std::thread;

use comet::hub::{MAX_TOPICS, Since};
use support::{Client, TestServer, get, json, post};

/// The `data` of the last event in chat, as JSON text.
fn last_data(server: &TestServer) -> String {
    let hub = &server.server().shared.hub;
    let event = hub.read("chat", Since::Last(1)).unwrap().events[0].clone();
    let start = format!(
        r#"{{"id":{},"topic":"chat","at":{},"data":"#,
        event.id, event.at
    );
    let data = event.json.strip_prefix(&start);
    let data = data.and_then(|rest| rest.strip_suffix('}'));
    data.unwrap_or_else(|| panic!("{}", event.json)).to_string()
}

/// Publishes on this connection; returns the event's id.
fn publish(client: &mut Client, target: &str, body: &str) -> u64 {
    client.send(post(target, body));
    let (head, body) = client.read_answer();
    assert_eq!(head.status, 200, "{body}");
    json(&body)["id"].as_u64().expect("an id")
}

/// The status and the error of a refused request; its connection must stay usable.
fn refused(client: &mut Client, request: impl AsRef<[u8]>) -> (u16, String) {
    client.send(request);
    let (head, body) = client.read_answer();
    let error = json(&body)["error"].as_str().expect("an error").to_string();
    publish(client, "/publish", "still usable");
    (head.status, error)
}

#[test]
fn the_answer_is_the_id_that_the_event_got() {
    let server = TestServer::start();
    let mut client = server.ask(&post(
        "/publish?topic=chat",
        r#"{"nick":"a","text":"hello"}"#,
    ));
    let (head, body) = client.read_answer();
    assert_eq!(head.status, 200);
    head.assert_lines(&[
        "Content-Type: application/json",
        "Cache-Control: no-store, no-transform",
        "X-Content-Type-Options: nosniff",
    ]);
    let hub = &server.server().shared.hub;
    let id = hub.read("chat", Since::Last(1)).unwrap().next;
    assert_eq!(body, format!(r#"{{"id":{id}}}"#));
    assert_eq!(last_data(&server), r#"{"nick":"a","text":"hello"}"#);
}

#[test]
fn ids_grow_by_one_within_a_topic() {
    let server = TestServer::start();
    let mut client = server.connect();
    let first = publish(&mut client, "/publish", "one");
    publish(&mut client, "/publish?topic=other", "elsewhere");
    assert_eq!(publish(&mut client, "/publish", "two"), first + 1);
    assert_eq!(
        publish(&mut client, "/publish?topic=chat", "three"),
        first + 2
    );
}

#[test]
fn json_is_kept_except_for_its_whitespace() {
    let server = TestServer::start();
    let mut client = server.connect();
    for (body, data) in [
        (
            "{\r\n \"b\": [1, -2.5],\n \"a\": null\n}\n",
            r#"{"b":[1,-2.5],"a":null}"#,
        ),
        ("\"just text\"", "\"just text\""),
        ("42", "42"),
        ("true", "true"),
        ("{}", "{}"),
        (
            r#"{"text":"\u0000\ud83d\ude00\u2028"}"#,
            "{\"text\":\"\\u0000😀\u{2028}\"}",
        ),
    ] {
        publish(&mut client, "/publish", body);
        assert_eq!(last_data(&server), data, "{body}");
    }
}

#[test]
fn text_that_is_not_json_becomes_a_text() {
    let server = TestServer::start();
    let mut client = server.connect();
    for (body, data) in [
        ("hello", r#"{"text":"hello"}"#),
        ("안녕", r#"{"text":"안녕"}"#),
        ("{\"text\":", r#"{"text":"{\"text\":"}"#),
        ("1 2", r#"{"text":"1 2"}"#),
        ("two\r\nlines", r#"{"text":"two\r\nlines"}"#),
        (" ", r#"{"text":" "}"#),
    ] {
        publish(&mut client, "/publish", body);
        assert_eq!(last_data(&server), data, "{body}");
    }
}

#[test]
fn deep_json_does_not_exhaust_the_thread() {
    let server = TestServer::start();
    let mut client = server.connect();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        publish(&mut client, "/publish", &nested(120));
        assert_eq!(last_data(&server), nested(120));
        publish(&mut client, "/publish", &nested(8000));
        assert_eq!(json(&last_data(&server))["text"], nested(8000));
    }
}

#[test]
fn an_empty_body_or_one_that_is_not_text_is_refused() {
    let server = TestServer::start();
    let mut client = server.connect();
    let (status, error) = refused(&mut client, post("/publish", ""));
    assert_eq!(
        (status, error.as_str()),
        (400, "send JSON or text in the body")
    );
    let no_length = "POST /publish HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(refused(&mut client, no_length).0, 400);
    let binary = b"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n\xc3\x28";
    let (status, error) = refused(&mut client, binary);
    assert_eq!((status, error.as_str()), (400, "the body must be UTF-8"));
}

#[test]
fn the_ball_game_alone_publishes_to_its_topic() {
    let server = TestServer::start();
    let mut client = server.connect();
    let (status, error) = refused(&mut client, post("/publish?topic=baseball", "home run!"));
    assert_eq!(status, 403);
    assert!(
        error.contains("only the ball game publishes to baseball"),
        "{error}"
    );
}

#[test]
fn a_wrong_topic_is_refused() {
    let server = TestServer::start();
    let mut client = server.connect();
    let (status, error) = refused(&mut client, post("/publish?topic=No", "x"));
    assert_eq!(status, 400);
    assert!(error.contains("topic must be"), "{error}");
}

#[test]
fn a_refused_event_reaches_nobody() {
    let server = TestServer::start();
    let mut listener = server.get("/long-polling");
    listener.read_head();
    let mut client = server.connect();
    refused(&mut client, post("/publish?topic=No", "x"));
    let answer = json(&listener.read_chunk());
    assert_eq!(answer["events"][0]["data"]["text"], "still usable");
}

#[test]
fn get_is_refused() {
    let server = TestServer::start();
    let (head, body) = server.get("/publish").read_answer();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("POST"));
    assert_eq!(json(&body)["error"], "/publish takes POST, not GET");
}

#[test]
fn a_new_topic_gets_503_while_every_topic_has_subscribers() {
    let server = TestServer::start();
    let hub = &server.server().shared.hub;
    let others = (2..MAX_TOPICS).map(|n| format!("topic-{n}"));
    let names = ["chat".to_string(), "baseball".to_string()]
        .into_iter()
        .chain(others);
    let seats: Vec<_> = names.map(|name| hub.subscribe(&name, Since::Now)).collect();
    let mut client = server.ask(&post("/publish?topic=one-more", "x"));
    let (head, body) = client.read_answer();
    assert_eq!(head.status, 503, "{body}");
    assert_eq!(head.header("Retry-After"), Some("5"));
    drop(seats);
    publish(&mut client, "/publish?topic=one-more", "x");
}

#[test]
fn events_published_at_the_same_time_all_arrive() {
    let server = TestServer::start();
    let first = server.publish("chat", "before");
    let published = thread::scope(|scope| {
        let publisher = || {
            let mut client = server.connect();
            let ids = (0..50).map(|_| publish(&mut client, "/publish", "x"));
            ids.collect::<Vec<u64>>()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(publisher)).collect();
        let ids = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        ids.collect::<Vec<u64>>()
    });
    let mut sorted = published;
    sorted.sort_unstable();
    let expected: Vec<u64> = (first + 1..=first + 400).collect();
    assert_eq!(sorted, expected, "each id once");
    let mut client = server.get(&format!("/polling?since={first}"));
    assert_eq!(support::ids(&json(&client.read_answer().1)), expected);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send_split(post("/publish", "안녕"));
    assert_eq!(client.read_answer().0.status, 200);
    assert_eq!(last_data(&server), r#"{"text":"안녕"}"#);
    client.send(get("/polling"));
    assert_eq!(
        client.read_answer().0.status,
        200,
        "and no byte of the body is left over"
    );
}
