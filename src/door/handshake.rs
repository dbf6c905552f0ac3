//! The WebSocket handshake, the frames' limits, and the close (RFC 6455).
//!
//! Chapter: [WebSocket](../../../../../docs/websocket.md).

use std::io;

use tiny_http::HTTPVersion;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use crate::connection::Exchange;
use crate::door::reader::MAX_BODY;
use crate::failure::{Failure, Refusal, refuse};
use crate::request::Request;

/// A connection that speaks frames.
pub type Socket<'a, 'c> = WebSocket<&'a mut Exchange<'c>>;

/// Checks the handshake and answers it: from here on the connection speaks frames (RFC 6455 section 4.2).
pub fn upgrade(request: &Request, exchange: &mut Exchange) -> Result<(), Failure> {
    let key = check_handshake(request)?;
    let accept = derive_accept_key(key.as_bytes());
    exchange.switch_protocols(&[
        ("Upgrade", "websocket".to_string()),
        ("Sec-WebSocket-Accept", accept),
    ])?;
    Ok(())
}

fn check_handshake(request: &Request) -> Result<&str, Refusal> {
    if !asks_for_upgrade(request) {
        let advice = "this is a WebSocket: open it with new WebSocket(\"ws://…\")";
        return Err(upgrade_required(advice));
    }
    if request.header("Sec-WebSocket-Version") != Some("13") {
        let refusal = upgrade_required("the only WebSocket version is 13");
        return Err(refusal.with("Sec-WebSocket-Version", "13"));
    }
    match request.header("Sec-WebSocket-Key") {
        Some(key) if is_key(key) => Ok(key),
        _ => Err(refuse(400, "Sec-WebSocket-Key must be 16 bytes in Base64")),
    }
}

/// HTTP/1.0 has no upgrades (RFC 9110 section 7.8).
fn asks_for_upgrade(request: &Request) -> bool {
    request.version == HTTPVersion(1, 1)
        && request.header_has("Upgrade", "websocket")
        && request.header_has("Connection", "Upgrade")
}

fn upgrade_required(message: &str) -> Refusal {
    refuse(426, message)
        .with("Connection", "Upgrade")
        .with("Upgrade", "websocket")
}

/// 16 bytes in Base64: 22 characters and two `=`.
fn is_key(key: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    key.len() == 24 && key.ends_with("==") && key[..22].bytes().all(base64)
}

/// Begins to speak frames: with small buffers, because there are many connections, and no message larger than a body
/// may be.
pub fn open<'a, 'c>(exchange: &'a mut Exchange<'c>) -> Box<Socket<'a, 'c>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(4096)
        .max_message_size(Some(MAX_BODY))
        .max_frame_size(Some(MAX_BODY));
    Box::new(WebSocket::from_raw_socket(
        exchange,
        Role::Server,
        Some(config),
    ))
}

/// Returns the next message that is already here. `None`: none is complete, or the server is ending and reads no
/// more.
pub fn read_message(socket: &mut Socket) -> Result<Option<Message>, Error> {
    if socket.get_ref().conn.is_closing() {
        return Ok(None);
    }
    match socket.read() {
        Ok(message) => Ok(Some(message)),
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// The server is ending: 1001.
pub fn going_away(socket: &mut Socket) -> Result<(), Error> {
    close(socket, CloseCode::Away, "the server is ending")
}

fn close(socket: &mut Socket, code: CloseCode, reason: &'static str) -> Result<(), Error> {
    socket.flush()?; // a pong that waits comes before the Close
    let reason = reason.into();
    socket.close(Some(CloseFrame { code, reason }))?;
    socket.flush()
}

/// Closes with the code for what went wrong (RFC 6455 section 7.4.1), if anything did.
pub fn end(socket: &mut Socket, ended: Result<(), Error>) -> io::Result<()> {
    let (code, reason) = match ended {
        Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(()),
        Err(Error::Io(error)) => return Err(error),
        Err(Error::Utf8(_)) => (CloseCode::Invalid, "text must be UTF-8"),
        Err(Error::Capacity(_)) => (CloseCode::Size, "the message is too big"),
        Err(_) => (CloseCode::Protocol, "this is not RFC 6455"),
    };
    let _ = close(socket, code, reason); // a client that is gone needs no Close
    Ok(())
}
