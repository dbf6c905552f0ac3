//! The teacher's desk: a second, sequential server on a port of its own, `tiny_http` at its plainest.
//!
//! Nothing is ever held here, so it goes on answering when every connection of the comet ports is
//! taken. Even its page, which shows live what the held connections cost, only polls: see
//! [`www/desk/desk.js`](/desk/desk.js). The desk listens on loopback only.
//!
//! Why `tiny_http` serves here and not at the public door: it spends two threads on a held
//! connection, ends its accept loop at the first error, and can't tell that a client has left. Here
//! every answer is short, nobody but this machine's own programs gets in, and when it has stopped
//! accepting, a new one takes its place.
//!
//! Chapter: [Why threads strain](../../../../docs/strain.md).

pub mod census;
pub mod history;
mod page;
mod stats;
mod usage;

use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use log::{debug, warn};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use tiny_http::{HTTPVersion, Method, Request};

use crate::connection::Shared;
use crate::failure::{Refusal, refuse};
use crate::http::{self, Answer};
use crate::origin;
use crate::server::cannot_listen;
use census::Census;
use history::History;
use stats::stats;

/// How often the desk looks whether it is to end.
const LOOK: Duration = Duration::from_millis(200);

/// After so many looks at which a connection waits to be accepted, tiny_http is taken to be silent for good.
const PATIENCE: u32 = 5;

/// The desk's listener, and its end.
#[derive(Clone)]
pub struct Desk {
    pub address: SocketAddr,
    listener: Arc<TcpListener>,
    stopped: Arc<AtomicBool>,
}

impl Desk {
    /// Listens on `address`, which has to be on loopback.
    ///
    /// # Errors
    /// When the address is not on loopback or can't be had; the message says what to do.
    pub fn open(address: SocketAddr) -> io::Result<Desk> {
        if !address.ip().is_loopback() {
            let message = format!(
                "the desk is for this machine only: not {address}, but --desk 127.0.0.1:8081 or --desk off"
            );
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
        let listener =
            TcpListener::bind(address).map_err(|error| cannot_listen("--desk", address, &error))?;
        Ok(Desk {
            address: listener.local_addr()?,
            listener: Arc::new(listener),
            stopped: Arc::default(),
        })
    }

    /// Ends [`desk_thread`].
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Does a connection wait to be accepted? Not for long, while tiny_http accepts. But its thread panics when
    /// it can't have another one for a new connection, and tells nobody.
    fn is_waited_for(&self) -> bool {
        let mut listener = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        poll(&mut listener, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// A tiny_http server on our listener. Its own threads have no names of their own: they inherit
    /// that of the thread which makes it.
    fn serve(&self) -> io::Result<tiny_http::Server> {
        let listener = self.listener.try_clone()?;
        // Without room for its threads it does not say so, but panics.
        let server = catch_unwind(|| tiny_http::Server::from_listener(listener, None));
        let no_room = |_| io::Error::from(ErrorKind::WouldBlock);
        server.map_err(no_room)?.map_err(io::Error::other)
    }
}

/// What the desk writes down as time goes by.
#[derive(Default)]
struct Notes {
    history: History,
    census: Census,
}

/// The desk's own thread. A `tiny_http::Server` ends at the first `accept` that fails (no descriptors
/// left, say), or falls silent at the first thread it can't have; then a new one takes its place.
pub fn desk_thread(desk: &Desk, shared: &Shared) {
    let mut in_trouble = false;
    let mut notes = Notes::default();
    while !desk.is_stopped() {
        if let Ok(server) = desk.serve() {
            answer_requests(&server, desk, shared, &mut notes);
        }
        if !desk.is_stopped() {
            if !in_trouble {
                warn!("the desk cannot accept; waiting for room");
            }
            in_trouble = true;
            notes.history.keep_up(shared);
            thread::sleep(LOOK);
        }
    }
}

/// One request after the other, each answered at once, until the desk or its server ends.
fn answer_requests(server: &tiny_http::Server, desk: &Desk, shared: &Shared, notes: &mut Notes) {
    let mut waited = 0;
    while !desk.is_stopped() && waited < PATIENCE {
        notes.history.keep_up(shared);
        match server.recv_timeout(notes.history.until_due().min(LOOK)) {
            Ok(Some(request)) => answer(request, shared, notes),
            Ok(None) if desk.is_waited_for() => waited += 1,
            Ok(None) => waited = 0,
            Err(_) => return,
        }
    }
}

fn answer(request: Request, shared: &Shared, notes: &mut Notes) {
    let (answer, mut headers) = match find_answer(&request, shared, notes) {
        Ok(answer) => (answer, Vec::new()),
        Err(refusal) => (http::refusal_answer(&refusal), refusal.headers),
    };
    // A connection that is kept alive keeps one of tiny_http's threads, and when a browser opens six at once it may
    // leave one of them without: its page would wait for the others to end.
    headers.push(("Connection", "close".to_string()));
    let bytes = http::print(answer, &headers, *request.method() == Method::Head);
    match request.body_length() {
        None | Some(0) => send(request, &bytes),
        Some(length) => send_apart(request, length, bytes),
    }
}

/// Sends an answer as it is. (`Request::respond` would not let us say `Connection: close`. That it is closed is
/// the client's part: tiny_http keeps its sockets to itself.)
fn send(request: Request, bytes: &[u8]) {
    let mut writer = request.into_writer();
    if let Err(error) = writer.write_all(bytes).and_then(|()| writer.flush()) {
        debug!("the desk could not answer: {error}");
    }
}

/// Answers a request that has a body, on a thread of its own, because the body has to be waited for. Without room
/// for a thread there is no answer.
fn send_apart(request: Request, length: usize, bytes: Vec<u8>) {
    let (give, take) = bounded::<Request>(1);
    let thread = thread::Builder::new().name("desk-body".to_string());
    let thread = thread.spawn(move || {
        for request in take {
            send_after_body(request, length, &bytes);
        }
    });
    match thread {
        Ok(_) => drop(give.send(request)),
        Err(_) => mem::forget(request), // to drop it is to wait for its body here
    }
}

/// tiny_http lets go of a request only when it has read the body to its end. If the client goes before, it asks for
/// memory for all of the rest; and where there is none, that would end the process. So a request that claims to have
/// more than the machine is not let go of: it keeps a thread of tiny_http, and its socket, for ever.
fn send_after_body(mut request: Request, length: usize, bytes: &[u8]) {
    if !has_room_for(length) {
        return mem::forget(request);
    }
    let mut body = request.as_reader().take(length as u64);
    let _ = io::copy(&mut body, &mut io::sink()); // if this fails the client is gone, and so will be the answer
    send(request, bytes);
}

/// Would the machine give so many bytes?
fn has_room_for(length: usize) -> bool {
    let mut room = Vec::<u8>::new();
    let has_room = room.try_reserve_exact(length).is_ok();
    black_box(room); // or a compiler would see that nothing is done with it, and not ask at all
    has_room
}

/// The desk's own table of routes.
fn find_answer(request: &Request, shared: &Shared, notes: &mut Notes) -> Result<Answer, Refusal> {
    let (host, target) = http::split_url(request.url());
    let name = origin::check_desk_host(host.or(host_header(request)?))?;
    if !matches!(request.method(), Method::Get | Method::Head) {
        return Err(refuse(405, "the desk takes GET only").with("Allow", "GET, HEAD"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/stats" => Ok(json_answer(stats(shared))),
        "/history" => Ok(json_answer(notes.history.after(since(query)?, shared))),
        "/threads" => Ok(json_answer(notes.census.tell().map_err(no_room)?)),
        "/ports" => Ok(json_answer(page::ports(name, shared))),
        "/healthz" => Ok(http::answer(200, "text/plain", "ok\n")),
        _ => page::file(path, name, shared),
    }
}

/// The name and port that the client found us by; `None` from HTTP/1.0.
fn host_header(request: &Request) -> Result<Option<&str>, Refusal> {
    let headers = request.headers().iter();
    let hosts = headers.filter(|header| header.field.equiv("Host"));
    let hosts: Vec<&str> = hosts.map(|header| header.value.as_str()).collect();
    match hosts.as_slice() {
        [host] => Ok(Some(host)),
        [] if *request.http_version() == HTTPVersion(1, 0) => Ok(None),
        _ => Err(refuse(400, "send exactly one Host header")),
    }
}

/// The time in `since=`, or 0: everything.
fn since(query: &str) -> Result<u64, Refusal> {
    let mut query = form_urlencoded::parse(query.as_bytes());
    let Some((_, since)) = query.find(|(name, _)| name == "since") else {
        return Ok(0);
    };
    since.parse().map_err(|_| {
        let advice = "since must be the `at` of a sample, in Unix milliseconds";
        refuse(400, advice)
    })
}

fn no_room(error: io::Error) -> Refusal {
    let message = format!("the threads can't be counted now: {error}; ask again");
    refuse(503, message).with("Retry-After", "5")
}

fn json_answer(value: Value) -> Answer {
    http::json(200, value.to_string())
}
