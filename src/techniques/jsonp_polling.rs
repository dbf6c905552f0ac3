//! JSONP polling. *Article: WebSocket (Socket.IO: JSONP Polling).* Script:
//! [`www/techniques/jsonp_polling.js`](/techniques/jsonp_polling.js).
//!
//! Long polling for a page of another origin, in browsers from before CORS: a `<script>` may come from anywhere, so the
//! answer is a script that calls the function which the page named. The thread sleeps as in long polling. The page runs
//! what it gets, and so has to trust the server; the server makes sure that an event can't become code.
//!
//! Chapter: [Multipart streaming and JSONP polling](../../../../../docs/multipart-and-jsonp.md).

use std::borrow::Cow;

use crate::connection::{Exchange, Wake};
use crate::door::response::json_in_script;
use crate::event::News;
use crate::failure::{Failure, Refusal, refuse};
use crate::hub::Hub;
use crate::request::Request;

/// Answers `/**/F({"events":[…],"next":N,"gap":false});` when there is news, or with no events when the time is up
/// (`wait=SECONDS`, at most the server's limit).
pub fn answer(request: &Request, exchange: &mut Exchange, hub: &Hub) -> Result<(), Failure> {
    let callback = callback(request)?;
    let mut subscription = hub.subscribe(&request.topic()?, request.since()?)?;
    let hold = request.wait(exchange.shared().settings.limits.hold)?;
    exchange.start("text/javascript; charset=utf-8", &[])?;
    exchange.hold("jsonp", hold)?;
    let news = match exchange.wait(&mut subscription) {
        Wake::News(news) => news,
        Wake::Tick | Wake::Closing => exchange.news(&mut subscription), // mostly none
        Wake::HungUp => return Ok(()),
    };
    exchange.chunk(call(&callback, &news).as_bytes())?;
    Ok(exchange.finish()?)
}

/// `callback=F`: the function to call. Only a plain name with dots, since anything else could be code.
fn callback(request: &Request) -> Result<Cow<'_, str>, Refusal> {
    let callback = request.parameter("callback").unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$');
    if callback.is_empty() || callback.len() > 64 || !callback.bytes().all(fits) {
        return Err(refuse(
            400,
            "callback must be 1 to 64 letters, digits, _, . and $, such as callback=receive",
        ));
    }
    Ok(callback)
}

/// The comment in front keeps the first bytes, which the client chose, from passing for another file type.
fn call(callback: &str, news: &News) -> String {
    format!("/**/{callback}({});", json_in_script(&news.to_json()))
}
