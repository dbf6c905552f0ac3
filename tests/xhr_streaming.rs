//! XHR streaming, byte by byte. What it shares with the other streams: see `streams.rs`.

mod support;

use support::{Client, TestServer, chunk, post};

/// Three empty lines: browsers hold back the first two bytes of a text in case of a byte order mark.
const BEGINNING: &str = "3\r\n\n\n\n\r\n";

/// Reads the head of a stream, and its beginning.
fn begin(client: &mut Client) {
    assert_eq!(client.read_head().status, 200);
    client.expect(BEGINNING);
}

#[test]
fn each_event_is_a_line_sent_as_one_chunk() {
    let server = TestServer::start();
    let mut client = server.get("/xhr-streaming");
    begin(&mut client);
    for text in ["hello", "안녕", ""] {
        let (id, at) = server.publish_at("chat", text);
        client.expect(chunk(&format!(
            "{{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\"data\":{{\"text\":\"{text}\"}}}}\n"
        )));
    }
}

#[test]
fn post_works_as_get_does() {
    let server = TestServer::start();
    begin(&mut server.ask(&post("/xhr-streaming", "ignored")));
}
