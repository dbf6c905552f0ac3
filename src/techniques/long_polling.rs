//! Long polling. *Article: 롱폴링.* Script: [`www/techniques/long_polling.js`](/techniques/long_polling.js).
//!
//! The browser asks once, and the server answers only when something is new. The head goes out at
//! once, with `Transfer-Encoding: chunked`; then the thread sleeps, holding the connection, until an
//! event comes or the time is up; then it sends the body, and the browser asks again. One thread is
//! asleep for each client; and every event costs every client a request.
//!
//! Chapter: [Long polling](../../../../../docs/long-polling.md).

use crate::connection::{Connection, Wake};
use crate::event::News;
use crate::failure::Failure;
use crate::http::Request;
use crate::hub::{Hub, Seat};

/// Answers `{"events":[…],"next":N,"gap":false}` when there is news, or with no events when the time
/// is up (`wait=SECONDS`, at most the server's limit).
pub fn answer(request: &Request, conn: &mut Connection, hub: &Hub) -> Result<(), Failure> {
    let mut seat = hub.join(request.topic()?, request.cursor()?)?;
    let hold = request.wait(conn.shared.settings.limits.hold)?;
    conn.start("application/json", &[])?;
    conn.hold("long-poll", hold)?;
    if let Some(news) = wait(conn, &mut seat) {
        conn.chunk(news.to_json().as_bytes())?;
        conn.finish()?;
    }
    Ok(())
}

/// The thread sleeps here. `None`: the client is gone, there is nobody to answer.
fn wait(conn: &mut Connection, seat: &mut Seat) -> Option<News> {
    loop {
        match conn.wait(seat) {
            Wake::News(news) => return Some(news),
            // Mostly nothing; but what came at this very moment must not be lost.
            Wake::Tick | Wake::Closing => return Some(conn.take_news(seat)),
            Wake::HungUp => return None,
            Wake::Bytes => {} // the next request, sent early: it waits its turn
        }
    }
}
