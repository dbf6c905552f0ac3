//! FlashSocket's half of the server that still means something: the policy file.
//!
//! *Article: the list of Socket.IO's transports at the end.* Before a Flash movie opened a socket it
//! asked the server, on a connection of its own, whether it may: the bytes
//! `<policy-file-request/>` and a NUL instead of an HTTP request. The answer is a
//! cross-domain-policy in XML, NUL-terminated, and the server closes. What the movie then spoke over
//! its socket was the WebSocket protocol.
//!
//! Chapter: [The choice](../../../../docs/the-choice.md).

use std::io::{self, Write};

use crate::connection::Connection;

/// What Flash sends instead of a request.
pub const REQUEST: &[u8] = b"<policy-file-request/>\0";

/// Sends the policy: movies of any site may connect to the port they asked on, and no other.
pub fn answer(conn: &mut Connection) -> io::Result<()> {
    conn.rename("policy-file");
    let port = conn.port();
    let policy = format!(
        r#"<?xml version="1.0"?><cross-domain-policy><allow-access-from domain="*" to-ports="{port}"/></cross-domain-policy>"#
    );
    conn.write_all(policy.as_bytes())?;
    conn.write_all(b"\0")
}
