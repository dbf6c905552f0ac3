//! What it takes to rely on `tiny_http`'s own server.
//!
//! `tiny_http::Server` keeps its threads and its sockets to itself: when one of them fails, the program gets no
//! error and can't repair it. So this file watches the server from outside, replaces it when it has stopped
//! accepting, ends each connection after one answer, and never drops a request whose body could block the desk
//! or abort the process. The lesson: a library server's promises end where its threads and sockets are its own.

use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use log::{debug, warn};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tiny_http::{Method, Request};

use crate::door::response::{self, Response};

/// Time between two attempts to start a server.
const RETRY: Duration = Duration::from_millis(200);

/// A server is replaced after it has ignored a waiting connection in this many time-outs.
const PATIENCE: u32 = 5;

/// The requests that arrive at a listener, from one `tiny_http::Server` after another.
pub struct Requests {
    listener: Arc<TcpListener>,
    server: Option<tiny_http::Server>,
    /// Time-outs in a row after which a connection was still waiting to be accepted.
    ignored: u32,
    /// True once the log has the warning: it is given once.
    warned: bool,
}

impl Requests {
    /// The requests of this listener. The first call of [`Requests::next_within`] starts the server.
    pub fn new(listener: Arc<TcpListener>) -> Requests {
        Requests {
            listener,
            server: None,
            ignored: 0,
            warned: false,
        }
    }

    /// The next request; `None` if none came in time.
    pub fn next_within(&mut self, timeout: Duration) -> Option<Request> {
        if self.server.is_none() {
            self.server = start(&self.listener).ok();
        }
        let server = self.server.as_ref();
        match server.map(|server| server.recv_timeout(timeout)) {
            Some(Ok(Some(request))) => return Some(request),
            Some(Ok(None)) if self.is_accepting() => {}
            _ => self.give_up(),
        }
        None
    }

    /// After a time-out: false if the server has let a connection wait for too long. Its accept thread
    /// panics when it can't start a thread for a connection, and `recv_timeout` reports nothing.
    fn is_accepting(&mut self) -> bool {
        match has_waiting_connection(&self.listener) {
            true => self.ignored += 1,
            false => self.ignored = 0,
        }
        self.ignored < PATIENCE
    }

    /// Drops a server that failed or fell silent, and waits before the next attempt.
    fn give_up(&mut self) {
        self.server = None;
        self.ignored = 0;
        if !self.warned {
            warn!("the desk cannot accept connections; retrying");
        }
        self.warned = true;
        thread::sleep(RETRY);
    }
}

/// Starts a server on our listener. Its threads inherit the name of the thread that calls this.
fn start(listener: &TcpListener) -> io::Result<tiny_http::Server> {
    let listener = listener.try_clone()?;
    // It panics if it can't start its threads.
    let server = catch_unwind(|| tiny_http::Server::from_listener(listener, None));
    let panicked = |_| io::Error::from(ErrorKind::WouldBlock);
    server.map_err(panicked)?.map_err(io::Error::other)
}

/// True if a connection is waiting in the backlog. It never waits for long while the server accepts.
fn has_waiting_connection(listener: &TcpListener) -> bool {
    let mut listener = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    poll(&mut listener, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Sends an answer, then closes the connection. A kept connection would occupy one of `tiny_http`'s threads:
/// when a browser opens six at once, some would wait until the others close.
pub fn send(request: Request, answer: Response, mut headers: Vec<(&'static str, String)>) {
    headers.push(("Connection", "close".to_string()));
    let bytes = response::to_bytes(answer, &headers, *request.method() == Method::Head);
    match request.body_length() {
        None | Some(0) => write(request, &bytes),
        Some(length) => write_on_a_thread(request, length, bytes),
    }
}

/// Writes the bytes as they are: `Request::respond` drops our `Connection: close`. The client has to close
/// the connection, because `tiny_http` doesn't hand out its sockets.
fn write(request: Request, bytes: &[u8]) {
    let mut writer = request.into_writer();
    if let Err(error) = writer.write_all(bytes).and_then(|()| writer.flush()) {
        debug!("the desk could not answer: {error}");
    }
}

/// Responses a request with a body on a thread of its own, because dropping the request waits for the body.
/// If no thread can be started, the request stays unanswered.
fn write_on_a_thread(request: Request, length: usize, bytes: Vec<u8>) {
    // The channel keeps the request here if the spawn fails: a closure would drop it.
    let (sender, receiver) = bounded::<Request>(1);
    let thread = thread::Builder::new().name("desk-body".to_string());
    let thread = thread.spawn(move || {
        for request in receiver {
            write_after_body(request, length, &bytes);
        }
    });
    match thread {
        Ok(_) => drop(sender.send(request)),
        Err(_) => mem::forget(request), // a drop would wait for the body on the desk's thread
    }
}

/// Reads the body, then answers. On an early disconnect `tiny_http` allocates the remaining declared length,
/// and a failed allocation aborts the process. So a request that declares more than the machine has is
/// leaked: it costs one of `tiny_http`'s threads and a socket, for good.
fn write_after_body(mut request: Request, length: usize, bytes: &[u8]) {
    if !can_allocate(length) {
        return mem::forget(request);
    }
    let mut body = request.as_reader().take(length as u64);
    let _ = io::copy(&mut body, &mut io::sink()); // an error means that the client is gone: the write fails, too
    write(request, bytes);
}

/// True if the allocator can provide this many bytes.
fn can_allocate(length: usize) -> bool {
    let mut buffer = Vec::<u8>::new();
    let has_room = buffer.try_reserve_exact(length).is_ok();
    black_box(buffer); // keeps the compiler from removing the unused allocation
    has_room
}
