//! The requests that the lab's clients send, one for each technique.

use super::chromium;
use super::technique::Technique;

/// Which request heads the clients send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heads {
    /// The lines that HTTP requires.
    #[default]
    Short,
    /// Those of our pages in a real Chromium.
    Chromium,
}

/// A request for a topic's new events.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub technique: Technique,
    pub topic: &'a str,
    /// The cursor: asks for events after this id. Without it the client gets only new events.
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

/// As our pages' scripts ask: the first long poll only fetches the cursor, and streams have a limit.
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

/// A request with a short answer, on a connection of its own.
pub fn plain(host: &str) -> String {
    format!("GET /weigh HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

/// A client's text frame. The mask (RFC 6455 section 5.3) is zeros, which leave the text unchanged; browsers
/// use random masks.
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
