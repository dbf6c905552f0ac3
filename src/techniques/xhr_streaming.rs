//! XHR streaming. *Article: XHR 스트리밍.* Script: [`www/techniques/xhr_streaming.js`](/techniques/xhr_streaming.js).
//!
//! The browser asks once, and the answer never ends: each event is one more line of it; the lines that are due
//! together go out as one chunk. The script reads `responseText` as it grows (`readyState` 3). The thread sleeps
//! between events, and holds the connection for as long as the page is open. An empty line is a heartbeat: it shows
//! each side that the other is still there.
//!
//! `responseText` keeps everything that ever came. So a browser may ask for a stream that ends at `limit=BYTES`, and
//! then for the next one, from the last event on.
//!
//! Chapter: [XHR streaming](../../../../../docs/xhr-streaming.md).

use crate::connection::{Exchange, Wake};
use crate::event::News;
use crate::failure::Failure;
use crate::hub::Hub;
use crate::request::Request;

/// Empty lines: the browser sees at once that the stream flows. Three, because browsers hold back two bytes in case
/// of a byte order mark.
const BEGINNING: &[u8] = b"\n\n\n";
/// The heartbeat: an empty line.
const HEARTBEAT: &[u8] = b"\n";

/// Streams one JSON event a line, until either side ends it.
pub fn answer(request: &Request, exchange: &mut Exchange, hub: &Hub) -> Result<(), Failure> {
    let mut subscription = hub.subscribe(&request.topic()?, request.since()?)?;
    exchange.start("text/plain; charset=utf-8", &[])?;
    exchange.hold("xhr", exchange.shared().settings.limits.heartbeat)?;
    exchange.chunk(BEGINNING)?;
    loop {
        match exchange.wait(&mut subscription) {
            Wake::News(news) => exchange.chunk(lines(&news).as_bytes())?,
            Wake::Tick => exchange.chunk(HEARTBEAT)?,
            Wake::Closing => break,
            Wake::HungUp => return Ok(()),
        }
    }
    Ok(exchange.finish()?)
}

/// Each message on a line of its own.
fn lines(news: &News) -> String {
    let messages = news.messages();
    messages.iter().map(|json| format!("{json}\n")).collect()
}
