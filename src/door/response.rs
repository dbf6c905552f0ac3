//! Prints answers: an ordinary one whole, the head of a streamed one (RFC 9110, RFC 9112).
//!
//! `tiny_http`'s `Response` is the vocabulary, and prints every ordinary answer.
//!
//! Chapter: [Bad input](../../../../../docs/bad-input.md).

use std::io::Cursor;
use std::time::SystemTime;

use tiny_http::{HTTPVersion, Header, StatusCode};

use crate::failure::Refusal;

/// An ordinary answer: all of it is known before it is sent.
pub type Response = tiny_http::Response<Cursor<Vec<u8>>>;

/// An ordinary answer, with a Content-Length however long it is.
pub fn whole(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
    let body = body.into();
    let length = body.len();
    let headers = vec![
        make_header("Server", "comet"),
        make_header("Content-Type", content_type),
        make_header("X-Content-Type-Options", "nosniff"),
    ];
    tiny_http::Response::new(
        StatusCode(status),
        headers,
        Cursor::new(body),
        Some(length),
        None,
    )
    .with_chunked_threshold(usize::MAX)
}

/// An answer in JSON that no cache keeps.
pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Response {
    whole(status, "application/json", body)
        .with_header(make_header("Cache-Control", "no-store, no-transform"))
}

/// The answer that refuses, without the refusal's own headers.
pub fn refusal(refusal: &Refusal) -> Response {
    let body = serde_json::json!({ "error": refusal.message });
    json(refusal.status, body.to_string())
}

/// A header of ours. An invalid value becomes empty; none of ours is invalid.
pub fn make_header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value)
        .or_else(|()| Header::from_bytes(name, ""))
        .expect("the names of our own headers are ASCII")
}

/// The bytes of an answer, head and body; to a HEAD request, the head alone. `more` goes into the head, too:
/// tiny_http keeps `Connection` and `Upgrade` for its own server to set.
pub fn to_bytes(response: Response, more: &[(&'static str, String)], head_only: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let empty = matches!(response.status_code().0, 204 | 304);
    // No request headers: by them tiny_http could only choose another encoding.
    let printed = response.raw_print(&mut bytes, HTTPVersion(1, 1), &[], head_only, None);
    printed.expect("a Vec takes all that is written to it");
    if empty {
        // Without content there must be no length (RFC 9110 section 8.6), but it prints one.
        bytes = String::from_utf8_lossy(&bytes)
            .replace("Content-Length: 0\r\n", "")
            .into_bytes();
    }
    let status_line = bytes
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(0, |end| end + 1);
    bytes.splice(status_line..status_line, header_lines(more).into_bytes());
    bytes
}

/// Headers as they stand in a head.
pub fn header_lines(headers: &[(&'static str, String)]) -> String {
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    lines.collect()
}

/// The header that ends the connection.
pub fn close() -> (&'static str, String) {
    ("Connection", "close".to_string())
}

/// The head of a streamed answer.
pub fn stream_head(content_type: &str, more: &[(&'static str, String)]) -> Vec<u8> {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let more = header_lines(more);
    let head = format!(
        "HTTP/1.1 200 OK\r\nDate: {date}\r\nServer: comet\r\nContent-Type: {content_type}\r\n\
         Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n\
         X-Content-Type-Options: nosniff\r\n{more}\r\n"
    );
    head.into_bytes()
}

/// The head that says that another protocol begins (RFC 9110 section 15.2.2).
pub fn switching_protocols(more: &[(&'static str, String)]) -> Vec<u8> {
    let more = header_lines(more);
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nServer: comet\r\nConnection: Upgrade\r\n{more}\r\n"
    );
    head.into_bytes()
}

/// JSON made fit to stand inside a script: `</script>` and `<!--` can't appear in it, nor the two line separators
/// that JSON allows in a string and older JavaScript doesn't (HTML standard, "Restrictions for contents of script
/// elements"). And `__proto__` is a name like any other, as it is in JSON: without brackets, a script would make its
/// value the object's prototype (ECMAScript, section B.3.1). A quote inside a string follows a backslash, so only
/// names match.
pub fn json_in_script(json: &str) -> String {
    json.replace(r#"{"__proto__":"#, r#"{["__proto__"]:"#)
        .replace(r#","__proto__":"#, r#",["__proto__"]:"#)
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}
