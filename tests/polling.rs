//! Polling, byte by byte.

mod support;

use support::{TestServer, get, ids, json, post};

#[test]
fn the_answer_comes_at_once_with_or_without_events() {
    let server = TestServer::start();
    let mut client = server.get("/polling?topic=chat");
    let (head, body) = client.read_answer();
    assert_eq!(head.status, 200);
    head.assert_lines(&[
        "Content-Type: application/json",
        "Cache-Control: no-store, no-transform",
        "X-Content-Type-Options: nosniff",
    ]);
    let next = &json(&body)["next"];
    assert_eq!(
        body,
        format!(r#"{{"events":[],"next":{next},"gap":false}}"#)
    );

    let (id, at) = server.publish_at("chat", "hello");
    client.send(get(&format!("/polling?topic=chat&since={next}")));
    let (_, body) = client.read_answer();
    let event = format!(r#"{{"id":{id},"topic":"chat","at":{at},"data":{{"text":"hello"}}}}"#);
    assert_eq!(
        body,
        format!(r#"{{"events":[{event}],"next":{id},"gap":false}}"#)
    );
    assert_eq!(server.held("polling"), 0, "polling never holds");
}

#[test]
fn without_a_cursor_only_new_events_come() {
    let server = TestServer::start();
    let last = server.publish("chat", "before");
    let (_, body) = server.get("/polling").read_answer();
    assert_eq!(
        body,
        format!(r#"{{"events":[],"next":{last},"gap":false}}"#)
    );
}

#[test]
fn the_cursor_chooses_where_to_begin() {
    let server = TestServer::start();
    let first = server.publish("chat", "one");
    let [second, third] = ["two", "three"].map(|text| server.publish("chat", text));
    let mut client = server.connect();
    for (since, expected) in [
        (format!("{first}"), vec![second, third]),
        (format!("{third}"), vec![]),
        ("-2".to_string(), vec![second, third]),
        ("-1".to_string(), vec![third]),
        ("-0".to_string(), vec![]),
        ("-99".to_string(), vec![first, second, third]),
    ] {
        client.send(get(&format!("/polling?since={since}")));
        let answer = json(&client.read_answer().1);
        assert_eq!(ids(&answer), expected, "since={since}");
        assert_eq!(answer["next"], third);
        assert_eq!(answer["gap"], false);
    }
}

#[test]
fn polls_one_after_the_other_get_each_event_once() {
    let server = TestServer::start();
    let mut client = server.connect();
    let mut last = server.publish("chat", "before");
    for burst in [1, 3, 0, 2] {
        let expected: Vec<u64> = (0..burst).map(|_| server.publish("chat", "x")).collect();
        client.send(get(&format!("/polling?since={last}")));
        let answer = json(&client.read_answer().1);
        assert_eq!(ids(&answer), expected);
        last = answer["next"].as_u64().unwrap();
    }
}

#[test]
fn topics_do_not_mix_and_chat_is_the_default() {
    let server = TestServer::start();
    let chat = server.publish("chat", "one");
    let other = server.publish("other-1", "two");
    for (target, expected) in [
        ("/polling?since=-9", chat),
        ("/polling?since=-9&topic=chat", chat),
        ("/polling?since=-9&topic=%63hat", chat),
        ("/polling?since=-9&topic=other-1", other),
    ] {
        let answer = json(&server.get(target).read_answer().1);
        assert_eq!(ids(&answer), [expected], "{target}");
    }
}

#[test]
fn a_cursor_older_than_the_ring_gets_the_gap() {
    let server = TestServer::start();
    let lost = server.overflow_ring("chat");
    let mut client = server.get(&format!("/polling?since={}", lost - 1));
    let answer = json(&client.read_answer().1);
    assert_eq!(answer["gap"], true);
    let all: Vec<u64> = (lost + 1..=lost + comet::hub::RING_EVENTS as u64).collect();
    assert_eq!(ids(&answer), all, "then everything in the ring");

    client.send(get(&format!("/polling?since={lost}")));
    let answer = json(&client.read_answer().1);
    assert_eq!(
        answer["gap"], false,
        "the oldest event in the ring is the next one"
    );
    assert_eq!(ids(&answer), all);
}

#[test]
fn a_cursor_from_before_a_restart_or_from_the_future_gets_the_gap() {
    let server = TestServer::start();
    let id = server.publish("chat", "after the restart");
    for since in [0, 1, id + 1, 9_007_199_254_740_991, u64::MAX] {
        let (_, body) = server.get(&format!("/polling?since={since}")).read_answer();
        let answer = json(&body);
        assert_eq!(answer["gap"], true, "since={since}");
        assert_eq!(ids(&answer), [id]);
        assert_eq!(answer["next"], id);
    }
}

#[test]
fn a_wrong_topic_or_cursor_is_refused() {
    let server = TestServer::start();
    let too_long = format!("/polling?topic={}", "a".repeat(33));
    let topics = [
        "/polling?topic=",
        "/polling?topic=Chat",
        "/polling?topic=a_b",
        "/polling?topic=a%20b",
        "/polling?topic=%ED%8F%B4%EB%A7%81",
        too_long.as_str(),
    ];
    server.assert_refused(&topics, "topic must be 1 to 32 of a-z, 0-9 and -");
    let cursors = [
        "/polling?since=",
        "/polling?since=-",
        "/polling?since=--1",
        "/polling?since=+1",
        "/polling?since=1.5",
        "/polling?since=x",
        "/polling?since=18446744073709551616",
    ];
    server.assert_refused(&cursors, "since must be the id of the last event seen");
}

#[test]
fn a_topic_may_have_32_characters() {
    let server = TestServer::start();
    let topic = "abcdefghijklmnopqrstuvwxyz-01234";
    let id = server.publish(topic, "x");
    let (_, body) = server
        .get(&format!("/polling?since=-1&topic={topic}"))
        .read_answer();
    assert_eq!(ids(&json(&body)), [id]);
}

#[test]
fn slow_polling_takes_a_delay_of_up_to_5_seconds() {
    let server = TestServer::start();
    let last = server.publish("chat", "before");
    let (_, body) = server.get("/slow-polling?delay=5").read_answer();
    assert_eq!(json(&body)["next"], last);
    let wrong = [
        "/slow-polling?delay=",
        "/slow-polling?delay=-1",
        "/slow-polling?delay=5001",
    ];
    server.assert_refused(&wrong, "delay must be 0 to 5000 milliseconds");
}

#[test]
fn post_works_as_get_does_and_other_methods_are_refused() {
    let server = TestServer::start();
    let id = server.publish("chat", "one");
    let mut client = server.ask(&post("/polling?since=-1", "ignored"));
    assert_eq!(ids(&json(&client.read_answer().1)), [id]);
    client.send("DELETE /polling HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, body) = client.read_answer();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("GET, POST"));
    assert_eq!(json(&body)["error"], "/polling takes GET, POST, not DELETE");
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let id = server.publish("chat", "one");
    let mut client = server.connect();
    client.send_split(get("/polling?since=-1"));
    assert_eq!(ids(&json(&client.read_answer().1)), [id]);
}

#[test]
fn http_1_0_gets_one_answer_and_an_end_by_close() {
    let server = TestServer::start();
    let last = server.publish("chat", "before");
    let mut client = server.ask("GET /polling HTTP/1.0\r\n\r\n");
    let (head, body) = client.read_answer();
    assert_eq!(head.header("Transfer-Encoding"), None);
    assert_eq!(json(&body)["next"], last);
    assert_eq!(client.read_to_end(), "");
}
