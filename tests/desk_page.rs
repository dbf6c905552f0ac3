//! The desk's page in a real Chromium: the plots move, the table lists the threads, the slider opens sockets, and
//! all of that still works when the comet ports are full.
//!
//! `browser.rs` tests what all pages have in common: languages, screen sizes, labelled controls.

#[allow(dead_code)] // this file uses some of it
#[path = "support/browser.rs"]
mod browser;
mod support;

use std::net::SocketAddr;

use browser::{Chromium, Page, chromium};
use comet::door::settings::Settings;
use comet::server::Server;
use serde_json::json;
use support::{Client, TestServer, settings, wait_until};

/// Opens the desk's page at the desk itself, because the comet ports may be full.
fn open(chromium: &Chromium, server: &TestServer) -> Page {
    let mut page = chromium.empty(server);
    page.origin = format!("http://localhost:{}", server.desk().port());
    page.go("");
    page.wait("document.querySelector('.plot')?.dataset.samples > 0");
    page
}

/// An expression: the value of a series in a plot's legend.
fn value(plot: &str, series: &str) -> String {
    format!(
        "document.querySelector('[data-plot={plot}] li[data-series={series}] .key-value')?.textContent"
    )
}

fn wait_value(page: &Page, plot: &str, series: &str, expected: usize) {
    page.wait(&format!("{} === '{expected}'", value(plot, series)));
}

/// An expression: the path that is drawn for a series.
fn drawn(plot: &str, series: &str) -> String {
    format!(
        "document.querySelector('[data-plot={plot}] path[data-series={series}]')?.getAttribute('d')"
    )
}

fn wait_moves(page: &Page, plot: &str, series: &str) {
    let path = drawn(plot, series);
    let before = page.wait(&path);
    page.wait(&format!("{path} && {path} !== {before}"));
}

/// An expression: the table's row for a role, as its number of threads and its description.
fn row(role: &str) -> String {
    format!(
        "[...document.querySelectorAll('#threads tbody tr[data-role={role}] :is(.count, td:last-child)')].map((cell) => cell.innerText)"
    )
}

/// Waits until the message beside the slider contains these words.
fn wait_word(page: &Page, words: &str) {
    page.wait(&format!(
        "document.querySelector('#strain-word').innerText.includes({words:?})"
    ));
}

/// Types a number of sockets into the field beside the slider.
fn strain(page: &Page, sockets: usize) {
    page.enter("#strain-number", &sockets.to_string());
    page.press("Enter");
}

#[test]
fn the_plots_move_and_count_held_connections_per_technique() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(Some(1000));
    let page = open(chromium, &server);
    let streams: Vec<Client> = (0..7).map(|_| server.get("/event-source")).collect();
    let _sockets: Vec<Client> = (0..4).map(|_| server.open("/websocket")).collect();
    wait_value(&page, "held", "event_source", 7);
    wait_value(&page, "held", "websocket", 4);
    wait_value(&page, "held", "total", 11);
    for (plot, series) in [
        ("threads", "threads"),
        ("threads", "files"),
        ("memory", "memory"),
        ("switches", "switches"),
        ("held", "websocket"),
    ] {
        wait_moves(&page, plot, series);
    }
    drop(streams);
    wait_value(&page, "held", "total", 4);
    // Held connections are stacked: the path of each is a closed area.
    page.wait(&format!("{}.endsWith('Z')", drawn("held", "event_source")));
}

#[test]
fn a_distant_limit_is_text_and_a_near_one_is_a_line() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(Some(16));
    let page = open(chromium, &server);
    let line = "document.querySelectorAll('[data-plot=held] line.limit').length";
    let words = "[...document.querySelectorAll('[data-plot] .limit-words')].map((words) => words.textContent).join(' | ')";
    page.wait(&format!(
        "/thread limit [0-9,]+, [0-9,]+ × now/.test({words}) && /open-file limit/.test({words})"
    ));
    let _few: Vec<Client> = (0..2).map(|_| server.get("/event-source")).collect();
    wait_value(&page, "held", "total", 2);
    // The smallest scale reaches 8, so a limit of 16 is near from the start.
    page.wait(&format!(
        "{line} === 1 && {words}.includes('connection cap 16')"
    ));
    let wide = TestServer::with_desk(Some(1000));
    let page = open(chromium, &wide);
    let _held: Vec<Client> = (0..10).map(|_| wide.get("/event-source")).collect();
    page.wait(&format!(
        "{words}.includes('↑ connection cap 1,000, 100 × now') && {line} === 0"
    ));
}

#[test]
fn past_values_can_be_read_with_keyboard_and_mouse() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(None);
    let page = open(chromium, &server);
    page.wait("document.querySelector('.plot').dataset.samples > 2");
    let held: Vec<Client> = (0..5).map(|_| server.get("/event-source")).collect();
    wait_value(&page, "held", "event_source", 5);
    page.tab_to("[data-plot=held] .plot-picture");
    let spoken = "document.activeElement.getAttribute('aria-valuetext')";
    page.press("Home");
    wait_value(&page, "held", "total", 0); // before they connected, in every plot
    page.wait("document.querySelectorAll('.plot .moment').length === 4");
    page.wait(&format!("/^[0-9:]{{8}}$/.test({spoken})"));
    page.press("ArrowRight");
    page.wait("Number(document.activeElement.getAttribute('aria-valuenow')) < 0");
    page.press("Escape");
    wait_value(&page, "held", "event_source", 5);
    page.wait(&format!("{spoken} === 'now, EventSource 5'"));
    drop(held);
    wait_value(&page, "held", "total", 0);
    page.click("[data-plot=memory] .plot-picture"); // somewhere in the middle of the time axis
    page.wait("document.querySelectorAll('.plot .moment').length === 4");
}

#[test]
fn the_table_lists_the_threads_and_what_they_do() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(None);
    let _held: Vec<Client> = (0..6).map(|_| server.get("/multipart-streaming")).collect();
    server.wait_held("multipart_streaming", 6);
    let page = open(chromium, &server);
    let expected = json!([
        "6",
        "Holds a response of many parts; asleep until the next part."
    ]);
    page.wait(&format!(
        "JSON.stringify({}) === {:?}",
        row("multipart"),
        expected.to_string()
    ));
    page.wait(&format!(
        "{}[1]?.startsWith('Watches all sleeping sockets')",
        row("doorbell")
    ));
    page.wait("/ threads, counted .+ ago/.test(document.querySelector('#threads-note').innerText)");
    page.wait("![...document.querySelectorAll('#threads td')].some((cell) => cell.innerText.includes('desk.does'))");
}

#[test]
fn the_slider_opens_sockets_and_release_closes_them() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(None);
    let page = open(chromium, &server);
    page.tab_to("#strain");
    (0..20).for_each(|_| page.press("ArrowRight"));
    server.wait_held("websocket", 20);
    page.wait("document.querySelector('#strain-open').dataset.value === '20'");
    page.wait("document.querySelector('#strain-number').value === '20'");
    wait_value(&page, "held", "websocket", 20);
    page.wait(&format!("{}[0] === '20'", row("websocket")));
    page.press("ArrowLeft");
    server.wait_held("websocket", 19);
    strain(&page, 30);
    server.wait_held("websocket", 30);
    page.click("#strain-release");
    server.wait_held("websocket", 0);
    wait_value(&page, "held", "total", 0);
    strain(&page, 5);
    server.wait_held("websocket", 5);
    page.js("void (location.href = 'about:blank')");
    server.wait_held("websocket", 0);
}

#[test]
fn at_the_cap_the_page_loads_updates_and_says_that_the_server_is_full() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(Some(12));
    let mut held: Vec<Client> = (0..12).map(|_| server.get("/event-source")).collect();
    server.wait_held("event_source", 12);
    assert_eq!(server.connect().read_answer().0.status, 503);
    let page = open(chromium, &server);
    wait_value(&page, "held", "total", 12);
    wait_moves(&page, "held", "event_source");
    page.wait("document.querySelector('[data-plot=held] line.limit')");
    strain(&page, 9);
    wait_word(
        &page,
        "all 12 connections are taken, and it refuses another with 503",
    );
    wait_word(&page, "The other 9 wait for room");
    wait_moves(&page, "threads", "threads");
    held.truncate(8);
    server.wait_held("websocket", 4);
    wait_value(&page, "held", "websocket", 4);
    wait_word(&page, "The other 5 wait for room");
    held.clear();
    server.wait_held("websocket", 9);
    page.wait("document.querySelector('#strain-word').innerText === ''");
}

#[test]
fn the_page_says_when_the_browser_opens_no_more_sockets() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(None);
    let page = open(chromium, &server);
    page.requests_may_fail(); // the browser logs each refusal to its console
    strain(&page, 300);
    wait_word(&page, "The browser opens no more than these 255.");
    server.wait_held("websocket", 255);
    page.wait("document.querySelector('#strain').value === '255'");
    page.click("#strain-release");
    server.wait_held("websocket", 0);
    page.wait("document.querySelector('#strain-word').innerText === ''");
}

/// Starts the server again, on the same ports.
fn start_again(addresses: &[SocketAddr], desk: SocketAddr) -> TestServer {
    let mut started = None;
    wait_until("the ports are free again", || {
        let listen = addresses.to_vec();
        let desk = Some(desk);
        started = Server::start(Settings {
            listen,
            desk,
            ..settings()
        })
        .ok();
        started.is_some()
    });
    TestServer {
        address: addresses[0],
        server: started,
    }
}

#[test]
fn the_page_reports_a_lost_server_and_recovers_when_it_is_back() {
    let Some(chromium) = chromium() else { return };
    let mut server = TestServer::with_desk(None);
    let (addresses, desk) = (server.server().addresses.clone(), server.desk());
    let page = open(chromium, &server);
    page.requests_may_fail();
    strain(&page, 3);
    wait_value(&page, "held", "websocket", 3);
    server.stop();
    page.wait(
        "document.querySelector('#alarm').innerText.startsWith('No response from the desk since')",
    );
    page.wait("document.title.startsWith('Lost: The teacher’s desk')");
    let server = start_again(&addresses, desk);
    page.wait("document.querySelector('#alarm').innerText === '' && document.title === 'The teacher’s desk · Comet'");
    server.wait_held("websocket", 3); // the page reopens them
    wait_value(&page, "held", "websocket", 3);
    wait_moves(&page, "threads", "threads");
}

#[test]
fn a_hidden_tab_stops_polling_and_catches_up_when_visible() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(None);
    let page = open(chromium, &server);
    let hide = |hidden: bool| {
        page.js(&format!("void (Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}}),
            document.dispatchEvent(new Event('visibilitychange')))"));
    };
    let asked = "performance.getEntriesByType('resource').filter(({name}) => name.includes('/history')).length";
    hide(true);
    page.js("new Promise((done) => setTimeout(done, 1500))"); // lets a request in flight finish
    let before = page.js(asked);
    let samples = || newest_sample(&server);
    let newest = samples();
    wait_until("three more samples", || samples() >= newest + 3000);
    assert_eq!(page.js(asked), before, "no request while hidden");
    hide(false);
    page.wait(&format!("{asked} > {before}"));
    wait_moves(&page, "threads", "threads");
}

/// The time of the newest sample.
fn newest_sample(server: &TestServer) -> u64 {
    let mut client = Client::to(server.desk());
    client.send(support::get("/history"));
    let answer = support::json(&client.read_answer().1);
    let last = answer["samples"]
        .as_array()
        .and_then(|samples| samples.last().cloned());
    last.and_then(|last| last["at"].as_u64())
        .unwrap_or_default()
}

#[test]
fn links_lead_to_the_desk_and_back_and_keep_the_language() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::with_desk(None);
    let page = chromium.open(&server, "");
    page.click(".languages [lang=ko]");
    page.click(".cards a[href*=localhost]");
    page.wait("document.querySelector('#main .plot')");
    let desk = server.desk().port();
    assert_eq!(
        page.js("[location.port, document.documentElement.lang]"),
        json!([desk.to_string(), "ko"])
    );
    assert_eq!(
        page.js("document.querySelectorAll('footer a').length"),
        2,
        "no link to the desk itself"
    );
    page.click("nav a[href*=websocket]");
    page.wait("document.querySelector('#scoreboard')");
    let (port, path) = (server.address.port().to_string(), "/websocket.html");
    assert_eq!(
        page.js("[location.port, location.pathname, document.documentElement.lang]"),
        json!([port, path, "ko"])
    );
    page.click("footer a[href*=localhost]");
    page.wait("document.querySelector('#main .plot')");
}

#[test]
fn without_a_desk_no_page_links_to_one() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "");
    let links = page.js("[...document.querySelectorAll('a')].filter((link) => link.origin !== location.origin).length");
    assert_eq!(links, 0);
}
