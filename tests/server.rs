//! The server as a whole: its threads and their names, the cap, many clients, the end.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use comet::door::metrics::Metrics;
use support::{Client, TestServer, get, json, post, settings, wait_until};
use tungstenite::WebSocket;

/// The names of all threads of this process: those of the server under test, and of tests that run at the same
/// time.
fn thread_names() -> Vec<String> {
    let threads = support::threads("self").into_iter();
    threads.map(|(_, name)| name).collect()
}

fn websocket(address: SocketAddr, target: &str) -> WebSocket<std::net::TcpStream> {
    let socket = std::net::TcpStream::connect(address).expect("the server accepts");
    socket.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let url = format!("ws://localhost{target}");
    let (socket, _) = tungstenite::client(url, socket).expect("the handshake succeeds");
    socket
}

#[test]
fn a_thread_is_named_for_what_it_does_now() {
    let server = TestServer::start();
    for (target, name) in [
        ("/long-polling", "long-poll-"),
        ("/xhr-streaming", "xhr-"),
        ("/forever-frame", "frame-"),
        ("/multipart-streaming", "multipart-"),
        ("/jsonp-polling?callback=f", "jsonp-"),
        ("/event-source", "event-source-"),
    ] {
        let client = server.get(target);
        wait_until(name, || {
            thread_names().iter().any(|thread| thread.starts_with(name))
        });
        drop(client);
    }
    let mut polling = server.get("/polling");
    polling.read_answer();
    wait_until("idle", || {
        thread_names()
            .iter()
            .any(|thread| thread.starts_with("idle-"))
    });
    let _socket = websocket(server.address, "/websocket");
    wait_until("websocket", || {
        thread_names()
            .iter()
            .any(|thread| thread.starts_with("websocket-"))
    });
    for name in ["accept-", "doorbell", "baseball"] {
        assert!(
            thread_names().iter().any(|thread| thread.starts_with(name)),
            "{name}"
        );
    }
}

#[test]
fn one_publish_reaches_1500_held_clients_and_all_are_gone_when_they_hang_up() {
    const EACH: usize = 500;
    let server = TestServer::start();
    let mut long_polls: Vec<Client> = (0..EACH).map(|_| server.get("/long-polling")).collect();
    let mut streams: Vec<Client> = (0..EACH).map(|_| server.get("/xhr-streaming")).collect();
    let mut sockets: Vec<_> = (0..EACH)
        .map(|_| websocket(server.address, "/websocket"))
        .collect();
    for technique in ["long_polling", "xhr_streaming", "websocket"] {
        server.wait_held(technique, EACH);
    }
    assert_eq!(server.server().shared.metrics.held(), 3 * EACH);
    assert_eq!(
        server.connections(),
        3 * EACH,
        "one connection, one thread each"
    );

    let (head, body) = server.ask(&post("/publish", "to all")).read_answer();
    assert_eq!(head.status, 200);
    let id = json(&body)["id"].clone();
    for client in &mut long_polls {
        let (_, body) = client.read_chunked_answer();
        assert_eq!(json(&body)["events"][0]["id"], id);
    }
    for client in &mut streams {
        client.read_head();
        assert_eq!(client.read_chunk(), "\n\n\n", "the beginning");
        assert_eq!(json(&client.read_chunk())["id"], id);
    }
    for socket in &mut sockets {
        let message = socket.read().expect("a frame");
        assert_eq!(json(message.to_text().unwrap())["id"], id);
    }
    drop((long_polls, streams, sockets));
    wait_until("all threads gone", || server.connections() == 0);
    assert_eq!(server.server().shared.metrics.held(), 0);
}

#[test]
fn at_the_cap_a_new_connection_gets_503_at_once_and_those_held_go_on() {
    let mut settings = settings();
    settings.max_connections = Some(2);
    let server = TestServer::with(settings);
    let mut held = [server.get("/long-polling"), server.get("/long-polling")];
    server.wait_held("long_polling", 2);

    let mut turned_away = server.connect();
    let (head, body) = turned_away.read_answer();
    assert_eq!(head.status, 503);
    assert_eq!(head.header("Retry-After"), Some("5"));
    assert_eq!(head.header("Connection"), Some("close"));
    assert!(
        json(&body)["error"].as_str().unwrap().contains("try again"),
        "{body}"
    );
    assert_eq!(turned_away.read_to_end(), "");

    let id = server.publish("chat", "still here");
    for client in &mut held {
        assert_eq!(json(&client.read_chunked_answer().1)["next"], id);
    }
    drop(held);
    wait_until("room again", || server.connections() == 0);
    assert_eq!(server.get("/polling").read_answer().0.status, 200);
}

#[test]
fn every_held_answer_gets_its_proper_end_when_the_server_ends() {
    let mut server = TestServer::start();
    let mut idle = server.get("/polling");
    idle.read_answer();
    let mut stream = server.get("/xhr-streaming");
    let mut multipart = server.get("/multipart-streaming");
    let mut socket = websocket(server.address, "/websocket");
    wait_until("three held", || server.server().shared.metrics.held() == 3);
    let ending = std::thread::spawn(move || server.stop());
    assert!(stream.read_to_end().ends_with("\r\n0\r\n\r\n"));
    assert!(
        multipart
            .read_to_end()
            .ends_with("--comet--\r\n\r\n0\r\n\r\n")
    );
    match socket.read() {
        Ok(tungstenite::Message::Close(Some(frame))) => assert_eq!(u16::from(frame.code), 1001),
        other => panic!("no close frame, but {other:?}"),
    }
    assert_eq!(idle.read_to_end(), "");
    drop((stream, multipart, socket));
    assert_eq!(ending.join().unwrap(), 0, "no connection is left");
}

#[test]
fn the_heartbeat_keeps_its_pace_when_patience_stretches_the_limits() {
    let usual = comet::door::settings::Limits::default();
    let patient = usual.stretched(Duration::from_secs(3600));
    assert_eq!(patient.hold, Duration::from_secs(3600));
    assert_eq!(patient.request, Duration::from_secs(3600));
    assert_eq!(patient.idle, Duration::from_secs(3600));
    assert_eq!(patient.write, Duration::from_secs(3600));
    assert_eq!(patient.heartbeat, usual.heartbeat);
    let impatient = usual.stretched(Duration::from_secs(1));
    assert_eq!(impatient.hold, usual.hold, "--patience shortens no limit");
}

#[test]
fn a_client_that_reads_nothing_is_disconnected_after_the_write_limit() {
    let server = TestServer::with_limits(|limits| limits.write = Duration::from_millis(200));
    let mut stuck = server.get("/xhr-streaming");
    stuck.read_head();
    let mut other = server.get("/xhr-streaming");
    other.read_head();
    server.wait_held("xhr_streaming", 2);
    let line = "x".repeat(32 << 10);
    wait_until("the stuck client to be disconnected", || {
        let id = server.publish("chat", &line).to_string();
        wait_until("the event", || other.read_chunk().contains(&id));
        server.held("xhr_streaming") == 1
    });
}

#[test]
fn connections_and_counts_are_true_after_a_thousand_requests() {
    let server = TestServer::start();
    let mut client = server.connect();
    for _ in 0..1000 {
        client.send(get("/polling"));
        client.read_answer();
    }
    let metrics: &Metrics = &server.server().shared.metrics;
    let polling = metrics
        .routes
        .iter()
        .find(|count| count.name == "polling")
        .unwrap();
    assert_eq!(
        polling.requests.load(std::sync::atomic::Ordering::Relaxed),
        1000
    );
    let bytes = polling.bytes_in.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(bytes as usize, 1000 * get("/polling").len());
}
