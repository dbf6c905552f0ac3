//! WebSocket. *Article: WebSocket.* Script: [`www/techniques/websocket.js`](/techniques/websocket.js).
//!
//! One connection, both ways, for as long as both sides like. An HTTP request asks for the upgrade; from then on both
//! sides send frames, with a few bytes in front of each instead of a head. The thread sleeps until either side has
//! something: an event becomes a text frame, a text frame from the client is published. `tungstenite` makes and reads
//! the frames (RFC 6455). (`inline(never)` keeps the frames small: a thread never gives a stack page back.)
//!
//! Chapter: [WebSocket](../../../../../docs/websocket.md).

use std::io;

use serde_json::json;
use tungstenite::{Error, Message};

use crate::connection::{Exchange, Wake};
use crate::door::handshake::{self, Socket, read_message};
use crate::event::News;
use crate::failure::{Failure, Refusal, refuse};
use crate::hub::{Hub, Subscription};
use crate::publish;
use crate::request::Request;

/// Sends each event as a text frame and publishes each text frame, until one of both sides closes.
pub fn answer(request: &Request, exchange: &mut Exchange, hub: &Hub) -> Result<(), Failure> {
    let topic = &request.topic()?;
    let mut subscription = hub.subscribe(topic, request.since()?)?;
    handshake::upgrade(request, exchange)?;
    exchange.hold("websocket", exchange.shared().settings.limits.heartbeat)?;
    let mut socket = handshake::open(exchange);
    let ended = talk(&mut socket, &mut subscription, topic, hub);
    Ok(handshake::end(&mut socket, ended)?)
}

#[inline(never)]
fn talk(
    socket: &mut Socket,
    subscription: &mut Subscription,
    topic: &str,
    hub: &Hub,
) -> Result<(), Error> {
    listen(socket, subscription, topic, hub)?; // what came together with the handshake
    loop {
        match socket.get_mut().wait_or_hear(Some(subscription)) {
            None => listen(socket, subscription, topic, hub)?,
            Some(Wake::News(news)) => tell(socket, &news)?,
            Some(Wake::Tick) => socket.send(Message::Ping(Default::default()))?,
            Some(Wake::Closing) => return handshake::going_away(socket),
            Some(Wake::HungUp) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
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

/// Publishes what the client has sent. A client that sends without a pause still gets the news in between.
fn listen(
    socket: &mut Socket,
    subscription: &mut Subscription,
    topic: &str,
    hub: &Hub,
) -> Result<(), Error> {
    while let Some(message) = read_message(socket)? {
        hear(&message, socket, topic, hub)?;
        let news = socket.get_mut().news(subscription);
        tell(socket, &news)?;
    }
    Ok(())
}

#[inline(never)]
fn hear(message: &Message, socket: &mut Socket, topic: &str, hub: &Hub) -> Result<(), Error> {
    let published = match message {
        Message::Text(text) => publish_text(text, topic, hub),
        Message::Binary(_) => Err(refuse(
            400,
            "send text: a binary message can't be published",
        )),
        _ => Ok(()), // pings are answered, and closing is done, by tungstenite
    };
    match published {
        Ok(()) => Ok(()),
        Err(refusal) => {
            let error = json!({ "error": refusal.message });
            socket.send(Message::text(error.to_string()))
        }
    }
}

fn publish_text(text: &str, topic: &str, hub: &Hub) -> Result<(), Refusal> {
    publish::check_topic(topic)?;
    hub.publish(topic, &publish::data(text.as_bytes())?)?;
    Ok(())
}
