//! The lab: its figures against the counts of a proxy and of the server, and the program as readers run it.

#![cfg(feature = "lab")]

#[path = "lab/proxy.rs"]
mod proxy;
mod support;

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use comet::lab::clients::{Clients, Listener, Traffic};
use comet::lab::proc;
use comet::lab::reader::{Reader, Seen};
use comet::lab::requests::{Heads, Question};
use comet::lab::statistics::{Times, median};
use comet::lab::technique::Technique;
use comet::lab::throughput::Pollers;
use comet::lab::{delay, plain_threads, storm, wire};
use indicatif::ProgressBar;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proxy::{Proxy, Recorded};
use serde_json::Value;
use support::{TestServer, json, wait_until};

/// All techniques, in the article's order.
fn all() -> impl Iterator<Item = Technique> {
    [Technique::Polling].into_iter().chain(Technique::HELD)
}

// Parsing.

/// The server's real answer, head included, and the ids in it.
fn answer(technique: Technique) -> (Vec<u8>, [u64; 3]) {
    let mut server = TestServer::start();
    let first = server.publish("lab", "the client has seen this");
    let ids = [
        server.publish("lab", "short"),
        server.publish("lab", &"long".repeat(100)), // a frame with two more bytes of length
        server.publish("lab", "</script>홈런"),
    ];
    let question = Question {
        technique,
        topic: "lab",
        since: Some(first),
    };
    let mut client = server.ask(&Heads::Short.listen(question, "localhost"));
    let mut bytes = client.read_head().text.into_bytes();
    wait_until("the server has delivered them", || {
        counted(&server, technique)[1] == 3
    });
    assert_eq!(server.stop(), 0);
    bytes.extend(client.read_to_end_as_bytes());
    (bytes, ids)
}

#[test]
fn an_idle_publisher_reconnects() {
    let server = TestServer::with_limits(|limits| limits.idle = Duration::from_millis(50));
    let mut clients = Clients::new(server.address).unwrap();
    let publisher = clients.publisher().unwrap();
    for published in 1..=3 {
        clients.publish(publisher, "1").unwrap();
        let patience = support::PATIENCE;
        let is_published = clients.until(patience, |clients| clients.published.len() == published);
        assert!(is_published.unwrap());
        wait_until("the server has closed the connection", || {
            server.connections() == 0
        });
        clients.until(Duration::from_millis(50), |_| false).unwrap(); // and the client has noticed
    }
}

/// What the reader returns for bytes that come in these pieces.
fn read(pieces: &[&[u8]]) -> Seen {
    let mut reader = Reader::default();
    let mut all = Seen::default();
    for piece in pieces {
        let seen = reader.take(piece);
        all.ids.extend(seen.ids);
        all.status = all.status.or(seen.status);
        all.ended |= seen.ended;
        all.next = all.next.or(seen.next);
    }
    all
}

#[test]
fn the_reader_sees_the_same_wherever_the_bytes_are_split() {
    for technique in all() {
        let (bytes, ids) = answer(technique);
        let check = |seen: Seen| {
            assert_eq!(seen.ids, ids, "{technique}");
            let status = if technique == Technique::Websocket {
                101
            } else {
                200
            };
            assert_eq!(seen.status, Some(status), "{technique}");
            assert!(seen.ended, "{technique}");
            assert_eq!(
                seen.next,
                technique.asks_again().then_some(ids[2]),
                "{technique}"
            );
        };
        for at in 0..=bytes.len() {
            check(read(&[&bytes[..at], &bytes[at..]]));
        }
        check(read(&bytes.chunks(1).collect::<Vec<_>>()));
    }
}

#[test]
fn half_a_message_is_not_an_arrival() {
    let (bytes, ids) = answer(Technique::Websocket);
    let last = format!("\"id\":{}", ids[2]);
    let at = bytes
        .windows(last.len())
        .position(|part| part == last.as_bytes());
    let seen = read(&[&bytes[..at.expect("the id") + last.len() + 10]]);
    assert_eq!(seen.ids, ids[..2]);
}

#[test]
fn times_are_sorted_and_ranked() {
    let milliseconds = |times: &[u64]| -> Vec<Duration> {
        times
            .iter()
            .map(|time| Duration::from_millis(*time))
            .collect()
    };
    let times = Times::of(&milliseconds(&[30, 10, 50, 20, 40]));
    assert_eq!(times.sorted(), [10.0, 20.0, 30.0, 40.0, 50.0]);
    assert_eq!(times.median(), Some(30.0));
    assert_eq!([times.at(0.0), times.at(1.0)], [Some(10.0), Some(50.0)]);
    let hundred: Vec<u64> = (0..=100).rev().collect();
    assert_eq!(Times::of(&milliseconds(&hundred)).at(0.99), Some(99.0));
    assert_eq!(Times::of(&milliseconds(&[7])).at(0.99), Some(7.0));
    assert_eq!(Times::default().median(), None);
}

// The experiments' figures.

/// What the proxy has recorded for each technique and topic: the traffic and the number of events.
fn recorded(proxy: &Proxy) -> HashMap<(String, String), (Traffic, usize)> {
    let mut sums = HashMap::new();
    for Recorded { up, down } in proxy.recorded() {
        let sum: &mut (Traffic, usize) = sums.entry(asked(&up)).or_default();
        sum.0 = sum.0
            + Traffic {
                requests: count(&up, " HTTP/1.1\r\n") as u64,
                bytes_up: up.len() as u64,
                bytes_down: down.len() as u64,
            };
        sum.1 += count(&down, "{\"id\":");
    }
    sums
}

/// The path and topic of a connection's first request.
fn asked(up: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(up);
    let target = text.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut parameters = query.split('&');
    let topic = parameters.find_map(|parameter| parameter.strip_prefix("topic="));
    (path.to_string(), topic.unwrap_or_default().to_string())
}

fn count(bytes: &[u8], wanted: &str) -> usize {
    let windows = bytes.windows(wanted.len());
    windows
        .filter(|window| *window == wanted.as_bytes())
        .count()
}

/// Waits until the proxy has recorded everything that the clients have sent and received.
fn wait_for_proxy(proxy: &Proxy, clients: &Clients) {
    wait_until("the proxy has recorded everything", || {
        let sums = recorded(proxy).into_iter();
        let listening = sums.filter(|((path, _), _)| path != "/publish");
        let all = listening.fold(Traffic::default(), |all, (_, (traffic, _))| all + traffic);
        all == clients.traffic()
    });
}

fn ways() -> Vec<Listener> {
    let polling = [500, 2000].map(|interval| Listener::polling(Duration::from_millis(interval)));
    polling
        .into_iter()
        .chain(Technique::HELD.map(Listener::by))
        .collect()
}

#[test]
fn wire_counts_what_a_proxy_counts() {
    let server = TestServer::start();
    let proxy = Proxy::to(server.address);
    let mut clients = Clients::new(proxy.address).unwrap();
    let rows = wire::measure(&mut clients, &ways(), 3.0, &ProgressBar::hidden()).unwrap();
    wait_for_proxy(&proxy, &clients);
    let recorded = recorded(&proxy);
    let mut counts: HashMap<(String, String), Traffic> = HashMap::new();
    for row in &rows {
        assert_eq!(row.missing, 0, "{row:?}");
        let key = (row.listener.technique.path(), row.rate.topic.to_string());
        let sum = counts.entry(key).or_default();
        *sum = *sum + row.opening + row.warm_up + row.traffic;
    }
    assert_eq!(counts.len(), 5 * 8, "eight techniques at each rate");
    for (key, traffic) in counts {
        assert_eq!(traffic, recorded[&key].0, "{key:?}");
    }
    // Messages: 5 seconds to warm up and 3 more.
    for (topic, messages) in [
        ("wire-silence", 0),
        ("wire-5s", 2),
        ("wire-1", 8),
        ("wire-10", 80),
        ("wire-50", 400),
    ] {
        let published = recorded.get(&("/publish".to_string(), topic.to_string()));
        assert_eq!(published.map_or(0, |(_, ids)| *ids), messages, "{topic}");
        let (_, events) = recorded[&("/websocket".to_string(), topic.to_string())];
        assert_eq!(events, messages, "{topic}");
    }
    let events: usize = recorded
        .iter()
        .filter(|((path, _), _)| path != "/publish")
        .map(|(_, (_, events))| events)
        .sum();
    assert_eq!(clients.arrivals.len(), events);
    check_wire(&rows);
}

/// Checks the article's claims, and what follows from the techniques.
fn check_wire(rows: &[wire::Row]) {
    for row in rows {
        let Traffic { requests, .. } = row.traffic;
        match row.listener.technique {
            Technique::Polling => assert!(requests > 0, "polls even in silence: {row:?}"),
            Technique::LongPolling | Technique::JsonpPolling => {
                assert!(
                    requests <= row.delivered as u64 + 1,
                    "asks again after each event: {row:?}"
                );
                assert_eq!(requests > 0, row.delivered > 0, "{row:?}");
            }
            _ => assert_eq!(requests, 0, "needs one request: {row:?}"),
        }
    }
    let bytes = |technique: Technique| {
        let mut busy = rows.iter().filter(|row| row.rate.topic == "wire-50");
        let row = busy.find(|row| row.listener.technique == technique);
        let traffic = row.expect("a row").traffic;
        traffic.bytes_up + traffic.bytes_down
    };
    assert!(bytes(Technique::Websocket) < bytes(Technique::XhrStreaming));
    assert!(bytes(Technique::XhrStreaming) < bytes(Technique::LongPolling));
}

#[test]
fn the_bytes_around_one_message_are_those_of_the_formats() {
    let server = TestServer::start();
    let proxy = Proxy::to(server.address);
    let mut clients = Clients::new(proxy.address).unwrap();
    let ones = wire::measure_one(&mut clients, &ways()).unwrap();
    let of = |name: &str| ones.iter().find(|one| one.name == name).expect("a row");
    // RFC 6455 section 5.2: two bytes, and four more for the mask; RFC 9112 section 7.1: "65 CR LF", CR LF, and our LF.
    assert_eq!(of("websocket").around(), 2);
    assert_eq!(of("to send one: websocket").around(), 6);
    assert_eq!(of("xhr-streaming").around(), 4 + 2 + 1);
    for technique in all() {
        let one = of(&technique.to_string());
        let requests = u64::from(technique.asks_again());
        assert_eq!(one.traffic.requests, requests, "{one:?}");
    }
    // The event as the WebSocket received it.
    let sockets = proxy.recorded().into_iter();
    let socket = sockets.map(|socket| String::from_utf8_lossy(&socket.down).into_owned());
    let received = socket
        .filter(|text| text.contains(" 101 "))
        .find_map(|text| {
            let json = &text[text.find("{\"id\":")?..];
            Some(json[..=json.find("}}")? + 1].to_string())
        });
    let event = received.expect("the WebSocket got the event");
    assert_eq!(json(&event)["topic"], "wire-one");
    assert_eq!(of("websocket").message_bytes, event.len() as u64);
}

/// The server's counts of a technique: requests, and events delivered.
fn counted(server: &TestServer, technique: Technique) -> [u64; 2] {
    let name = technique.to_string().replace('-', "_");
    let counts = &server.server().shared.metrics.routes;
    let count = counts.iter().find(|count| count.name == name);
    let count = count.expect("a route has this name");
    [&count.requests, &count.events].map(|count| count.load(Ordering::SeqCst))
}

#[test]
fn in_a_storm_every_line_reaches_every_client() {
    const LISTENERS: usize = 30;
    const LINES: usize = 4;
    for technique in Technique::HELD {
        let server = TestServer::start();
        let mut clients = Clients::new(server.address).unwrap();
        let typist = storm::open(&mut clients, technique, LISTENERS).unwrap();
        let calm = storm::type_lines(&mut clients, typist, LINES).unwrap();
        assert_eq!(calm.arrivals, LISTENERS * LINES, "{technique}");
        assert_eq!(calm.to_all.len(), LINES, "{technique}");
        let again = if technique.asks_again() {
            LISTENERS * LINES
        } else {
            0
        };
        assert_eq!(calm.traffic.requests, again as u64, "{technique}");
        let flurry = storm::type_flurry(&mut clients, typist, 50).unwrap();
        assert_eq!(flurry.arrivals, LISTENERS * 50, "{technique}");
        let Traffic { requests, .. } = clients.traffic();
        let events = LISTENERS * (LINES + 50);
        assert_eq!(
            counted(&server, technique),
            [requests, events as u64],
            "{technique}"
        );
    }
}

#[test]
fn polling_is_late_by_its_interval_and_the_others_are_not() {
    let server = TestServer::start();
    let mut clients = Clients::new(server.address).unwrap();
    let rows = delay::measure(&mut clients, &ways(), 2, 4.0, &ProgressBar::hidden()).unwrap();
    let median = |row: &delay::Row| row.times.median().expect("messages came");
    for row in &rows {
        assert_eq!([row.times.len(), row.missing], [2 * 80, 0], "{row:?}");
    }
    let [often, seldom, held @ ..] = &rows[..] else {
        panic!("two intervals and the others")
    };
    assert!(median(often) < median(seldom));
    assert!(
        median(seldom) > 2000.0 / 4.0,
        "half the interval on average"
    );
    for row in held {
        assert!(median(row) < median(seldom), "{row:?}");
    }
}

#[test]
fn a_publishers_answers_belong_to_its_messages_in_order() {
    let server = TestServer::start();
    let mut clients = Clients::new(server.address).unwrap();
    let publishers = ["one", "two"].map(|topic| clients.publisher_to(topic).unwrap());
    let begun = Instant::now();
    for _ in 0..5 {
        for publisher in publishers {
            clients.publish(publisher, "1").unwrap();
        }
    }
    let sent = Instant::now();
    assert!(
        clients
            .until(support::PATIENCE, |clients| clients.published.len() == 10)
            .unwrap()
    );
    for publisher in publishers {
        let mine = clients
            .published
            .iter()
            .filter(|event| event.publisher == publisher);
        let mine: Vec<_> = mine.collect();
        assert_eq!(mine.len(), 5);
        assert!(mine.is_sorted_by(|one, other| one.id < other.id && one.at <= other.at));
        assert!(mine.iter().all(|event| (begun..=sent).contains(&event.at)));
    }
}

/// Polls on `connections` connections; returns the requests answered, all of them and those timed.
fn poll(server: SocketAddr, connections: usize) -> [u64; 2] {
    let mut pollers = Pollers::open(server, connections).unwrap();
    let (timed, _) = pollers.poll_for(Duration::from_millis(200)).unwrap();
    assert_eq!(
        timed % connections as u64,
        0,
        "each connection got as many answers"
    );
    [pollers.answered, timed]
}

#[test]
fn throughput_counts_what_the_server_counts() {
    let server = TestServer::start();
    for connections in [1, 8, 64] {
        let earlier = counted(&server, Technique::Polling)[0];
        let [answered, timed] = poll(server.address, connections);
        assert!(timed > connections as u64, "more than one each");
        assert_eq!(
            answered,
            timed + 1,
            "plus the first, which measures the answer's length"
        );
        let all = counted(&server, Technique::Polling)[0];
        assert_eq!(all - earlier, answered, "{connections} connections");
    }
    wait_until("they disconnect", || server.connections() == 0);
}

/// A yardstick that answers with these bytes. It ends with the test's process.
fn plain_threads_with(answer: &[u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, answer) = (listener.local_addr().unwrap(), answer.to_vec());
    thread::spawn(|| plain_threads::serve(listener, answer));
    address
}

#[test]
fn the_plain_yardstick_gives_comets_answer() {
    let server = TestServer::start();
    let comet = Pollers::open(server.address, 1).unwrap();
    let plain = plain_threads_with(&comet.answer);
    let pollers = Pollers::open(plain, 8).unwrap();
    assert_eq!(pollers.answer, comet.answer);
    assert!(comet.answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(comet.answer.ends_with(b"\"gap\":false}"));
    let [answered, timed] = poll(plain, 8);
    assert_eq!(answered, timed + 1);
}

#[test]
fn the_plain_yardstick_finds_heads_wherever_the_bytes_are_split() {
    let plain = plain_threads_with(b"yes.");
    let request = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";
    for at in 1..request.len() {
        let mut socket = TcpStream::connect(plain).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.write_all(&request[..at]).unwrap();
        socket.write_all(&request[at..]).unwrap();
        socket.write_all(&request.repeat(2)).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let mut answers = String::new();
        socket.read_to_string(&mut answers).unwrap();
        assert_eq!(answers, "yes.yes.yes.");
    }
}

#[test]
fn an_answer_that_is_not_a_200_ends_the_measurement() {
    let plain = plain_threads_with(b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n");
    let mut pollers = Pollers::open(plain, 2).unwrap();
    let polled = pollers.poll_for(Duration::ZERO);
    assert!(polled.unwrap_err().to_string().contains("answer"));
}

#[test]
fn the_median_is_the_middle_value() {
    assert_eq!(median([3.0, 1.0, 9.0, 2.0, 5.0]), Some(3.0));
    assert_eq!(median([]), None);
}

// The program.

fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comet"));
    command
        .arg("lab")
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// An empty folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("lab-{name}"));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The rows of the table whose title starts with this.
fn rows(findings: &Value, title: &str) -> Vec<Value> {
    let tables = findings["tables"].as_array().expect("tables");
    let starts = |table: &&Value| {
        table["title"]
            .as_str()
            .is_some_and(|text| text.starts_with(title))
    };
    let table = tables.iter().find(starts);
    let table = table.unwrap_or_else(|| panic!("no table {title}: {findings:#}"));
    table["rows"].as_array().expect("rows").clone()
}

fn number(row: &Value, column: &str) -> f64 {
    let number = row[column].as_f64();
    number.unwrap_or_else(|| panic!("{column} in {row}"))
}

#[test]
fn all_runs_every_experiment_and_makes_one_report() {
    let out = folder("all");
    let arguments = ["all", "--quick", "--seconds", "1", "--connections", "20,60"];
    let mut command = lab(&arguments);
    let Output {
        status,
        stdout,
        stderr,
    } = command.arg("--out").arg(&out).output().expect("it starts");
    let (stdout, stderr) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{stderr}");
    assert!(
        !stderr.contains('['),
        "no progress bar without a terminal: {stderr}"
    );
    let report = fs::read_to_string(out.join("report.html")).expect("a report");
    for name in ["wire", "delay", "storm", "strain", "throughput", "growth"] {
        let findings =
            json(&fs::read_to_string(out.join(format!("{name}.json"))).expect("figures"));
        assert_eq!(findings["experiment"], name);
        assert!(
            stdout.contains(findings["question"].as_str().expect("a question")),
            "{stdout}"
        );
        assert!(
            report.contains(&format!("<section id=\"{name}\">")),
            "{name}"
        );
        check(name, &findings);
    }
    for outside in ["src=\"", "href=\"http", "@import", "url("] {
        assert!(
            !report.contains(outside),
            "the report loads nothing: {outside}"
        );
    }
    let plots = fs::read_to_string(out.join("storm.svg")).expect("plots");
    assert_eq!(plots.matches("<svg").count(), 1);
    assert!(plots.contains("Wake-ups"), "{plots}");
}

fn check(name: &str, findings: &Value) {
    match name {
        "wire" => {
            for row in rows(findings, "As it was counted") {
                assert_eq!(row["missing"], 0, "{row}");
            }
        }
        "delay" => {
            let rows = rows(findings, "From publishing");
            assert_eq!(rows.len(), 2 * 10);
            for row in rows {
                assert_eq!(
                    number(&row, "messages"),
                    number(&row, "clients") * 20.0,
                    "{row}"
                );
            }
        }
        "storm" => {
            for row in rows(findings, "What one line costs") {
                assert_eq!(
                    number(&row, "arrivals"),
                    number(&row, "in the chat") * number(&row, "lines"),
                    "{row}"
                );
            }
            for row in rows(findings, "A flurry") {
                assert_eq!(
                    number(&row, "arrivals"),
                    number(&row, "in the chat") * 20.0,
                    "{row}"
                );
            }
        }
        "strain" => check_strain(findings),
        "throughput" => check_throughput(findings),
        _ => {}
    }
}

/// Each connection has a thread, and every message of the burst arrives.
fn check_strain(findings: &Value) {
    for row in rows(findings, "A burst") {
        assert_eq!(row["arrived"], row["of"], "{row}");
    }
    let held = rows(findings, "Held connections");
    let threads = held
        .iter()
        .filter(|row| row["by"] != "websocket, one thread");
    let more = |row: &Value| number(row, "threads") - number(row, "connections");
    let mut fixed: Vec<f64> = threads.map(more).collect();
    fixed.sort_by(f64::total_cmp);
    // The desk's own five threads start a little later, so the first reading has fewer.
    assert!(
        fixed.len() == 2 * 3 && fixed[5] - fixed[0] <= 5.0,
        "{held:#?}"
    );
    let one = held
        .iter()
        .filter(|row| row["by"] == "websocket, one thread");
    assert!(
        one.clone().count() == 2 && one.clone().all(|row| row["threads"] == 1),
        "{held:#?}"
    );
}

/// Both servers answer at both sizes. Comet counted every answer; the yardstick counts none.
fn check_throughput(findings: &Value) {
    for row in rows(findings, "All requests") {
        match row["by"].as_str() {
            Some("comet") => assert_eq!(row["counted by the server"], row["answered"], "{row}"),
            _ => assert_eq!(row["counted by the server"], Value::Null, "{row}"),
        }
        assert!(
            number(&row, "answered") > number(&row, "connections"),
            "{row}"
        );
    }
    let rates = rows(findings, "Requests per second");
    assert_eq!(rates.len(), 2);
    for row in rates {
        let ratio = number(&row, "comet") / number(&row, "plain threads");
        let rounding = 0.01 + ratio * 0.01;
        assert!(
            (number(&row, "comet / plain") - ratio).abs() < rounding,
            "{row}"
        );
    }
}

/// The error message for a command line that is refused.
fn refused(arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = lab(arguments).output().expect("it starts");
    assert_eq!(status.code(), Some(2), "{arguments:?}");
    assert_eq!(text(&stdout), "");
    text(&stderr)
}

#[test]
fn options_that_do_not_fit_are_refused_with_the_reason() {
    assert!(refused(&[]).contains("--quick"), "its help");
    assert!(
        refused(&["wires"])
            .contains("possible values: wire, delay, storm, strain, throughput, growth, all")
    );
    for (arguments, words) in [
        (
            &["wire", "--connections", "5"][..],
            "leave --connections out",
        ),
        (&["growth", "--connections", "5"], "leave --connections out"),
        (
            &["storm", "--techniques", "polling"],
            "can't measure polling: it is about connections that are held",
        ),
        (
            &["strain", "--techniques", "websocket,polling"],
            "can't measure polling",
        ),
        (
            &["growth", "--techniques", "websocket"],
            "it is about xhr-streaming, forever-frame and event-source",
        ),
        (&["one-thread", "--quick"], "it takes no options"),
        (&["plain-threads", "--seconds", "1"], "it takes no options"),
        (
            &["plain-threads", "--connections", "1"],
            "leave --connections out",
        ),
        (
            &["throughput", "--techniques", "long-polling"],
            "it is about polling",
        ),
        (
            &["delay", "--techniques", "telepathy"],
            "possible values: polling, long-polling",
        ),
        (&["storm", "--connections", "0"], "0 is not in 1.."),
        (&["storm", "--seconds", "0"], "0 is not in 1.."),
    ] {
        let message = refused(arguments);
        assert!(message.contains(words), "{arguments:?}: {message}");
        assert!(message.contains("try '--help'"), "{message}");
    }
}

#[test]
fn the_options_choose_what_is_measured() {
    let out = folder("some");
    let arguments = [
        "storm",
        "--quick",
        "--seconds",
        "1",
        "--connections",
        "7",
        "--techniques",
        "event-source",
    ];
    let Output { status, stderr, .. } = lab(&arguments)
        .arg("--out")
        .arg(&out)
        .output()
        .expect("it starts");
    assert!(status.success(), "{}", text(&stderr));
    let findings = json(&fs::read_to_string(out.join("storm.json")).expect("figures"));
    let rows = rows(&findings, "What one line costs");
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (&rows[0]["by"], &rows[0]["in the chat"]),
        (&json("\"event-source\""), &json("7"))
    );
    assert_eq!(number(&rows[0], "lines"), 5.0, "one every 200 ms");
}

#[test]
fn a_limit_that_lowers_the_size_is_named() {
    let out = folder("short");
    let mut command = lab(&[
        "storm",
        "--quick",
        "--seconds",
        "1",
        "--connections",
        "10,5000",
    ]);
    command
        .arg("--out")
        .arg(&out)
        .args(["--techniques", "websocket"]);
    // SAFETY: between fork and exec this makes one system call, and touches no memory.
    unsafe {
        command.pre_exec(|| {
            Ok(nix::sys::resource::setrlimit(
                nix::sys::resource::Resource::RLIMIT_NOFILE,
                300,
                300,
            )?)
        })
    };
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it starts");
    assert!(status.success(), "{}", text(&stderr));
    let output = text(&stdout);
    assert!(
        output.contains("limited to 136 connections instead of 5000"),
        "{output}"
    );
    assert!(output.contains("open files (ulimit -n)"), "{output}");
    let findings = json(&fs::read_to_string(out.join("storm.json")).expect("figures"));
    let sizes = rows(&findings, "What one line costs")
        .iter()
        .map(|row| number(row, "in the chat"))
        .collect::<Vec<_>>();
    assert_eq!(sizes, [10.0, 136.0]);
}

#[test]
fn an_interrupted_or_killed_lab_leaves_no_server_running() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        let out = folder("interrupted");
        let mut command = lab(&["storm", "--quick", "--seconds", "60", "--connections", "10"]);
        let command = command
            .arg("--out")
            .arg(&out)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // As if started from a terminal: a script's background jobs ignore Ctrl-C.
        // SAFETY: between fork and exec this makes one system call, and touches no memory.
        unsafe {
            command.pre_exec(|| {
                let default = nix::sys::signal::SigHandler::SigDfl;
                nix::sys::signal::signal(Signal::SIGINT, default)?;
                Ok(())
            })
        };
        let mut lab = command.spawn().expect("it starts");
        let process = Pid::from_raw(lab.id() as i32);
        wait_until("the lab has started a server", || {
            !proc::children(process).is_empty()
        });
        let servers = proc::children(process);
        kill(process, signal).expect("it is running");
        lab.wait().expect("it ends");
        let gone = |server: &Pid| !proc::is_running(*server);
        wait_until("its server is gone", || servers.iter().all(gone));
        let mut output = String::new();
        lab.stdout
            .take()
            .expect("piped")
            .read_to_string(&mut output)
            .expect("UTF-8");
        assert_eq!(output, "", "the lab had not finished");
    }
}
