//! Why a request doesn't get what it asked for.
//!
//! Chapter: [Bad input](../../../../docs/bad-input.md).

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use log::error;

/// Either the client can be told, or it is gone.
#[derive(Debug)]
pub enum Failure {
    /// The request can't be granted: the answer says why.
    Refused(Refusal),
    /// The connection is gone, or no good any more: it ends without an answer.
    Lost(io::Error),
}

/// An answer that says no, and what to do instead.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The status code (RFC 9110 section 15).
    pub status: u16,
    /// What is wrong and what to do, for a person to read.
    pub message: String,
    /// Headers that this status calls for, such as `Allow` or `Retry-After`.
    pub headers: Vec<(&'static str, String)>,
}

/// A refusal, ready for `?` and `return Err(…)`.
pub fn refuse(status: u16, message: impl Into<String>) -> Refusal {
    Refusal {
        status,
        message: message.into(),
        headers: Vec::new(),
    }
}

impl Refusal {
    /// The same, with one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Refusal {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Lost(error)
    }
}

/// Logs every panic with its thread's name. A panic ends only its own thread.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let name = nix::sys::prctl::get_name().unwrap_or_default();
        error!("thread {} ended: {panic}", name.to_string_lossy());
    }));
}

/// Locks a mutex, poisoned or not: no panic can leave what our locks guard half changed, so the other threads go on.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
