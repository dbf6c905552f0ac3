//! The server itself: an accept loop a listener, one named thread per connection, a cap on how many
//! there may be, and a graceful end.
//!
//! Chapter: [Why threads strain](../../../../docs/strain.md).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use log::{debug, error, info, warn};
use socket2::{Domain, SockRef, Socket, Type};

use crate::connection::{Connection, Shared};
use crate::doorbell::{Doorbell, doorbell_thread};
use crate::failure::{Failure, refuse};
use crate::http::{self, Incoming};
use crate::hub::Hub;
use crate::meter::Meter;
use crate::routes::{self, ROUTES, Route};
use crate::settings::Settings;
use crate::{baseball, capacity, desk, policy_file};

/// How many connections may wait to be accepted. (The standard library asks for 128; of a burst of
/// thousands, most would then wait for their SYN to be sent again.)
const BACKLOG: i32 = 4096;
/// A thread's stack. Only the pages that are touched cost memory; the most are touched by JSON that is
/// nested as deep as serde_json lets it be, in a debug build.
const STACK: usize = 1 << 20;

/// How long the server's own threads may take to end, when it is to. (The desk's may be kept by a client, for
/// tiny_http knows no time-outs.)
const THREADS_PATIENCE: Duration = Duration::from_millis(400);

/// How long there must have been room before the log says again that there is none.
const A_WHILE: Duration = Duration::from_secs(60);

/// A running server. Dropping it leaves it running; [`Server::stop`] ends it.
pub struct Server {
    /// Where it listens; port 0 has become a real one.
    pub addresses: Vec<SocketAddr>,
    pub desk_address: Option<SocketAddr>,
    pub shared: Arc<Shared>,
    listeners: Vec<Arc<TcpListener>>,
    /// Dropped to end the ball game.
    game: Sender<()>,
    desk: Option<desk::Desk>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens the listeners and the desk, and starts all threads that aren't a connection's.
    ///
    /// # Errors
    /// When an address can't be listened on: the message names it and says what to do.
    pub fn start(settings: Settings) -> io::Result<Server> {
        Server::start_with(settings, &ROUTES)
    }

    /// The same, with another table of routes.
    pub fn start_with(settings: Settings, routes: &'static [Route]) -> io::Result<Server> {
        let listeners = settings
            .listen
            .iter()
            .map(|address| listen(*address).map(Arc::new));
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        let addresses = listeners.iter().map(|listener| listener.local_addr());
        let addresses = addresses.collect::<io::Result<Vec<_>>>()?;
        let desk = settings.desk.map(desk::Desk::open).transpose()?;
        let desk_address = desk.as_ref().map(|desk| desk.address);
        let shared = Arc::new(share(settings, routes, &addresses, desk_address)?);
        let (game, game_ends) = bounded(0);
        let mut server = Server {
            addresses,
            desk_address,
            shared,
            listeners,
            game,
            desk,
            threads: Vec::new(),
        };
        server.start_threads(routes, game_ends)?;
        Ok(server)
    }

    fn start_threads(
        &mut self,
        routes: &'static [Route],
        game_ends: Receiver<()>,
    ) -> io::Result<()> {
        let doorbell = self.shared.doorbell.clone();
        self.spawn("doorbell", move || doorbell_thread(&doorbell))?;
        let shared = self.shared.clone();
        self.spawn("baseball", move || {
            baseball::baseball_thread(&shared.hub, shared.settings.seed, &game_ends)
        })?;
        if let Some(desk) = self.desk.clone() {
            let shared = self.shared.clone();
            self.spawn("desk", move || desk::desk_thread(&desk, &shared))?;
        }
        let numbers = Arc::new(AtomicU64::new(1));
        for listener in self.listeners.clone() {
            let (shared, numbers) = (self.shared.clone(), numbers.clone());
            let name = format!("accept-{}", listener.local_addr()?.port());
            self.spawn(&name, move || {
                accept_loop(&listener, routes, &shared, &numbers)
            })?;
        }
        Ok(())
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = thread::Builder::new().name(name.to_string()).spawn(body)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Ends it well: no new connections, each held answer gets its proper end. Waits until the last
    /// connection is gone, for `patience` at most, and then a moment for the other threads. Answers how many
    /// connections were still there.
    pub fn stop(self, patience: Duration) -> usize {
        self.shared.closing.store(true, Ordering::SeqCst);
        for listener in &self.listeners {
            // On Linux this makes a blocked accept() return.
            let _ = SockRef::from(&**listener).shutdown(Shutdown::Both);
        }
        self.shared.doorbell.close();
        drop(self.game);
        if let Some(desk) = &self.desk {
            desk.stop();
        }
        let connections = &self.shared.meter.connections;
        wait_until(Instant::now() + patience, || {
            connections.load(Ordering::SeqCst) == 0
        });
        let left = connections.load(Ordering::SeqCst);
        self.shared.doorbell.stop();
        let deadline = Instant::now() + THREADS_PATIENCE;
        for thread in self.threads {
            wait_until(deadline, || thread.is_finished());
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
        left
    }
}

fn share(
    settings: Settings,
    routes: &[Route],
    addresses: &[SocketAddr],
    desk: Option<SocketAddr>,
) -> io::Result<Shared> {
    let room = capacity::measure();
    info!(
        "room for {} connections; what ends it first: {}",
        room.connections, room.set_by
    );
    let names: Vec<&'static str> = routes.iter().map(|route| route.name).collect();
    Ok(Shared {
        max_connections: settings.max_connections.unwrap_or(room.connections),
        capacity: room,
        settings,
        hub: Hub::default(),
        doorbell: Arc::new(Doorbell::new()?),
        meter: Meter::new(&names),
        ports: addresses.iter().map(SocketAddr::port).collect(),
        desk_port: desk.map(|address| address.port()),
        closing: AtomicBool::new(false),
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|error| cannot_listen("--listen", address, &error))
}

/// One clear line for an address that can't be had.
pub fn cannot_listen(option: &str, address: SocketAddr, error: &io::Error) -> io::Error {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => "is another comet running? stop it, or choose a port",
        ErrorKind::PermissionDenied => "ports below 1024 need root; choose one",
        _ => "choose an address of this machine",
    };
    let message = format!(
        "cannot listen on {address}: {error}; {advice} with {option} (port 0 picks a free one)"
    );
    io::Error::new(error.kind(), message)
}

/// Accepts for as long as the server runs. When there is no room for another connection (no descriptor
/// left, no thread), the log says so once, and it is tried again until there is. (Room for one more between
/// two failures is no end of the trouble: only when there was none for a while is it said again.)
fn accept_loop(
    listener: &TcpListener,
    routes: &'static [Route],
    shared: &Arc<Shared>,
    numbers: &AtomicU64,
) {
    let mut last_trouble: Option<Instant> = None;
    loop {
        let accepted = listener.accept();
        if shared.closing.load(Ordering::SeqCst) {
            return;
        }
        let admitted = match accepted {
            Ok((socket, _)) => {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                admit(socket, number, routes, shared)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                thread::sleep(Duration::from_millis(50)); // it would fail again at once
                Err(error)
            }
        };
        if let Err(error) = admitted {
            if last_trouble.is_none_or(|at| at.elapsed() > A_WHILE) {
                warn!("no room for another connection: {error}; trying again");
            }
            last_trouble = Some(Instant::now());
        }
    }
}

/// Counts a connection from when it is let in until its thread ends, however it ends.
struct Admission {
    shared: Arc<Shared>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.shared.meter.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Gives the connection its thread; or, when there is no room, an answer that says so.
///
/// # Errors
/// When the machine has no thread for it. (That all connections are taken is no error.)
fn admit(
    socket: TcpStream,
    number: u64,
    routes: &'static [Route],
    shared: &Arc<Shared>,
) -> io::Result<()> {
    let socket = Arc::new(socket);
    let before = shared.meter.connections.fetch_add(1, Ordering::SeqCst);
    let admission = Admission {
        shared: shared.clone(),
    };
    if before >= shared.max_connections {
        turn_away(&socket);
        return Ok(());
    }
    let (ours, theirs) = (socket.clone(), shared.clone());
    let thread = thread::Builder::new()
        .name(format!("conn-{number}"))
        .stack_size(STACK)
        .spawn(move || {
            let _admission = admission;
            accepted_connection(number, ours, theirs, routes);
        });
    if thread.is_err() {
        turn_away(&socket);
    }
    thread.map(|_| ())
}

/// Answers 503 without a thread and without waiting: a new socket takes these few bytes at once.
fn turn_away(socket: &TcpStream) {
    let refusal = refuse(
        503,
        "all connections are in use: try again in a few seconds",
    );
    let headers = [
        ("Retry-After", "5".to_string()),
        ("Connection", "close".to_string()),
    ];
    let bytes = http::print(http::refusal_answer(&refusal), &headers, false);
    let mut socket = socket;
    let _ = socket.set_nonblocking(true);
    let _ = socket.write_all(&bytes);
    let _ = socket.shutdown(Shutdown::Write);
    // What is left unread would reset the connection; but nobody keeps us reading.
    let _ = io::copy(&mut socket.take(http::MAX_HEAD as u64), &mut io::sink());
}

/// The whole life of one connection, and of its thread.
fn accepted_connection(number: u64, socket: Arc<TcpStream>, shared: Arc<Shared>, routes: &[Route]) {
    let mut conn = match Connection::new(number, socket, shared) {
        Ok(conn) => conn,
        Err(error) => return debug!("connection {number} was gone at once: {error}"),
    };
    if let Err(error) = answer_requests(&mut conn, routes) {
        debug!("connection {number} ended: {error}");
    }
    conn.linger();
}

/// Answers one request after the other, until one of both sides has had enough.
fn answer_requests(conn: &mut Connection, routes: &[Route]) -> io::Result<()> {
    while conn.stays_open() {
        // By reference, so that a request, which may be held for long, is on the stack only once.
        match &conn.next_request() {
            Ok(Incoming::Request(request)) => routes::answer(routes, request, conn)?,
            Ok(Incoming::PolicyFile) => return policy_file::answer(conn),
            Ok(Incoming::EmptyLine) => {}
            Ok(Incoming::Nothing) => return Ok(()),
            Err(Failure::Refused(refusal)) => return conn.refuse_unread(refusal),
            Err(Failure::Lost(error)) => return Err(error.kind().into()),
        }
    }
    Ok(())
}

fn wait_until(deadline: Instant, is_over: impl Fn() -> bool) {
    while !is_over() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Has every panic logged, with the name that its thread had at that moment.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let name = nix::sys::prctl::get_name().unwrap_or_default();
        error!("thread {} ended: {panic}", name.to_string_lossy());
    }));
}
