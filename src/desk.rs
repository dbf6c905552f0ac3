//! The teacher's desk: a second, sequential server on a port of its own, `tiny_http` at its plainest.
//!
//! Nothing is ever held here, so it goes on answering when every connection of the comet ports is
//! taken. It listens on loopback only.
//!
//! Why `tiny_http` serves here and not at the public door: it spends two threads on a held
//! connection, ends its accept loop at the first error, and can't tell that a client has left. None
//! of that matters where every answer is short.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use log::{debug, warn};
use nix::sys::resource::{UsageWho, getrusage};
use procfs::process::Process;
use serde_json::{Map, Value, json};
use tiny_http::{Method, Request};

use crate::connection::Shared;
use crate::http::{self, Answer, make_header};
use crate::meter::Count;
use crate::origin;
use crate::server::cannot_listen;

/// How often the desk looks whether it is to end.
const LOOK: Duration = Duration::from_millis(200);

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

    /// A tiny_http server on our listener. Its own threads have no names of their own: they inherit
    /// that of the thread which makes it.
    fn serve(&self) -> io::Result<tiny_http::Server> {
        let listener = self.listener.try_clone()?;
        tiny_http::Server::from_listener(listener, None).map_err(io::Error::other)
    }
}

/// The desk's own thread. A `tiny_http::Server` ends at the first `accept` that fails (no descriptors
/// left, say); then a new one takes its place.
pub fn desk_thread(desk: &Desk, shared: &Shared) {
    let mut in_trouble = false;
    while !desk.is_stopped() {
        if let Ok(server) = desk.serve() {
            answer_requests(&server, desk, shared);
        }
        if !desk.is_stopped() {
            if !in_trouble {
                warn!("the desk cannot accept; waiting for room");
            }
            in_trouble = true;
            thread::sleep(LOOK);
        }
    }
}

/// One request after the other, each answered at once, until the desk or its server ends.
fn answer_requests(server: &tiny_http::Server, desk: &Desk, shared: &Shared) {
    while !desk.is_stopped() {
        match server.recv_timeout(LOOK) {
            Ok(Some(request)) => answer(request, shared),
            Ok(None) => {}
            Err(_) => return,
        }
    }
}

fn answer(request: Request, shared: &Shared) {
    if request.body_length() > Some(http::MAX_BODY) {
        // Dropped, this request would make tiny_http allocate as many bytes as it claims to have.
        std::mem::forget(request);
        return;
    }
    let path = request.url().split('?').next().unwrap_or_default();
    let answer = match (request.method(), path) {
        _ if !is_sent_to_us(&request, shared) => error(421, "use the desk's own address"),
        (Method::Get | Method::Head, "/stats") => http::json(200, stats(shared).to_string()),
        (Method::Get | Method::Head, "/healthz") => http::answer(200, "text/plain", "ok\n"),
        (Method::Get | Method::Head, "/") => {
            http::answer(302, "text/plain", "").with_header(make_header("Location", "/stats"))
        }
        (Method::Get | Method::Head, _) => error(404, "the desk has /stats and /healthz"),
        _ => error(405, "the desk takes GET only").with_header(make_header("Allow", "GET, HEAD")),
    };
    if let Err(error) = request.respond(answer) {
        debug!("the desk could not answer: {error}");
    }
}

/// A page that had its own name point here could otherwise read what the desk counts.
fn is_sent_to_us(request: &Request, shared: &Shared) -> bool {
    let headers = request.headers().iter();
    let mut hosts = headers.filter(|header| header.field.equiv("Host"));
    let host = hosts.next().map(|header| header.value.as_str());
    origin::check_host(host, &shared.settings.allow_origins).is_ok()
}

fn error(status: u16, message: &str) -> Answer {
    http::json(status, json!({ "error": message }).to_string())
}

/// All that is counted, as `/stats` shows it.
pub fn stats(shared: &Shared) -> Value {
    let meter = &shared.meter;
    let status = Process::myself().and_then(|me| me.status()).ok();
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
    json!({
        "uptime_s": meter.started.elapsed().as_secs(),
        "threads": status.as_ref().map(|status| status.threads),
        "rss_bytes": status.as_ref().and_then(|status| status.vmrss).map(|kib| kib * 1024),
        "open_files": Process::myself().and_then(|me| me.fd_count()).ok(),
        "context_switches": usage.map(|usage| usage.voluntary_context_switches() + usage.involuntary_context_switches()),
        "limits": {
            "connections": shared.max_connections,
            "open_files": shared.capacity.open_files,
            "threads": shared.capacity.threads,
        },
        "connections": meter.connections.load(Ordering::SeqCst),
        "held": meter.held(),
        "techniques": techniques(&meter.counts),
    })
}

fn techniques(counts: &[Arc<Count>]) -> Map<String, Value> {
    let rows = counts
        .iter()
        .map(|count| (count.name.to_string(), technique(count)));
    rows.collect()
}

fn technique(count: &Count) -> Value {
    json!({
        "held": count.held.load(Ordering::Relaxed),
        "requests": count.requests.load(Ordering::Relaxed),
        "events": count.events.load(Ordering::Relaxed),
        "bytes_in": count.bytes_in.load(Ordering::Relaxed),
        "bytes_out": count.bytes_out.load(Ordering::Relaxed),
        "writes": count.writes.load(Ordering::Relaxed),
    })
}
