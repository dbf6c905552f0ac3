//! Polling. *Article: 폴링.* Script: [`www/techniques/polling.js`](/techniques/polling.js).
//!
//! The browser asks every few seconds, and the server answers at once with what is new since the
//! last time, most often nothing. The thread is busy for a millisecond and holds nothing in between:
//! all the waiting is the browser's. What is new is told as late as the next question comes.
//!
//! Chapter: [Polling](../../../../../docs/polling.md).

use std::thread;
use std::time::Duration;

use crate::connection::Connection;
use crate::failure::{Failure, Refusal, refuse};
use crate::http::{self, Request};
use crate::hub::Hub;

/// Answers `{"events":[…],"next":N,"gap":false}` at once.
pub fn answer(request: &Request, conn: &mut Connection, hub: &Hub) -> Result<(), Failure> {
    conn.rename("polling");
    let news = conn.delivered(hub.read(request.topic()?, request.cursor()?)?);
    thread::sleep(delay(request)?);
    Ok(conn.respond(http::json(200, news.to_json()))?)
}

/// `delay=MS`: be a slow network. The answer takes a random time up to so many milliseconds, so that
/// answers to a browser that asks without waiting come late and out of order.
fn delay(request: &Request) -> Result<Duration, Refusal> {
    match request.parameter("delay").map(str::parse::<u64>) {
        None => Ok(Duration::ZERO),
        Some(Ok(most @ 0..=5000)) => Ok(Duration::from_millis(fastrand::u64(0..=most))),
        Some(_) => Err(refuse(
            400,
            "delay must be 0 to 5000 milliseconds, such as delay=2000",
        )),
    }
}
