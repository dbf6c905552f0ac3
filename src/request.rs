//! One HTTP request, read whole, and what its query and headers ask for (RFC 9110).
//!
//! `Method` and `HTTPVersion` are `tiny_http`'s. How a request is read off the socket, within limits:
//! [`door::reader`](crate::door::reader).
//!
//! Chapter: [Bad input](../../../../docs/bad-input.md).

use std::borrow::Cow;
use std::time::Duration;

use tiny_http::{HTTPVersion, Method};

use crate::failure::{Refusal, refuse};
use crate::hub::{RING_EVENTS, Since};

/// One request, read whole.
#[derive(Debug)]
pub struct Request {
    pub method: Method,
    /// The path as it was sent, without the query.
    pub path: String,
    /// The query as it was sent: it is decoded when a parameter is looked up, since a request may be held for long.
    pub query: String,
    pub version: HTTPVersion,
    /// The header lines, each ended by CR LF.
    pub headers: String,
    pub body: Vec<u8>,
    /// Length of the head on the wire.
    pub head_bytes: usize,
}

impl Request {
    /// The value of the first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// The values of every header of this name.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let headers = self.headers.lines().filter_map(|line| line.split_once(':'));
        headers
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// Does a header that is a list of words, such as `Connection`, have this one?
    pub fn header_has(&self, name: &str, word: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    }

    /// The first query parameter of this name, decoded.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut parameters = form_urlencoded::parse(self.query.as_bytes());
        let found = parameters.find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }

    /// May another request follow on the connection? HTTP/1.0 clients get one answer.
    pub fn keep_alive(&self) -> bool {
        self.version == HTTPVersion(1, 1) && !self.header_has("Connection", "close")
    }

    /// `topic=T`: 1 to 32 of `a-z`, `0-9` and `-`. The default is `chat`.
    pub fn topic(&self) -> Result<Cow<'_, str>, Refusal> {
        let topic = self.parameter("topic").unwrap_or("chat".into());
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if topic.is_empty() || topic.len() > 32 || !topic.bytes().all(fits) {
            return Err(refuse(
                400,
                "topic must be 1 to 32 of a-z, 0-9 and -, such as topic=chat",
            ));
        }
        Ok(topic)
    }

    /// `since=N` begins after event N, `since=-K` with the last K events. Without it you get only new events.
    pub fn since(&self) -> Result<Since, Refusal> {
        match self.parameter("since") {
            None => Ok(Since::Now),
            Some(since) => parse_since(&since),
        }
    }

    /// `wait=SECONDS`: how long to hold a poll, `limit` at most. `wait=0` answers at once.
    pub fn wait(&self, limit: Duration) -> Result<Duration, Refusal> {
        match self.parameter("wait").map(|wait| wait.parse::<u32>()) {
            None => Ok(limit),
            Some(Ok(seconds)) => Ok(Duration::from_secs(seconds.into()).min(limit)),
            Some(Err(_)) => Err(refuse(
                400,
                "wait must be a number of seconds, such as wait=5",
            )),
        }
    }

    /// `limit=BYTES`: a stream ends once its body has this length, and the client asks for the
    /// next stream, from the last id on. It sends at least one message, so `limit=1` makes a long poll of a stream.
    /// Without it a stream doesn't end.
    pub fn limit(&self) -> Result<usize, Refusal> {
        match self.parameter("limit").map(|limit| limit.parse::<usize>()) {
            None => Ok(usize::MAX),
            Some(Ok(bytes @ 1..)) => Ok(bytes),
            Some(_) => Err(refuse(
                400,
                "limit must be a number of bytes, 1 or more, such as limit=1048576",
            )),
        }
    }
}

/// Parses a `since=` or a `Last-Event-ID`.
pub fn parse_since(since: &str) -> Result<Since, Refusal> {
    let digits = since.strip_prefix('-').unwrap_or(since);
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse::<u64>() {
        Ok(count) if is_plain && since.starts_with('-') => {
            Ok(Since::Last((count as usize).min(RING_EVENTS)))
        }
        Ok(id) if is_plain => Ok(Since::After(id)),
        _ => Err(refuse(
            400,
            "since must be the id of the last event seen, or -K for the last K, such as since=-10",
        )),
    }
}
