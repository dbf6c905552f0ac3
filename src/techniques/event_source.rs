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

use crate::connection::{Connection, Wake};
use crate::event::{Event, News, gap_json};
use crate::failure::{Failure, Refusal};
use crate::http::{Request, parse_cursor};
use crate::hub::{Cursor, Hub};

/// Come back a second after the connection broke.
const RETRY: &[u8] = b"retry: 1000\n\n";
/// What says "still here": a comment.
const HEARTBEAT: &[u8] = b":\n\n";

/// Streams `id:` and `data:` an event, until one of both sides ends it, or the answer is long enough.
pub fn answer(request: &Request, conn: &mut Connection, hub: &Hub) -> Result<(), Failure> {
    let mut seat = hub.join(request.topic()?, cursor(request)?)?;
    let limit = request.limit()?;
    conn.start("text/event-stream; charset=utf-8", &[])?;
    conn.hold("event-source", conn.shared.settings.limits.heartbeat)?;
    conn.chunk(RETRY)?;
    loop {
        match conn.wait(&mut seat) {
            Wake::News(news) => {
                conn.chunk(blocks(&news).as_bytes())?;
                if conn.body_bytes >= limit {
                    break;
                }
            }
            Wake::Tick => conn.chunk(HEARTBEAT)?,
            Wake::Closing => break,
            Wake::HungUp => return Ok(()),
            Wake::Bytes => {} // the next request, sent early: it waits its turn
        }
    }
    Ok(conn.finish()?)
}

/// A browser that comes back asks for the same URL, so what `Last-Event-ID` says is newer than
/// what `since` says.
fn cursor(request: &Request) -> Result<Cursor, Refusal> {
    match request.header("Last-Event-ID") {
        Some(id) if !id.is_empty() => parse_cursor(id),
        _ => request.cursor(),
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
