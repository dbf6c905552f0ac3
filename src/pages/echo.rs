//! `/echo`: a WebSocket that sends every message back, text or binary.
//!
//! Chapter: [WebSocket](../../../../../docs/websocket.md).

use std::io;

use tungstenite::Message;

use crate::connection::{Exchange, Wake};
use crate::door::handshake::{self, Socket};
use crate::failure::Failure;
use crate::hub::Hub;
use crate::request::Request;

/// Sends back each message, until either side closes.
pub fn answer(request: &Request, exchange: &mut Exchange, _: &Hub) -> Result<(), Failure> {
    handshake::upgrade(request, exchange)?;
    exchange.hold("echo", exchange.shared().settings.limits.heartbeat)?;
    let mut socket = handshake::open(exchange);
    let ended = echo(&mut socket);
    Ok(handshake::end(&mut socket, ended)?)
}

fn echo(socket: &mut Socket) -> Result<(), tungstenite::Error> {
    send_back(socket)?; // what came together with the handshake
    loop {
        match socket.get_mut().wait_or_hear(None) {
            None => send_back(socket)?,
            Some(Wake::News(_)) => {} // there is no topic
            Some(Wake::Tick) => socket.send(Message::Ping(Default::default()))?,
            Some(Wake::Closing) => return handshake::going_away(socket),
            Some(Wake::HungUp) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

fn send_back(socket: &mut Socket) -> Result<(), tungstenite::Error> {
    while let Some(message) = handshake::read_message(socket)? {
        if message.is_text() || message.is_binary() {
            socket.send(message)?;
        }
    }
    Ok(())
}
