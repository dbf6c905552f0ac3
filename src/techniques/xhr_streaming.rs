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

use crate::connection::{Connection, Wake};
use crate::event::News;
use crate::failure::Failure;
use crate::http::Request;
use crate::hub::Hub;

/// Empty lines, so that the browser sees at once that the stream flows. One would do, if browsers did not
/// keep back the first two bytes of a text: with three they know that it has no byte order mark.
const BEGINNING: &[u8] = b"\n\n\n";
/// What says "still here": an empty line.
const HEARTBEAT: &[u8] = b"\n";

/// Streams one JSON event a line, until one of both sides ends it, or the answer is long enough.
pub fn answer(request: &Request, conn: &mut Connection, hub: &Hub) -> Result<(), Failure> {
    let mut seat = hub.join(request.topic()?, request.cursor()?)?;
    let limit = request.limit()?;
    conn.start("text/plain; charset=utf-8", &[])?;
    conn.hold("xhr", conn.shared.settings.limits.heartbeat)?;
    conn.chunk(BEGINNING)?;
    loop {
        match conn.wait(&mut seat) {
            Wake::News(news) => {
                conn.chunk(lines(&news).as_bytes())?;
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

/// Each message on a line of its own.
fn lines(news: &News) -> String {
    let messages = news.messages();
    messages.iter().map(|json| format!("{json}\n")).collect()
}
