//! comet: server push, one deliberately simple thread at a time.
//!
//! This is a book, too: begin at the top, and beside each module read its chapter, which it links to. [The
//! map](../../../docs/README.md) has the chapters in the article's order, the debugger walks and the exercises.
//!
//! 1. [`server`]: the accept loop, one named thread per connection, the cap, the graceful end
//! 2. [`http`]: reads one request with limits, prints ordinary answers
//! 3. [`routes`]: one table: path, technique, article section, source file
//! 4. [`techniques`]: one file each, in the article's order: [polling](techniques::polling),
//!    [long polling](techniques::long_polling), [XHR streaming](techniques::xhr_streaming),
//!    [forever frame](techniques::forever_frame), [multipart streaming](techniques::multipart_streaming),
//!    [JSONP polling](techniques::jsonp_polling), [event source](techniques::event_source),
//!    [WebSocket](techniques::websocket)
//! 5. [`connection`]: what a technique holds: the socket, `wait()`, the ways to write
//! 6. [`hub`]: topics, rings, seats: the fan-out
//! 7. [`event`]: what travels
//! 8. [`doorbell`]: the one thread that watches every sleeping socket
//! 9. [`publish`], [`echo`], [`policy_file`], [`site`]: the short requests
//! 10. [`origin`]: whose pages may do what
//! 11. [`baseball`]: the live ball game
//! 12. [`desk`], [`meter`]: the teacher's desk, and what it counts
//! 13. [`settings`], [`capacity`], [`failure`]: what can be set, what the machine has room for, how
//!     a request is refused
//! 14. [`lab`]: experiments that measure the article's claims; an optional feature, and nothing above depends on it

pub mod server;

pub mod http;

pub mod routes;

pub mod techniques;

pub mod connection;

pub mod hub;

pub mod event;

pub mod doorbell;

pub mod publish;

pub mod echo;

pub mod policy_file;

pub mod site;

pub mod origin;

pub mod baseball;

pub mod desk;

pub mod meter;

pub mod settings;

pub mod capacity;

pub mod failure;

#[cfg(feature = "lab")]
pub mod lab;
