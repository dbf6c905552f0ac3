//! The request heads of a real browser, Debian's Chromium 156 on Linux: for a page of
//! `http://localhost:8080` that asks its own origin, without cookies, in English. A test compares names and
//! order with the Chromium on this machine.
//!
//! A headless Chromium differs in one word of its `User-Agent`.

use super::technique::Technique;

/// The origin of the pages.
const HOST: &str = "localhost:8080";

const KEEP_ALIVE: &str = "Connection: keep-alive";
const PLATFORM: &str = "sec-ch-ua-platform: \"Linux\"";
const BRANDS: &str = "sec-ch-ua: \"Not:A-Brand\";v=\"8\", \"Chromium\";v=\"156\"";
const MOBILE: &str = "sec-ch-ua-mobile: ?0";
const USER_AGENT: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/156.0.0.0 Safari/537.36";
const ANYTHING: &str = "Accept: */*";
const ORIGIN: &str = "Origin: http://localhost:8080";
const SAME_ORIGIN: &str = "Sec-Fetch-Site: same-origin";
const CORS: &str = "Sec-Fetch-Mode: cors";
const FOR_A_SCRIPT: &str = "Sec-Fetch-Dest: empty";
const REFERER: &str = "Referer: http://localhost:8080/";
const ENCODINGS: &str = "Accept-Encoding: gzip, deflate, br, zstd";
const LANGUAGE: &str = "Accept-Language: en-US,en;q=0.9";
const NOT_CACHED: [&str; 2] = ["Pragma: no-cache", "Cache-Control: no-cache"];

/// `XMLHttpRequest` and `fetch`, with GET.
pub const XHR: &[&str] = &[
    KEEP_ALIVE,
    PLATFORM,
    USER_AGENT,
    BRANDS,
    MOBILE,
    ANYTHING,
    SAME_ORIGIN,
    CORS,
    FOR_A_SCRIPT,
    REFERER,
    ENCODINGS,
    LANGUAGE,
];

/// The same, with POST and a text. [`post`] puts `Content-Length` after the first line.
pub const POST: &[&str] = &[
    KEEP_ALIVE,
    PLATFORM,
    USER_AGENT,
    BRANDS,
    "Content-Type: text/plain;charset=UTF-8",
    MOBILE,
    ANYTHING,
    ORIGIN,
    SAME_ORIGIN,
    CORS,
    FOR_A_SCRIPT,
    REFERER,
    ENCODINGS,
    LANGUAGE,
];

/// A `<script src>`.
pub const SCRIPT: &[&str] = &[
    KEEP_ALIVE,
    PLATFORM,
    USER_AGENT,
    BRANDS,
    MOBILE,
    ANYTHING,
    SAME_ORIGIN,
    "Sec-Fetch-Mode: no-cors",
    "Sec-Fetch-Dest: script",
    REFERER,
    ENCODINGS,
    LANGUAGE,
];

/// An `<iframe src>`.
pub const FRAME: &[&str] = &[
    KEEP_ALIVE,
    BRANDS,
    MOBILE,
    PLATFORM,
    "Upgrade-Insecure-Requests: 1",
    USER_AGENT,
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/jxl,image/avif,image/webp,image/apng,*/*;q=0.8,\
     application/signed-exchange;v=b3;q=0.7",
    SAME_ORIGIN,
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Dest: iframe",
    REFERER,
    ENCODINGS,
    LANGUAGE,
];

/// An `EventSource`.
pub const EVENT_SOURCE: &[&str] = &[
    KEEP_ALIVE,
    NOT_CACHED[0],
    NOT_CACHED[1],
    PLATFORM,
    USER_AGENT,
    "Accept: text/event-stream",
    BRANDS,
    MOBILE,
    SAME_ORIGIN,
    CORS,
    FOR_A_SCRIPT,
    REFERER,
    ENCODINGS,
    LANGUAGE,
];

/// The handshake of a `WebSocket`. The key is the example of RFC 6455 section 1.3; a browser
/// generates one.
pub const HANDSHAKE: &[&str] = &[
    "Connection: Upgrade",
    NOT_CACHED[0],
    NOT_CACHED[1],
    USER_AGENT,
    "Upgrade: websocket",
    ORIGIN,
    "Sec-WebSocket-Version: 13",
    ENCODINGS,
    LANGUAGE,
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
];

/// The lines after `Host` of Chromium's request for this technique.
pub fn head(technique: Technique) -> &'static [&'static str] {
    match technique {
        Technique::Polling
        | Technique::LongPolling
        | Technique::XhrStreaming
        | Technique::MultipartStreaming => XHR,
        Technique::ForeverFrame => FRAME,
        Technique::JsonpPolling => SCRIPT,
        Technique::EventSource => EVENT_SOURCE,
        Technique::Websocket => HANDSHAKE,
    }
}

/// The whole request for this technique.
pub fn get(technique: Technique, target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {HOST}\r\n{}\r\n\r\n",
        head(technique).join("\r\n")
    )
}

/// The request that publishes, as our pages send it.
pub fn post(target: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: {HOST}\r\n{}\r\nContent-Length: {}\r\n{}\r\n\r\n{body}",
        POST[0],
        body.len(),
        POST[1..].join("\r\n")
    )
}

/// The bytes of the lines that browsers didn't send when the article was written: `sec-ch-ua` (client
/// hints) and `Sec-Fetch` (fetch metadata), line ends included.
pub fn newer_bytes(head: &[&str]) -> usize {
    let newer = |line: &&&str| {
        line.to_ascii_lowercase().starts_with("sec-ch-") || line.starts_with("Sec-Fetch-")
    };
    head.iter().filter(newer).map(|line| line.len() + 2).sum()
}
