//! The pages in a real Chromium: every technique live, in both directions, both languages, on any screen.
//!
//! A warning or an error on a page's console fails the test that opened the page. So does a request to
//! another host (see `support/browser.rs`).

#[path = "support/browser.rs"]
mod browser;
mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use browser::{Page, chromium};
use comet::door::settings::Settings;
use comet::hub::Since;
use comet::server::Server;
use serde_json::{Map, Value, json};
use support::{Client, TestServer, settings, wait_until};

/// The pages whose technique holds a connection.
const HELD: [&str; 7] = [
    "long_polling",
    "xhr_streaming",
    "forever_frame",
    "multipart_streaming",
    "jsonp_polling",
    "event_source",
    "websocket",
];

/// The pages that run a technique.
fn live_pages() -> impl Iterator<Item = &'static str> {
    ["polling"].into_iter().chain(HELD).chain(["comet"])
}

/// Every page. The home page's path is empty. `desk.html` redirects to the desk, which has its own port.
fn all_pages() -> impl Iterator<Item = String> {
    let named = ["growth"].into_iter().chain(live_pages()).chain(["desk"]);
    let named = named.map(|name| format!("{name}.html"));
    [String::new()].into_iter().chain(named)
}

/// An expression: the state of a topic's connection, as the wire strip shows it.
fn now(topic: &str) -> String {
    format!("document.querySelector('#wire-now [data-topic={topic}] .now').textContent")
}

/// The string that the page shows for a held connection. Some scripts can't see that it is held.
fn held_word(name: &str) -> &'static str {
    match name {
        "long_polling" | "jsonp_polling" => "wire.now.blind",
        _ => "wire.now.held",
    }
}

/// A JavaScript pattern for the English string of this key. It accepts any value in place of `{…}`.
fn says(key: &str) -> String {
    let said = strings()[key]["en"].as_str().expect("a key").to_string();
    let mut pattern = String::new();
    for part in said.split_inclusive('}') {
        let (words, value) = part.split_once('{').unwrap_or((part, ""));
        let escaped = words.replace(['.', '?', '(', ')', '/', '+', '*'], ".");
        pattern += &format!("{escaped}{}", if value.is_empty() { "" } else { ".+" });
    }
    format!("/^{pattern}$/")
}

/// The pages' strings, in both languages.
fn strings() -> Map<String, Value> {
    match support::json(include_str!("../www/page/strings.json")) {
        Value::Object(table) => table,
        other => panic!("a table, not {other}"),
    }
}

/// An expression: the lines of the chat.
const LINES: &str = "[...document.querySelectorAll('#chat-log li')].map((line) => ({
    nick: line.querySelector('.nick')?.textContent, text: line.querySelector('.text')?.textContent}))";

fn wait_line(page: &Page, nick: &str, text: &str) {
    page.wait(&format!(
        "{LINES}.some((line) => line.nick === {nick:?} && line.text === {text:?})"
    ));
}

/// The texts of a JSON list.
fn texts(list: &Value) -> impl Iterator<Item = String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|text| text.as_str().expect("text").to_string())
}

/// Waits until the scoreboard shows a play.
fn wait_play(page: &Page) {
    page.wait("document.querySelector('.board-inning').innerText");
}

/// True if the scoreboard shows the server's last play.
const BOARD_IS_RIGHT: &str = "(async () => {
    const {events: [{data}]} = await (await fetch('/polling?topic=baseball&since=-1')).json();
    const text = (selector) => document.querySelector(selector).innerText;
    const runs = [...document.querySelectorAll('.board-line tbody tr')].map((row) => row.cells[row.cells.length - 3].innerText);
    const balls = document.querySelectorAll('.board-balls.board-lit').length;
    return text('.board-newest') === data.text.en && runs.join() === [data.away.runs, data.home.runs].join()
        && balls === data.balls && text('.board-inning').startsWith(`Game ${data.game}`);
})()";

// The tests notice what goes wrong.

#[test]
fn errors_on_a_page_are_noticed() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "");
    for (wrong, told) in [
        ("console.error('an error')", "an error"),
        ("console.warn('a warning')", "a warning"),
        ("console.assert(false, 'asserted')", "asserted"),
        ("setTimeout(() => { throw new Error('thrown'); })", "thrown"),
        ("void Promise.reject(new Error('rejected'))", "rejected"),
        ("fetch('/nowhere').then(() => 1)", "404"),
        (
            "fetch('http://127.0.0.1:1/').catch(() => 1)",
            "http://127.0.0.1:1/",
        ),
        (
            "void new WebSocket('ws://localhost:1/')",
            "ws://localhost:1/",
        ),
        (
            "void (new Image().src = 'http://example.com/picture')",
            "example.com",
        ),
        (
            "void document.body.setAttribute('onclick', '1')",
            "Content Security Policy",
        ),
    ] {
        page.js(wrong);
        let mut troubles = Vec::new();
        wait_until(told, || {
            troubles.extend(page.troubles());
            troubles
                .iter()
                .any(|trouble: &String| trouble.contains(told))
        });
    }
    page.troubles();
}

// The techniques.

#[test]
fn on_every_page_the_score_moves_and_the_wire_strip_counts_it() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.empty(&server);
    for name in live_pages() {
        page.go(&format!("{name}.html"));
        if name == "polling" {
            page.tab_to("#interval");
            page.press("Home");
        }
        wait_play(&page);
        page.wait_count("deliveries", 1);
        let counts =
            ["requests", "deliveries", "bytes-up", "bytes-down"].map(|name| page.count(name));
        assert!(counts.iter().all(|count| *count > 0), "{name}: {counts:?}");
        page.wait_count("deliveries", counts[1] + 1);
        page.wait_count("bytes-down", counts[3] + 1);
        page.wait("document.querySelector('.board-before li')"); // the play before this one
        page.wait(BOARD_IS_RIGHT);
    }
}

/// An expression: the scoreboard's parts.
const BOARD: &str = "(() => {
    const texts = (selector) => [...document.querySelectorAll(selector)].map((node) => node.innerText);
    const names = (selector) => [...document.querySelectorAll(selector)].map((node) => node.getAttribute('aria-label'));
    return {
        inning: texts('.board-inning'), away: texts('.board-line tbody tr:first-child > *'),
        home: texts('.board-line tbody tr:last-child > *'), counts: names('.board-counts [role=img]'),
        bases: names('.board-diamond'), people: texts('.board-people dd'), told: texts('.board-newest'),
    };
})()";

#[test]
fn the_board_shows_every_part_of_a_play() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "websocket.html");
    wait_play(&page);
    let play = json!({
        "game": 3, "play": "single", "inning": 10, "half": "bottom",
        "away": {"name": {"en": "Gulls", "ko": "갈매기"}, "runs": 4, "hits": 9, "errors": 1, "line": [0, 0, 3, 0, 0, 0, 0, 0, 0, 1]},
        "home": {"name": {"en": "Bears", "ko": "곰"}, "runs": 5, "hits": 8, "errors": 2, "line": [2, 0, 0, 0, 0, 1, 0, 0, 0, 2]},
        "balls": 3, "strikes": 2, "outs": 1, "bases": [true, false, true], "batter": {"en": "Park", "ko": "박"},
        "pitcher": {"en": "Kang", "ko": "강"}, "final": false, "text": {"en": "A single.", "ko": "안타."},
    });
    let shown = json!({
        "inning": ["Game 3 · Bottom 10"],
        "away": ["Gulls", "0", "0", "3", "0", "0", "0", "0", "0", "0", "1", "4", "9", "1"],
        "home": ["Bears", "2", "0", "0", "0", "0", "1", "0", "0", "0", "2", "5", "8", "2"],
        "counts": ["Balls: 3", "Strikes: 2", "Outs: 1"],
        "bases": ["On base: first, third"],
        "people": ["Park", "Kang"],
        "told": ["A single."],
    });
    let hub = &server.server().shared.hub;
    let mut board = Value::Null;
    let tries = (0..1000).find(|_| {
        // The real game continues: its next play may replace ours.
        hub.publish("baseball", &play).unwrap();
        board = page.js(BOARD);
        board == shown
    });
    assert!(tries.is_some(), "{board:#}");
}

#[test]
fn the_page_says_that_its_connection_is_held_and_for_how_long() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.empty(&server);
    for name in HELD {
        page.go(&format!("{name}.html"));
        let held = says(held_word(name));
        let chat = now("chat");
        let first = page.wait(&format!("{chat}.match({held})?.[0]"));
        page.wait(&format!("{held}.test({chat}) && {chat} !== {first}"));
        server.wait_held(name, 2); // the server agrees
    }
    page.go("polling.html");
    page.wait(&format!(
        "{}.test({})",
        says("wire.now.waiting"),
        now("chat")
    ));
}

#[test]
fn a_stream_needs_one_request_and_long_polling_one_per_event() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "xhr_streaming.html");
    page.wait_count("deliveries", 3);
    assert_eq!(page.count("requests"), 2, "one per topic");
    page.go("long_polling.html");
    page.wait_count("deliveries", 3);
    assert!(page.count("requests") >= 3 + 2);
}

#[test]
fn a_stream_ends_at_its_limit_and_the_page_opens_the_next() {
    let Some(chromium) = chromium() else { return };
    for name in ["xhr_streaming", "multipart_streaming"] {
        let server = TestServer::start();
        let page = chromium.open(&server, &format!("{name}.html"));
        server.wait_held(name, 2);
        let text = "x".repeat(60_000);
        (0..18).for_each(|_| _ = server.publish("chat", &text)); // a little over 1 MiB
        page.wait_count("ended", 1);
        server.publish("chat", "the next answer tells this");
        page.wait(&format!(
            "{LINES}.some((line) => line.text === 'the next answer tells this')"
        ));
        assert_eq!(page.count("ended"), 1, "{name}");
        page.wait_count("requests", 3); // the strip is updated after the chat
        assert_eq!(
            page.count("requests"),
            3,
            "{name}: one per topic, and the next stream"
        );
        assert_eq!(
            page.js("document.querySelector('#wire-now [data-state=lost]')"),
            Value::Null
        );
    }
}

#[test]
fn leaving_a_page_frees_its_connections_and_going_back_reconnects() {
    let Some(chromium) = chromium() else { return };
    // A script can't abort a JSONP request: the server holds it until `hold` is over.
    let server = TestServer::with_limits(|limits| limits.hold = Duration::from_secs(3));
    let page = chromium.empty(&server);
    for name in HELD {
        page.go(&format!("{name}.html"));
        server.wait_held(name, 2);
        // The page can close a WebSocket only after the handshake.
        for topic in ["chat", "baseball"] {
            page.wait(&format!("{}.test({})", says(held_word(name)), now(topic)));
        }
        page.go("polling.html");
        server.wait_held(name, 0);
    }
    page.js("history.back()");
    page.wait("location.pathname === '/websocket.html'");
    server.wait_held("websocket", 2);
    page.wait_count("deliveries", 2);
}

#[test]
fn a_page_can_be_paused_and_then_holds_nothing() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "websocket.html");
    server.wait_held("websocket", 2);
    page.click("#pause");
    server.wait_held("websocket", 0);
    assert_eq!(
        page.text(".wire .switch .note"),
        strings()["wire.paused"]["en"]
    );
    page.click("#pause");
    server.wait_held("websocket", 2);
    page.wait_count("deliveries", 2);
}

/// Skips even with `COMET_REQUIRE=all`: no package installs IPv6. (A passing test hides eprintln!.)
fn no_ipv6() {
    let _ = writeln!(std::io::stderr(), "skipped: this machine has no IPv6");
}

/// The user leaves the page during its WebSocket's handshake, so the page never sees the answer.
#[test]
fn leaving_a_page_aborts_its_unfinished_handshake() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    // The browser tries `localhost` by IPv6 first. This listener has the same port and never answers.
    let port = server.address.port();
    let Ok(listener) = TcpListener::bind(("::1", port)) else {
        return no_ipv6();
    };
    listener.set_nonblocking(true).unwrap();
    let page = chromium.open(&server, "polling.html");
    page.js(&format!(
        "import('/techniques/websocket.js').then(({{Socket}}) => {{
            const socket = Object.create(Socket);
            socket.init('ws://localhost:{port}/websocket', () => {{}});
            addEventListener('pagehide', () => socket.stop());
        }})"
    ));
    let mut accepted = None;
    wait_until("the page requests the upgrade", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (socket, _) = accepted.expect("a connection");
    socket.set_nonblocking(false).unwrap();
    let mut socket = Client::from(socket);
    assert!(socket.read_until("\r\n\r\n").contains("websocket"));
    page.go("growth.html");
    assert_eq!(socket.read_to_end(), "", "the page closes the socket");
}

// The chat.

#[test]
fn a_chat_line_goes_from_the_websocket_page_to_every_other_and_back() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let websocket = chromium.open(&server, "websocket.html");
    let other = chromium.empty(&server);
    websocket.enter("#chat-nick", "Sockeye");
    websocket.enter("#chat-text", "");
    for name in live_pages().filter(|name| *name != "websocket") {
        other.go(&format!("{name}.html"));
        if name == "polling" {
            other.enter("#chat-nick", "Polly"); // the later pages remember it
        }
        let text = format!("to {name} <img src=x onerror=alert(1)>");
        websocket.write(&text); // the focus is still there
        websocket.press("Enter");
        wait_line(&other, "Sockeye", &text);

        let text = format!("from {name} <img src=x onerror=alert(1)> & <b>bold</b> 안녕");
        other.enter("#chat-text", &text);
        other.press("Enter");
        wait_line(&websocket, "Polly", &text);
        wait_line(&other, "Polly", &text);
        other.wait("document.querySelector('#chat-text').value === ''");
        for page in [&websocket, &other] {
            let markup =
                page.js("document.querySelectorAll('#chat-log :is(img, b, script)').length");
            assert_eq!(markup, 0, "{name}: markup stays text");
        }
    }
}

#[test]
fn the_keyboard_alone_is_enough_to_chat() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    for path in ["long_polling.html", "comet.html"] {
        let page = chromium.open(&server, path);
        page.tab_to("#chat-nick");
        page.type_keys("Kim");
        page.tab_to("#chat-text");
        page.type_keys("By key & Enter");
        page.press("Enter");
        wait_line(&page, "Kim", "By key & Enter");
        assert_eq!(
            page.js("document.activeElement.id"),
            "chat-text",
            "ready for the next line"
        );
    }
}

#[test]
fn enter_twice_sends_a_line_once() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "polling.html");
    page.js("(() => {
            document.querySelector('#chat-text').value = 'only once';
            const form = document.querySelector('#chat-form');
            form.requestSubmit();
            form.requestSubmit();
        })()");
    page.wait("document.querySelector('#chat-text').value === ''");
    let said = server.server().shared.hub.read("chat", Since::Last(5));
    assert_eq!(said.unwrap().events.len(), 1);
}

#[test]
fn whatever_anyone_publishes_is_shown_as_text() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "websocket.html");
    let hub = &server.server().shared.hub;
    for (data, shown) in [
        (
            json!("<script>alert(1)</script>"),
            "<script>alert(1)</script>",
        ),
        (json!({ "text": "\u{202e}</li><h1>" }), "\u{202e}</li><h1>"),
        (json!([1, { "a": null }]), r#"[1,{"a":null}]"#),
        (json!({ "nick": 5, "text": 7 }), r#"{"nick":5,"text":7}"#),
        (Value::Null, "null"),
    ] {
        hub.publish("chat", &data).unwrap();
        page.wait(&format!("{LINES}.at(-1)?.text === {}", Value::from(shown)));
    }
}

#[test]
fn a_line_that_cannot_be_sent_stays_in_the_field_and_the_page_says_why() {
    let Some(chromium) = chromium() else { return };
    for name in ["long_polling", "websocket", "comet"] {
        let mut server = TestServer::start();
        let page = chromium.open(&server, &format!("{name}.html"));
        page.requests_may_fail();
        wait_play(&page);
        server.stop();
        page.wait("document.querySelectorAll('#wire-now li[data-state=lost]').length === 2");
        page.enter("#chat-text", "is anybody there?");
        page.press("Enter");
        let trouble = "document.querySelector('.chat .trouble').textContent";
        page.wait(&format!("{}.test({trouble})", says("chat.unreached")));
        let left = page.js("document.querySelector('#chat-text').value");
        assert_eq!(left, "is anybody there?", "{name}");
    }
}

#[test]
fn a_refused_line_shows_the_servers_message() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "long_polling.html");
    page.requests_may_fail(); // the browser reports the 413
    wait_play(&page);
    page.js("document.querySelector('#chat-text').value = 'x'.repeat(70000)");
    page.focus("#chat-text");
    page.press("Enter");
    page.wait("document.querySelector('.chat .trouble q').textContent.includes('65536 bytes')");
}

// comet.js: which transport it chooses.

/// The transports of the article's Socket.IO, in the order in which comet.js tries them.
const TRANSPORTS: [&str; 7] = [
    "websocket",
    "xhr-streaming",
    "multipart-streaming",
    "forever-frame",
    "jsonp-polling",
    "long-polling",
    "polling",
];

/// An expression: the transports that both topics use.
const CHOSEN: &str = "[...document.querySelectorAll('.choice tbody tr')]
    .filter((row) => row.querySelectorAll('.state[data-state=chosen]').length === 2)
    .map((row) => row.querySelector('th').id)";

fn wait_chosen(page: &Page, transport: &str) {
    page.wait(&format!("{CHOSEN}.join() === {transport:?}"));
}

/// Checks that plays still arrive, and that the chat works in both directions.
fn assert_works(page: &Page, server: &TestServer, text: &str) {
    let deliveries = page.count("deliveries");
    page.wait_count("deliveries", deliveries + 1);
    page.enter("#chat-text", text);
    page.press("Enter");
    wait_line(page, "someone", text);
    server.publish("chat", &format!("{text}, from elsewhere"));
    page.wait(&format!(
        "{LINES}.at(-1)?.text === '{text}, from elsewhere'"
    ));
}

#[test]
fn disabled_transports_are_skipped_in_the_order_of_the_list() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "comet.html");
    let order = page.js("import('/comet.js').then(({TRANSPORTS}) => TRANSPORTS)");
    assert_eq!(order, json!(TRANSPORTS));
    for transport in TRANSPORTS {
        wait_chosen(&page, transport);
        page.wait("!document.querySelector('#choice-log .failed')");
        if transport == "polling" {
            break;
        }
        server.wait_held(&transport.replace('-', "_"), 2);
        if matches!(transport, "websocket" | "xhr-streaming") {
            assert_works(&page, &server, transport);
        }
        page.toggle(&format!("#use-{transport}"));
    }
    assert_works(&page, &server, "polling");
    page.toggle("#use-event-source");
    wait_chosen(&page, "event-source");

    // With JSONP the script can't see that its request is held.
    page.toggle("#use-event-source");
    page.toggle("#use-polling");
    page.toggle("#use-jsonp-polling");
    wait_chosen(&page, "jsonp-polling");
    page.wait(&format!("{}.test({})", says("wire.now.blind"), now("chat")));
}

#[test]
fn broken_transports_are_tried_and_the_page_says_why_they_failed() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "comet.html");
    page.requests_may_fail();
    for transport in &TRANSPORTS[..6] {
        wait_chosen(&page, transport);
        page.toggle(&format!("#break-{transport}"));
    }
    wait_chosen(&page, "polling");
    for transport in &TRANSPORTS[..6] {
        page.wait(&format!(
            "[...document.querySelectorAll('#choice-log .failed')].some((line) =>
                line.querySelector('code')?.textContent === {transport:?} && /failed: .{{5}}/.test(line.innerText))"
        ));
    }
    assert_works(&page, &server, "by polling alone");

    page.toggle("#break-polling");
    page.wait(&format!("{}.test({})", says("wire.now.lost"), now("chat")));
    let none = strings()["comet.why.none"]["en"].clone();
    page.wait(&format!(
        "document.querySelector('#choice-log').innerText.includes({none})"
    ));
    page.toggle("#break-xhr-streaming");
    wait_chosen(&page, "xhr-streaming");
    assert_works(&page, &server, "once more");
}

// The home page.

/// Starts to record every id that a lane of the race shows, even briefly.
const WATCH_LANES: &str =
    "void (window.seen = {}, [...document.querySelectorAll('.lanes > li')].forEach((lane) => {
    const ids = seen[lane.dataset.technique] = new Set();
    const options = {attributes: true, attributeFilter: ['data-last-id'], attributeOldValue: true};
    new MutationObserver((changes) => {
        changes.forEach(({oldValue}) => ids.add(oldValue));
        ids.add(lane.dataset.lastId);
    }).observe(lane, options);
}))";

/// An expression: how many lanes have shown the same id, at most.
const LANES_OF_ONE_EVENT: &str = "Math.max(...[...Object.values(seen)].flatMap((ids) => [...ids])
    .filter(Boolean).map((id) => Object.values(seen).filter((ids) => ids.has(id)).length))";

#[test]
fn in_the_race_one_event_arrives_in_every_lane_spread_over_both_ports() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "");
    page.js(WATCH_LANES);
    page.wait(&format!("{LANES_OF_ONE_EVENT} === 8"));
    let used =
        page.js("[...document.querySelectorAll('.lanes .port')].map((port) => port.dataset.port)");
    let used: BTreeSet<String> = texts(&used).collect();
    let ports = server.server().shared.ports.iter().map(u16::to_string);
    assert_eq!(used, ports.collect());
    assert_ne!(page.text("[data-say='race.ports']"), "", "the page says so");
    assert_eq!(page.text("[data-say='race.oneport']"), "");
}

#[test]
fn with_one_port_the_race_leaves_out_the_lanes_that_would_stall_it() {
    let Some(chromium) = chromium() else { return };
    let mut one_port = settings();
    one_port.listen.truncate(1);
    let server = TestServer::with(one_port);
    let page = chromium.open(&server, "");
    page.js(WATCH_LANES);
    page.wait(&format!("{LANES_OF_ONE_EVENT} === 6"));
    assert_ne!(
        page.text("[data-say='race.oneport']"),
        "",
        "the page says so"
    );
    assert_eq!(
        page.js("fetch('/weigh').then((answer) => answer.status)"),
        200,
        "a connection is free for other requests"
    );
}

#[test]
fn the_race_can_be_paused_and_then_holds_nothing() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "");
    let held = || HELD.map(|name| server.held(name)).iter().sum::<usize>();
    wait_until("all seven are held", || held() == 7);
    page.click(".race .button");
    wait_until("nothing is held", || held() == 0);
    page.click(".race .button");
    wait_until("all seven are held again", || held() == 7);
}

// The line of code from the article.

/// A server on the article's ports. Skips if they are taken.
fn server_on_the_articles_ports() -> Option<TestServer> {
    let settings = Settings {
        desk: None,
        ..Settings::default()
    };
    match Server::start(settings) {
        Ok(server) => Some(TestServer {
            address: server.addresses[0],
            server: Some(server),
        }),
        Err(error) => {
            support::skip(&error.to_string());
            None
        }
    }
}

#[test]
fn the_articles_line_opens_a_websocket_as_printed() {
    let Some(chromium) = chromium() else { return };
    let Some(server) = server_on_the_articles_ports() else {
        return;
    };
    let mut page = chromium.empty(&server);
    for host in ["localhost", "127.0.0.1"] {
        page.origin = format!("http://{host}:8080");
        page.go("websocket.html");
        let heard = page.js(r#"new Promise((done) => {
                const socket = new WebSocket("ws://localhost:9090/websocket");
                socket.onopen = () => socket.send('as printed');
                socket.onmessage = (e) => done(JSON.parse(e.data).data.text);
                socket.onerror = () => done('an error');
            })"#);
        assert_eq!(heard, "as printed", "from {host}");
    }
}

// A server that ends and restarts.

#[test]
fn every_page_reports_a_lost_server_and_reconnects() {
    let Some(chromium) = chromium() else { return };
    let names: Vec<&str> = live_pages().collect();
    for batch in names.chunks(3) {
        let mut server = TestServer::start();
        let settings = server.settings_again();
        server.publish("chat", "before");
        let open = |name: &&str| chromium.open(&server, &format!("{name}.html"));
        let pages: Vec<Page> = batch.iter().map(open).collect();
        for page in &pages {
            page.requests_may_fail();
            wait_play(page);
            page.wait(&format!("{LINES}.at(-1)?.text === 'before'"));
        }
        assert_eq!(server.stop(), 0, "every stream ended properly");
        for page in &pages {
            page.wait("document.querySelectorAll('#wire-now li[data-state=lost]').length === 2");
            page.wait(&format!("{}.test({})", says("wire.now.lost"), now("chat")));
            page.wait(&format!("{}.test(document.title)", says("page.lost")));
        }
        server.start_again(&settings);
        server.publish("chat", "after");
        for page in &pages {
            page.wait("!document.querySelector('#wire-now li[data-state=lost]')");
            page.wait(&format!("{LINES}.at(-1)?.text === 'after'"));
            page.wait(BOARD_IS_RIGHT);
            page.wait(&format!("!{}.test(document.title)", says("page.lost")));
        }
    }
}

// Polling's controls.

/// An expression: the shortest time between the chat's next polls, in milliseconds.
const PACE: &str = "new Promise((done) => {
    const asked = () => performance.getEntriesByType('resource')
        .filter(({name}) => name.includes('/polling?topic=chat')).map(({startTime}) => startTime);
    const before = asked().length;
    (function look() {
        const since = asked().slice(before);
        if (since.length < 3) return setTimeout(look, 50);
        done(Math.min(...since.slice(1).map((at, i) => at - since[i])));
    })();
})";

#[test]
fn the_slider_sets_the_pace_of_polling() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "polling.html");
    page.tab_to("#interval");
    let pace = |keys: &[&str]| {
        keys.iter().for_each(|key| page.press(key));
        page.js(PACE).as_f64().expect("a time")
    };
    let quick = pace(&["Home"]);
    let slow = pace(&["PageUp"]);
    let set = page.js("document.querySelector('#interval').value * 1000");
    assert!(slow > quick * 1.5, "{quick} ms, then {slow} ms");
    assert!(
        slow > set.as_f64().unwrap() * 0.9,
        "{slow} ms, set to {set} ms"
    );
    assert!(page.count("empty") > 0, "the chat's polls return no events");
}

#[test]
fn polling_a_slow_network_without_waiting_brings_late_answers() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "polling.html");
    assert_eq!(page.count("late"), 0);
    page.tab_to("#interval");
    page.press("Home");
    page.tab_to("#slow");
    page.press("End");
    page.tab_to("#impatient");
    page.press(" ");
    page.wait(&format!(
        "{}.test({})",
        says("wire.now.flying"),
        now("baseball")
    ));
    page.wait_count("late", 2);
}

/// Polls without waiting; the answers come out of order. Returns the ids received and the late answers' count.
const IMPATIENT: &str = "(async () => {
    const asked = [], told = [], late = [];
    window.XMLHttpRequest = class {
        open() {}
        send() { asked.push(this); }
        abort() {}
    };
    const {polling} = await import('/techniques/polling.js');
    const tell = (what) => { if (what === 'late') late.push(what); };
    const options = {interval: () => 1, impatient: () => true};
    const link = polling('/polling?since=10', ({id}) => told.push(id), tell, options);
    const answer = async (n, ids) => {
        while (asked.length <= n) await new Promise((done) => { setTimeout(done, 1); });
        const events = ids.map((id) => ({id}));
        const next = ids.at(-1) ?? 10;
        Object.assign(asked[n], {readyState: 4, status: 200, responseText: JSON.stringify({events, next, gap: false})});
        asked[n].onreadystatechange();
    };
    await answer(4, [11]);
    await answer(1, []); // nothing new
    await answer(0, [11]);
    await answer(2, [13]); // 12 is missing
    await answer(3, [11, 12]); // 12 is new, and follows 11
    await answer(asked.length, [13, 14]); // answers the next poll
    link.close();
    return [told, late.length];
})()";

#[test]
fn answers_out_of_order_neither_skip_nor_repeat_an_event() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "websocket.html");
    assert_eq!(page.js(IMPATIENT), json!([[11, 12, 13, 14], 3]));
}

#[test]
fn a_page_loaded_by_an_ipv6_address_uses_only_its_own_port() {
    let Some(chromium) = chromium() else { return };
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    if TcpListener::bind(address).is_err() {
        return no_ipv6();
    }
    let mut settings = settings();
    settings.listen = vec![address, address];
    let server = TestServer::with(settings);
    for name in live_pages() {
        let page = chromium.open(&server, &format!("{name}.html"));
        wait_play(&page);
    }
}

// Both languages.

/// An expression: every text of the page, except what isn't translated: code, and what people wrote.
const SAID: &str = "(() => {
    const own = 'pre, code, bdi, time, noscript, iframe, body [lang]';
    const said = [document.title];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        if (!walker.currentNode.parentElement.closest(own)) said.push(walker.currentNode.data);
    }
    for (const name of ['aria-label', 'aria-valuetext', 'placeholder', 'title', 'alt']) {
        for (const node of document.querySelectorAll(`body [${name}]`)) {
            if (!node.closest(own)) said.push(node.getAttribute(name));
        }
    }
    return said.map((text) => text.trim()).filter(Boolean);
})()";

fn said(page: &Page) -> Vec<String> {
    texts(&page.js(SAID)).collect()
}

fn has_hangul(text: &str) -> bool {
    text.chars().any(|c| ('\u{ac00}'..='\u{d7a3}').contains(&c))
}

/// The English strings, cut at their placeholders. Pieces that the Korean strings also contain are left
/// out.
fn english_pieces() -> Vec<String> {
    let table = strings();
    let korean: Vec<&str> = table
        .values()
        .filter_map(|string| string["ko"].as_str())
        .collect();
    let english = table.values().filter_map(|string| string["en"].as_str());
    let pieces = english.flat_map(|text| text.split(['{', '}', '`']).map(str::trim));
    let pieces = pieces.filter(|piece| piece.chars().filter(|c| c.is_alphabetic()).count() > 3);
    pieces
        .filter(|piece| !korean.iter().any(|text| text.contains(piece)))
        .map(String::from)
        .collect()
}

/// True if the text contains the piece as whole words.
fn has_piece(text: &str, piece: &str) -> bool {
    text.match_indices(piece).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + piece.len()..].chars().next();
        ![before, after]
            .into_iter()
            .flatten()
            .any(|c| c.is_ascii_alphabetic())
    })
}

/// True if the text has four English words in a row: that is more than a name.
fn has_english(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_word = |word: &&str| {
        word.trim_matches(|c: char| c.is_ascii_punctuation())
            .chars()
            .all(|c| c.is_ascii_alphabetic())
    };
    words.windows(4).any(|four| four.iter().all(is_word))
}

/// Switches to Korean and checks that no text is English.
fn assert_korean(page: &Page, pieces: &[String]) {
    page.click(".languages [lang=ko]");
    assert_eq!(page.js("document.documentElement.lang"), "ko");
    let said = said(page);
    assert!(
        said.iter().any(|text| has_hangul(text)),
        "{}: {said:?}",
        page.name()
    );
    for text in said {
        let left = pieces.iter().find(|piece| has_piece(&text, piece));
        assert_eq!(left, None, "{} in Korean: {text}", page.name());
        assert!(!has_english(&text), "{} in Korean: {text}", page.name());
    }
}

/// Switches to English and checks that no text is Korean.
fn assert_english(page: &Page) {
    page.click(".languages [lang=en]");
    assert_eq!(page.js("document.documentElement.lang"), "en");
    let korean: Vec<String> = said(page)
        .into_iter()
        .filter(|text| has_hangul(text))
        .collect();
    assert!(korean.is_empty(), "{} in English: {korean:?}", page.name());
}

#[test]
fn every_page_speaks_english_or_korean_and_never_both() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(None);
    let page = chromium.empty(&server);
    let pieces = english_pieces();
    for path in all_pages() {
        page.go(&path);
        wait_event(&page);
        assert_korean(&page, &pieces);
        assert_english(&page);
    }
}

#[test]
fn error_messages_are_in_the_readers_language_too() {
    let Some(chromium) = chromium() else { return };
    let mut server = TestServer::start();
    let page = chromium.open(&server, "comet.html");
    page.requests_may_fail();
    let pieces = english_pieces();
    for transport in [
        "websocket",
        "xhr-streaming",
        "forever-frame",
        "jsonp-polling",
    ] {
        page.toggle(&format!("#break-{transport}"));
    }
    wait_chosen(&page, "multipart-streaming");
    page.toggle("#use-multipart-streaming");
    wait_chosen(&page, "long-polling");
    assert_korean(&page, &pieces);
    server.stop();
    page.wait("document.querySelectorAll('#wire-now li[data-state=lost]').length === 2");
    page.enter("#chat-text", "거기 누구 없어요?");
    page.press("Enter");
    page.wait("document.querySelector('.chat .trouble').textContent");
    assert_korean(&page, &pieces);
    assert_english(&page);
}

#[test]
fn the_browsers_language_is_used_until_another_is_chosen_and_remembered() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.empty(&server);
    page.preferred_language("ko-KR");
    page.go("websocket.html");
    assert_eq!(page.js("document.documentElement.lang"), "ko");
    page.click(".languages [lang=en]");
    page.go("polling.html");
    assert_eq!(page.js("document.documentElement.lang"), "en");
}

/// Waits for a page's first data: the scoreboard, a play in the race, the requests of the four streams, or
/// the desk's counts.
fn wait_event(page: &Page) {
    page.wait(
        "document.querySelector('.board-inning')?.innerText
            || [...document.querySelectorAll('.lanes > li')].some((lane) => lane.dataset.lastId)
            || document.querySelectorAll('.growth [data-count=requests]:not([data-value=\"0\"])').length === 4
            || (document.querySelector('.plot')?.dataset.samples > 1 && document.querySelector('#threads tbody tr'))",
    );
}

// Every screen and every reader.

#[test]
fn nothing_is_wider_than_a_phone() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(None);
    server.publish("chat", &"long".repeat(100));
    let page = chromium.empty(&server);
    page.width(390);
    for path in all_pages() {
        page.go(&path);
        wait_event(&page);
        for language in ["en", "ko"] {
            page.js(&format!(
                "import('/page/language.js').then((it) => it.setLanguage('{language}'))"
            ));
            let width = page.js(
                "(({scrollWidth, lang}) => [lang, innerWidth, Math.max(scrollWidth, innerWidth),
                    getComputedStyle(document.body).overflowX])(document.documentElement)",
            );
            assert_eq!(width, json!([language, 390, 390, "visible"]), "/{path}");
        }
    }
}

/// An expression: the texts with a contrast below 4.5 (WCAG 2.2, 1.4.3), and that contrast.
const FAINT: &str = "(() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ground = (node) => {
        for (; node; node = node.parentElement) {
            const colour = channels(getComputedStyle(node).backgroundColor);
            if (colour[3] !== 0) return colour;
        }
        return [255, 255, 255];
    };
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest('noscript')) continue;
        const [a, b] = [light(channels(getComputedStyle(node).color)), light(ground(node))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) faint.push([walker.currentNode.data.trim(), node.className, contrast]);
    }
    return faint;
})()";

#[test]
fn every_page_can_be_read_in_light_and_in_dark() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(None);
    server.publish("chat", "a line");
    let page = chromium.empty(&server);
    for path in all_pages() {
        page.go(&path);
        wait_event(&page);
        let mut grounds = BTreeSet::new();
        for scheme in ["light", "dark"] {
            page.colour_scheme(scheme);
            page.wait(&format!(
                "matchMedia('(prefers-color-scheme: {scheme})').matches"
            ));
            grounds.insert(
                page.js("getComputedStyle(document.body).backgroundColor")
                    .to_string(),
            );
            let faint = page.js(FAINT);
            assert_eq!(faint, json!([]), "/{path} in {scheme}");
        }
        assert_eq!(grounds.len(), 2, "/{path}: {grounds:?}");
    }
}

/// An expression: the controls, pictures and regions without a name for a screen reader.
const NAMELESS: &str = "[...document.querySelectorAll(
        'a, button, input, canvas, [role=slider], img:not([alt=\"\"]), [tabindex=\"0\"], [role=img], [role=log], [role=region], [role=group]')]
    .filter((node) => node.checkVisibility() && !node.closest('[aria-hidden=true]'))
    .filter((node) => !node.computedName.trim())
    .map((node) => node.outerHTML.slice(0, 200))";

/// Every page has exactly one of each.
const ONCE: [&str; 5] = ["h1", "main", "nav", "header.site", "footer.site"];
/// The live regions of every page that runs a technique: a screen reader announces their changes.
const LIVE: [&str; 3] = [
    ".board-newest[aria-live=polite]",
    ".chat [role=log]",
    ".wire [role=status]",
];

#[test]
fn every_control_has_a_name_and_every_page_one_heading_and_its_landmarks() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(None);
    let page = chromium.empty(&server);
    for path in all_pages() {
        page.go(&path);
        let links =
            page.js("[...document.querySelectorAll('nav a')].map((node) => node.computedName)");
        assert!(
            texts(&links).all(|name| !name.is_empty()),
            "/{path}: {links}"
        );
        assert_eq!(page.js(NAMELESS), json!([]), "/{path}");
        let live = match &*path {
            "" | "growth.html" => [].iter(),
            "desk.html" => ["#alarm[role=status]", "#strain-word[role=status]"].iter(),
            _ => LIVE.iter(),
        };
        for selector in ONCE.iter().chain(live) {
            let count = page.js(&format!("document.querySelectorAll('{selector}').length"));
            assert_eq!(count, 1, "/{path}: {selector}");
        }
    }
}

#[test]
fn the_first_tab_stop_skips_to_the_content() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "polling.html");
    assert_eq!(page.tab_to(".skip"), 1);
    page.press("Enter");
    page.wait("location.hash === '#main'");
    assert!(page.tab_to("main input, main a, main button") == 1);
}
