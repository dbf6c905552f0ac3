//! Event source. *Article: WebSocket (what HTML5 made of streaming).* Script:
//! [`www/techniques/event_source.js`](/techniques/event_source.js).
//!
//! XHR streaming made a standard: the browser's own `EventSource` reads the stream, tells the script
//! each event, and when the connection breaks comes back by itself, with the id of the last event in
//! `Last-Event-ID`. The thread does what it does for XHR streaming: it sleeps between events, holding
//! the connection. (HTML standard, "Server-sent events".) The browser forgets what it has told, so nothing
//! grows, and nobody needs a stream that ends; but with `limit=BYTES` it does, as the others do.
//!
//! Chapter: [Event source](../../../../../docs/event-source.md).

use std::sync::Arc;

use crate::connection::{Exchange, Wake};
use crate::event::{Event, News, gap_json};
use crate::failure::{Failure, Refusal};
use crate::hub::{Hub, Since};
use crate::request::{Request, parse_since};

/// Come back a second after the connection broke.
const RETRY: &[u8] = b"retry: 1000\n\n";
/// What says "still here": a comment.
const HEARTBEAT: &[u8] = b":\n\n";

/// Streams `id:` and `data:` an event, until one of both sides ends it, or the answer is long enough.
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

/// A browser that comes back asks for the same URL, so what `Last-Event-ID` says is newer than
/// what `since` says.
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

/// A gap has a type of its own, so that nobody takes it for an event.
fn gap(next: u64) -> String {
    format!("id: {next}\nevent: gap\ndata: {}\n\n", gap_json(next))
}
