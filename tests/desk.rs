//! The desk: it answers whatever happens at the comet ports.

mod support;

use std::net::SocketAddr;

use support::{Client, TestServer, get, json, settings, wait_until};

fn with_desk(max_connections: Option<usize>) -> (TestServer, SocketAddr) {
    let mut settings = settings();
    settings.desk = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    settings.max_connections = max_connections;
    let server = TestServer::with(settings);
    let desk = server.server().desk_address.expect("there is a desk");
    (server, desk)
}

fn ask(desk: SocketAddr, target: &str) -> (support::Head, String) {
    let mut client = Client::to(desk);
    client.send(get(target));
    client.read_answer()
}

#[test]
fn stats_count_what_is_held_and_what_the_process_uses() {
    let (server, desk) = with_desk(Some(100));
    let _held: Vec<Client> = (0..3).map(|_| server.get("/long-polling")).collect();
    let _stream = server.get("/event-source");
    wait_until("four held", || server.server().shared.meter.held() == 4);
    let (head, body) = ask(desk, "/stats");
    assert_eq!(head.status, 200);
    assert_eq!(head.header("Content-Type"), Some("application/json"));
    let stats = json(&body);
    assert_eq!(stats["held"], 4);
    assert_eq!(stats["connections"], 4);
    assert_eq!(stats["techniques"]["long_polling"]["held"], 3);
    assert_eq!(stats["techniques"]["long_polling"]["requests"], 3);
    assert_eq!(stats["techniques"]["event_source"]["held"], 1);
    assert_eq!(stats["limits"]["connections"], 100);
    for figure in ["threads", "rss_bytes", "open_files", "context_switches"] {
        assert!(
            stats[figure].as_u64().is_some_and(|count| count > 0),
            "{figure} in {body}"
        );
    }
    assert!(stats["threads"].as_u64() >= stats["connections"].as_u64());
    for limit in ["open_files", "threads"] {
        assert!(
            stats["limits"][limit]
                .as_u64()
                .is_some_and(|count| count > 0),
            "{limit}"
        );
    }
    assert!(stats["uptime_s"].is_u64());
}

#[test]
fn stats_count_events_and_bytes_by_technique() {
    let (server, desk) = with_desk(None);
    server.publish("chat", "one");
    let request = get("/polling?since=-1");
    let mut client = server.ask(&request);
    let (head, body) = client.read_answer();
    let polling = json(&ask(desk, "/stats").1)["techniques"]["polling"].clone();
    assert_eq!(polling["requests"], 1);
    assert_eq!(polling["events"], 1);
    assert_eq!(polling["bytes_in"], request.len());
    assert_eq!(polling["bytes_out"], head.text.len() + body.len());
}

#[test]
fn the_desk_answers_while_the_comet_ports_are_full() {
    let (server, desk) = with_desk(Some(1));
    let _held = server.get("/long-polling");
    server.wait_held("long_polling", 1);
    assert_eq!(server.connect().read_answer().0.status, 503);
    assert_eq!(ask(desk, "/healthz").1, "ok\n");
    assert_eq!(json(&ask(desk, "/stats").1)["held"], 1);
}

#[test]
fn what_the_desk_does_not_have_is_refused_in_json() {
    let (_server, desk) = with_desk(None);
    let (head, body) = ask(desk, "/nothing");
    assert_eq!(head.status, 404);
    assert!(json(&body)["error"].as_str().unwrap().contains("/stats"));
    let mut client = Client::to(desk);
    client.send("POST /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    let (head, _) = client.read_answer();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("GET, HEAD"));
}

#[test]
fn a_body_that_claims_to_be_endless_does_not_end_the_process() {
    let (_server, desk) = with_desk(None);
    let mut client = Client::to(desk);
    client.send(
        "POST /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000000000000000\r\n\r\n",
    );
    assert_eq!(ask(desk, "/healthz").1, "ok\n");
}

#[test]
fn a_name_that_is_not_ours_is_refused_here_too() {
    let (_server, desk) = with_desk(None);
    for (host, status) in [
        ("localhost", 200),
        ("127.0.0.1", 200),
        ("evil.example", 421),
    ] {
        let mut client = Client::to(desk);
        client.send(format!(
            "GET /stats HTTP/1.1\r\nHost: {host}:{}\r\n\r\n",
            desk.port()
        ));
        let (head, body) = client.read_answer();
        assert_eq!(head.status, status, "{host}: {body}");
    }
}
