//! The teacher's desk: a second server on a port of its own that shows what the held connections cost.
//!
//! It is as plain as a server can be: one thread, one request after the other, each answered at once. Nothing
//! is held, so the desk still answers when every connection of the comet ports is taken. Its page polls.
//! It listens on loopback only.
//!
//! The server is `tiny_http`'s own. It is not the public door, because it spends two threads on a held
//! connection, stops accepting at the first error and can't tell that a client has left. Here every answer is
//! short, all clients are on this machine, and a server that has stopped accepting is replaced.
//!
//! Begin here, with [`desk_thread`] and the table in `find_answer`. Then:
//! - `stats.rs`: `/stats`, all counts in one answer
//! - [`history`]: `/history`, a sample per second of the last five minutes
//! - [`census`]: `/threads`, how many threads do what
//! - `page.rs`: the page and its files ([`www/desk/desk.js`](/desk/desk.js)), and `/ports`
//! - `usage.rs`: what the process uses, according to the kernel
//! - `workarounds.rs`: what it takes to rely on `tiny_http`'s server
//!
//! Chapter: [Why threads strain](../../../../docs/strain.md).

pub mod census;
pub mod history;
mod page;
mod stats;
mod usage;
mod workarounds;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tiny_http::{HTTPVersion, Method, Request};

use crate::door::listen::cannot_listen;
use crate::door::response::{self, Response};
use crate::door::shared::Shared;
use crate::door::{origin, reader};
use crate::failure::{Refusal, refuse};
use census::Census;
use history::History;
use stats::stats;
use workarounds::Requests;

/// The longest wait for a request: how soon the desk notices that it is stopped.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// The desk's listener, and its stop flag.
#[derive(Clone)]
pub struct Desk {
    pub address: SocketAddr,
    listener: Arc<TcpListener>,
    stopped: Arc<AtomicBool>,
}

impl Desk {
    /// Listens on `address`, which must be a loopback address.
    ///
    /// # Errors
    /// If the address is not on loopback, or listening fails; the message says what to do.
    pub fn open(address: SocketAddr) -> io::Result<Desk> {
        if !address.ip().is_loopback() {
            let message = format!(
                "the desk serves this machine only, so it can't listen on {address}: use --desk 127.0.0.1:8081 or --desk off"
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
}

/// What the desk records over time.
#[derive(Default)]
struct Notes {
    history: History,
    census: Census,
}

/// The desk's thread: waits for a request, answers it, and takes a sample whenever one is due.
pub fn desk_thread(desk: &Desk, shared: &Shared) {
    let mut requests = Requests::new(desk.listener.clone());
    let mut notes = Notes::default();
    while !desk.is_stopped() {
        notes.history.keep_up(shared);
        let timeout = notes.history.until_due().min(LONGEST_WAIT);
        if let Some(request) = requests.next_within(timeout) {
            answer(request, shared, &mut notes);
        }
    }
}

fn answer(request: Request, shared: &Shared, notes: &mut Notes) {
    match find_answer(&request, shared, notes) {
        Ok(answer) => workarounds::send(request, answer, Vec::new()),
        Err(refusal) => {
            let answer = response::refusal(&refusal);
            workarounds::send(request, answer, refusal.headers);
        }
    }
}

/// The desk's own table of routes.
fn find_answer(request: &Request, shared: &Shared, notes: &mut Notes) -> Result<Response, Refusal> {
    let (host, target) = reader::split_url(request.url());
    let name = origin::check_desk_host(host.or(host_header(request)?))?;
    if !matches!(request.method(), Method::Get | Method::Head) {
        return Err(refuse(405, "the desk takes GET only").with("Allow", "GET, HEAD"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/stats" => Ok(json_answer(stats(shared))),
        "/history" => Ok(json_answer(notes.history.after(since(query)?, shared))),
        "/threads" => Ok(json_answer(notes.census.json().map_err(cannot_count)?)),
        "/ports" => Ok(json_answer(page::ports(name, shared))),
        "/healthz" => Ok(response::whole(200, "text/plain", "ok\n")),
        _ => page::file(path, name, shared),
    }
}

/// The host and port in the request's `Host` header; `None` if an HTTP/1.0 request has no such header.
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

/// The time in `since=`. The default is 0: everything.
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

fn cannot_count(error: io::Error) -> Refusal {
    let message = format!("the threads can't be counted now: {error}; ask again");
    refuse(503, message).with("Retry-After", "5")
}

fn json_answer(value: Value) -> Response {
    response::json(200, value.to_string())
}
