//! Long polling. *Article: 롱폴링.* Script: [`www/techniques/long_polling.js`](/techniques/long_polling.js).
//!
//! The browser asks once, and the server answers only when something is new. The head goes out at once, with
//! `Transfer-Encoding: chunked`. Then the thread sleeps, holding the connection, until an event comes or the time is up.
//! Then it sends the body, and the browser asks again. One thread sleeps for each client, and every event costs every
//! client a request.
//!
//! Chapter: [Long polling](../../../../../docs/long-polling.md).

use crate::connection::{Exchange, Wake};
use crate::failure::Failure;
use crate::hub::Hub;
use crate::request::Request;

/// Answers `{"events":[…],"next":N,"gap":false}` when there is news, or with no events when the time is up
/// (`wait=SECONDS`, at most the server's limit).
pub fn answer(request: &Request, exchange: &mut Exchange, hub: &Hub) -> Result<(), Failure> {
    let mut subscription = hub.subscribe(&request.topic()?, request.since()?)?;
    let hold = request.wait(exchange.shared().settings.limits.hold)?;
    exchange.start("application/json", &[])?;
    exchange.hold("long-poll", hold)?;
    let news = match exchange.wait(&mut subscription) {
        Wake::News(news) => news,
        Wake::Tick | Wake::Closing => exchange.news(&mut subscription), // mostly none
        Wake::HungUp => return Ok(()),
    };
    exchange.chunk(news.to_json().as_bytes())?;
    Ok(exchange.finish()?)
}
