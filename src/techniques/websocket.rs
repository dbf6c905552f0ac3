//! WebSocket. *Article: WebSocket.* Script: [`www/techniques/websocket.js`](/techniques/websocket.js).
//!
//! One connection, both ways, for as long as both sides like: an HTTP request asks for the upgrade, and
//! from then on the two sides send each other frames, with a few bytes in front of each instead of a
//! head. The thread sleeps until either side has something: an event from the hub becomes a text frame, a
//! text frame from the client is published. `tungstenite` makes and reads the frames (RFC 6455).
//!
//! A page of a thread's stack that was touched once stays with it for as long as it sleeps. What is kept
//! apart with `inline(never)`, and out of the stack with `Box`, keeps the deepest call within two pages.
//!
//! Chapter: [WebSocket](../../../../../docs/websocket.md).

use std::io;

use serde_json::json;
use tiny_http::HTTPVersion;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use crate::connection::{Connection, Wake};
use crate::event::News;
use crate::failure::{Failure, Refusal, refuse};
use crate::http::{MAX_BODY, Request};
use crate::hub::{Hub, Seat};
use crate::publish;

/// A connection that speaks frames.
pub type Socket<'a> = WebSocket<&'a mut Connection>;

/// Sends each event as a text frame and publishes each text frame, until one of both sides closes.
pub fn answer(request: &Request, conn: &mut Connection, hub: &Hub) -> Result<(), Failure> {
    let topic = request.topic()?;
    let mut seat = hub.join(topic, request.cursor()?)?;
    upgrade(request, conn)?;
    conn.hold("websocket", conn.shared.settings.limits.heartbeat)?;
    let mut socket = open(conn);
    let ended = talk(&mut socket, &mut seat, topic, hub);
    Ok(end(&mut socket, ended)?)
}

#[inline(never)]
fn talk(socket: &mut Socket, seat: &mut Seat, topic: &str, hub: &Hub) -> Result<(), Error> {
    listen(socket, seat, topic, hub)?; // what came together with the handshake
    loop {
        match socket.get_mut().wait(seat) {
            Wake::News(news) => tell(socket, &news)?,
            Wake::Bytes => listen(socket, seat, topic, hub)?,
            Wake::Tick => socket.send(Message::Ping(Default::default()))?,
            Wake::Closing => return going_away(socket),
            Wake::HungUp => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

/// All the frames, then one write.
#[inline(never)]
fn tell(socket: &mut Socket, news: &News) -> Result<(), Error> {
    for message in news.messages() {
        socket.write(Message::Text(message))?;
    }
    socket.flush()
}

/// Publishes what the client said. Whoever says much, without a pause, is told meanwhile what comes.
fn listen(socket: &mut Socket, seat: &mut Seat, topic: &str, hub: &Hub) -> Result<(), Error> {
    while let Some(message) = read_message(socket)? {
        hear(&message, socket, topic, hub)?;
        let news = socket.get_mut().take_news(seat);
        tell(socket, &news)?;
    }
    Ok(())
}

#[inline(never)]
fn hear(message: &Message, socket: &mut Socket, topic: &str, hub: &Hub) -> Result<(), Error> {
    let published = match message {
        Message::Text(text) => publish_text(text, topic, hub),
        Message::Binary(_) => Err("send text: a binary message can't be published".to_string()),
        _ => Ok(()), // pings are answered, and closing is done, by tungstenite
    };
    match published {
        Ok(()) => Ok(()),
        Err(why) => socket.send(Message::text(json!({ "error": why }).to_string())),
    }
}

fn publish_text(text: &str, topic: &str, hub: &Hub) -> Result<(), String> {
    let data = publish::check_topic(topic).and_then(|()| publish::data(text.as_bytes()));
    let data = data.map_err(|refusal| refusal.message)?;
    let published = hub.publish(topic, &data);
    published
        .map(|_| ())
        .map_err(|_| "there is no room for another topic".to_string())
}

/// Checks the handshake and answers it: from here on the connection speaks frames (RFC 6455 section 4.2).
pub fn upgrade(request: &Request, conn: &mut Connection) -> Result<(), Failure> {
    let key = check_handshake(request)?;
    let accept = derive_accept_key(key.as_bytes());
    conn.switch_protocols(&[
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

/// HTTP/1.0 can't (RFC 9110 section 7.8).
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

/// Small buffers, because there are many of us; and no message larger than a body may be.
pub fn open(conn: &mut Connection) -> Box<Socket<'_>> {
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(4096)
        .max_message_size(Some(MAX_BODY))
        .max_frame_size(Some(MAX_BODY));
    Box::new(WebSocket::from_raw_socket(conn, Role::Server, Some(config)))
}

/// The next message that is already here. `None`: no whole one is, or the server is ending, and hears no more.
pub fn read_message(socket: &mut Socket) -> Result<Option<Message>, Error> {
    if socket.get_ref().is_closing() {
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
    socket.flush()?; // a pong that still waits comes before the Close
    let reason = reason.into();
    socket.close(Some(CloseFrame { code, reason }))?;
    socket.flush()
}

/// Closes with the code that says what was wrong (RFC 6455 section 7.4.1), if anything was.
pub fn end(socket: &mut Socket, ended: Result<(), Error>) -> io::Result<()> {
    let (code, reason) = match ended {
        Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(()),
        Err(Error::Io(error)) => return Err(error),
        Err(Error::Utf8(_)) => (CloseCode::Invalid, "text must be UTF-8"),
        Err(Error::Capacity(_)) => (CloseCode::Size, "the message is too big"),
        Err(_) => (CloseCode::Protocol, "this is not RFC 6455"),
    };
    let _ = close(socket, code, reason); // if this fails the client is gone, and all is well
    Ok(())
}
