//! The experiment `growth` in a real Chromium: the page's reports are compared with what was published and
//! with the server's counts. Then the page as a reader uses it.

#![cfg(feature = "lab")]

#[allow(dead_code)]
#[path = "support/browser.rs"]
mod browser;
mod support;

use std::sync::atomic::Ordering;

use browser::chromium;
use comet::lab::growth::{Load, Row, VARIANTS, measure};
use serde_json::json;
use support::{TestServer, has};

/// The server's counts of a technique: requests, and events delivered.
fn counted(server: &TestServer, technique: &str) -> [u64; 2] {
    let counts = &server.server().shared.metrics.routes;
    let count = counts.iter().find(|count| count.name == technique);
    let count = count.expect("a route has this name");
    [&count.requests, &count.events].map(|count| count.load(Ordering::SeqCst))
}

#[test]
fn the_experiment_counts_what_was_published() {
    if !has("chromium", "apt-get install chromium") {
        return;
    }
    let program = comet::lab::browser::find().expect("Chromium");
    for variant in VARIANTS {
        let server = TestServer::start();
        let row = measure(server.address, &program, variant, Load::QUICK).unwrap();
        let [requests, events] = counted(&server, variant.technique);
        assert_eq!(row.published, 600, "{row:?}");
        assert_eq!([row.events, events], [600, 600], "{row:?}");
        assert_eq!([row.missed, row.repeated], [0, 0], "{row:?}");
        assert_eq!(row.reconnects + 1, requests, "{row:?}");
        assert!(row.bytes > 600 * Load::QUICK.event_bytes as u64, "{row:?}");
        assert!(row.heap_start > 0 && row.heap_end > 0, "{row:?}");
        assert!(row.resident_start > 0, "{row:?}");
        assert!(row.resident_peak >= row.resident_start, "{row:?}");
        assert!(!row.cpu.is_zero() && !row.samples.is_empty(), "{row:?}");
        check_answers(&row);
    }
}

/// Without a limit the text is as long as all bodies; with one it reaches the limit, and is dropped.
fn check_answers(row: &Row) {
    let has_text = row.variant.technique == "xhr_streaming";
    match row.variant.limit {
        None => {
            assert_eq!(row.reconnects, 0, "{row:?}");
            assert_eq!(row.longest, if has_text { row.bytes } else { 0 }, "{row:?}");
        }
        Some(limit) => {
            assert!(row.reconnects > 0, "{row:?}");
            let in_one = limit as u64..row.bytes;
            assert!(!has_text || in_one.contains(&row.longest), "{row:?}");
        }
    }
}

/// A number that the page shows for each of its four lanes.
fn shown(count: &str) -> String {
    format!(
        "[...document.querySelectorAll('.growth [data-count={count}]')].map((value) => Number(value.dataset.value))"
    )
}

#[test]
fn on_the_page_one_line_climbs_and_the_other_falls_back() {
    let Some(chromium) = chromium() else { return };
    let server = TestServer::start();
    let page = chromium.open(&server, "growth.html");
    for (technique, lanes) in [
        ("xhr_streaming", 2),
        ("forever_frame", 1),
        ("event_source", 1),
    ] {
        server.wait_held(technique, lanes);
    }
    page.wait(&format!("{}.join() === '0,0,0,0'", shown("events"))); // it publishes nothing until the button is pressed
    assert_eq!(counted(&server, "publish")[0], 0);

    page.click("#run");
    page.wait(&format!("{}[1] >= 2", shown("requests")));
    page.click("#run");
    page.wait(&format!("new Set({}).size === 1", shown("events")));
    // One request may still be on its way when the button is pressed, so both counts are read again.
    support::wait_until("every lane has all that was published", || {
        let published = counted(&server, "publish")[0];
        page.js(&shown("events")) == json!(vec![published; 4])
    });
    assert_eq!(page.js(&shown("missed")), json!([0, 0, 0, 0]));
    let requests = page.js(&shown("requests"));
    assert!(requests[1].as_u64() >= Some(2), "{requests}");
    assert_eq!([&requests[0], &requests[2], &requests[3]], [1, 1, 1]);
    page.wait(&format!(
        "(([a, b]) => a === {}[0] && b < a / 2)({})",
        shown("bytes"),
        shown("length")
    ));
    let lines = "document.querySelectorAll('.plot polyline').length";
    assert_eq!(page.js(lines), 3, "two texts and the memory");
}
