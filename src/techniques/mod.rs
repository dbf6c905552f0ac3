//! The techniques, one file each, in the article's order. Put two neighbours side by side: what differs is the idea
//! that changed.
//!
//! Chapter: [The map](../../../../docs/README.md).

pub mod event_source;
pub mod forever_frame;
pub mod jsonp_polling;
pub mod long_polling;
pub mod multipart_streaming;
pub mod polling;
pub mod websocket;
pub mod xhr_streaming;
