//! The server itself: one accept loop per listener, one named thread per connection, a cap on how many there may be,
//! and a graceful end.
//!
//! Chapter: [Why threads strain](../../../../docs/strain.md).

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use log::{debug, warn};

use crate::baseball::baseball_thread;
use crate::connection::{Connection, MOMENT};
use crate::desk::{Desk, desk_thread};
use crate::door::listen::{listen, stop_accepting, turn_away};
use crate::door::settings::Settings;
use crate::door::shared::Shared;
use crate::door::{room, socket};
use crate::doorbell::doorbell_thread;
use crate::failure::Failure;
use crate::routes::{self, ROUTES, Route};

/// A thread's stack. Only the pages that are touched cost memory. JSON that is nested as deep as serde_json allows
/// touches the most, in a debug build.
const STACK: usize = 1 << 20;

/// How long the server's own threads may take to end. (A client can block the desk's: tiny_http has no time-outs.)
const THREADS_PATIENCE: Duration = Duration::from_millis(400);

/// How long without trouble before the log reports "no room" again.
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
        let names: Vec<_> = routes.iter().map(|route| route.name).collect();
        let shared = Arc::new(Shared::new(settings, &names, &addresses, desk_address)?);
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

    fn start_threads(&mut self, routes: &'static [Route], ends: Receiver<()>) -> io::Result<()> {
        let doorbell = self.shared.doorbell.clone();
        self.spawn("doorbell", move || doorbell_thread(&doorbell))?;
        let shared = self.shared.clone();
        self.spawn("baseball", move || {
            baseball_thread(&shared.hub, shared.settings.seed, &ends)
        })?;
        if let Some(desk) = self.desk.clone() {
            let shared = self.shared.clone();
            self.spawn("desk", move || desk_thread(&desk, &shared))?;
        }
        for listener in self.listeners.clone() {
            let shared = self.shared.clone();
            let name = format!("accept-{}", listener.local_addr()?.port());
            self.spawn(&name, move || accept_loop(&listener, routes, &shared))?;
        }
        Ok(())
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = thread::Builder::new().name(name.to_string()).spawn(body)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Ends the server gracefully: no new connections, and each held answer gets its proper end. Waits at most
    /// `patience` for the last connection, and then a moment for the other threads. Returns how many connections were
    /// left.
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

/// Accepts for as long as the server runs. Without room for another connection (no descriptor, no thread) the log
/// says so, and the loop tries again. The log says it again only after a while without trouble.
fn accept_loop(listener: &TcpListener, routes: &'static [Route], shared: &Arc<Shared>) {
    room::wake_without_preempting();
    let mut last_trouble: Option<Instant> = None;
    loop {
        let accepted = listener.accept();
        if shared.closing.load(Ordering::SeqCst) {
            return;
        }
        let admitted = match accepted {
            Ok((socket, _)) => admit(Arc::new(socket), routes, shared),
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

/// Gives the connection a thread, or answers 503. A full server is no error; a thread that can't be started is.
fn admit(socket: Arc<TcpStream>, routes: &'static [Route], shared: &Arc<Shared>) -> io::Result<()> {
    let open = shared.metrics.connections.fetch_add(1, Ordering::SeqCst);
    let conn = Box::new(Connection::new(socket.clone(), shared.clone()));
    if open >= shared.max_connections {
        turn_away(&socket);
        return Ok(());
    }
    let thread = thread::Builder::new()
        .name(format!("conn-{}", conn.number))
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
    socket::linger(&conn.socket);
}

/// Answers one request after the other, until either side ends the connection.
fn answer_requests(conn: &mut Connection, routes: &[Route]) -> io::Result<()> {
    let write = conn.shared.settings.limits.write;
    socket::set_limits(&conn.socket, MOMENT, write)?;
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
