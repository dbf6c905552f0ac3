//! The echo, byte by byte. The first byte of a frame is explained in `websocket.rs`.

mod support;

use std::thread;
use std::time::Duration;

use comet::door::reader::MAX_BODY;
use support::{TestServer, frame, get, handshake, post};
use tungstenite::Message;

#[test]
fn the_handshake_is_that_of_a_websocket() {
    let server = TestServer::start();
    let mut client = server.ask(&handshake("/echo"));
    let head = client.read_head();
    assert_eq!(head.status, 101);
    head.assert_lines(&["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
    server.wait_held("echo", 1);
}

#[test]
fn text_and_binary_come_back_as_they_were() {
    let server = TestServer::start();
    let mut client = server.open("/echo");
    client.send(frame(0x81, "안녕".as_bytes()));
    client.expect(b"\x81\x06\xec\x95\x88\xeb\x85\x95");
    client.send(frame(0x82, b"\x00\xff\x80"));
    client.expect(b"\x82\x03\x00\xff\x80");
}

#[test]
fn empty_messages_come_back_too() {
    let server = TestServer::start();
    let mut client = server.open("/echo");
    client.send([frame(0x81, b""), frame(0x82, b"")].concat());
    client.expect(b"\x81\x00\x82\x00");
}

#[test]
fn json_comes_back_as_text() {
    let server = TestServer::start();
    let mut client = server.open("/echo");
    client.send(frame(0x81, b"{ \"a\" : 1 }"));
    client.expect(b"\x81\x0b{ \"a\" : 1 }");
}

#[test]
fn messages_of_every_length_come_back() {
    let server = TestServer::start();
    let mut socket = server.open_socket("/echo");
    for length in [0, 1, 125, 126, 4095, 4096, 4097, 65_535, MAX_BODY] {
        let message = Message::binary(vec![7; length]);
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
}

#[test]
fn many_messages_sent_together_come_back_in_their_order() {
    let server = TestServer::start();
    let mut client = server.open("/echo");
    let sent: Vec<u8> = (0..=255).flat_map(|n| frame(0x82, &[n])).collect();
    client.send(sent);
    let back: Vec<u8> = (0..=255).flat_map(|n| [0x82, 1, n]).collect();
    client.expect(back);
}

#[test]
fn a_message_in_fragments_comes_back_whole() {
    let server = TestServer::start();
    let mut client = server.open("/echo");
    client.send(frame(0x01, b"one "));
    client.send(frame(0x89, b"?"));
    client.expect(b"\x8a\x01?");
    client.send(frame(0x00, b""));
    client.send(frame(0x80, b"message"));
    client.expect(b"\x81\x0bone message");
}

#[test]
fn frames_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.open("/echo");
    client.send_split(frame(0x81, b"slowly"));
    client.expect(b"\x81\x06slowly");
}

#[test]
fn a_frame_sent_together_with_the_handshake_comes_back() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send([handshake("/echo").into_bytes(), frame(0x81, b"at once")].concat());
    assert_eq!(client.read_head().status, 101);
    client.expect(b"\x81\x07at once");
}

#[test]
fn each_client_gets_only_its_own_messages() {
    let server = TestServer::start();
    let mut one = server.open("/echo");
    let mut other = server.open("/echo");
    one.send(frame(0x81, b"one"));
    other.send(frame(0x81, b"other"));
    one.expect(b"\x81\x03one");
    other.expect(b"\x81\x05other");
    server.publish("chat", "not for them");
    for client in [&mut one, &mut other] {
        client.send(frame(0x89, b""));
        client.expect([0x8a, 0]);
    }
}

#[test]
fn mistakes_end_the_connection_with_the_code_for_them() {
    let server = TestServer::start();
    for (bytes, code) in [
        (b"\x81\x02hi".to_vec(), 1002),
        (frame(0x81, b"\xff"), 1007),
        (frame(0x82, &vec![0; MAX_BODY + 1]), 1009),
    ] {
        let mut client = server.open("/echo");
        client.send(bytes);
        assert_eq!(client.read_close().0, code);
    }
}

#[test]
fn a_close_is_echoed_and_ends_the_connection() {
    let server = TestServer::start();
    let mut client = server.open("/echo");
    client.send(frame(0x88, b"\x03\xe8bye"));
    client.expect(b"\x88\x05\x03\xe8bye");
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn the_heartbeat_is_a_repeated_ping() {
    let server = TestServer::with_limits(|limits| limits.heartbeat = Duration::from_millis(20));
    let mut client = server.open("/echo");
    client.expect([0x89, 0, 0x89, 0]);
}

#[test]
fn a_client_that_hangs_up_frees_its_thread() {
    let server = TestServer::start();
    let client = server.open("/echo");
    server.wait_held("echo", 1);
    drop(client);
    server.wait_held("echo", 0);
    support::wait_until("no connection left", || server.connections() == 0);
}

#[test]
fn the_end_of_the_server_is_1001() {
    let mut server = TestServer::start();
    let mut client = server.open("/echo");
    let ending = thread::spawn(move || server.stop());
    assert_eq!(client.read_close().0, 1001);
    drop(client);
    assert_eq!(ending.join().unwrap(), 0);
}

#[test]
fn a_request_that_asks_for_no_upgrade_is_426_and_a_post_405() {
    let server = TestServer::start();
    let mut client = server.get("/echo");
    let (head, _) = client.read_answer();
    assert_eq!(head.status, 426);
    assert_eq!(head.header("Upgrade"), Some("websocket"));
    client.send(post("/echo", "hello"));
    let (head, _) = client.read_answer();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("GET"));
    client.send(get("/polling"));
    assert_eq!(client.read_answer().0.status, 200, "still usable");
}
