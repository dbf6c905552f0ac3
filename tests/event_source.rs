//! Event source, byte by byte. What it shares with the other streams: see `streams.rs`.

mod support;

use support::{Client, TestServer, chunk};

const RETRY: &str = "retry: 1000\n\n";

/// A stream after its head and its first lines.
fn stream(server: &TestServer, target: &str) -> Client {
    begun(server.get(target))
}

/// The same for a browser that reconnects with this `Last-Event-ID`.
fn stream_again(server: &TestServer, target: &str, last: &str) -> Client {
    begun(server.ask(&format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {last}\r\n\r\n"
    )))
}

fn begun(mut client: Client) -> Client {
    assert_eq!(client.read_head().status, 200);
    client.expect(chunk(RETRY));
    client
}

/// The ids in a chunk, each from the `id:` line of its block.
fn ids(blocks: &str) -> Vec<u64> {
    let ids = blocks.lines().filter_map(|line| line.strip_prefix("id: "));
    ids.map(|id| id.parse().expect("a number")).collect()
}

#[test]
fn each_event_is_a_block_with_its_id_sent_as_one_chunk() {
    let server = TestServer::start();
    let mut client = stream(&server, "/event-source");
    for text in ["hello", "안녕"] {
        let (id, at) = server.publish_at("chat", text);
        client.expect(chunk(&format!(
            "id: {id}\ndata: {{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\"data\":{{\"text\":\"{text}\"}}}}\n\n"
        )));
    }
}

#[test]
fn an_event_of_many_lines_is_still_one_data_line() {
    let server = TestServer::start();
    let mut client = stream(&server, "/event-source");
    let (id, at) = server.publish_at("chat", "a\n\nid: 1\rb");
    client.expect(chunk(&format!(
        "id: {id}\ndata: {{\"id\":{id},\"topic\":\"chat\",\"at\":{at},\
         \"data\":{{\"text\":\"a\\n\\nid: 1\\rb\"}}}}\n\n"
    )));
}

#[test]
fn the_last_event_id_beats_since() {
    let server = TestServer::start();
    server.publish("chat", "one");
    let second = server.publish("chat", "two");
    let third = server.publish("chat", "three");
    let mut client = stream_again(&server, "/event-source?since=-3", &second.to_string());
    assert_eq!(ids(&client.read_chunk()), [third]);
    let mut client = stream_again(&server, "/event-source?since=-2", "");
    assert_eq!(
        ids(&client.read_chunk()),
        [second, third],
        "an empty one is ignored"
    );
}

#[test]
fn a_browser_that_comes_back_misses_nothing() {
    let server = TestServer::start();
    let mut client = stream(&server, "/event-source");
    let seen = server.publish("chat", "seen");
    assert_eq!(ids(&client.read_chunk()), [seen]);
    drop(client);
    let missed = server.publish("chat", "missed");
    let mut client = stream_again(&server, "/event-source", &seen.to_string());
    assert_eq!(ids(&client.read_chunk()), [missed]);
}

#[test]
fn a_last_event_id_older_than_the_ring_gets_the_gap_first() {
    let server = TestServer::start();
    let lost = server.overflow_ring("chat");
    let mut client = stream_again(&server, "/event-source", &(lost - 1).to_string());
    let blocks = client.read_chunk();
    let gap = format!("id: {lost}\nevent: gap\ndata: {{\"gap\":true,\"next\":{lost}}}\n\n");
    let events = blocks.strip_prefix(&gap).expect("the gap first");
    let all: Vec<u64> = (lost + 1..=lost + comet::hub::RING_EVENTS as u64).collect();
    assert_eq!(ids(events), all, "then everything in the ring");
}

#[test]
fn a_wrong_last_event_id_is_refused() {
    let server = TestServer::start();
    let mut client =
        server.ask("GET /event-source HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: x\r\n\r\n");
    let (head, body) = client.read_answer();
    assert_eq!(head.status, 400);
    assert!(
        body.contains("must be the id of the last event seen"),
        "{body}"
    );
}
