//! comet: server push, one deliberately simple thread at a time.
//!
//! The modules in reading order:
//!
//! 1. [`server`]: the accept loop, one named thread per connection, the cap, the graceful end
//! 2. [`http`]: reads one request with limits, prints ordinary answers
//! 3. [`routes`]: one table: path, technique, article section, source file
//! 4. [`techniques`]: one file each, in the article's order
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
//! 14. [`lab`]: experiments that measure the article's claims; nothing above depends on it

pub mod baseball;
pub mod capacity;
pub mod connection;
pub mod desk;
pub mod doorbell;
pub mod echo;
pub mod event;
pub mod failure;
pub mod http;
pub mod hub;
pub mod lab;
pub mod meter;
pub mod origin;
pub mod policy_file;
pub mod publish;
pub mod routes;
pub mod server;
pub mod settings;
pub mod site;
pub mod techniques;
