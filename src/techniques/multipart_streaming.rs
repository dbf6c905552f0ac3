//! Multipart streaming. *Article: WebSocket (Socket.IO: AJAX Multi part Streaming).* Script:
//! [`www/techniques/multipart_streaming.js`](/techniques/multipart_streaming.js).
//!
//! An answer that never ends, made of parts (`multipart/x-mixed-replace`): each part replaces the one before, as a
//! webcam's pictures do. Browsers that knew the type gave the script each part by itself. The boundary that closes a
//! part goes out with the part, or the browser would wait for the next one before it used this one. The thread sleeps
//! between parts. The stream may end at `limit=BYTES`, as in XHR streaming.
//!
//! Chapter: [Multipart streaming and JSONP polling](../../../../../docs/multipart-and-jsonp.md).

use crate::connection::{Exchange, Wake};
use crate::event::News;
use crate::failure::Failure;
use crate::hub::Hub;
use crate::request::Request;

/// Stands between two parts (RFC 2046 section 5.1.1).
const BOUNDARY: &str = "--comet\r\n";
/// The heartbeat: an empty part.
const HEARTBEAT: &str = "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n--comet\r\n";
/// A part must follow the last boundary: an empty one, and then the end.
const END: &str = "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n\r\n--comet--\r\n";

/// Streams each event as a part, until either side ends it.
pub fn answer(request: &Request, exchange: &mut Exchange, hub: &Hub) -> Result<(), Failure> {
    let mut subscription = hub.subscribe(&request.topic()?, request.since()?)?;
    exchange.start("multipart/x-mixed-replace; boundary=comet", &[])?;
    exchange.hold("multipart", exchange.shared().settings.limits.heartbeat)?;
    exchange.chunk(format!("{BOUNDARY}{HEARTBEAT}").as_bytes())?;
    loop {
        match exchange.wait(&mut subscription) {
            Wake::News(news) => exchange.chunk(parts(&news).as_bytes())?,
            Wake::Tick => exchange.chunk(HEARTBEAT.as_bytes())?,
            Wake::Closing => break,
            Wake::HungUp => return Ok(()),
        }
    }
    exchange.chunk(END.as_bytes())?;
    Ok(exchange.finish()?)
}

/// Each message a part, and the boundary that closes it.
fn parts(news: &News) -> String {
    let messages = news.messages();
    messages.iter().map(|json| part(json)).collect()
}

fn part(json: &str) -> String {
    let length = json.len();
    format!(
        "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}\r\n{BOUNDARY}"
    )
}
