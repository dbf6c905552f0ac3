//! The lab's request heads against a real Chromium's: it opens our own pages behind a proxy that records
//! their requests.

#![cfg(feature = "lab")]

#[path = "lab/proxy.rs"]
mod proxy;
mod support;

use comet::lab::browser::{self, Browser};
use comet::lab::chromium::{self, POST};
use comet::lab::requests::{Heads, Question};
use comet::lab::technique::Technique;
use proxy::Proxy;
use support::{TestServer, has, wait_until};

/// Pages that cover every technique: the race (without two techniques, which would be its fifth and sixth
/// connection to one port), one page for each of these two. The last one also publishes.
const PAGES: [&str; 3] = [
    "",
    "jsonp_polling.html",
    "growth.html?technique=multipart_streaming&topic=heads&report=heads-says",
];

/// The head of a recorded request to the same path as ours, with at least our parameters.
fn request_like(proxy: &Proxy, ours: &str) -> Option<Vec<String>> {
    let start = ours.split_inclusive('?').next().unwrap_or_default();
    let requests = proxy.recorded().into_iter().flat_map(|connection| {
        let text = String::from_utf8_lossy(&connection.up).into_owned();
        let heads = text.match_indices(start);
        let heads = heads.filter_map(|(at, _)| text[at..].split_once("\r\n\r\n"));
        let heads = heads.map(|(head, _)| head.split("\r\n").map(str::to_string).collect());
        heads.collect::<Vec<Vec<String>>>()
    });
    let mut like = requests.filter(|real| has_parameters_of(&real[0], ours));
    like.next()
}

/// Waits for such a request, and compares it with ours.
fn compare_with(proxy: &Proxy, ours: &str) {
    let mut real = None;
    let first = ours.lines().next().unwrap_or_default();
    wait_until(&format!("a request like {first}"), || {
        real = request_like(proxy, ours);
        real.is_some()
    });
    compare(&real.unwrap_or_default(), ours);
}

fn names(lines: &[String]) -> Vec<&str> {
    let name = |line: &'_ String| line.find(':').unwrap_or(line.len());
    lines.iter().map(|line| &line[..name(line)]).collect()
}

/// True if the request has all parameters of the other.
fn has_parameters_of(line: &str, other: &str) -> bool {
    let parameters = |line: &str| -> Vec<String> {
        let target = line.split(' ').nth(1).unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let names = query.split('&').filter_map(|one| one.split('=').next());
        names.map(str::to_string).collect()
    };
    let theirs = parameters(line);
    parameters(other).iter().all(|name| theirs.contains(name))
}

/// Compares names and order, not the values that change with the browser's version.
fn compare(real: &[String], ours: &str) {
    let (ours, _) = ours.split_once("\r\n\r\n").expect("a whole head");
    let ours: Vec<String> = ours.split("\r\n").map(str::to_string).collect();
    assert_eq!(names(&real[1..]), names(&ours[1..]), "{real:#?}");
    let fixed = |line: &&String| line.starts_with("Sec-Fetch-") || line.starts_with("Connection:");
    let (fixed_real, fixed_ours) = (real.iter().filter(fixed), ours.iter().filter(fixed));
    assert!(fixed_real.eq(fixed_ours), "{real:#?}");
}

#[test]
fn the_heads_are_those_of_a_real_chromium() {
    if !has("chromium", "apt-get install chromium") {
        return;
    }
    let program = browser::find().expect("Chromium");
    let server = TestServer::start();
    let proxy = Proxy::to(server.address);
    let port = proxy.address.port();
    let url = |page| format!("http://localhost:{port}/{page}");
    let _browsers = PAGES.map(|page| Browser::open(&program, &url(page)).expect("it starts"));
    for technique in [Technique::Polling].into_iter().chain(Technique::HELD) {
        let waits = matches!(technique, Technique::LongPolling | Technique::JsonpPolling);
        let question = Question {
            technique,
            topic: "heads",
            since: waits.then_some(1), // their first doesn't wait
        };
        compare_with(&proxy, &Heads::Chromium.listen(question, ""));
    }
    compare_with(&proxy, &Heads::Chromium.publish("", "heads", "{}"));
}

#[test]
fn lines_that_browsers_did_not_send_in_2015_are_counted() {
    let lines = [
        "Accept: */*",
        "sec-ch-ua: 1",
        "Sec-Fetch-Mode: cors",
        "Sec-WebSocket-Version: 13",
    ];
    assert_eq!(chromium::newer_bytes(&lines), 14 + 22);
    assert!(chromium::newer_bytes(POST) > 0);
}
