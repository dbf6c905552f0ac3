//! How requests are read, byte by byte: the limits, the refusals, and which pages may read the answers.

mod support;

use std::time::{Duration, Instant};

use comet::door::reader::{MAX_BODY, MAX_HEAD, MAX_HEADERS};
use comet::hub::Since;
use support::{Client, Head, TestServer, get, ids, json, post, settings, wait_until};

/// Sends a request that must be refused; returns the status and the error. The connection must then close.
fn refused(server: &TestServer, request: impl AsRef<[u8]>) -> (u16, String) {
    let mut client = server.connect();
    client.send(request);
    let (head, body) = client.read_answer();
    assert_eq!(head.header("Connection"), Some("close"), "{}", head.text);
    assert_eq!(head.header("Content-Type"), Some("application/json"));
    assert_eq!(client.read_to_end(), "");
    let error = json(&body)["error"].as_str().expect("an error").to_string();
    (head.status, error)
}

fn status(server: &TestServer, request: impl AsRef<[u8]>) -> u16 {
    let mut client = server.connect();
    client.send(request);
    client.read_head().status
}

/// A GET of /weigh whose head has this length.
fn head_of(length: usize) -> String {
    let before = "GET /weigh HTTP/1.1\r\nHost: localhost\r\nX: ";
    let filling = "x".repeat(length - before.len() - 4);
    format!("{before}{filling}\r\n\r\n")
}

// --- limits ---

#[test]
fn a_head_may_have_16_kib_and_no_more() {
    assert_eq!(MAX_HEAD, 16_384);
    let server = TestServer::start();
    let (_, body) = server.ask(&head_of(MAX_HEAD)).read_answer();
    assert_eq!(body, r#"{"bytes":16384}"#);
    let (status, error) = refused(&server, head_of(MAX_HEAD + 1));
    assert_eq!(status, 431);
    assert!(error.contains("longer than 16384 bytes"), "{error}");
    let mut client = server.ask(&(get("/weigh") + &head_of(MAX_HEAD + 1)));
    assert_eq!(client.read_answer().0.status, 200);
    assert_eq!(
        client.read_answer().0.status,
        431,
        "the limit holds for a second request, too"
    );
}

#[test]
fn a_head_that_never_ends_is_refused_too() {
    let server = TestServer::start();
    let endless = &head_of(MAX_HEAD + 4)[..MAX_HEAD];
    assert_eq!(refused(&server, endless).0, 431);
}

#[test]
fn a_request_line_that_is_too_long_is_414() {
    let server = TestServer::start();
    let line = format!("GET /polling?{}", "x".repeat(MAX_HEAD));
    let (status, error) = refused(&server, line);
    assert_eq!(status, 414);
    assert!(error.contains("shorten the URL"), "{error}");
}

#[test]
fn a_request_may_have_100_headers_and_no_more() {
    let server = TestServer::start();
    let with = |count| {
        let more = "X: y\r\n".repeat(count - 1);
        format!("GET /weigh HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
    };
    assert_eq!(status(&server, with(MAX_HEADERS)), 200);
    let (status, error) = refused(&server, with(MAX_HEADERS + 1));
    assert_eq!(
        (status, error.as_str()),
        (431, "more than 100 headers: send fewer")
    );
}

#[test]
fn a_body_may_have_64_kib_and_no_more() {
    assert_eq!(MAX_BODY, 65_536);
    let server = TestServer::start();
    assert_eq!(
        status(&server, post("/publish", &"x".repeat(MAX_BODY))),
        200
    );
    for length in ["65537", "9000000000000000000", "99999999999999999999999"] {
        let head = format!(
            "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        );
        let (status, error) = refused(&server, head);
        assert_eq!(status, 413, "{length}");
        assert_eq!(error, "the body may have 65536 bytes at the most");
    }
}

#[test]
fn the_answer_to_a_body_that_is_too_large_arrives_while_the_client_still_sends() {
    let server = TestServer::start();
    let (status, _) = refused(&server, post("/publish", &"x".repeat(MAX_BODY + 1)));
    assert_eq!(status, 413);
}

// --- the body's length ---

#[test]
fn a_body_in_chunks_is_411() {
    let server = TestServer::start();
    let (status, error) = refused(
        &server,
        "POST /publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    );
    assert_eq!(status, 411);
    assert!(error.contains("Content-Length, not in chunks"), "{error}");
}

#[test]
fn a_length_given_twice_is_refused_unless_it_is_the_same() {
    let server = TestServer::start();
    let with = |lengths| format!("POST /publish HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n\r\n1");
    for lengths in [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 2\r\nContent-Length: 1",
        "Content-Length: 1\r\nContent-Length: 2\r\nContent-Length: 1",
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\ncontent-length: 1",
    ] {
        let (status, error) = refused(&server, with(lengths));
        assert_eq!(status, 400, "{lengths}");
        assert!(error.contains("given twice"), "{error}");
    }
    assert_eq!(
        status(&server, with("Content-Length: 1\r\nContent-Length: 1")),
        200
    );
}

#[test]
fn a_length_that_is_not_a_number_is_refused() {
    let server = TestServer::start();
    for length in [
        "", "-1", "+1", "1.0", "0x1", "1, 1", "1 1", "one", "\u{661}",
    ] {
        let (status, error) = refused(
            &server,
            format!(
                "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n1"
            ),
        );
        assert_eq!(status, 400, "{length:?}");
        assert_eq!(error, "Content-Length must be a plain number");
    }
}

#[test]
fn a_body_of_a_get_is_read_and_not_taken_for_the_next_request() {
    let server = TestServer::start();
    let with_body =
        "GET /weigh HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18\r\n\r\nGET /no HTTP/1.1\r\n";
    let mut client = server.ask(&(with_body.to_string() + &get("/polling")));
    assert_eq!(client.read_answer().1, r#"{"bytes":60}"#);
    assert!(client.read_answer().1.starts_with(r#"{"events":"#));
}

// --- what is not HTTP, or not quite ---

#[test]
fn bytes_that_could_be_read_in_two_ways_are_refused() {
    let server = TestServer::start();
    for request in [
        "GET / HTTP/1.1\nHost: localhost\r\n\r\n", // bare LF
        "GET / HTTP/1.1\r\nHost: localhost\n\r\n", // bare LF
        "GET / HTTP/1.1\r\nHost: localhost\r\n\n", // bare LF at the end
        "GET / HTTP/1.1\r\nHost: localhost\rA: b\r\n\r\n", // bare CR
        "GET / HTTP/1.1\r\nHost: localhost\r\nA: b\0c\r\n\r\n", // NUL
        "GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n", // NUL in the target
        "GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n c\r\n\r\n", // obs-fold
        "GET / HTTP/1.1\r\n Host: localhost\r\n\r\n", // obs-fold without a header before it
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",      // space before the colon
        "GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", // no colon
        "GET / HTTP/1.1\r\nHost: localhost\r\n: no name\r\n\r\n", // no name
        "GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", // two spaces
        "GET /\r\nHost: localhost\r\n\r\n",        // HTTP/0.9
        "GET polling HTTP/1.1\r\nHost: localhost\r\n\r\n", // no path
        "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", // no path
        "G(T / HTTP/1.1\r\nHost: localhost\r\n\r\n", // not a token
    ] {
        assert_eq!(refused(&server, request).0, 400, "{request:?}");
    }
}

#[test]
fn a_tls_hello_gets_the_advice_to_use_http() {
    let server = TestServer::start();
    let (status, error) = refused(&server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert_eq!(status, 400);
    assert!(error.contains("not TLS: use http:// or ws://"), "{error}");
}

#[test]
fn a_first_byte_that_is_not_a_letter_is_refused_without_waiting_for_more() {
    let server = TestServer::start();
    for byte in [0, b' ', b'\n', b'0', b'{', 0x7f, 0x80, 0xff] {
        let (status, error) = refused(&server, [byte]);
        assert_eq!(status, 400, "{byte:#x}");
        assert!(error.contains("not an HTTP request"), "{error}");
    }
}

#[test]
fn another_version_is_505() {
    let server = TestServer::start();
    for request in [
        "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/0.9\r\nHost: localhost\r\n\r\n",
        "GET / HTCPCP/1.0\r\nHost: localhost\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let (status, error) = refused(&server, request);
        assert_eq!(status, 505, "{request:?}");
        assert_eq!(error, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    }
}

#[test]
fn a_request_names_exactly_one_host() {
    let server = TestServer::start();
    for hosts in [
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nhost: y\r\n",
    ] {
        let request = format!("GET /weigh HTTP/1.1\r\n{hosts}\r\n");
        let (status, error) = refused(&server, request);
        assert_eq!(
            (status, error.as_str()),
            (400, "send exactly one Host header")
        );
    }
    assert_eq!(status(&server, "GET /weigh HTTP/1.0\r\n\r\n"), 200);
    assert_eq!(
        status(&server, "GET /weigh HTTP/1.0\r\nHost: localhost\r\n\r\n"),
        200
    );
}

// --- what is accepted although it looks odd ---

#[test]
fn header_names_ignore_case_and_values_are_trimmed() {
    let server = TestServer::start();
    let request =
        "POST /publish HTTP/1.1\r\nhOST:localhost\r\ncontent-LENGTH: \t 5 \t \r\n\r\nhello";
    assert_eq!(status(&server, request), 200);
}

#[test]
fn a_header_may_hold_more_than_ascii() {
    let server = TestServer::start();
    let request = "GET /weigh HTTP/1.1\r\nHost: localhost\r\nCookie: name=쿠키\r\n\r\n";
    assert_eq!(status(&server, request), 200);
}

#[test]
fn a_blank_line_before_the_request_is_ignored() {
    let server = TestServer::start();
    let mut client = server.ask(&("\r\n".to_string() + &get("/weigh")));
    assert_eq!(client.read_answer().1, r#"{"bytes":40}"#);
    client.send_split("\r\n".to_string() + &get("/weigh"));
    assert_eq!(client.read_answer().0.status, 200);
    client.send(post("/publish", "x") + "\r\n" + &get("/weigh"));
    assert_eq!(client.read_answer().0.status, 200);
    assert_eq!(client.read_answer().0.status, 200);
}

#[test]
fn the_target_may_be_a_whole_url() {
    let server = TestServer::start();
    let id = server.publish("chat", "one");
    let mut client = server
        .ask("GET http://localhost:8080/polling?since=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(ids(&json(&client.read_answer().1)), [id]);
    client.send("GET http://localhost:8080/weigh HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.read_answer().0.status, 200);
    client.send("GET http://localhost?since=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_ne!(client.read_answer().0.status, 400, "no path means /");
}

// --- Expect ---

#[test]
fn expect_100_continue_gets_100_before_the_body() {
    let server = TestServer::start();
    let mut client = server.ask(
        "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n",
    );
    client.expect("HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.read_answer().0.status, 200);
    client.send(get("/weigh"));
    assert_eq!(client.read_answer().0.status, 200);
}

#[test]
fn no_100_is_sent_for_a_body_that_has_come_or_is_too_large() {
    let server = TestServer::start();
    let asking = |length| {
        format!(
            "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    assert_eq!(status(&server, asking("5") + "hello"), 200);
    assert_eq!(refused(&server, asking("65537")).0, 413);
}

#[test]
fn http_1_0_gets_no_100() {
    let server = TestServer::with_limits(|limits| limits.request = Duration::from_millis(50));
    let asking = "POST /publish HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(
        status(&server, asking),
        408,
        "the server waits for the body and sends nothing"
    );
}

#[test]
fn another_expectation_is_417() {
    let server = TestServer::start();
    let (status, error) = refused(
        &server,
        "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: the-unexpected\r\n\r\n",
    );
    assert_eq!(status, 417);
    assert!(error.contains("100-continue"), "{error}");
}

// --- time ---

/// A server with a short request limit.
fn hurried() -> TestServer {
    TestServer::with_limits(|limits| limits.request = Duration::from_millis(50))
}

#[test]
fn a_request_that_is_incomplete_at_its_deadline_is_408() {
    let server = hurried();
    for part in [
        "G",
        "GET /weigh HTTP/1.1\r\nHost: localhost\r\n",
        "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhell",
    ] {
        let (status, error) = refused(&server, part);
        assert_eq!(status, 408, "{part:?}");
        assert!(error.contains("took too long"), "{error}");
    }
}

#[test]
fn a_byte_now_and_then_does_not_extend_the_deadline() {
    let server = hurried();
    let mut client = server.ask("GET /weigh HTTP/1.1\r\nHost: localhost\r\nX: ");
    let mut sent = 0;
    wait_until("an answer", || {
        client.send("x");
        sent += 1;
        assert!(
            sent < MAX_HEAD / 2,
            "the limit on its size would end this, not its deadline"
        );
        !nothing_for_a_moment(&mut client)
    });
    assert_eq!(client.read_head().status, 408);
}

/// Waits 5 ms for something to read; `true` if nothing came.
fn nothing_for_a_moment(client: &mut Client) -> bool {
    let patience = client.socket.read_timeout().unwrap();
    let moment = Some(Duration::from_millis(5));
    client.socket.set_read_timeout(moment).unwrap();
    let peeked = client.socket.peek(&mut [0]);
    client.socket.set_read_timeout(patience).unwrap();
    peeked.is_err()
}

#[test]
fn each_request_has_its_own_deadline() {
    let limit = Duration::from_millis(500);
    let server = TestServer::with_limits(|limits| limits.request = limit);
    let mut client = server.connect();
    let started = Instant::now();
    while started.elapsed() < 2 * limit {
        let begun = Instant::now();
        client.send("GET /weigh HTTP/1.1\r\n");
        nothing_for_a_moment(&mut client);
        client.send("Host: localhost\r\n\r\n");
        if client.read_answer().0.status != 200 {
            assert!(begun.elapsed() >= limit, "its deadline had not come yet");
            client = server.connect();
        }
    }
}

#[test]
fn an_idle_connection_is_closed_without_an_answer() {
    let server = TestServer::with_limits(|limits| limits.idle = Duration::from_secs(1));
    let mut client = server.get("/weigh");
    let mut silent = server.connect();
    assert_eq!(client.read_answer().0.status, 200);
    assert_eq!(client.read_to_end(), "");
    assert_eq!(silent.read_to_end(), "");
    drop((client, silent));
    wait_until("no connection left", || server.connections() == 0);
}

#[test]
fn the_default_limits_are_10_seconds_for_a_request_and_30_between_two() {
    let limits = comet::door::settings::Limits::default();
    assert_eq!(limits.request, Duration::from_secs(10));
    assert_eq!(limits.idle, Duration::from_secs(30));
}

// --- connections ---

#[test]
fn requests_sent_together_are_answered_in_their_order() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send(get("/weigh") + &post("/publish", "one") + &get("/polling?since=-1") + &get("/no"));
    assert_eq!(client.read_answer().1, r#"{"bytes":40}"#);
    let id = json(&client.read_answer().1)["id"].clone();
    assert_eq!(json(&client.read_answer().1)["events"][0]["id"], id);
    assert_eq!(client.read_answer().0.status, 404);
}

#[test]
fn many_requests_sent_together_are_all_answered() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send(get("/weigh").repeat(1000)); // far more than the limit on a head
    for _ in 0..1000 {
        assert_eq!(client.read_answer().1, r#"{"bytes":40}"#);
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send_split(post("/publish", "hello") + &get("/weigh"));
    assert_eq!(client.read_answer().0.status, 200);
    assert_eq!(client.read_answer().1, r#"{"bytes":40}"#);
}

#[test]
fn a_client_may_close_its_sending_half_after_its_request() {
    let server = TestServer::start();
    let mut client = server.get("/weigh");
    client.half_close();
    assert_eq!(client.read_answer().0.status, 200);
    assert_eq!(client.read_to_end(), "");
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_request_gets_no_answer() {
    let server = TestServer::start();
    for part in [
        "GET /we",
        "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhell",
    ] {
        let mut client = server.ask(part);
        client.half_close();
        assert_eq!(client.read_to_end(), "", "{part:?}");
    }
    let hub = &server.server().shared.hub;
    assert!(hub.read("chat", Since::Last(1)).unwrap().is_empty());
}

#[test]
fn connection_close_makes_the_answer_the_last_one() {
    let server = TestServer::start();
    let close = "GET /weigh HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Close\r\n\r\n";
    let mut client = server.ask(&(close.to_string() + &get("/weigh")));
    let (head, _) = client.read_answer();
    assert_eq!(head.header("Connection"), Some("close"));
    assert_eq!(
        client.read_to_end(),
        "",
        "the second request is not answered"
    );
}

#[test]
fn http_1_0_gets_one_answer_with_connection_close() {
    let server = TestServer::start();
    let mut client = server.ask("GET /weigh HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let (head, body) = client.read_answer();
    assert_eq!(body, r#"{"bytes":47}"#);
    assert_eq!(head.header("Connection"), Some("close"));
    assert_eq!(client.read_to_end(), "");
}

// --- methods ---

#[test]
fn head_gets_the_same_head_as_get() {
    let server = TestServer::start();
    let mut client = server.ask("HEAD /ports HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = client.read_head();
    client.send("GET /ports HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (same, body) = client.read_answer();
    assert_eq!(head.status, 200);
    for name in ["Content-Type", "Content-Length", "Cache-Control"] {
        assert_eq!(head.header(name), same.header(name));
    }
    assert!(!body.is_empty());
}

#[test]
fn the_answer_to_a_refused_head_has_no_body() {
    let server = TestServer::start();
    let mut client = server.ask("HEAD /polling HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = client.read_head();
    assert_eq!(head.status, 405);
    assert_eq!(head.header("Allow"), Some("GET, POST"));
    client.send(get("/weigh"));
    assert_eq!(client.read_answer().1, r#"{"bytes":40}"#);
}

#[test]
fn a_method_that_the_path_does_not_take_is_405_with_those_it_takes() {
    let server = TestServer::start();
    let mut client = server.connect();
    for (method, path, allow) in [
        ("DELETE", "/long-polling", "GET, POST"),
        ("TRACE", "/event-source", "GET"),
        ("POST", "/websocket", "GET"),
        ("PUT", "/publish", "POST"),
        ("POST", "/ports", "GET, HEAD"),
        ("POST", "/nowhere", "GET, HEAD"),
        ("BREW", "/polling", "GET, POST"),
        ("get", "/polling", "GET, POST"), // methods are case-sensitive
    ] {
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        let (head, body) = client.read_answer();
        assert_eq!(head.status, 405, "{method} {path}");
        assert_eq!(head.header("Allow"), Some(allow), "{method} {path}");
        let error = format!("{path} takes {allow}, not {method}");
        assert_eq!(json(&body)["error"], error);
    }
}

#[test]
fn options_lists_the_methods() {
    let server = TestServer::start();
    let mut client = server.connect();
    for (target, allow) in [
        ("/polling", "GET, POST"),
        ("/publish", "POST"),
        ("*", "GET, HEAD"),
    ] {
        client.send(format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        let head = client.read_head();
        assert_eq!(head.status, 204);
        assert_eq!(head.header("Allow"), Some(allow));
    }
}

#[test]
fn an_answer_without_content_has_no_length() {
    let server = TestServer::start();
    let mut client = server.ask("OPTIONS /polling HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = client.read_head();
    assert_eq!(head.status, 204);
    assert_eq!(head.header("Content-Length"), None, "RFC 9110 section 8.6");

    client.send(get("/source/lib.rs"));
    let (head, _) = client.read_answer();
    let version = head.header("ETag").expect("a version");
    client.send(format!(
        "GET /source/lib.rs HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {version}\r\n\r\n"
    ));
    let head = client.read_head();
    assert_eq!(head.status, 304);
    assert_eq!(
        head.header("Content-Length"),
        None,
        "a 304 may have the length of the 200, or none"
    );
}

#[test]
fn a_page_that_is_not_there_is_404() {
    let server = TestServer::start();
    let mut client = server.get("/nowhere");
    let (head, body) = client.read_answer();
    assert_eq!(head.status, 404);
    assert_eq!(
        json(&body)["error"],
        "there is no /nowhere here: begin at /"
    );
    for path in [
        "/polling/",
        "/Polling",
        "/%70olling",
        "/../Cargo.toml",
        "//etc/passwd",
    ] {
        client.send(get(path));
        assert_eq!(client.read_answer().0.status, 404, "{path}");
    }
}

// --- other origins ---

/// The head of the answer to a request from a page of this origin.
fn from_origin(server: &TestServer, request_line: &str, host: &str, origin: &str) -> Head {
    let mut client = server.ask(&format!(
        "{request_line} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Length: 1\r\n\r\n1"
    ));
    client.read_head()
}

/// `localhost:PORT` for both ports.
fn hosts(server: &TestServer) -> [String; 2] {
    let ports = &server.server().addresses;
    [0, 1].map(|which| format!("localhost:{}", ports[which].port()))
}

#[test]
fn a_page_of_the_other_port_may_read_publish_and_connect() {
    let server = TestServer::start();
    let [host, sister] = hosts(&server);
    let origin = format!("http://{sister}");
    for request in [
        "GET /polling",
        "GET /long-polling?wait=0",
        "POST /publish",
        "GET /xhr-streaming",
        "GET /event-source",
    ] {
        let head = from_origin(&server, request, &host, &origin);
        assert_eq!(head.status, 200, "{request}");
        assert_eq!(head.header("Access-Control-Allow-Origin"), Some(&*origin));
        assert_eq!(head.header("Vary"), Some("Origin"));
    }
}

#[test]
fn every_name_of_this_machine_is_the_same_origin() {
    let server = TestServer::start();
    let [host, _] = hosts(&server);
    let port = server.server().addresses[1].port();
    for name in ["127.0.0.1", "[::1]", "LOCALHOST"] {
        let origin = format!("http://{name}:{port}");
        let head = from_origin(&server, "POST /publish", &host, &origin);
        assert_eq!(head.status, 200, "{origin}");
        assert_eq!(head.header("Access-Control-Allow-Origin"), Some(&*origin));
    }
}

#[test]
fn a_page_with_the_requests_own_host_and_port_is_ours_on_any_port() {
    let server = TestServer::start();
    let origin = "http://192.168.1.5:1234"; // such as a container's published port
    let head = from_origin(&server, "POST /publish", "192.168.1.5:1234", origin);
    assert_eq!(head.status, 200);
}

#[test]
fn another_host_name_is_refused_wherever_it_resolves_to() {
    let server = TestServer::start();
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
        "1.2.3.4x",
        "[::1].evil.example",
        "",
    ] {
        for target in ["/", "/polling", "/websocket", "/source/lib.rs"] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let (head, body) = server.ask(&request).read_answer();
            assert_eq!(head.status, 421, "{host:?} {target}");
            assert!(body.contains("--allow-origin"), "{body}");
        }
    }
}

#[test]
fn localhost_and_every_address_are_our_own_hosts() {
    let server = TestServer::start();
    for host in [
        "localhost",
        "LocalHost:1",
        "127.0.0.1:8080",
        "192.168.1.5",
        "[::1]:8080",
        "[fe80::1]",
    ] {
        let request = format!("GET /polling HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(server.ask(&request).read_answer().0.status, 200, "{host}");
    }
}

#[test]
fn an_allowed_host_name_is_our_own() {
    let mut settings = settings();
    settings.allow_origins = vec!["http://comet.example:8080".to_string()];
    let server = TestServer::with(settings);
    let ask =
        |host| from_origin(&server, "POST /publish", host, "http://comet.example:8080").status;
    assert_eq!(ask("comet.example:8080"), 200);
    assert_eq!(ask("COMET.example"), 200);
    assert_eq!(ask("other.example"), 421);
}

#[test]
fn a_foreign_page_may_send_a_get_but_not_read_the_answer() {
    let server = TestServer::start();
    let [host, _] = hosts(&server);
    let head = from_origin(&server, "GET /polling", &host, "http://example.com");
    assert_eq!(head.status, 200);
    assert_eq!(head.header("Access-Control-Allow-Origin"), None);
}

#[test]
fn a_foreign_page_may_neither_publish_nor_open_a_websocket() {
    let server = TestServer::start();
    let [host, _] = hosts(&server);
    let port = server.address.port();
    for origin in [
        "http://example.com".to_string(),
        "null".to_string(),
        format!("http://example.com:{port}"),
        format!("http://localhost.example.com:{port}"),
        format!("https://localhost:{port}"),
        "http://localhost".to_string(), // port 80, another server's
        format!("http://localhost:{port}.example.com"),
    ] {
        for request in ["POST /publish", "GET /websocket", "GET /echo"] {
            let head = from_origin(&server, request, &host, &origin);
            assert_eq!(head.status, 403, "{origin} {request}");
            assert_eq!(head.header("Access-Control-Allow-Origin"), None);
        }
    }
    let hub = &server.server().shared.hub;
    assert!(hub.read("chat", Since::Last(1)).unwrap().is_empty());
}

#[test]
fn the_refusal_says_how_to_allow_the_origin() {
    let server = TestServer::start();
    let mut client = server.ask(
        "POST /publish HTTP/1.1\r\nHost: localhost\r\nOrigin: http://example.com\r\nContent-Length: 1\r\n\r\n1",
    );
    let (_, body) = client.read_answer();
    let error = json(&body)["error"].to_string();
    assert!(
        error.contains("--allow-origin http://example.com"),
        "{error}"
    );
}

#[test]
fn an_allowed_origin_may_do_what_ours_may() {
    let mut settings = settings();
    settings.allow_origins = vec!["https://example.com".to_string()];
    let server = TestServer::with(settings);
    let [host, _] = hosts(&server);
    let head = from_origin(&server, "POST /publish", &host, "https://example.com");
    assert_eq!(head.status, 200);
    let allowed = head.header("Access-Control-Allow-Origin");
    assert_eq!(allowed, Some("https://example.com"));
    for other in [
        "http://example.com",
        "https://example.com:444",
        "https://example.com.evil",
    ] {
        let head = from_origin(&server, "POST /publish", &host, other);
        assert_eq!(head.status, 403, "{other}");
    }
}

#[test]
fn a_preflight_allows_our_pages_and_no_others() {
    let server = TestServer::start();
    let [host, sister] = hosts(&server);
    let ours = format!("http://{sister}");
    let head = from_origin(&server, "OPTIONS /publish", &host, &ours);
    assert_eq!(head.status, 204);
    head.assert_lines(&[
        "Access-Control-Allow-Methods: POST",
        "Access-Control-Allow-Headers: Content-Type, Last-Event-ID",
        "Vary: Origin",
    ]);
    assert_eq!(head.header("Access-Control-Allow-Origin"), Some(&*ours));
    let head = from_origin(&server, "OPTIONS /publish", &host, "http://example.com");
    assert_eq!(head.header("Access-Control-Allow-Origin"), None);
}

#[test]
fn a_refusal_can_be_read_by_the_page_that_caused_it() {
    let server = TestServer::start();
    let [host, sister] = hosts(&server);
    let origin = format!("http://{sister}");
    let head = from_origin(&server, "GET /polling?since=x", &host, &origin);
    assert_eq!(head.status, 400);
    assert_eq!(head.header("Access-Control-Allow-Origin"), Some(&*origin));
}

#[test]
fn blank_lines_between_requests_are_ignored_also_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send_split(format!("\r\n\r\n{}", get("/weigh")));
    let (_, body) = client.read_answer();
    assert_eq!(
        json(&body)["bytes"],
        get("/weigh").len(),
        "blank lines are ignored"
    );
    client.send_split("\r\n");
    client.send(get("/weigh"));
    assert_eq!(client.read_answer().0.status, 200);
}

#[test]
fn after_a_blank_line_the_connection_is_idle_not_late() {
    let server = TestServer::with_limits(|limits| {
        limits.request = Duration::from_millis(50);
        limits.idle = Duration::from_millis(200);
    });
    let mut client = server.ask(&format!("{}\r\n", post("/publish", "hello")));
    assert_eq!(client.read_answer().0.status, 200);
    assert_eq!(client.read_to_end(), "", "closed without a 408");
}

#[test]
fn a_whole_url_without_a_path_is_the_first_page() {
    let server = TestServer::start();
    let mut client = server.ask(&get("http://localhost?next=/polling"));
    let (head, _) = client.read_answer();
    assert_eq!(
        head.header("Content-Type"),
        Some("text/html; charset=utf-8")
    );
}

#[test]
fn every_answer_has_a_date() {
    let server = TestServer::start();
    for target in [
        "/",
        "/polling",
        "/long-polling",
        "/xhr-streaming",
        "/nothing",
    ] {
        let head = server.get(target).read_head();
        let date = head.header("Date").map(httpdate::parse_http_date);
        assert!(matches!(date, Some(Ok(_))), "{target}: {}", head.text);
    }
}

#[test]
fn a_head_request_that_breaks_the_rules_gets_no_body_either() {
    let server = TestServer::start();
    for (more, status) in [
        ("Content-Length: 70000\r\n", 413),
        ("Transfer-Encoding: chunked\r\n", 411),
        ("Host: twice\r\n", 400),
    ] {
        let mut client = server.ask(&format!("HEAD / HTTP/1.1\r\nHost: localhost\r\n{more}\r\n"));
        assert_eq!(client.read_head().status, status);
        assert_eq!(client.read_to_end(), "", "{more}");
    }
}

#[test]
fn a_patience_of_weeks_works() {
    let server = TestServer::with_limits(|limits| {
        *limits = limits.stretched(Duration::from_secs(u32::MAX.into()));
    });
    assert_eq!(status(&server, get("/polling")), 200);
    let _held = server.get("/xhr-streaming");
    server.wait_held("xhr_streaming", 1);
}

#[test]
fn a_late_request_is_refused_by_its_method_and_not_by_its_body() {
    let server = TestServer::with_limits(|limits| limits.request = Duration::from_millis(50));
    let length = "HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n";
    let mut head = server.ask(&format!("HEAD / {length}abc"));
    assert_eq!(head.read_head().status, 408);
    assert_eq!(head.read_to_end(), "");
    let mut post = server.ask(&format!(
        "POST /publish {length}HEAD is how the text begins"
    ));
    let (refused, body) = post.read_answer();
    assert_eq!(refused.status, 408);
    assert!(body.contains("took too long"), "{body}");
}

#[test]
fn the_host_of_a_whole_url_overrides_the_header() {
    let server = TestServer::start();
    for (url, host, expected) in [
        ("http://localhost/weigh", "evil.example", 200),
        ("HTTP://LOCALHOST/weigh", "localhost", 200),
        ("http://evil.example/weigh", "localhost", 421),
        ("http:///weigh", "localhost", 400),
        ("http://me@localhost/weigh", "localhost", 400),
    ] {
        let request = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(status(&server, request), expected, "{url} {host}");
    }
}
