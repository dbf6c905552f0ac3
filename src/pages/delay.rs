//! `/slow-polling`: polling over a slow network, for the polling page.
//!
//! Chapter: [Polling](../../../../../docs/polling.md).

use std::thread;
use std::time::Duration;

use crate::connection::Exchange;
use crate::door::response;
use crate::failure::{Failure, Refusal, refuse};
use crate::hub::Hub;
use crate::request::Request;

/// Answers as [`polling`](crate::techniques::polling) does, but late: to a browser that asks without waiting, the
/// answers come out of order.
pub fn answer(request: &Request, exchange: &mut Exchange, hub: &Hub) -> Result<(), Failure> {
    exchange.conn.rename("slow-polling");
    let news = hub.read(&request.topic()?, request.since()?)?;
    exchange.count_told(&news);
    thread::sleep(delay(request)?);
    Ok(exchange.send(response::json(200, news.to_json()))?)
}

/// `delay=MS`: the answer takes a random time up to this many milliseconds.
fn delay(request: &Request) -> Result<Duration, Refusal> {
    match request.parameter("delay").map(|delay| delay.parse::<u64>()) {
        None => Ok(Duration::ZERO),
        Some(Ok(most @ 0..=5000)) => Ok(Duration::from_millis(fastrand::u64(0..=most))),
        Some(_) => Err(refuse(
            400,
            "delay must be 0 to 5000 milliseconds, such as delay=2000",
        )),
    }
}
