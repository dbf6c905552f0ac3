//! Forever frame. *Article: XHR 스트리밍 (iframe, forever frame).* Script:
//! [`www/techniques/forever_frame.js`](/techniques/forever_frame.js).
//!
//! For browsers whose XMLHttpRequest can't stream: a hidden iframe loads a document that never ends. Each event is one
//! more `<script>`, which runs as soon as it arrives, calls the page around the frame, and removes itself, so that the
//! document doesn't grow. (Chromium still keeps the source of every script: `comet lab growth` measures it.) The thread
//! sleeps between events, as in XHR streaming. At its `limit=BYTES` the document ends, and the page loads the next one.
//!
//! Chapter: [Forever frame](../../../../../docs/forever-frame.md).

use crate::connection::{Exchange, Wake};
use crate::door::response::json_in_script;
use crate::event::News;
use crate::failure::{Failure, Refusal, refuse};
use crate::hub::Hub;
use crate::request::Request;

/// Streams a document of scripts that call `parent.comet.receive(event)`.
pub fn answer(request: &Request, exchange: &mut Exchange, hub: &Hub) -> Result<(), Failure> {
    let mut subscription = hub.subscribe(&request.topic()?, request.since()?)?;
    let frame = Frame::new(request)?;
    let policy = ("Content-Security-Policy", frame.policy());
    exchange.start("text/html; charset=utf-8", &[policy])?;
    exchange.hold("frame", exchange.shared().settings.limits.heartbeat)?;
    exchange.chunk(frame.beginning().as_bytes())?;
    loop {
        match exchange.wait(&mut subscription) {
            Wake::News(news) => exchange.chunk(frame.scripts(&news).as_bytes())?,
            Wake::Tick => exchange.chunk(frame.heartbeat().as_bytes())?,
            Wake::Closing => break,
            Wake::HungUp => return Ok(()),
        }
    }
    Ok(exchange.finish()?)
}

/// How this frame's scripts are written.
struct Frame {
    /// The page's object that the scripts call: `name=`, or `comet`.
    object: String,
    /// Marks a script as ours: the document's policy allows no other.
    nonce: String,
}

impl Frame {
    fn new(request: &Request) -> Result<Frame, Refusal> {
        let object = request.parameter("name").unwrap_or("comet".into());
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if object.is_empty() || object.len() > 32 || !object.bytes().all(fits) {
            return Err(refuse(
                400,
                "name must be 1 to 32 letters, digits and _, such as name=comet",
            ));
        }
        Ok(Frame {
            object: object.into_owned(),
            nonce: format!("{:016x}", getrandom::u64().unwrap_or_default()),
        })
    }

    /// The document may do nothing but run its scripts.
    fn policy(&self) -> String {
        format!(
            "default-src 'none'; script-src 'nonce-{}'; frame-ancestors 'self'",
            self.nonce
        )
    }

    fn beginning(&self) -> String {
        format!(
            "<!doctype html><meta charset=\"utf-8\"><title>forever frame</title>\n{}",
            self.heartbeat()
        )
    }

    fn scripts(&self, news: &News) -> String {
        let messages = news.messages();
        let calls = messages
            .iter()
            .map(|json| self.script(&format!("receive({})", json_in_script(json))));
        calls.collect()
    }

    /// A no-op where the page has no `heartbeat`.
    fn heartbeat(&self) -> String {
        self.script("heartbeat?.()")
    }

    fn script(&self, call: &str) -> String {
        let Frame { object, nonce } = self;
        format!(
            "<script nonce=\"{nonce}\">parent.{object}.{call};document.currentScript.remove()</script>\n"
        )
    }
}
