//! What a technique holds: the connection's socket, `wait()`, and the ways to write.
//!
//! Chapter: [Why threads strain](../../../../docs/strain.md).

use std::ffi::CString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::socket::{MsgFlags, recv};
use socket2::SockRef;
use tiny_http::{HTTPVersion, Method};

use crate::capacity::Capacity;
use crate::doorbell::{Doorbell, Signal, Watch};
use crate::event::News;
use crate::failure::{Failure, Refusal};
use crate::http::{self, Answer, Incoming, Request};
use crate::hub::{Hub, Seat};
use crate::meter::{Count, Held, Meter, add};
use crate::settings::Settings;

/// What every thread of the server shares.
pub struct Shared {
    pub settings: Settings,
    pub hub: Hub,
    pub doorbell: Arc<Doorbell>,
    pub meter: Meter,
    /// The ports we listen on, in the order they were given.
    pub ports: Vec<u16>,
    pub desk_port: Option<u16>,
    /// How many connections there may be.
    pub max_connections: usize,
    /// What the machine has room for.
    pub capacity: Capacity,
    /// Set when the server is ending.
    pub closing: AtomicBool,
}

/// Why [`Connection::wait`] returned.
#[derive(Debug)]
pub enum Wake {
    /// Something new in the topic.
    News(News),
    /// The time that was asked for is over.
    Tick,
    /// The client sent something. On HTTP that is its next request, which waits its turn.
    Bytes,
    /// The client is gone.
    HungUp,
    /// The server is ending: finish properly.
    Closing,
}

/// One client's connection, and what is known about the request it is busy with.
pub struct Connection {
    /// Counts up with every connection; the thread bears it in its name.
    pub number: u64,
    pub shared: Arc<Shared>,
    socket: Arc<TcpStream>,
    /// Read from the socket, but not yet used.
    inbox: Vec<u8>,
    /// Set while the thread sleeps, or may.
    watch: Option<Watch>,
    held: Option<Held>,
    /// When the next request must have begun. An empty line before it buys no time.
    idle_until: Instant,
    count: Arc<Count>,
    /// The origin that may read the answer (`Access-Control-Allow-Origin`).
    pub reader_origin: Option<String>,
    chunked: bool,
    head_only: bool,
    keep_alive: bool,
    /// Has this request's answer begun?
    answering: bool,
    /// How long the body of a streamed answer is by now, without the chunks' framing.
    pub body_bytes: usize,
}

/// How much of what comes while a request is held is kept: one whole request. Whoever sends more than
/// that without waiting for the answer is let go: not to read on would be not to hear it hang up, either.
const MAX_INBOX: usize = http::MAX_HEAD + http::MAX_BODY;

impl Connection {
    /// A connection just accepted: no waiting for full packets (`TCP_NODELAY`), a limit on writes
    /// without progress, and one on data that the other side doesn't acknowledge.
    pub fn new(number: u64, socket: Arc<TcpStream>, shared: Arc<Shared>) -> io::Result<Connection> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(shared.settings.limits.write))?;
        // The kernel counts milliseconds, and takes no more of them than this: 24 days.
        let unacknowledged = shared.settings.limits.write.saturating_mul(3);
        let unacknowledged = unacknowledged.min(Duration::from_millis(i32::MAX as u64));
        SockRef::from(&*socket).set_tcp_user_timeout(Some(unacknowledged))?;
        Ok(Connection {
            number,
            idle_until: Instant::now() + shared.settings.limits.idle,
            count: shared.meter.counts[0].clone(),
            shared,
            socket,
            inbox: Vec::new(),
            watch: None,
            held: None,
            reader_origin: None,
            chunked: false,
            head_only: false,
            keep_alive: true,
            answering: false,
            body_bytes: 0,
        })
    }

    /// The port that the client came in by.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// Who is at the other end, for the log.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()
    }

    /// Names this thread for what it does now, such as `long-poll-12`. The kernel keeps 15 bytes.
    pub fn rename(&self, role: &str) {
        if let Ok(name) = CString::new(format!("{role}-{}", self.number)) {
            let _ = nix::sys::prctl::set_name(&name);
        }
    }

    // --- requests ---

    /// Sleeps until the next request begins, then reads it.
    pub fn next_request(&mut self) -> Result<Incoming, Failure> {
        if !self.request_begins()? {
            return Ok(Incoming::Nothing);
        }
        http::read_request(&self.socket, &mut self.inbox, &self.shared.settings.limits)
    }

    /// Waits for a request's first byte. `false`: none will come.
    fn request_begins(&mut self) -> io::Result<bool> {
        let left = self.idle_until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        if !self.inbox.is_empty() || self.read_what_came()? {
            return Ok(true);
        }
        self.rename("idle");
        self.sleep_at_most(left)?;
        let wake = self.wait(&mut Seat::nowhere());
        self.watch = None;
        match wake {
            Wake::Bytes => Ok(true),
            Wake::Closing => self.read_what_came(), // it may have come just before the end
            _ => Ok(false),
        }
    }

    /// Takes note of what this request asks of its answer.
    pub fn begin(&mut self, request: &Request, count: &Arc<Count>) {
        self.count = count.clone();
        self.chunked = request.version == HTTPVersion(1, 1);
        self.head_only = request.method == Method::Head;
        self.keep_alive = request.keep_alive();
        self.answering = false;
        add(&count.requests, 1);
        add(&count.bytes_in, request.head_bytes + request.body.len());
    }

    /// The technique is done with this request: the thread no longer sleeps in its name.
    pub fn release(&mut self) {
        self.watch = None;
        self.held = None;
        self.idle_until = Instant::now() + self.shared.settings.limits.idle;
    }

    /// May another request follow on this connection?
    pub fn stays_open(&self) -> bool {
        self.keep_alive && !self.is_closing()
    }

    /// Is the server ending?
    pub fn is_closing(&self) -> bool {
        self.shared.closing.load(Ordering::Relaxed)
    }

    /// Has the answer to this request begun? Then it is too late to refuse it.
    pub fn is_answering(&self) -> bool {
        self.answering
    }

    // --- sleeping ---

    /// From here on the connection is held: counted so, its thread named for it, and its socket
    /// watched by the doorbell, which also ticks `every` so often.
    pub fn hold(&mut self, role: &str, every: Duration) -> io::Result<()> {
        self.rename(role);
        self.held = Some(Held::new(&self.count));
        self.sleep_at_most(every)
    }

    fn sleep_at_most(&mut self, every: Duration) -> io::Result<()> {
        let watch = self.shared.doorbell.watch(&self.socket, every)?;
        self.watch = Some(watch);
        Ok(())
    }

    /// The thread sleeps here, until there is news in the topic or the doorbell rings.
    ///
    /// # Panics
    /// If the connection is not held: a technique calls [`Connection::hold`] first.
    pub fn wait(&mut self, seat: &mut Seat) -> Wake {
        let watch = self.watch.take().expect("hold() comes before wait()");
        let wake = self.wait_watched(seat, &watch);
        self.watch = Some(watch);
        wake
    }

    fn wait_watched(&mut self, seat: &mut Seat, watch: &Watch) -> Wake {
        loop {
            if let Some(signal) = watch.signal() {
                match self.woken_by(signal, watch) {
                    Some(wake) => return wake,
                    None => continue,
                }
            }
            let news = self.take_news(seat);
            if !news.is_empty() {
                return Wake::News(news);
            }
            thread::park(); // until the hub or the doorbell has left something, and unparks this thread
            seat.gather();
        }
    }

    /// What has come by now, without waiting; counted as delivered.
    pub fn take_news(&self, seat: &mut Seat) -> News {
        self.delivered(seat.news())
    }

    /// Counts the events of an answer.
    pub fn delivered(&self, news: News) -> News {
        add(&self.count.events, news.events.len());
        news
    }

    fn woken_by(&mut self, signal: Signal, watch: &Watch) -> Option<Wake> {
        match signal {
            Signal::Tick => Some(Wake::Tick),
            Signal::Closing => Some(Wake::Closing),
            Signal::Readable => self.look_at_socket(watch),
        }
    }

    /// The socket has something: bytes, which are kept for later; or its end; or, after a false
    /// alarm, nothing.
    fn look_at_socket(&mut self, watch: &Watch) -> Option<Wake> {
        let bytes = self.read_what_came();
        let asked = watch.ask_again();
        match (bytes, asked) {
            (Ok(true), Ok(())) if self.inbox.len() <= MAX_INBOX => Some(Wake::Bytes),
            (Ok(false), Ok(())) => None,
            _ => {
                self.keep_alive = false; // the answer is cut short: no other may follow it
                Some(Wake::HungUp)
            }
        }
    }

    /// Moves what has already come into the inbox, without waiting. `false`: nothing had.
    /// An end of file is an error of kind `UnexpectedEof`: the client hung up.
    fn read_what_came(&mut self) -> io::Result<bool> {
        let socket = self.socket.as_raw_fd();
        match http::append(&mut self.inbox, |room| read_now(socket, room)) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if http::is_try_again(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn take_from_inbox(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.inbox.len());
        buffer[..count].copy_from_slice(&self.inbox[..count]);
        self.inbox.drain(..count);
        count
    }

    // --- writing ---

    /// Answers a request that could not be read: what else comes would be anybody's guess.
    pub fn refuse_unread(&mut self, refusal: &Refusal) -> io::Result<()> {
        self.keep_alive = false;
        self.head_only = self.inbox.starts_with(b"HEAD ");
        self.reader_origin = None;
        self.refuse(refusal)
    }

    /// Says no, and why.
    pub fn refuse(&mut self, refusal: &Refusal) -> io::Result<()> {
        self.send_whole(http::refusal_answer(refusal), refusal.headers.clone())
    }

    /// Sends an ordinary answer, whole.
    pub fn respond(&mut self, answer: Answer) -> io::Result<()> {
        self.send_whole(answer, Vec::new())
    }

    fn send_whole(&mut self, answer: Answer, more: Vec<(&'static str, String)>) -> io::Result<()> {
        self.answering = true;
        let more = [more, self.common_headers()].concat();
        let bytes = http::print(answer, &more, self.head_only);
        self.write_all(&bytes)
    }

    /// Begins an answer that is written bit by bit: sends the head, so that the client knows at
    /// once that it is being served. HTTP/1.0 knows no chunks: its answer ends with the connection.
    pub fn start(&mut self, content_type: &str, more: &[(&'static str, String)]) -> io::Result<()> {
        self.answering = true;
        self.body_bytes = 0;
        let date = httpdate::fmt_http_date(SystemTime::now());
        let mut head = format!(
            "HTTP/1.1 200 OK\r\nDate: {date}\r\nServer: comet\r\nContent-Type: {content_type}\r\n\
             Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\n\
             X-Content-Type-Options: nosniff\r\n"
        );
        head += &http::header_lines(more);
        head += &http::header_lines(&self.common_headers());
        if self.chunked {
            head += "Transfer-Encoding: chunked\r\n";
        }
        head += "\r\n";
        self.write_all(head.as_bytes())
    }

    /// Agrees to speak another protocol on this connection from here on (101).
    pub fn switch_protocols(&mut self, headers: &[(&'static str, String)]) -> io::Result<()> {
        self.answering = true;
        self.keep_alive = false;
        let lines = http::header_lines(headers);
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nServer: comet\r\nConnection: Upgrade\r\n{lines}\r\n"
        );
        self.write_all(head.as_bytes())
    }

    /// Who may read the answer, and whether the connection ends with it.
    fn common_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Some(origin) = &self.reader_origin {
            headers.push(("Access-Control-Allow-Origin", origin.clone()));
            headers.push(("Vary", "Origin".to_string()));
        }
        if !self.stays_open() {
            headers.push(("Connection", "close".to_string()));
        }
        headers
    }

    /// Sends one chunk: its size in hexadecimal, CR LF, the bytes, CR LF, all in one write
    /// (RFC 9112 section 7.1). An empty chunk would mean the end, so nothing is sent for it.
    pub fn chunk(&mut self, body: &[u8]) -> io::Result<()> {
        if body.is_empty() {
            return Ok(());
        }
        self.body_bytes += body.len();
        if !self.chunked {
            return self.write_all(body);
        }
        let mut bytes = format!("{:x}\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(b"\r\n");
        self.write_all(&bytes)
    }

    /// Ends an answer begun with [`Connection::start`]: the last chunk is the empty one.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.chunked {
            true => self.write_all(b"0\r\n\r\n"),
            false => Ok(()),
        }
    }

    /// Ends the connection so that what was written still arrives: says that no more will come, and
    /// reads what the client was still sending, for a second at most. (Closing a socket that has
    /// unread bytes resets the connection, and a reset may overtake the answer.)
    pub fn linger(&mut self) {
        self.watch = None;
        let _ = self.socket.shutdown(Shutdown::Write);
        let _ = self
            .socket
            .set_read_timeout(Some(Duration::from_millis(250)));
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut buffer = vec![0; 4096];
        while Instant::now() < deadline {
            match (&*self.socket).read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if http::is_try_again(&error) => {}
                Err(_) => return,
            }
        }
    }
}

/// Reads from a socket that blocks, but this once without blocking.
fn read_now(socket: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket, buffer, MsgFlags::MSG_DONTWAIT)?)
}

/// Reads what has come, and says `WouldBlock` when nothing has: this is how tungstenite reads.
impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.inbox.is_empty() {
            true => read_now(self.socket.as_raw_fd(), buffer)?,
            false => self.take_from_inbox(buffer),
        };
        add(&self.count.bytes_in, count);
        Ok(count)
    }
}

/// Waits until the socket takes some of it; a client that takes nothing for the write limit is given
/// up. EINTR, a debugger's stop, is no error: the write is tried again.
impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match (&*self.socket).write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The write limit is over. (tungstenite would take `WouldBlock` for "later".)
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(ErrorKind::TimedOut.into());
                }
                Err(error) => return Err(error),
                Ok(count) => {
                    add(&self.count.bytes_out, count);
                    add(&self.count.writes, 1);
                    return Ok(count);
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
