//! `POST /publish?topic=T`: one event, to every subscriber of the topic.
//!
//! Chapter: [WebSocket](../../../../docs/websocket.md).

use serde_json::{Value, json};

use crate::connection::Exchange;
use crate::door::response;
use crate::failure::{Failure, Refusal, refuse};
use crate::hub::Hub;
use crate::request::Request;

/// Publishes the body, and answers with the id that the event got: `{"id":7}`.
pub fn answer(request: &Request, exchange: &mut Exchange, hub: &Hub) -> Result<(), Failure> {
    exchange.conn.rename("publish");
    let topic = &request.topic()?;
    check_topic(topic)?;
    let id = hub.publish(topic, &data(&request.body)?)?;
    Ok(exchange.send(response::json(200, json!({ "id": id }).to_string()))?)
}

/// Only the ball game publishes to its topic.
pub fn check_topic(topic: &str) -> Result<(), Refusal> {
    match topic {
        "baseball" => Err(refuse(
            403,
            "only the ball game publishes to baseball: use another topic, such as chat",
        )),
        _ => Ok(()),
    }
}

/// JSON stays as it is; any other text becomes `{"text":…}`.
pub fn data(body: &[u8]) -> Result<Value, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| refuse(400, "the body must be UTF-8"))?;
    if text.is_empty() {
        return Err(refuse(400, "send JSON or text in the body"));
    }
    Ok(serde_json::from_str(text).unwrap_or_else(|_| json!({ "text": text })))
}
