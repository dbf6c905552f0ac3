//! The door: all that happens to a connection before a technique answers, and the bytes that it answers with.
//!
//! - [`listen`]: opening a listener, and turning a connection away
//! - [`socket`]: a connection's socket: its limits, reading, writing, and the end
//! - [`reader`]: reading a request's bytes, within limits
//! - [`answering`], [`response`]: beginning an answer or sending it whole, and its bytes
//! - [`handshake`]: the WebSocket handshake, and its close
//! - [`origin`]: which pages may do what, and which host names are ours
//! - [`policy_file`]: what Flash asks for instead of a request
//! - [`room`]: what the machine has room for
//! - [`shared`]: what every thread shares; [`settings`], [`metrics`]: what can be set, and what is counted
//!
//! Begin with [`reader::read_request`].
//!
//! Chapter: [Bad input](../../../../docs/bad-input.md).

pub mod listen;

pub mod socket;

pub mod reader;

pub mod answering;

pub mod response;

pub mod handshake;

pub mod origin;

pub mod policy_file;

pub mod room;

pub mod shared;

pub mod settings;

pub mod metrics;
