//! Multipart streaming, byte by byte. What it shares with the other streams: see `streams.rs`.

mod support;

use support::{TestServer, chunk};

/// The first boundary, and a first heartbeat.
const BEGINNING: &str =
    "--comet\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n--comet\r\n";

#[test]
fn each_event_is_a_part_closed_at_once() {
    let server = TestServer::start();
    let mut client = server.get("/multipart-streaming");
    assert_eq!(client.read_head().status, 200);
    client.expect(chunk(BEGINNING));
    for text in ["hello", "안녕"] {
        let (id, at) = server.publish_at("chat", text);
        let event = format!(r#"{{"id":{id},"topic":"chat","at":{at},"data":{{"text":"{text}"}}}}"#);
        client.expect(chunk(&format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{event}\r\n--comet\r\n",
            event.len() // in bytes, not in characters
        )));
    }
}
