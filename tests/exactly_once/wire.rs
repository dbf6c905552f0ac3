//! Reads the server's bytes, and finds the messages of each technique in them.

use serde_json::{Value, json};

use super::support;

/// A technique: its path, and the function that takes its messages out of an answer.
pub type Technique = (&'static str, fn(&mut Answer) -> Vec<Value>);

pub const TECHNIQUES: [Technique; 8] = [
    ("polling", poll_answer),
    ("long-polling", poll_answer),
    ("xhr-streaming", lines),
    ("forever-frame", scripts),
    ("multipart-streaming", parts),
    ("jsonp-polling", jsonp_call),
    ("event-source", blocks),
    ("websocket", frames),
];

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Framing {
    #[default]
    Length,
    Chunked,
    /// WebSocket frames, after the upgrade.
    Frames,
}

/// An answer as far as it has arrived.
#[derive(Default)]
pub struct Answer {
    /// Bytes not yet parsed.
    raw: Vec<u8>,
    head: Option<String>,
    pub framing: Framing,
    /// How many bytes of the body, or of this chunk, are still missing.
    left: usize,
    last_chunk: bool,
    /// The part of the body that has arrived and has not been taken out.
    body: Vec<u8>,
    pub ended: bool,
}

impl Answer {
    pub fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        if self.head.is_none() {
            let Some(head) = cut_off(&mut self.raw, "\r\n\r\n") else {
                return;
            };
            self.begin(&head);
            self.head = Some(head);
        }
        match self.framing {
            Framing::Frames => self.body.append(&mut self.raw),
            Framing::Chunked => self.take_chunks(),
            Framing::Length => {
                self.take_left();
                self.ended = self.left == 0;
            }
        }
    }

    fn begin(&mut self, head: &str) {
        let value = |name| head.lines().find_map(|line| line.strip_prefix(name));
        assert!(
            head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.1 101 "),
            "{head}"
        );
        if let Some(length) = value("Content-Length: ") {
            self.left = length.parse().expect("a length");
        } else {
            let chunked = value("Transfer-Encoding: chunked").is_some();
            self.framing = if chunked {
                Framing::Chunked
            } else {
                Framing::Frames
            };
        }
    }

    /// Where in the answer a connection that ends now is cut.
    pub fn place(&self) -> &'static str {
        match self.framing {
            _ if self.head.is_none() => "mid-head",
            Framing::Frames if !self.body.is_empty() => "mid-frame",
            Framing::Chunked if self.left > 0 || !self.raw.is_empty() => "mid-chunk",
            Framing::Length if self.left > 0 => "mid-body",
            _ => "between",
        }
    }

    fn take_left(&mut self) {
        let count = self.left.min(self.raw.len());
        self.body.extend(self.raw.drain(..count));
        self.left -= count;
    }

    /// An empty line ends a chunk's data; after the last chunk it ends the answer.
    fn take_chunks(&mut self) {
        loop {
            self.take_left();
            if self.left > 0 {
                return;
            }
            match cut_off(&mut self.raw, "\r\n").as_deref() {
                None => return,
                Some("") => self.ended |= self.last_chunk,
                Some(size) => {
                    self.left = usize::from_str_radix(size, 16).expect("a size");
                    self.last_chunk = self.left == 0;
                }
            }
        }
    }

    /// Takes out the whole body.
    pub fn text(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.body)).expect("UTF-8")
    }

    /// Takes out the pieces of the body that end with `end`; returns them without it.
    fn pieces(&mut self, end: &str) -> Vec<String> {
        std::iter::from_fn(|| cut_off(&mut self.body, end)).collect()
    }
}

/// Removes everything up to and including `end`, if it has arrived; returns it without `end`.
fn cut_off(bytes: &mut Vec<u8>, end: &str) -> Option<String> {
    let found = |window: &[u8]| window == end.as_bytes();
    let at = bytes.windows(end.len()).position(found)?;
    let piece = bytes.drain(..at + end.len()).collect::<Vec<u8>>();
    Some(String::from_utf8(piece[..at].to_vec()).expect("UTF-8"))
}

/// The part of a text between two others, or nothing if it lacks them.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.rsplit_once(end)?.0)
}

/// The messages of a poll's answer, a gap first.
fn poll_answer(answer: &mut Answer) -> Vec<Value> {
    match answer.ended {
        true => poll_messages(&answer.text()),
        false => Vec::new(),
    }
}

/// The gap and the events of an answer, and at the end its cursor.
fn poll_messages(text: &str) -> Vec<Value> {
    let answer = support::json(text);
    let events = answer["events"].as_array().expect("events");
    let next = id(&answer["next"]);
    let before = events.first().map_or(next, |event| id(&event["id"]) - 1);
    let gap = (answer["gap"] == true).then(|| json!({ "gap": true, "next": before }));
    let told = gap.into_iter().chain(events.iter().cloned());
    told.chain([json!({ "next": next })]).collect()
}

fn jsonp_call(answer: &mut Answer) -> Vec<Value> {
    match answer.ended {
        true => poll_messages(between(&answer.text(), "/**/f(", ");").expect("a call of f")),
        false => Vec::new(),
    }
}

fn lines(answer: &mut Answer) -> Vec<Value> {
    let lines = answer.pieces("\n").into_iter();
    lines
        .filter(|line| !line.is_empty())
        .map(|line| support::json(&line))
        .collect()
}

fn scripts(answer: &mut Answer) -> Vec<Value> {
    let scripts = answer.pieces("</script>\n").into_iter();
    let call = |script: String| Some(support::json(between(&script, ".receive(", ");document.")?));
    scripts.filter_map(call).collect()
}

fn parts(answer: &mut Answer) -> Vec<Value> {
    let parts = answer.pieces("\r\n--comet").into_iter();
    let bodies = parts.filter_map(|part| Some(part.split_once("\r\n\r\n")?.1.to_string()));
    bodies
        .filter(|body| !body.is_empty())
        .map(|body| support::json(&body))
        .collect()
}

fn blocks(answer: &mut Answer) -> Vec<Value> {
    answer
        .pieces("\n\n")
        .iter()
        .filter_map(|block| message(block))
        .collect()
}

/// The message of an event source's block; the first block (`retry`) and comments have none.
fn message(block: &str) -> Option<Value> {
    let field = |name| block.lines().find_map(|line| line.strip_prefix(name));
    let message = support::json(field("data: ")?);
    let gap = field("event: ") == Some("gap");
    let id = if gap {
        &message["next"]
    } else {
        &message["id"]
    };
    assert_eq!(field("id: "), Some(id.to_string().as_str()), "{block}");
    assert_eq!(gap, message["gap"] == true, "{block}");
    Some(message)
}

fn frames(answer: &mut Answer) -> Vec<Value> {
    let mut messages = Vec::new();
    while let Some((opcode, payload)) = frame(&mut answer.body) {
        match opcode {
            0x81 => messages.push(support::json(&String::from_utf8(payload).expect("UTF-8"))),
            0x88 => answer.ended = true,
            0x89 => {} // a ping: the server's heartbeat
            _ => panic!("a frame of the kind {opcode:x}"),
        }
    }
    messages
}

/// Takes out the first frame, if it is complete: its first byte and its payload (RFC 6455 section 5.2).
fn frame(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (start, length) = match *bytes.get(1)? {
        126 => (4, bytes.get(2..4)?),
        127 => (10, bytes.get(2..10)?),
        _ => (2, &bytes[1..2]),
    };
    let length = length
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let payload = bytes.get(start..start + length)?.to_vec();
    Some((bytes.drain(..start + length).next()?, payload))
}

pub fn id(value: &Value) -> u64 {
    value.as_u64().expect("an id")
}
