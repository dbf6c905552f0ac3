//! What travels: one event, and a client's news: the events that it hasn't seen, after a gap notice if some are lost.
//!
//! Chapter: [Long polling](../../../../docs/long-polling.md).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tungstenite::Utf8Bytes;

/// One thing that happened in a topic. It is encoded once, when it is published: every technique sends the same
/// bytes.
#[derive(Debug)]
pub struct Event {
    /// Grows by one within a topic. Never repeats, not even after a restart.
    pub id: u64,
    /// When it was published, in Unix milliseconds.
    pub at: u64,
    /// The whole event as JSON on one line: `{"id":7,"topic":"chat","at":1763802000123,"data":{…}}`.
    pub json: Utf8Bytes,
}

impl Event {
    /// Stamps `data` with its id, its topic and the time, and encodes it.
    pub fn new(id: u64, topic: &str, data: &Value) -> Event {
        let at = unix_time().as_millis() as u64;
        let json = format!(r#"{{"id":{id},"topic":"{topic}","at":{at},"data":{data}}}"#);
        let json = json.into();
        Event { id, at, json }
    }
}

/// What a client has not seen yet.
#[derive(Debug, Default)]
pub struct News {
    /// Set when the ring doesn't reach the client's cursor: events up to this id are missing. The client gets this
    /// notice before the events below.
    pub gap: Option<u64>,
    /// The events, oldest first.
    pub events: Vec<Arc<Event>>,
    /// The client's next cursor: the id of the last event of these.
    pub next: u64,
}

impl News {
    /// True if there are neither events nor a gap.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.gap.is_none()
    }

    /// The answer of techniques that answer once: `{"events":[…],"next":7,"gap":false}`.
    pub fn to_json(&self) -> String {
        let events: Vec<&str> = self.events.iter().map(|event| &*event.json).collect();
        format!(
            r#"{{"events":[{}],"next":{},"gap":{}}}"#,
            events.join(","),
            self.next,
            self.gap.is_some()
        )
    }

    /// The messages of techniques that stream: the notice of a gap first, `{"gap":true,"next":7}`, then each event.
    pub fn messages(&self) -> Vec<Utf8Bytes> {
        let gap = self.gap.map(|next| gap_json(next).into());
        let events = self.events.iter().map(|event| event.json.clone());
        gap.into_iter().chain(events).collect()
    }
}

/// The notice that events up to `next` are missing.
pub fn gap_json(next: u64) -> String {
    format!(r#"{{"gap":true,"next":{next}}}"#)
}

/// The time since 1970: what `at` and a topic's first id come from.
pub fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
