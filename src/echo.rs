//! `/echo`: every WebSocket message back as it came, text or binary.
//!
//! Chapter: [WebSocket](../../../../docs/websocket.md).

use std::io;

use tungstenite::Message;

use crate::connection::{Connection, Wake};
use crate::failure::Failure;
use crate::http::Request;
use crate::hub::{Hub, Seat};
use crate::techniques::websocket::{self, Socket, end};

/// Answers what is said, until one of both sides closes.
pub fn answer(request: &Request, conn: &mut Connection, _: &Hub) -> Result<(), Failure> {
    websocket::upgrade(request, conn)?;
    let every = conn.shared.settings.limits.heartbeat;
    conn.hold("echo", every)?;
    let mut socket = websocket::open(conn);
    let ended = echo(&mut socket);
    Ok(end(&mut socket, ended)?)
}

fn echo(socket: &mut Socket) -> Result<(), tungstenite::Error> {
    send_back(socket)?; // what came together with the handshake
    loop {
        match socket.get_mut().wait(&mut Seat::nowhere()) {
            Wake::Bytes => send_back(socket)?,
            Wake::Tick => socket.send(Message::Ping(Default::default()))?,
            Wake::Closing => return websocket::going_away(socket),
            Wake::HungUp => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Wake::News(_) => {}
        }
    }
}

fn send_back(socket: &mut Socket) -> Result<(), tungstenite::Error> {
    while let Some(message) = websocket::read_message(socket)? {
        if message.is_text() || message.is_binary() {
            socket.send(message)?;
        }
    }
    Ok(())
}
