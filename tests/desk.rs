//! The desk: its answers, and that it keeps answering whatever happens at the comet ports.

mod support;

use std::net::SocketAddr;
use std::thread;

use comet::desk::census::role;
use comet::desk::history::{History, KEPT};
use serde_json::Value;
use support::{Client, TestServer, get, handshake, json, wait_until};

fn with_desk(max_connections: Option<usize>) -> (TestServer, SocketAddr) {
    let server = TestServer::with_desk(max_connections);
    let desk = server.desk();
    (server, desk)
}

fn ask(desk: SocketAddr, target: &str) -> (support::Head, String) {
    let mut client = Client::to(desk);
    client.send(get(target));
    client.read_answer()
}

#[test]
fn stats_count_held_connections_and_resources() {
    let (server, desk) = with_desk(Some(100));
    let _held: Vec<Client> = (0..3).map(|_| server.get("/long-polling")).collect();
    let _stream = server.get("/event-source");
    wait_until("four held", || server.server().shared.metrics.held() == 4);
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
    let polling = || json(&ask(desk, "/stats").1)["techniques"]["polling"].clone();
    // Bytes are counted after the write, so the answer may arrive first.
    wait_until("the bytes are counted", || {
        polling()["bytes_out"] == head.text.len() + body.len()
    });
    let polling = polling();
    assert_eq!(polling["requests"], 1);
    assert_eq!(polling["events"], 1);
    assert_eq!(polling["writes"], 1);
    assert_eq!(polling["bytes_in"], request.len());
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
fn unknown_paths_and_methods_are_refused_in_json() {
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
fn a_huge_declared_length_does_not_end_the_process() {
    let (_server, desk) = with_desk(None);
    let _client = announce(desk, 9_000_000_000_000_000_000);
    assert_eq!(ask(desk, "/healthz").1, "ok\n");
}

/// A client that has sent a head with this `Content-Length`, and no body.
fn announce(desk: SocketAddr, length: usize) -> Client {
    let mut client = Client::to(desk);
    client.send(format!(
        "POST /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    ));
    client
}

/// Lengths of bodies: one that `tiny_http` reads with the head, one that it doesn't, and one above the limit of the
/// comet ports.
const BODIES: [usize; 3] = [1000, 2000, 70_000];

#[test]
fn a_request_with_a_body_is_answered_and_its_connection_ends() {
    let (_server, desk) = with_desk(None);
    for length in BODIES {
        for sent in [length, length / 2] {
            let mut client = announce(desk, length);
            client.send("x".repeat(sent));
            client.half_close();
            let answer = client.read_to_end(); // returns once the server has closed the socket
            let is_whole = sent == length;
            assert!(
                answer.starts_with("HTTP/1.1 405 ") || (!is_whole && answer.is_empty()),
                "{sent} of {length} bytes: {answer}"
            );
        }
    }
}

#[test]
fn expect_100_continue_works() {
    let (_server, desk) = with_desk(None);
    let mut client = Client::to(desk);
    client.send(
        "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(client.read_head().status, 100);
    client.send("hello");
    assert_eq!(client.read_answer().0.status, 405);
}

#[test]
fn a_missing_body_delays_no_other_client() {
    let (_server, desk) = with_desk(None);
    let _clients = BODIES.map(|length| announce(desk, length));
    for _ in 0..3 {
        assert_eq!(ask(desk, "/healthz").1, "ok\n");
    }
}

// The history.

#[test]
fn history_grows_without_requests_and_shows_held_connections() {
    let (server, desk) = with_desk(None);
    let _held: Vec<Client> = (0..3).map(|_| server.get("/long-polling")).collect();
    server.wait_held("long_polling", 3);
    let mut answer = Value::Null;
    wait_until("a sample with three held", || {
        answer = json(&ask(desk, "/history").1);
        answer["samples"]
            .as_array()
            .unwrap()
            .last()
            .is_some_and(|sample| sample["held"]["long_polling"] == 3)
    });
    let samples = answer["samples"].as_array().unwrap();
    let last = samples.last().unwrap();
    assert_eq!(last["connections"], 3);
    assert_eq!(
        last["held"].as_object().unwrap().len(),
        1,
        "routes that hold nothing are left out: {last}"
    );
    for figure in [
        "at",
        "threads",
        "rss_bytes",
        "open_files",
        "context_switches",
    ] {
        assert!(
            last[figure].as_u64().is_some_and(|count| count > 0),
            "{figure} in {last}"
        );
    }
    assert_eq!(answer["limits"], json(&ask(desk, "/stats").1)["limits"]);
    assert_eq!(answer["kept"], KEPT);
    let before = last["at"].as_u64().unwrap();
    let mut newer = Value::Null;
    wait_until("a newer sample", || {
        newer = json(&ask(desk, &format!("/history?since={before}")).1)["samples"].take();
        newer != Value::Array(Vec::new())
    });
    let newer = newer.as_array().unwrap();
    assert!(
        newer
            .iter()
            .all(|sample| sample["at"].as_u64() > Some(before)),
        "{newer:?}"
    );
}

/// The times of the samples after `since`.
fn times(history: &History, server: &TestServer, since: u64) -> Vec<u64> {
    let answer = history.after(since, &server.server().shared);
    let samples = answer["samples"].as_array().unwrap().iter();
    samples
        .map(|sample| sample["at"].as_u64().unwrap())
        .collect()
}

#[test]
fn history_keeps_the_last_samples_with_increasing_times() {
    let server = TestServer::start();
    let mut history = History::default();
    for _ in 0..KEPT {
        history.sample(&server.server().shared);
    }
    let full = times(&history, &server, 0);
    history.sample(&server.server().shared);
    let moved = times(&history, &server, 0);
    assert_eq!((full.len(), moved.len()), (KEPT, KEPT));
    assert_eq!(full[1..], moved[..KEPT - 1], "the oldest was dropped");
    assert!(moved.windows(2).all(|pair| pair[0] < pair[1]), "{moved:?}");
    let newest = moved[KEPT - 1];
    assert_eq!(times(&history, &server, newest), [0; 0]);
    assert_eq!(times(&history, &server, moved[KEPT - 3]), moved[KEPT - 2..]);
    // A `since` in the future: the clock was set back, or another server sent it.
    assert_eq!(times(&history, &server, newest + 1), moved);
}

#[test]
fn an_invalid_since_is_refused() {
    let (_server, desk) = with_desk(None);
    for since in ["x", "-1", "", "1.5", "99999999999999999999"] {
        let (head, body) = ask(desk, &format!("/history?since={since}"));
        assert_eq!(head.status, 400, "{since}");
        assert!(json(&body)["error"].as_str().unwrap().contains("since"));
    }
}

// The threads.

/// The number of threads with this role in `/threads`.
fn threads(desk: SocketAddr, role: &str) -> u64 {
    let answer = json(&ask(desk, "/threads").1);
    let roles = answer["roles"].as_array().unwrap();
    let total: u64 = roles
        .iter()
        .map(|row| row["threads"].as_u64().unwrap())
        .sum();
    assert_eq!(answer["threads"], total, "{answer}");
    let row = roles.iter().find(|row| row["role"] == role);
    row.map_or(0, |row| row["threads"].as_u64().unwrap())
}

/// Other tests run their servers in this process, but none of them uses these two roles.
#[test]
fn threads_are_counted_by_role() {
    let (server, desk) = with_desk(None);
    let _multipart: Vec<Client> = (0..5).map(|_| server.get("/multipart-streaming")).collect();
    let echo: Vec<Client> = (0..3).map(|_| server.open("/echo")).collect();
    wait_until("five multipart threads", || threads(desk, "multipart") == 5);
    wait_until("three echo threads", || threads(desk, "echo") == 3);
    assert!(threads(desk, "accept") >= 2);
    assert!(threads(desk, "doorbell") >= 1);
    assert!(
        threads(desk, "desk") >= 2,
        "tiny_http's threads inherit the name of the desk's thread"
    );
    drop(echo);
    wait_until("no echo threads", || threads(desk, "echo") == 0);
}

#[test]
fn a_thread_count_is_reused_for_a_while() {
    let (_server, desk) = with_desk(None);
    let first = json(&ask(desk, "/threads").1);
    let every = first["every_ms"].as_u64().unwrap();
    let took = first["took_us"].as_u64().unwrap();
    assert!(every >= 2000 && every * 1000 >= took * 100, "{first}");
    // A fresh count has an age of 0.
    wait_until("an earlier count", || {
        json(&ask(desk, "/threads").1)["age_ms"].as_u64() >= Some(10)
    });
}

#[test]
fn a_role_is_a_thread_name_without_its_number() {
    for (name, expected) in [
        ("long-poll-12", "long-poll"),
        ("accept-8080", "accept"),
        ("event-source-12", "event-source"),
        ("doorbell", "doorbell"),
        ("ctrl-c", "ctrl-c"),
        ("12", "12"),
        ("-7", "-7"),
        ("", ""),
        ("utf8", "utf8"),
    ] {
        assert_eq!(role(name), expected, "{name}");
    }
}

// The page.

#[test]
fn the_pages_policy_allows_the_desk_and_websockets_at_one_port() {
    let (server, desk) = with_desk(None);
    let port = server.address.port();
    for (host, comet) in [
        ("localhost", "localhost"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]:8081", "localhost"), // a policy accepts no IPv6 host
    ] {
        let mut client = Client::to(desk);
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let (head, body) = client.read_answer();
        assert_eq!(head.status, 200);
        assert!(body.contains("src=\"/desk/desk.js\""));
        let policy = format!(
            "default-src 'self'; connect-src 'self' ws://{comet}:{port}; frame-ancestors 'none'; base-uri 'none'; \
             form-action 'none'; object-src 'none'"
        );
        assert_eq!(
            head.header("Content-Security-Policy"),
            Some(&*policy),
            "{host}"
        );
        assert_eq!(
            head.header("Content-Type"),
            Some("text/html; charset=utf-8")
        );
    }
}

#[test]
fn the_desk_serves_its_page_and_files_but_no_other_page() {
    let (_server, desk) = with_desk(None);
    for file in [
        "desk/desk.js",
        "page/page.css",
        "page/strings.json",
        "favicon.svg",
        "page/language.js",
    ] {
        let (head, body) = ask(desk, &format!("/{file}"));
        assert_eq!((head.status, body.is_empty()), (200, false), "{file}");
        assert_eq!(
            head.header("X-Content-Type-Options"),
            Some("nosniff"),
            "{file}"
        );
    }
    for other in [
        "/index.html",
        "/polling.html",
        "/techniques/polling.html",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "//etc/passwd",
        "/polling",
    ] {
        assert_eq!(ask(desk, other).0.status, 404, "{other}");
    }
}

#[test]
fn every_answer_closes_its_connection() {
    let (_server, desk) = with_desk(None);
    for target in [
        "/",
        "/stats",
        "/history",
        "/threads",
        "/desk/desk.js",
        "/nothing",
    ] {
        let (head, _) = ask(desk, target);
        assert_eq!(head.header("Connection"), Some("close"), "{target}");
    }
}

/// Reads an answer like a browser: keeps the connection unless the answer says `Connection: close`.
fn ask_and_keep(mut client: Client) -> Option<Client> {
    let (head, body) = client.read_answer();
    assert_eq!(body, "ok\n");
    (head.header("Connection") != Some("close")).then_some(client)
}

/// tiny_http gives no thread to some of six simultaneous connections until the others close.
#[test]
fn a_browsers_six_connections_are_all_answered() {
    let (_server, desk) = with_desk(None);
    assert_eq!(ask(desk, "/healthz").1, "ok\n"); // its threads have started and are idle
    let mut clients: Vec<Client> = (0..6).map(|_| Client::to(desk)).collect();
    for client in &mut clients {
        client.send(get("/healthz"));
    }
    let asking = clients
        .into_iter()
        .map(|client| thread::spawn(|| ask_and_keep(client)));
    let asking: Vec<_> = asking.collect();
    let kept: Vec<_> = asking
        .into_iter()
        .map(|thread| thread.join().expect("an answer"))
        .collect();
    assert_eq!(kept.len(), 6);
}

// Hosts and origins.

#[test]
fn the_desk_accepts_only_names_of_this_machine() {
    let (_server, desk) = with_desk(None);
    let status = |head: &str| {
        let mut client = Client::to(desk);
        client.send(format!("GET /stats {head}\r\n"));
        client.read_answer().0.status
    };
    for ours in [
        "localhost",
        "LOCALHOST:8081",
        "127.0.0.1",
        "127.0.0.2:1",
        "[::1]:8081",
    ] {
        assert_eq!(
            status(&format!("HTTP/1.1\r\nHost: {ours}\r\n")),
            200,
            "{ours}"
        );
    }
    for other in [
        "evil.example",
        "evil.example:8081",
        "localhost.evil.example",
        "192.0.2.1",
        "127.0.0.1.evil.example",
        "",
        "[::2]",
    ] {
        assert_eq!(
            status(&format!("HTTP/1.1\r\nHost: {other}\r\n")),
            421,
            "{other}"
        );
    }
    assert_eq!(status("HTTP/1.0\r\n"), 200, "HTTP/1.0 needs no Host");
    assert_eq!(status("HTTP/1.1\r\n"), 400, "HTTP/1.1 needs one");
    let twice = "HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n";
    assert_eq!(status(twice), 400, "but not two");
    let mut client = Client::to(desk);
    client.send("GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_eq!(
        client.read_answer().1,
        "ok\n",
        "the host in an absolute URL counts"
    );
}

#[test]
fn the_desks_page_may_open_websockets_and_other_origins_may_not() {
    let (server, desk) = with_desk(None);
    let desk = desk.port();
    let status = |host: &str, origin: &str| {
        let request = handshake("/websocket").replace(
            "Host: localhost\r\n",
            &format!("Host: {host}\r\nOrigin: {origin}\r\n"),
        );
        server.ask(&request).read_head().status
    };
    for name in ["localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(
            status("localhost:1", &format!("http://{name}:{desk}")),
            101,
            "{name}"
        );
        assert_eq!(
            status("127.0.0.1:1", &format!("http://{name}:{desk}")),
            101,
            "{name}"
        );
    }
    let other = desk ^ 1;
    for origin in [
        format!("http://localhost:{other}"),
        format!("https://localhost:{desk}"),
        format!("http://evil.example:{desk}"),
        format!("http://192.0.2.1:{desk}"),
        "http://localhost".to_string(),
        "null".to_string(),
    ] {
        assert_eq!(status("localhost:1", &origin), 403, "{origin}");
    }
    // A request to another address may come from another machine, whose localhost is not ours.
    assert_eq!(
        status("192.0.2.1:1", &format!("http://localhost:{desk}")),
        403
    );
    assert_eq!(
        status("192.0.2.1:1", &format!("http://192.0.2.1:{desk}")),
        403,
        "the desk listens on loopback only"
    );
}

#[test]
fn without_a_desk_its_origin_is_refused() {
    let server = TestServer::start();
    let request = handshake("/websocket").replace(
        "Host: localhost\r\n",
        "Host: localhost:1\r\nOrigin: http://localhost:8081\r\n",
    );
    assert_eq!(server.ask(&request).read_head().status, 403);
}
