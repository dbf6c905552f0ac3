//! The server itself: an accept loop a listener, one named thread per connection, a cap on how many there may be, and
//! a graceful end.
//!
//! Chapter: [Why threads strain](../../../../docs/strain.md).

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use log::{debug, info, warn};

use crate::baseball::baseball_thread;
use crate::connection::{Connection, Shared};
use crate::desk::{Desk, desk_thread};
use crate::door::listen::{listen, stop_accepting, turn_away};
use crate::door::metrics::Metrics;
use crate::door::room;
use crate::door::settings::Settings;
use crate::doorbell::{Doorbell, doorbell_thread};
use crate::failure::Failure;
use crate::hub::Hub;
use crate::routes::{self, ROUTES, Route};

/// A thread's stack. Only the pages that are touched cost memory. JSON that is nested as deep as serde_json allows
/// touches the most, in a debug build.
const STACK: usize = 1 << 20;

/// How long the server's own threads may take to end. (The desk's may be kept by a client: tiny_http has no time-outs.)
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
    desk: Option<Desk>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Opens the listeners and the desk, and starts all threads that aren't a connection's.
    ///
    /// # Errors
    /// When an address can't be had: the message names it and says what to do.
    pub fn start(settings: Settings) -> io::Result<Server> {
        Server::start_with(settings, &ROUTES)
    }

    /// The same, with another table of routes.
    pub fn start_with(settings: Settings, routes: &'static [Route]) -> io::Result<Server> {
        let listeners = settings.listen.iter().map(|address| listen(*address));
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        let addresses = listeners.iter().map(TcpListener::local_addr);
        let addresses = addresses.collect::<io::Result<Vec<_>>>()?;
        let desk = settings.desk.map(Desk::open).transpose()?;
        let desk_address = desk.as_ref().map(|desk| desk.address);
        let shared = Arc::new(share(settings, routes, &addresses, desk_address)?);
        let (game, game_ends) = bounded(0);
        let mut server = Server {
            addresses,
            desk_address,
            shared,
            listeners: listeners.into_iter().map(Arc::new).collect(),
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
            baseball_thread(&shared.hub, shared.settings.seed, &game_ends)
        })?;
        if let Some(desk) = self.desk.clone() {
            let shared = self.shared.clone();
            self.spawn("desk", move || desk_thread(&desk, &shared))?;
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

    /// Ends it well: no new connections, and each held answer gets its proper end. Waits for the last connection to
    /// end, for `patience` at most, and then a moment for the other threads. Returns how many connections were left.
    pub fn stop(self, patience: Duration) -> usize {
        self.shared.closing.store(true, Ordering::SeqCst);
        for listener in &self.listeners {
            stop_accepting(listener);
        }
        self.shared.doorbell.wake_all();
        drop(self.game);
        if let Some(desk) = &self.desk {
            desk.stop();
        }
        let connections = &self.shared.metrics.connections;
        wait_until(Instant::now() + patience, || {
            connections.load(Ordering::SeqCst) == 0
        });
        let left = connections.load(Ordering::SeqCst);
        self.shared.doorbell.stop();
        let deadline = Instant::now() + THREADS_PATIENCE;
        for thread in self.threads {
            wait_until(deadline, || thread.is_finished());
        }
        left
    }
}

fn wait_until(deadline: Instant, is_over: impl Fn() -> bool) {
    while !is_over() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}

fn share(
    settings: Settings,
    routes: &[Route],
    addresses: &[SocketAddr],
    desk: Option<SocketAddr>,
) -> io::Result<Shared> {
    let room = room::measure();
    info!(
        "room for {} connections; what ends it first: {}",
        room.connections, room.set_by
    );
    let names: Vec<&'static str> = routes.iter().map(|route| route.name).collect();
    Ok(Shared {
        max_connections: settings.max_connections.unwrap_or(room.connections),
        room,
        settings,
        hub: Hub::default(),
        doorbell: Arc::new(Doorbell::new()?),
        metrics: Metrics::new(&names),
        ports: addresses.iter().map(SocketAddr::port).collect(),
        desk_port: desk.map(|address| address.port()),
        closing: AtomicBool::new(false),
    })
}

/// Accepts for as long as the server runs. Without room for another connection (no descriptor, no thread) the log
/// says so once, and the loop tries again until there is. (Room for one more between two failures doesn't end the
/// trouble: only after a while with room does the log say it again.)
fn accept_loop(
    listener: &TcpListener,
    routes: &'static [Route],
    shared: &Arc<Shared>,
    numbers: &AtomicU64,
) {
    room::wake_without_preempting();
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

/// Gives the connection its thread; or, without room, an answer that says so.
///
/// # Errors
/// When the machine has no thread for it. (That all connections are in use is no error.)
fn admit(
    socket: TcpStream,
    number: u64,
    routes: &'static [Route],
    shared: &Arc<Shared>,
) -> io::Result<()> {
    let socket = Arc::new(socket);
    let open = shared.metrics.connections.fetch_add(1, Ordering::SeqCst);
    let conn = Box::new(Connection::new(number, socket.clone(), shared.clone()));
    if open >= shared.max_connections {
        turn_away(&socket);
        return Ok(());
    }
    let thread = thread::Builder::new()
        .name(format!("conn-{number}"))
        .stack_size(STACK)
        .spawn(move || connection_thread(conn, routes));
    if thread.is_err() {
        turn_away(&socket);
    }
    thread.map(|_| ())
}

/// The whole life of one connection, and of its thread.
fn connection_thread(mut conn: Box<Connection>, routes: &[Route]) {
    if let Err(error) = answer_requests(&mut conn, routes) {
        debug!("connection {} ended: {error}", conn.number);
    }
    conn.linger();
}

/// Answers one request after the other, until one of both sides has had enough.
fn answer_requests(conn: &mut Connection, routes: &[Route]) -> io::Result<()> {
    conn.set_limits()?;
    while conn.stays_open() {
        // By reference, so that a request, which may be held for long, is on the stack only once.
        match &conn.next_request() {
            Ok(Some(request)) => routes::answer(routes, request, conn)?,
            Ok(None) => return Ok(()),
            Err(Failure::Refused(refusal)) => return conn.refuse_unread(refusal),
            Err(Failure::Lost(error)) => return Err(error.kind().into()),
        }
    }
    Ok(())
}
