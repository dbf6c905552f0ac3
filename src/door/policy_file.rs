//! The policy file: the part of FlashSocket that a server can still answer.
//!
//! *Article: the list of Socket.IO's transports at the end.* Before a Flash movie opened a socket it asked the server,
//! on a connection of its own, whether it may: with the bytes `<policy-file-request/>` and a NUL instead of an HTTP
//! request. The answer is a cross-domain-policy in XML, ended by a NUL, and the server closes. What the movie then
//! spoke over its socket was the WebSocket protocol.
//!
//! Chapter: [The choice](../../../../../docs/the-choice.md).

/// What Flash sends instead of a request.
pub const REQUEST: &[u8] = b"<policy-file-request/>\0";

/// The policy: movies of any site may connect to `port`, the one that they asked on.
pub fn policy(port: u16) -> Vec<u8> {
    let allow = format!(r#"<allow-access-from domain="*" to-ports="{port}"/>"#);
    format!("<?xml version=\"1.0\"?><cross-domain-policy>{allow}</cross-domain-policy>\0").into()
}
