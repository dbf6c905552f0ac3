//! The browser pages' files, and the requests that only these pages need.
//!
//! - [`site`]: the files of `www/`, the sources that they show, and small facts that they ask for
//! - [`echo`]: a WebSocket that sends every message back
//! - [`delay`]: a slow network, for the polling page
//!
//! Chapter: [The map](../../../../docs/README.md).

pub mod site;

pub mod echo;

pub mod delay;
