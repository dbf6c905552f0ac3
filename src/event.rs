//! What travels: one event, and the news a client gets (some events, or word of a gap).
//!
//! Chapter: [Long polling](../../../../docs/long-polling.md).

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tungstenite::Utf8Bytes;

/// One thing that happened in a topic. It is encoded once, when it is published; every
/// subscriber of every technique sends the same bytes.
#[derive(Debug)]
pub struct Event {
    /// Grows by one within a topic, and never repeats, not even after a restart.
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
        Event {
            id,
            at,
            json: json.into(),
        }
    }
}

/// What a client has not seen yet.
#[derive(Debug, Default)]
pub struct News {
    /// Set when the client's cursor is one that the ring no longer reaches: events are missing
    /// just after this id. The client is told before it gets the events below.
    pub gap: Option<u64>,
    /// The events, oldest first.
    pub events: Vec<Arc<Event>>,
    /// The id that the client will have seen once it has all of this: its next cursor.
    pub next: u64,
}

impl News {
    /// Nothing new at all?
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.gap.is_none()
    }

    /// The answer of the techniques that answer once: `{"events":[…],"next":7,"gap":false}`.
    pub fn to_json(&self) -> String {
        let events: Vec<&str> = self
            .events
            .iter()
            .map(|event| event.json.as_str())
            .collect();
        format!(
            r#"{{"events":[{}],"next":{},"gap":{}}}"#,
            events.join(","),
            self.next,
            self.gap.is_some()
        )
    }

    /// The messages of the techniques that stream: `{"gap":true,"next":7}` first if there is a
    /// gap, then each event.
    pub fn messages(&self) -> Vec<Utf8Bytes> {
        let gap = self.gap.map(|next| gap_json(next).into());
        let events = self.events.iter().map(|event| event.json.clone());
        gap.into_iter().chain(events).collect()
    }
}

/// The message that says: events after `next` are missing, go on from here.
pub fn gap_json(next: u64) -> String {
    format!(r#"{{"gap":true,"next":{next}}}"#)
}

/// JSON made fit to stand inside a script: `</script>` and `<!--` cannot appear in it, nor the two
/// line separators that JSON allows in a string and older JavaScript does not.
/// (HTML standard, "Restrictions for contents of script elements".) And a `__proto__` is a name like any
/// other, as it is in JSON: not in brackets, a script would make it the object's prototype (ECMAScript,
/// section B.3.1). Inside a string a quote has a backslash before it, so only names are found.
pub fn json_in_script(json: &str) -> String {
    json.replace(r#"{"__proto__":"#, r#"{["__proto__"]:"#)
        .replace(r#","__proto__":"#, r#",["__proto__"]:"#)
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// The time since 1970, the clock that `at` and the first id of a topic are read from.
pub fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
