//! Event source. *Article: WebSocket (what HTML5 made of streaming).* Script:
//! [`www/techniques/event_source.js`](/techniques/event_source.js).
//!
//! XHR streaming made a standard (HTML standard, "Server-sent events"). The browser's `EventSource` reads the stream and
//! gives the script each event. When the connection breaks, it comes back by itself, with the last event's id in
//! `Last-Event-ID`. The thread sleeps between events, as in XHR streaming. The browser keeps no old events, so this
//! stream may be endless; with `limit=BYTES` it ends like the others.
//!
//! Chapter: [Event source](../../../../../docs/event-source.md).

use std::sync::Arc;

use crate::connection::{Exchange, Wake};
use crate::event::{Event, News, gap_json};
use crate::failure::{Failure, Refusal};
use crate::hub::{Hub, Since};
use crate::request::{Request, parse_since};

/// Reconnect after a second.
const RETRY: &[u8] = b"retry: 1000\n\n";
/// The heartbeat: a comment.
const HEARTBEAT: &[u8] = b":\n\n";

/// Streams each event as an `id:` and a `data:` line, until either side ends it.
pub fn answer(request: &Request, exchange: &mut Exchange, hub: &Hub) -> Result<(), Failure> {
    let mut subscription = hub.subscribe(&request.topic()?, since(request)?)?;
    exchange.start("text/event-stream; charset=utf-8", &[])?;
    exchange.hold("event-source", exchange.shared().settings.limits.heartbeat)?;
    exchange.chunk(RETRY)?;
    loop {
        match exchange.wait(&mut subscription) {
            Wake::News(news) => exchange.chunk(blocks(&news).as_bytes())?,
            Wake::Tick => exchange.chunk(HEARTBEAT)?,
            Wake::Closing => break,
            Wake::HungUp => return Ok(()),
        }
    }
    Ok(exchange.finish()?)
}

/// A browser that reconnects asks for the same URL, so `Last-Event-ID` is newer than `since`.
fn since(request: &Request) -> Result<Since, Refusal> {
    match request.header("Last-Event-ID") {
        Some(id) if !id.is_empty() => parse_since(id),
        _ => request.since(),
    }
}

fn blocks(news: &News) -> String {
    let gap = news.gap.map(gap).unwrap_or_default();
    let events: String = news.events.iter().map(block).collect();
    gap + &events
}

/// An event: its JSON is one line, so one `data:` line holds it.
fn block(event: &Arc<Event>) -> String {
    format!("id: {}\ndata: {}\n\n", event.id, event.json)
}

/// A gap is an event of another type, so that no script takes it for a message.
fn gap(next: u64) -> String {
    format!("id: {next}\nevent: gap\ndata: {}\n\n", gap_json(next))
}
