//! What the lab's clients send: a request a technique.

use std::fmt;

use clap::ValueEnum;

use super::chromium;

/// Whose heads the clients send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heads {
    /// What HTTP needs, and no more.
    #[default]
    Short,
    /// What our pages in a real Chromium send.
    Chromium,
}

/// A technique, as the lab asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Technique {
    Polling,
    LongPolling,
    XhrStreaming,
    ForeverFrame,
    MultipartStreaming,
    JsonpPolling,
    EventSource,
    Websocket,
}

impl Technique {
    /// Those that hold a connection, in the article's order.
    pub const HELD: [Technique; 7] = [
        Technique::LongPolling,
        Technique::XhrStreaming,
        Technique::ForeverFrame,
        Technique::MultipartStreaming,
        Technique::JsonpPolling,
        Technique::EventSource,
        Technique::Websocket,
    ];

    /// Its path, such as `/long-polling`.
    pub fn path(self) -> String {
        format!("/{self}")
    }

    /// Is each answer a whole one, after which the client has to ask again?
    pub fn asks_again(self) -> bool {
        matches!(
            self,
            Technique::Polling | Technique::LongPolling | Technique::JsonpPolling
        )
    }
}

/// As in its path and in `--techniques`: `long-polling`.
impl fmt::Display for Technique {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let value = self.to_possible_value();
        formatter.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// A question: what is new in this topic?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub technique: Technique,
    pub topic: &'a str,
    /// New is what came after this event; without one, what comes from now on.
    pub since: Option<u64>,
}

impl Heads {
    /// The request that listens.
    pub fn listen(self, question: Question, host: &str) -> String {
        match self {
            Heads::Short => short(question, host),
            Heads::Chromium => chromium::get(question.technique, &page_target(question)),
        }
    }

    /// The request that publishes `json`.
    pub fn publish(self, host: &str, topic: &str, json: &str) -> String {
        let target = format!("/publish?topic={topic}");
        match self {
            Heads::Chromium => chromium::post(&target, json),
            Heads::Short => format!(
                "POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{json}",
                json.len()
            ),
        }
    }
}

fn short(question: Question, host: &str) -> String {
    let Question {
        technique,
        topic,
        since,
    } = question;
    let mut target = format!("{}?topic={topic}", technique.path());
    if technique == Technique::JsonpPolling {
        target += "&callback=receive";
    }
    if let Some(since) = since {
        target += &format!("&since={since}");
    }
    let upgrade = match technique {
        Technique::Websocket => {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        }
        _ => "",
    };
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n")
}

/// What our pages' scripts ask: the first long poll only fetches the cursor, and streams have a limit.
fn page_target(question: Question) -> String {
    let Question {
        technique,
        topic,
        since,
    } = question;
    let mut target = format!("{}?topic={topic}", technique.path());
    target += match technique {
        Technique::LongPolling | Technique::JsonpPolling if since.is_none() => "&wait=0",
        Technique::LongPolling | Technique::JsonpPolling => "&wait=25",
        Technique::XhrStreaming | Technique::MultipartStreaming => "&limit=1048576",
        _ => "",
    };
    if technique == Technique::JsonpPolling {
        target += "&callback=jsonpPolling1";
    }
    if let Some(since) = since {
        target += &format!("&since={since}");
    }
    target
}

/// A plain request with a short answer, on a connection of its own.
pub fn plain(host: &str) -> String {
    format!("GET /weigh HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

/// A text frame as a client sends it: masked, with zeros, which leave the text as it is (RFC 6455 section
/// 5.3; a browser takes random ones).
pub fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}
