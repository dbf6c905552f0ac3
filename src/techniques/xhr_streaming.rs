//! XHR streaming. *Article: XHR 스트리밍.* Script: [`www/techniques/xhr_streaming.js`](/techniques/xhr_streaming.js).
//!
//! The browser asks once, and the answer never ends: each event is one more line of it, sent as one
//! more chunk. The script reads `responseText` as it grows (`readyState` 3). The thread sleeps
//! between events, holding the connection for as long as the page is open. Now and then it sends an
//! empty line, so that both sides know that the other is still there.
//!
//! `responseText` keeps all that ever came. So a browser may ask for an answer that does end, once its
//! body is so long (`limit=BYTES`), and then ask for the next one, from the last event on.
//!
//! Chapter: [XHR streaming](../../../../../docs/xhr-streaming.md).

use crate::connection::{Exchange, Wake};
use crate::event::News;
use crate::failure::Failure;
use crate::hub::Hub;
use crate::request::Request;

/// Empty lines, so that the browser sees at once that the stream flows. One would do, if browsers did not
/// keep back the first two bytes of a text: with three they know that it has no byte order mark.
const BEGINNING: &[u8] = b"\n\n\n";
/// What says "still here": an empty line.
const HEARTBEAT: &[u8] = b"\n";

/// Streams one JSON event a line, until one of both sides ends it, or the answer is long enough.
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
