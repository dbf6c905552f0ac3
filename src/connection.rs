//! One client's connection, and one request's exchange on it: `wait()`, and the ways to write.
//!
//! Chapter: [Why threads strain](../../../../docs/strain.md).

use std::ffi::CString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{never, select_biased};
use tiny_http::HTTPVersion;

use crate::door::metrics::{RouteMetrics, add};
use crate::door::shared::Shared;
use crate::door::{origin, policy_file, reader, socket};
use crate::doorbell::Watch;
use crate::event::News;
use crate::failure::{Failure, Refusal};
use crate::hub::Subscription;
use crate::request::Request;

/// Why [`Exchange::wait`] returned.
#[derive(Debug)]
pub enum Wake {
    /// Something new in the topic.
    News(News),
    /// The time that was asked for is over.
    Tick,
    /// The client is gone.
    HungUp,
    /// The server is ending, or the answer has reached its limit: finish properly.
    Closing,
}

/// One client's connection. It is counted from accept to drop, however its thread ends.
pub struct Connection {
    /// Grows with each connection; the thread's name ends with it.
    pub number: u64,
    pub shared: Arc<Shared>,
    pub(crate) socket: Arc<TcpStream>,
    /// Read from the socket, but not yet used.
    pub(crate) inbox: Vec<u8>,
    /// True if another request may follow.
    pub(crate) keep_alive: bool,
    /// When the next request must have begun. Blank lines don't extend it.
    idle_until: Instant,
    /// What the thread is named after.
    role: &'static str,
}

/// How much early input a connection keeps: one whole request. A client that pipelines more is disconnected: unread
/// input would hide its hang-up.
const MAX_INBOX: usize = reader::MAX_HEAD + reader::MAX_BODY;

/// How long a thread waits in `read` for the next request before it sleeps at the doorbell. A busy client asks again
/// at once, and the way to the doorbell and back costs more than the answer.
pub const MOMENT: Duration = Duration::from_millis(50);

impl Connection {
    /// A connection just accepted, and counted.
    pub fn new(socket: Arc<TcpStream>, shared: Arc<Shared>) -> Connection {
        Connection {
            number: 1 + shared.last_number.fetch_add(1, Ordering::Relaxed),
            idle_until: Instant::now() + shared.settings.limits.idle,
            shared,
            socket,
            inbox: Vec::new(),
            keep_alive: true,
            role: "conn",
        }
    }

    /// Names this thread for what it does now, such as `long-poll-12`. The kernel keeps 15 bytes.
    pub fn rename(&mut self, role: &'static str) {
        if role == self.role {
            return;
        }
        self.role = role;
        if let Ok(name) = CString::new(format!("{role}-{}", self.number)) {
            let _ = nix::sys::prctl::set_name(&name);
        }
    }

    /// True if another request may follow on this connection.
    pub fn stays_open(&self) -> bool {
        self.keep_alive && !self.is_closing()
    }

    /// True if the server is ending.
    pub fn is_closing(&self) -> bool {
        self.shared.closing.load(Ordering::Relaxed)
    }

    /// Waits until the next request begins, then reads it. `None`: none will come.
    #[inline(never)] // or a held thread would keep its locals on the stack
    pub fn next_request(&mut self) -> Result<Option<Request>, Failure> {
        if !self.request_begins()? {
            return Ok(None);
        }
        let limit = self.shared.settings.limits.request;
        let request = reader::read_request(&self.socket, &mut self.inbox, limit)?;
        if request.is_none() && self.inbox.starts_with(policy_file::REQUEST) {
            self.rename("policy-file");
            let port = self.socket.local_addr()?.port();
            (&*self.socket).write_all(&policy_file::policy(port))?;
        }
        Ok(request)
    }

    /// Waits for a request's first byte. `false`: none will come.
    fn request_begins(&mut self) -> io::Result<bool> {
        while !reader::has_begun(&mut self.inbox) {
            let left = self.idle_until.saturating_duration_since(Instant::now());
            let has_come = !left.is_zero()
                && (socket::read(&self.socket, &mut self.inbox)? || self.sleep_until_read(left)?);
            if !has_come {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sleeps at the doorbell until something has come. `false`: nothing will.
    fn sleep_until_read(&mut self, left: Duration) -> io::Result<bool> {
        self.rename("idle");
        let mut watch = self.shared.doorbell.watch(&self.socket, left)?;
        match self.sleep(&mut watch, None) {
            None => Ok(true),
            // A request may have arrived just before the end.
            Some(Wake::Closing) => socket::read_now(&self.socket, &mut self.inbox),
            Some(_) => Ok(false),
        }
    }

    /// The one place where an idle or held connection's thread sleeps: a `select!` over two receivers, its topic's
    /// token and the doorbell's. `None`: the client has sent something.
    fn sleep(
        &mut self,
        watch: &mut Watch,
        mut subscription: Option<&mut Subscription>,
    ) -> Option<Wake> {
        self.inbox.shrink_to_fit(); // it may be a long sleep
        let no_topic = never();
        loop {
            if self.is_closing() {
                return Some(Wake::Closing);
            }
            if watch.is_overdue() {
                return Some(Wake::Tick);
            }
            let topic = subscription.as_ref().map_or(&no_topic, |some| &some.token);
            let is_news = select_biased! {
                recv(watch.token) -> _ => false,
                recv(topic) -> _ => true,
            };
            if let (true, Some(subscription)) = (is_news, &mut subscription) {
                let news = subscription.gather();
                if !news.is_empty() {
                    return Some(Wake::News(news));
                }
            } else {
                match self.look_at_socket(watch) {
                    Ok(true) => return None,
                    Ok(false) => {} // it was the clock, or a false alarm
                    Err(_) => return Some(Wake::HungUp),
                }
            }
        }
    }

    /// Keeps what the client has sent for later. `false`: nothing has come.
    #[inline(never)]
    fn look_at_socket(&mut self, watch: &Watch) -> io::Result<bool> {
        let read = socket::read_now(&self.socket, &mut self.inbox);
        let rearmed = watch.rearm();
        if read.is_err() || rearmed.is_err() || self.inbox.len() > MAX_INBOX {
            self.keep_alive = false; // the answer is cut short: no other may follow it
            return Err(ErrorKind::ConnectionAborted.into());
        }
        read
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let connections = &self.shared.metrics.connections;
        connections.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One request and its answer, on the way. Dropping it leaves the connection ready for the next request.
pub struct Exchange<'c> {
    pub conn: &'c mut Connection,
    pub(crate) request: &'c Request,
    metrics: Arc<RouteMetrics>,
    /// The requesting page's origin, if any. For a foreign page: the refusal, for routes that only our own pages may
    /// use.
    pub origin: Result<Option<String>, Refusal>,
    /// True if the answer has begun: then it is too late to refuse the request.
    pub(crate) is_answering: bool,
    /// Length of a streamed body so far, without the chunks' framing.
    body_bytes: usize,
    /// A streamed body ends at this length (`limit=BYTES`), but never before its first message.
    pub(crate) limit: usize,
    has_told: bool,
    /// Set while the connection is held.
    watch: Option<Watch>,
}

impl<'c> Exchange<'c> {
    /// Begins a request's exchange, and counts the request.
    pub fn new(
        conn: &'c mut Connection,
        request: &'c Request,
        metrics: &Arc<RouteMetrics>,
    ) -> Exchange<'c> {
        add(&metrics.requests, 1);
        add(&metrics.bytes_in, request.head_bytes + request.body.len());
        conn.keep_alive = request.keep_alive();
        Exchange {
            origin: origin::of(request, &conn.shared),
            conn,
            request,
            metrics: metrics.clone(),
            is_answering: false,
            body_bytes: 0,
            limit: usize::MAX,
            has_told: false,
            watch: None,
        }
    }

    /// What every thread of the server shares.
    pub fn shared(&self) -> &Shared {
        &self.conn.shared
    }

    /// Holds the connection from here on: it is counted as held, its thread is named for it, and the doorbell watches
    /// its socket, and ticks each time that `every` is over.
    pub fn hold(&mut self, role: &'static str, every: Duration) -> io::Result<()> {
        self.conn.rename(role);
        let watch = self.conn.shared.doorbell.watch(&self.conn.socket, every)?;
        self.watch = Some(watch);
        self.metrics.held.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The thread sleeps here, until something has happened that a technique cares about. Early bytes of the next
    /// request wait in the inbox.
    pub fn wait(&mut self, subscription: &mut Subscription) -> Wake {
        if self.has_told && self.body_bytes >= self.limit {
            return Wake::Closing;
        }
        loop {
            if let Some(wake) = self.wait_or_hear(Some(subscription)) {
                return wake;
            }
        }
    }

    /// As [`Exchange::wait`], for a technique that also reads. `None`: the client has sent something.
    ///
    /// # Panics
    /// If the connection is not held: a technique calls [`Exchange::hold`] first.
    pub fn wait_or_hear(&mut self, subscription: Option<&mut Subscription>) -> Option<Wake> {
        let watch = self.watch.as_mut().expect("hold() comes before wait()");
        let wake = self.conn.sleep(watch, subscription);
        if let Some(Wake::News(news)) = &wake {
            self.count_told(news);
        }
        wake
    }

    /// Returns the news so far, without waiting.
    pub fn news(&mut self, subscription: &mut Subscription) -> News {
        let news = subscription.news();
        self.count_told(&news);
        news
    }

    /// Counts the events that an answer brings.
    pub fn count_told(&mut self, news: &News) {
        self.has_told |= !news.is_empty();
        add(&self.metrics.events, news.events.len());
    }

    /// HTTP/1.0 knows no chunks: there a streamed answer ends with the connection.
    pub(crate) fn is_chunked(&self) -> bool {
        self.request.version == HTTPVersion(1, 1)
    }

    /// Sends one chunk: its size in hexadecimal, CR LF, the bytes, CR LF, all in one write (RFC 9112 section 7.1). An
    /// empty chunk would mean the end, so nothing is sent for it.
    pub fn chunk(&mut self, body: &[u8]) -> io::Result<()> {
        if body.is_empty() {
            return Ok(());
        }
        self.body_bytes += body.len();
        if !self.is_chunked() {
            return self.write_all(body);
        }
        let mut bytes = format!("{:x}\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(b"\r\n");
        self.write_all(&bytes)
    }

    /// Ends an answer begun with [`Exchange::start`]: the last chunk is the empty one.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.is_chunked() {
            true => self.write_all(b"0\r\n\r\n"),
            false => Ok(()),
        }
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if self.watch.is_some() {
            self.metrics.held.fetch_sub(1, Ordering::Relaxed);
        }
        self.conn.idle_until = Instant::now() + self.conn.shared.settings.limits.idle;
    }
}

/// Reads what has come, and says `WouldBlock` when nothing has: this is how tungstenite reads.
impl Read for Exchange<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let inbox = &mut self.conn.inbox;
        let count = match inbox.is_empty() {
            true => socket::receive(&self.conn.socket, buffer)?,
            false => inbox.as_slice().read(buffer)?,
        };
        inbox.drain(..count.min(inbox.len()));
        add(&self.metrics.bytes_in, count);
        Ok(count)
    }
}

/// Waits until the socket takes some of it. A client that takes nothing within the write limit is disconnected.
impl Write for Exchange<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = socket::write(&self.conn.socket, bytes)?;
        add(&self.metrics.bytes_out, count);
        add(&self.metrics.writes, 1);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
