//! The desk: it answers whatever happens at the comet ports.

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
    let polling = || json(&ask(desk, "/stats").1)["techniques"]["polling"].clone();
    // Bytes are counted once they are written: the answer may be here a moment earlier.
    wait_until("its bytes are counted", || {
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
    let _client = announce(desk, 9_000_000_000_000_000_000);
    assert_eq!(ask(desk, "/healthz").1, "ok\n");
}

/// A client that has said how long a body it will send.
fn announce(desk: SocketAddr, length: usize) -> Client {
    let mut client = Client::to(desk);
    client.send(format!(
        "POST /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    ));
    client
}

/// A body that the desk reads by itself, one that it has to wait for, and one that no comet port would take.
const BODIES: [usize; 3] = [1000, 2000, 70_000];

#[test]
fn a_request_with_a_body_is_answered_and_its_connection_ends() {
    let (_server, desk) = with_desk(None);
    for length in BODIES {
        for sent in [length, length / 2] {
            let mut client = announce(desk, length);
            client.send("x".repeat(sent));
            client.half_close();
            let answer = client.read_to_end(); // which comes only when nobody holds the socket any more
            let is_whole = sent == length;
            assert!(
                answer.starts_with("HTTP/1.1 405 ") || (!is_whole && answer.is_empty()),
                "{sent} of {length} bytes: {answer}"
            );
        }
    }
}

#[test]
fn a_body_that_is_asked_for_is_read() {
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
fn a_body_that_does_not_come_keeps_nobody_else_waiting() {
    let (_server, desk) = with_desk(None);
    let _clients = BODIES.map(|length| announce(desk, length));
    for _ in 0..3 {
        assert_eq!(ask(desk, "/healthz").1, "ok\n");
    }
}

// The last minutes.

#[test]
fn history_grows_by_itself_and_tells_what_is_held() {
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
        "only who holds any: {last}"
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
    let mut news = Value::Null;
    wait_until("what came since", || {
        news = json(&ask(desk, &format!("/history?since={before}")).1)["samples"].take();
        news != Value::Array(Vec::new())
    });
    let news = news.as_array().unwrap();
    assert!(
        news.iter()
            .all(|sample| sample["at"].as_u64() > Some(before)),
        "{news:?}"
    );
}

/// The times of the samples after `since`.
fn times(history: &History, server: &TestServer, since: u64) -> Vec<u64> {
    let told = history.after(since, &server.server().shared);
    let samples = told["samples"].as_array().unwrap().iter();
    samples
        .map(|sample| sample["at"].as_u64().unwrap())
        .collect()
}

#[test]
fn history_keeps_the_last_samples_and_each_has_a_time_of_its_own() {
    let server = TestServer::start();
    let mut history = History::default();
    for _ in 0..KEPT {
        history.sample(&server.server().shared);
    }
    let full = times(&history, &server, 0);
    history.sample(&server.server().shared);
    let moved = times(&history, &server, 0);
    assert_eq!((full.len(), moved.len()), (KEPT, KEPT));
    assert_eq!(full[1..], moved[..KEPT - 1], "the oldest went");
    assert!(moved.windows(2).all(|pair| pair[0] < pair[1]), "{moved:?}");
    let newest = moved[KEPT - 1];
    assert_eq!(times(&history, &server, newest), [0; 0]);
    assert_eq!(times(&history, &server, moved[KEPT - 3]), moved[KEPT - 2..]);
    // From before the clock was set back, or from another server.
    assert_eq!(times(&history, &server, newest + 1), moved);
}

#[test]
fn a_since_that_is_no_time_is_refused() {
    let (_server, desk) = with_desk(None);
    for since in ["x", "-1", "", "1.5", "99999999999999999999"] {
        let (head, body) = ask(desk, &format!("/history?since={since}"));
        assert_eq!(head.status, 400, "{since}");
        assert!(json(&body)["error"].as_str().unwrap().contains("since"));
    }
}

// The threads.

/// How many threads have this role, as `/threads` tells it.
fn threads(desk: SocketAddr, role: &str) -> u64 {
    let told = json(&ask(desk, "/threads").1);
    let roles = told["roles"].as_array().unwrap();
    let total: u64 = roles
        .iter()
        .map(|row| row["threads"].as_u64().unwrap())
        .sum();
    assert_eq!(told["threads"], total, "{told}");
    let row = roles.iter().find(|row| row["role"] == role);
    row.map_or(0, |row| row["threads"].as_u64().unwrap())
}

/// Other tests have their servers in this same process: they hold none of these.
#[test]
fn threads_are_counted_by_what_they_do() {
    let (server, desk) = with_desk(None);
    let _multipart: Vec<Client> = (0..5).map(|_| server.get("/multipart-streaming")).collect();
    let echo: Vec<Client> = (0..3).map(|_| server.open("/echo")).collect();
    wait_until("five are counted", || threads(desk, "multipart") == 5);
    wait_until("three are counted", || threads(desk, "echo") == 3);
    assert!(threads(desk, "accept") >= 2);
    assert!(threads(desk, "doorbell") >= 1);
    assert!(
        threads(desk, "desk") >= 2,
        "tiny_http's own have the name of who started them"
    );
    drop(echo);
    wait_until("none is counted", || threads(desk, "echo") == 0);
}

#[test]
fn the_threads_are_not_counted_anew_for_everyone_who_asks() {
    let (_server, desk) = with_desk(None);
    let first = json(&ask(desk, "/threads").1);
    let every = first["every_ms"].as_u64().unwrap();
    let took = first["took_us"].as_u64().unwrap();
    assert!(every >= 2000 && every * 1000 >= took * 100, "{first}");
    // A count that is made for us has no age.
    wait_until("a count from before", || {
        json(&ask(desk, "/threads").1)["age_ms"].as_u64() >= Some(10)
    });
}

#[test]
fn a_role_is_a_name_without_its_number() {
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
fn the_page_may_load_from_the_desk_and_strain_one_port_and_nothing_else() {
    let (server, desk) = with_desk(None);
    let port = server.address.port();
    for (host, comet) in [
        ("localhost", "localhost"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]:8081", "localhost"), // in a policy an IPv6 address is no host
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
fn the_desk_has_the_files_of_its_page_and_no_other_page() {
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
fn every_connection_to_the_desk_ends_with_its_answer() {
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

/// As a browser does: it keeps a connection for its next question, unless it is told to close.
fn ask_and_keep(mut client: Client) -> Option<Client> {
    let (head, body) = client.read_answer();
    assert_eq!(body, "ok\n");
    (head.header("Connection") != Some("close")).then_some(client)
}

/// tiny_http leaves some of six that come at once without a thread, for as long as the others stay open.
#[test]
fn a_browsers_six_connections_are_all_answered() {
    let (_server, desk) = with_desk(None);
    assert_eq!(ask(desk, "/healthz").1, "ok\n"); // its threads are there, and wait
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

// Only those who belong.

#[test]
fn the_desk_answers_to_this_machines_own_names_only() {
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
    assert_eq!(status("HTTP/1.0\r\n"), 200, "no browser");
    assert_eq!(status("HTTP/1.1\r\n"), 400, "it must say");
    let twice = "HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n";
    assert_eq!(status(twice), 400, "and once");
    let mut client = Client::to(desk);
    client.send("GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_eq!(client.read_answer().1, "ok\n", "as a proxy would ask");
}

#[test]
fn the_desks_page_may_open_websockets_and_no_other_at_that_port_or_name() {
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
    // Another machine's localhost is not ours.
    assert_eq!(
        status("192.0.2.1:1", &format!("http://localhost:{desk}")),
        403
    );
    assert_eq!(
        status("192.0.2.1:1", &format!("http://192.0.2.1:{desk}")),
        403,
        "the desk is on loopback only"
    );
}

#[test]
fn without_a_desk_nobody_is_taken_for_its_page() {
    let server = TestServer::start();
    let request = handshake("/websocket").replace(
        "Host: localhost\r\n",
        "Host: localhost:1\r\nOrigin: http://localhost:8081\r\n",
    );
    assert_eq!(server.ask(&request).read_head().status, 403);
}
