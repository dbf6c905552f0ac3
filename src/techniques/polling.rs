//! Polling. *Article: 폴링.* Script: [`www/techniques/polling.js`](/techniques/polling.js).
//!
//! The browser asks every few seconds, and the server answers at once with the events since the last time, most often
//! none. The thread is busy for a millisecond and holds nothing in between: all the waiting is the browser's. News
//! waits for the next request.
//!
//! Chapter: [Polling](../../../../../docs/polling.md).

use crate::connection::Exchange;
use crate::door::response;
use crate::failure::Failure;
use crate::hub::Hub;
use crate::request::Request;

/// Answers `{"events":[…],"next":N,"gap":false}` at once.
pub fn answer(request: &Request, exchange: &mut Exchange, hub: &Hub) -> Result<(), Failure> {
    exchange.conn.rename("polling");
    let news = hub.read(&request.topic()?, request.since()?)?;
    exchange.count_told(&news);
    Ok(exchange.send(response::json(200, news.to_json()))?)
}
