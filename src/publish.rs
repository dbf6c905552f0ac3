//! `POST /publish?topic=T`: one event, from anyone who may, to everyone in the topic.
//!
//! Chapter: [WebSocket](../../../../docs/websocket.md).

use serde_json::{Value, json};

use crate::connection::Connection;
use crate::failure::{Failure, Refusal, refuse};
use crate::http::{self, Request};
use crate::hub::Hub;

/// Publishes the body, and answers with the id that the event got: `{"id":7}`.
pub fn answer(request: &Request, conn: &mut Connection, hub: &Hub) -> Result<(), Failure> {
    conn.rename("publish");
    let topic = request.topic()?;
    check_topic(topic)?;
    let id = hub.publish(topic, &data(&request.body)?)?;
    Ok(conn.respond(http::json(200, json!({ "id": id }).to_string()))?)
}

/// The ball game's topic is the ball game's alone.
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
