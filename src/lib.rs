//! comet: server push, one deliberately simple thread at a time.
//!
//! This is a book, too: begin at the top, and beside each module read its chapter, which it links to. [The
//! map](../../../docs/README.md) has the chapters in the article's order, the debugger walks and the exercises.
//!
//! What is read in one sitting stands flat in `src/`, in this order:
//!
//! 1. [`server`]: the accept loop, one named thread per connection, the cap, the graceful end
//! 2. [`routes`]: one table: path, technique, article section, source file
//! 3. [`request`]: one request, and what its query and headers ask for
//! 4. [`connection`]: the socket, and one request's exchange on it: `wait()`, the ways to write
//! 5. [`hub`]: topics, rings, subscriptions: the fan-out
//! 6. [`event`]: what travels
//! 7. [`doorbell`]: the one thread that watches every sleeping socket
//! 8. [`failure`]: how a request is refused
//! 9. [`publish`]: one event, to every subscriber
//! 10. [`techniques`]: one file each, in the article's order: [polling](techniques::polling),
//!     [long polling](techniques::long_polling), [XHR streaming](techniques::xhr_streaming),
//!     [forever frame](techniques::forever_frame), [multipart streaming](techniques::multipart_streaming),
//!     [JSONP polling](techniques::jsonp_polling), [event source](techniques::event_source),
//!     [WebSocket](techniques::websocket)
//!
//! Everything else is a side room, with a sign on its door:
//!
//! - [`door`]: what happens before a technique answers: listening, reading a request's bytes, printing an answer, the
//!   WebSocket handshake, origins, the machine's room
//! - [`pages`]: the site, and the short requests that its pages make
//! - [`desk`]: the teacher's desk
//! - [`baseball`]: the live ball game
//! - [`lab`]: experiments that measure the article's claims; an optional feature, and nothing else depends on it

pub mod server;

pub mod routes;

pub mod request;

pub mod connection;

pub mod hub;

pub mod event;

pub mod doorbell;

pub mod failure;

pub mod publish;

pub mod techniques;

pub mod door;

pub mod pages;

pub mod desk;

pub mod baseball;

#[cfg(feature = "lab")]
pub mod lab;
