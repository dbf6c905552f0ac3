//! WebSocket, byte by byte. The first byte of a frame has FIN and the opcode: 0x81 is a text, 0x82 binary, 0x88
//! Close, 0x89 a ping, 0x8A a pong; 0x01 is the first fragment of a text, and 0x80 the last fragment (RFC 6455
//! section 5.2).

mod support;

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use comet::door::reader::MAX_BODY;
use comet::hub::{RING_EVENTS, Since};
use serde_json::Value;
use support::{Client, Follower, PATIENCE, TestServer, frame, frame_head, get, handshake, json};
use tungstenite::Message;

/// The JSON of the next frame, which must be a text.
fn read_json(client: &mut Client) -> Value {
    let (first, payload) = client.read_frame();
    assert_eq!(first, 0x81, "a text: {payload:?}");
    json(&String::from_utf8(payload).expect("UTF-8"))
}

/// The `data` of the next frame, which must be an event.
fn read_data(client: &mut Client) -> Value {
    read_json(client)["data"].clone()
}

/// Sends a ping and reads its pong: the server has then handled everything before it.
fn ping(client: &mut Client) {
    client.send(frame(0x89, b"there?"));
    client.expect(b"\x8a\x06there?");
}

fn is_empty(server: &TestServer, topic: &str) -> bool {
    let hub = &server.server().shared.hub;
    hub.read(topic, Since::Last(1)).unwrap().is_empty()
}

// --- the handshake ---

#[test]
fn the_handshake_of_the_rfc_is_answered_as_there() {
    let server = TestServer::start();
    let mut client = server.ask(&handshake("/websocket?topic=chat"));
    let head = client.read_head();
    assert!(
        head.text
            .starts_with("HTTP/1.1 101 Switching Protocols\r\n")
    );
    head.assert_lines(&[
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ]);
    assert_eq!(head.header("Content-Length"), None);
    assert_eq!(head.header("Transfer-Encoding"), None);
    assert_eq!(head.header("Sec-WebSocket-Extensions"), None);
    server.wait_held("websocket", 1);
    assert!(
        client.is_silent(),
        "held: no frame before there is an event"
    );
}

#[test]
fn the_other_headers_of_a_browser_do_no_harm() {
    let server = TestServer::start();
    let mut client = server.ask(
        "GET /websocket HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive, upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
    );
    let head = client.read_head();
    assert_eq!(head.status, 101);
    assert_eq!(
        head.header("Sec-WebSocket-Accept"),
        Some("ICX+Yqv66kxgM0FcWaLWlFLwTAI=")
    );
    assert_eq!(head.header("Sec-WebSocket-Extensions"), None);
}

#[test]
fn the_handshake_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send_split(handshake("/websocket"));
    assert_eq!(client.read_head().status, 101);
}

#[test]
fn a_request_that_asks_for_no_upgrade_is_426() {
    let server = TestServer::start();
    let whole = handshake("/websocket");
    for request in [
        get("/websocket"),
        whole.replace("Upgrade: websocket\r\n", ""),
        whole.replace("Upgrade: websocket", "Upgrade: h2c"),
        whole.replace("Connection: Upgrade\r\n", ""),
        whole.replace("Connection: Upgrade", "Connection: keep-alive"),
    ] {
        let mut client = server.ask(&request);
        let (head, body) = client.read_answer();
        assert_eq!(head.status, 426, "{request}");
        assert_eq!(
            head.header("Upgrade"),
            Some("websocket"),
            "RFC 9110 section 15.5.22"
        );
        assert_eq!(
            head.header("Connection"),
            Some("Upgrade"),
            "RFC 9110 section 7.8"
        );
        assert!(body.contains("this is a WebSocket"), "{body}");
        client.send(get("/polling"));
        assert_eq!(client.read_answer().0.status, 200, "still usable");
    }
}

#[test]
fn another_version_is_426_with_the_version_that_is_spoken() {
    let server = TestServer::start();
    let whole = handshake("/websocket");
    for version in [
        "Sec-WebSocket-Version: 8\r\n",
        "Sec-WebSocket-Version: 013\r\n",
        "",
    ] {
        let mut client = server.ask(&whole.replace("Sec-WebSocket-Version: 13\r\n", version));
        let (head, body) = client.read_answer();
        assert_eq!(head.status, 426, "{version:?}: {body}");
        assert_eq!(head.header("Sec-WebSocket-Version"), Some("13"));
        assert_eq!(
            head.header("Upgrade"),
            Some("websocket"),
            "RFC 9110 section 15.5.22"
        );
    }
}

#[test]
fn a_key_that_is_not_16_bytes_in_base64_is_400() {
    let server = TestServer::start();
    let whole = handshake("/websocket");
    let mut client = server.connect();
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZSEh",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25?ZQ==",
        "dGhlIHNhbXBsZSBub25jZQ====",
        "쿠키쿠키쿠키쿠키",
    ] {
        client.send(whole.replace("dGhlIHNhbXBsZSBub25jZQ==", key));
        let (head, body) = client.read_answer();
        assert_eq!(head.status, 400, "{key:?}");
        assert!(body.contains("16 bytes in Base64"), "{body}");
    }
    client.send(whole.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""));
    assert_eq!(client.read_answer().0.status, 400);
    client.send(whole);
    assert_eq!(client.read_head().status, 101, "still usable");
}

#[test]
fn http_1_0_cannot_be_upgraded() {
    let server = TestServer::start();
    let mut client = server.ask(&handshake("/websocket").replace("HTTP/1.1", "HTTP/1.0"));
    let head = client.read_head();
    assert_eq!(
        head.status, 426,
        "RFC 9110 section 7.8: its Upgrade is ignored"
    );
}

#[test]
fn a_wrong_topic_or_cursor_is_refused() {
    let server = TestServer::start();
    server.assert_refused(&["/websocket?topic=No"], "topic must be");
    server.assert_refused(&["/websocket?since=x"], "since must be");
    let (head, _) = server.ask(&handshake("/websocket?topic=No")).read_answer();
    assert_eq!(head.status, 400);
}

#[test]
fn a_page_of_the_other_port_may_connect_and_a_foreign_one_may_not() {
    let server = TestServer::start();
    let port = server.server().addresses[1].port();
    let from = |origin: &str| {
        let with_origin = format!("Host: localhost\r\nOrigin: {origin}");
        let mut client =
            server.ask(&handshake("/websocket").replace("Host: localhost", &with_origin));
        client.read_head().status
    };
    assert_eq!(from(&format!("http://localhost:{port}")), 101);
    assert_eq!(from("http://example.com"), 403);
}

// --- events ---

#[test]
fn each_event_is_a_text_frame() {
    let server = TestServer::start();
    let mut client = server.open("/websocket");
    for text in ["hello", "안녕"] {
        let (id, at) = server.publish_at("chat", text);
        let event = format!(r#"{{"id":{id},"topic":"chat","at":{at},"data":{{"text":"{text}"}}}}"#);
        client.expect([&[0x81, event.len() as u8], event.as_bytes()].concat());
    }
}

#[test]
fn a_longer_event_has_its_length_in_two_bytes_or_eight() {
    let server = TestServer::start();
    let mut client = server.open("/websocket");
    for (length, wide) in [(1000, &[0x81, 126][..]), (70_000, &[0x81, 127, 0, 0, 0, 0])] {
        let (id, at) = server.publish_at("chat", &"x".repeat(length));
        let text = "x".repeat(length);
        let event = format!(r#"{{"id":{id},"topic":"chat","at":{at},"data":{{"text":"{text}"}}}}"#);
        let count = (event.len() as u32).to_be_bytes();
        let count = if length == 1000 { &count[2..] } else { &count };
        client.expect([wide, count, event.as_bytes()].concat());
    }
}

#[test]
fn the_backlog_comes_before_new_events() {
    let server = TestServer::start();
    let first = server.publish("chat", "one");
    let [second, third] = ["two", "three"].map(|text| server.publish("chat", text));
    let cursors = [format!("{first}"), "-2".to_string()];
    let mut clients = cursors.map(|since| server.open(&format!("/websocket?since={since}")));
    let fourth = server.publish("chat", "four");
    for client in &mut clients {
        for id in [second, third, fourth] {
            assert_eq!(read_json(client)["id"], id);
        }
    }
}

#[test]
fn a_cursor_older_than_the_ring_gets_the_gap_first() {
    let server = TestServer::start();
    let lost = server.overflow_ring("chat");
    let mut client = server.open(&format!("/websocket?since={}", lost - 1));
    let gap = format!(r#"{{"gap":true,"next":{lost}}}"#);
    client.expect([&[0x81, gap.len() as u8], gap.as_bytes()].concat());
    for id in lost + 1..=lost + RING_EVENTS as u64 {
        assert_eq!(read_json(&mut client)["id"], id);
    }
}

#[test]
fn a_cursor_from_before_a_restart_gets_the_gap_first() {
    let server = TestServer::start();
    let mut client = server.open("/websocket?since=1");
    let gap = read_json(&mut client);
    let id = server.publish("chat", "new");
    assert_eq!(
        gap.to_string(),
        format!(r#"{{"gap":true,"next":{}}}"#, id - 1)
    );
    assert_eq!(read_json(&mut client)["id"], id);
}

#[test]
fn a_reader_that_falls_behind_loses_only_what_a_gap_reports() {
    let server = TestServer::with_limits(|limits| limits.write = 3 * PATIENCE);
    let mut socket = server.open_socket("/websocket");
    let (first, last) = server.burst("chat");
    let mut follower = Follower::after(first - 1);
    support::wait_until("the last event", || {
        match socket.read().unwrap() {
            Message::Text(text) => follower.hear(&json(&text)),
            other => assert!(other.is_ping(), "{other}"),
        }
        follower.last == last
    });
    assert!(follower.gaps > 0, "more was published than could be kept");
}

#[test]
fn a_reader_that_reads_nothing_is_disconnected_after_the_write_limit() {
    let server = TestServer::with_limits(|limits| limits.write = Duration::from_millis(50));
    let client = server.open("/websocket");
    server.wait_held("websocket", 1);
    support::wait_until("the thread to be free", || {
        server.publish("chat", &"x".repeat(64 << 10));
        server.held("websocket") == 0
    });
    drop(client);
}

#[test]
fn the_heartbeat_is_a_repeated_ping() {
    let server = TestServer::with_limits(|limits| limits.heartbeat = Duration::from_millis(20));
    let mut client = server.open("/websocket");
    client.expect([0x89, 0, 0x89, 0]);
}

// --- publishing ---

#[test]
fn a_message_is_published_to_the_topic_as_json_or_else_as_text() {
    let server = TestServer::start();
    let mut listener = server.open("/websocket?topic=talk");
    let mut speaker = server.open_socket("/websocket?topic=talk");
    for (text, data) in [
        (
            r#"{"nick":"a","text":"hello"}"#,
            r#"{"nick":"a","text":"hello"}"#,
        ),
        ("안녕", r#"{"text":"안녕"}"#),
        ("[1, 2]", "[1,2]"),
    ] {
        speaker.send(Message::text(text)).unwrap();
        assert_eq!(read_data(&mut listener).to_string(), data);
        let heard = speaker.read().unwrap().into_text().unwrap();
        assert_eq!(
            json(&heard)["data"].to_string(),
            data,
            "the publisher gets it, too"
        );
    }
    assert!(is_empty(&server, "chat"), "no other topic gets it");
}

#[test]
fn a_refused_message_gets_an_error_and_the_connection_goes_on() {
    let server = TestServer::start();
    let mut client = server.open("/websocket");
    client.send(frame(0x82, b"\x00\xff"));
    let error = read_json(&mut client);
    assert_eq!(
        error.to_string(),
        r#"{"error":"send text: a binary message can't be published"}"#
    );
    client.send(frame(0x81, b""));
    let error = read_json(&mut client);
    assert_eq!(
        error.to_string(),
        r#"{"error":"send JSON or text in the body"}"#
    );
    assert!(is_empty(&server, "chat"));
    client.send(frame(0x81, b"but this can"));
    assert_eq!(read_data(&mut client)["text"], "but this can");
}

#[test]
fn the_ball_game_alone_publishes_to_its_topic() {
    let server = TestServer::start();
    let mut client = server.open("/websocket?topic=baseball");
    client.send(frame(0x81, b"home run!"));
    let mut error = Value::Null;
    support::wait_until("the error", || {
        let message = read_json(&mut client); // perhaps a play of the game itself
        assert_ne!(message["data"]["text"], "home run!");
        error = message["error"].clone();
        message["topic"] != "baseball"
    });
    let error = error.as_str().expect("an error");
    assert!(
        error.contains("only the ball game publishes to baseball"),
        "{error}"
    );
}

#[test]
fn messages_sent_together_are_published_in_their_order() {
    let server = TestServer::start();
    let mut client = server.open("/websocket");
    let texts: Vec<String> = (0..100).map(|n| format!("message {n}")).collect();
    client.send(
        texts
            .iter()
            .flat_map(|text| frame(0x81, text.as_bytes()))
            .collect::<Vec<u8>>(),
    );
    for text in texts {
        assert_eq!(read_data(&mut client)["text"], text);
    }
}

#[test]
fn a_frame_sent_together_with_the_handshake_is_not_lost() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send(
        [
            handshake("/websocket").into_bytes(),
            frame(0x81, b"at once"),
        ]
        .concat(),
    );
    assert_eq!(client.read_head().status, 101);
    assert_eq!(read_data(&mut client)["text"], "at once");
}

#[test]
fn a_part_of_a_frame_sent_together_with_the_handshake_is_not_lost() {
    let server = TestServer::start();
    let mut client = server.connect();
    let text = frame(0x81, b"in two parts");
    let (one, other) = text.split_at(7);
    client.send([handshake("/websocket").as_bytes(), one].concat());
    assert_eq!(client.read_head().status, 101);
    server.wait_held("websocket", 1);
    client.send(other);
    assert_eq!(read_data(&mut client)["text"], "in two parts");
}

#[test]
fn frames_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.open("/websocket");
    client.send_split(frame(0x81, "천천히".as_bytes()));
    assert_eq!(read_data(&mut client)["text"], "천천히");
    client.send_split(frame(0x81, &[b'x'; 200]));
    assert_eq!(read_data(&mut client)["text"], "x".repeat(200));
    client.send_split(frame(0x89, b"x"));
    client.expect(b"\x8a\x01x");
}

#[test]
fn the_largest_message_is_as_large_as_a_body() {
    let server = TestServer::start();
    let mut client = server.open("/websocket");
    let text = "x".repeat(MAX_BODY);
    client.send(frame(0x81, text.as_bytes()));
    assert_eq!(read_data(&mut client)["text"], text);
}

#[test]
fn deep_json_does_not_exhaust_the_thread() {
    let server = TestServer::start();
    let mut client = server.open("/websocket");
    let deep = format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120));
    client.send(frame(0x81, deep.as_bytes()));
    let (_, event) = client.read_frame();
    assert!(String::from_utf8(event).unwrap().contains(&deep));
}

// --- pings, fragments ---

#[test]
fn a_pong_has_the_payload_of_its_ping() {
    let server = TestServer::start();
    let mut client = server.open("/websocket");
    client.send(frame(0x89, b"hello"));
    client.expect(b"\x8a\x05hello");
    client.send(frame(0x89, b""));
    client.expect([0x8a, 0]);
    client.send([frame(0x89, b"1"), frame(0x89, b"2")].concat());
    client.expect(b"\x8a\x011\x8a\x012");
}

#[test]
fn an_unsolicited_pong_is_ignored() {
    let server = TestServer::start();
    let mut client = server.open("/websocket");
    client.send(frame(0x8a, b"unasked"));
    ping(&mut client);
}

#[test]
fn a_message_may_come_in_fragments_with_pings_between() {
    let server = TestServer::start();
    let mut client = server.open("/websocket");
    let (one, other) = "조각".as_bytes().split_at(2); // in the middle of a character
    client.send(frame(0x01, one));
    client.send(frame(0x89, b"between"));
    client.expect(b"\x8a\x07between");
    assert!(is_empty(&server, "chat"), "not before it is whole");
    client.send(frame(0x00, other));
    client.send(frame(0x80, b"!"));
    assert_eq!(read_data(&mut client)["text"], "조각!");
}

// --- what is not RFC 6455 ---

/// The paths that speak WebSocket.
const BOTH: [&str; 2] = ["/websocket", "/echo"];

#[test]
fn a_frame_that_breaks_the_protocol_ends_the_connection_with_1002() {
    let server = TestServer::start();
    for (what, bytes) in [
        ("not masked", b"\x81\x02hi".to_vec()),
        ("a reserved bit", frame(0xc1, b"hi")),
        ("a reserved opcode", frame(0x83, b"hi")),
        ("a reserved control opcode", frame(0x8b, b"hi")),
        ("a ping in fragments", frame(0x09, b"hi")),
        ("a ping of more than 125 bytes", frame(0x89, &[b'x'; 126])),
        ("the rest of nothing", frame(0x80, b"hi")),
        (
            "a text within a text",
            [frame(0x01, b"hi"), frame(0x81, b"hi")].concat(),
        ),
        ("a close of one byte", frame(0x88, b"\x03")),
        ("a close code for nobody to send", frame(0x88, b"\x03\xed")),
    ] {
        for path in BOTH {
            let mut client = server.open(path);
            client.send(&bytes);
            assert_eq!(client.read_close().0, 1002, "{path}: {what}");
        }
    }
    assert!(is_empty(&server, "chat"));
}

#[test]
fn text_that_is_not_utf_8_ends_the_connection_with_1007() {
    let server = TestServer::start();
    for bytes in [
        frame(0x81, b"\xc3\x28"),
        frame(0x81, b"cut \xed\x8f"),
        [frame(0x01, b"\xed\x8f"), frame(0x80, b"x")].concat(),
    ] {
        for path in BOTH {
            let mut client = server.open(path);
            client.send(&bytes);
            let (code, reason) = client.read_close();
            assert_eq!((code, reason.as_str()), (1007, "text must be UTF-8"));
        }
    }
    assert!(is_empty(&server, "chat"));
}

#[test]
fn a_message_that_is_too_big_ends_the_connection_with_1009() {
    let server = TestServer::start();
    let half = vec![b'x'; MAX_BODY / 2 + 1];
    for bytes in [
        frame(0x81, &vec![b'x'; MAX_BODY + 1]),
        [&frame_head(0x81, MAX_BODY + 1), &b"mask"[..]].concat(), // refused by its length alone
        [&frame_head(0x82, usize::MAX / 2), &b"mask"[..]].concat(),
        [frame(0x01, &half), frame(0x80, &half)].concat(),
    ] {
        for path in BOTH {
            let mut client = server.open(path);
            client.send(&bytes);
            let (code, reason) = client.read_close();
            assert_eq!((code, reason.as_str()), (1009, "the message is too big"));
        }
    }
}

#[test]
fn messages_before_a_mistake_are_published() {
    let server = TestServer::start();
    let mut listener = server.open("/websocket");
    let mut client = server.open("/websocket");
    client.send([frame(0x81, b"good"), frame(0x83, b"bad")].concat());
    assert_eq!(read_data(&mut listener)["text"], "good");
}

// --- the end ---

#[test]
fn a_close_is_echoed_and_ends_the_connection() {
    let server = TestServer::start();
    for payload in [&b"\x03\xe8bye"[..], b"\x0f\xa0", b""] {
        for path in BOTH {
            let mut client = server.open(path);
            client.send(frame(0x88, payload));
            client.expect([&[0x88, payload.len() as u8], payload].concat());
            assert_eq!(client.read_to_end(), "");
        }
    }
    server.wait_held("websocket", 0);
    server.wait_held("echo", 0);
}

/// The other limits are an hour, so only the close deadline can disconnect these clients.
#[test]
fn a_client_that_never_finishes_the_close_is_disconnected() {
    let hour = Duration::from_secs(3600);
    let server = TestServer::with_limits(|limits| {
        (limits.idle, limits.write, limits.heartbeat) = (hour, hour, hour);
    });
    let ends = [
        frame(0x88, b"\x03\xe8"), // gets its Close echoed, and does not hang up
        frame(0x83, b"bad"),      // gets a Close, and does not answer
    ];
    let silent = ends.map(|end| {
        BOTH.map(|path| {
            let mut client = server.open(path);
            client.send(&end);
            client
        })
    });
    let mut talking = server.open("/websocket");
    talking.send(frame(0x88, b"\x03\xe8"));
    talking.socket.set_nonblocking(true).unwrap();
    server.accept_all();
    support::wait_until("all clients to be disconnected", || {
        let _ = talking
            .socket
            .write(&frame(0x81, b"but wait, there is more"));
        server.connections() == 0
    });
    drop((silent, talking)); // open until here
}

#[test]
fn after_its_close_a_client_gets_nothing_and_publishes_nothing() {
    let server = TestServer::start();
    let mut client = server.open("/websocket");
    client.send([frame(0x88, b"\x03\xe8"), frame(0x81, b"too late")].concat());
    client.expect(b"\x88\x02\x03\xe8");
    assert_eq!(client.read_to_end(), "");
    assert!(is_empty(&server, "chat"));
}

#[test]
fn a_client_that_hangs_up_without_a_close_frees_its_thread() {
    let server = TestServer::start();
    let hung_up = server.open("/websocket");
    let mut in_the_middle = server.open("/websocket");
    let mut half_closed = server.open("/websocket");
    server.wait_held("websocket", 3);
    in_the_middle.send(&frame(0x81, b"never whole")[..5]);
    half_closed.half_close();
    drop(hung_up);
    drop(in_the_middle);
    server.wait_held("websocket", 0);
    drop(half_closed);
    support::wait_until("no connection left", || server.connections() == 0);
}

#[test]
fn the_end_of_the_server_is_1001() {
    let mut server = TestServer::start();
    let mut client = server.open("/websocket");
    let ending = thread::spawn(move || server.stop());
    let (code, reason) = client.read_close();
    assert_eq!((code, reason.as_str()), (1001, "the server is ending"));
    drop(client);
    assert_eq!(ending.join().unwrap(), 0);
}

// --- clients that send a lot ---

#[test]
fn a_client_that_publishes_more_at_once_than_the_ring_holds_gets_all_of_it() {
    const SAID: usize = 3 * RING_EVENTS;
    let server = TestServer::start();
    let base = server.publish("chat", "the beginning");
    let mut client = server.open(&format!("/websocket?since={base}"));
    let mut writer = client.socket.try_clone().unwrap();
    let all = frame(0x81, b"1").repeat(SAID);
    let saying = thread::spawn(move || writer.write_all(&all));
    for n in 1..=SAID as u64 {
        assert_eq!(read_json(&mut client)["id"], base + n);
    }
    saying.join().unwrap().unwrap();
}

#[test]
fn a_client_that_never_stops_sending_gets_1001_when_the_server_ends() {
    for path in BOTH {
        let mut server = TestServer::start();
        let mut client = server.open(path);
        let mut writer = client.socket.try_clone().unwrap();
        let pings = frame(0x89, &[b'!'; 125]).repeat(100);
        let talking = thread::spawn(move || while writer.write_all(&pings).is_ok() {});
        client.expect(b"\x8a\x7d");
        let mut socket = client.socket.try_clone().unwrap();
        let reading = thread::spawn(move || {
            let mut said = Vec::new();
            let _ = socket.read_to_end(&mut said); // an end or a reset
            said
        });
        assert_eq!(server.stop(), 0, "{path}");
        let said = reading.join().unwrap();
        assert!(said.ends_with(b"\x88\x16\x03\xe9the server is ending"));
        talking.join().unwrap();
    }
}
