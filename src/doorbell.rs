//! The one thread that isn't blocked on one thing: it watches every sleeping connection's socket
//! and its clock, and rings the connection's bell.
//!
//! Without it, a thread asleep on its hub channel could not hear its client hang up. That this one
//! thread watches ten thousand sockets is worth a thought: it could also have served them.
//!
//! Chapter: [Why threads strain](../../../../docs/strain.md).

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use log::error;
use polling::{Event, Events, Poller};

/// Why a sleeping thread is woken, other than by an event of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The client sent something, or hung up.
    Readable,
    /// The time that was asked for is over (and begins again).
    Tick,
    /// The server is ending.
    Closing,
}

/// One sleeping thread's bell. Whoever rings it leaves word why, and wakes the thread; the thread takes
/// the word away. Rung twice for the same reason before the thread has looked, it has been rung once.
struct Bell {
    thread: Thread,
    readable: AtomicBool,
    tick: AtomicBool,
    closing: AtomicBool,
}

impl Bell {
    /// A bell that wakes the thread which makes it.
    fn new() -> Bell {
        Bell {
            thread: thread::current(),
            readable: AtomicBool::new(false),
            tick: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        }
    }

    fn ring(&self, signal: Signal) {
        self.word(signal).store(true, Ordering::SeqCst);
        self.thread.unpark();
    }

    /// Takes one of the words that were left: first the one that is left only once.
    fn take(&self) -> Option<Signal> {
        let signals = [Signal::Closing, Signal::Readable, Signal::Tick];
        let mut signals = signals.into_iter();
        signals.find(|signal| self.word(*signal).swap(false, Ordering::SeqCst))
    }

    fn word(&self, signal: Signal) -> &AtomicBool {
        match signal {
            Signal::Readable => &self.readable,
            Signal::Tick => &self.tick,
            Signal::Closing => &self.closing,
        }
    }
}

/// Watches the sockets of sleeping connections.
pub struct Doorbell {
    poller: Poller,
    sleepers: Mutex<Sleepers>,
}

/// Who sleeps, and until when.
struct Sleepers {
    started: Instant,
    next_key: usize,
    by_key: HashMap<usize, Sleeper>,
    by_time: BTreeSet<(Instant, usize)>,
    closing: bool,
    stopped: bool,
}

/// One sleeping connection, as the doorbell sees it.
struct Sleeper {
    bell: Arc<Bell>,
    every: Duration,
    due: Instant,
}

/// When someone who asks now is to be rung: when its time is over, or up to a sixteenth later, at a moment
/// that it shares with others. Five thousand heartbeats are then sixteen times much work, and not a
/// little work all the time: a processor that has to be woken for each costs twice as much.
fn due(started: Instant, every: Duration) -> Instant {
    let step = (every / 16).as_micros().max(1) as u64;
    let over = (started.elapsed() + every).as_micros() as u64;
    started + Duration::from_micros(over.div_ceil(step) * step)
}

impl Doorbell {
    /// A doorbell that nobody answers yet: see [`doorbell_thread`].
    pub fn new() -> io::Result<Doorbell> {
        Ok(Doorbell {
            poller: Poller::new()?,
            sleepers: Mutex::new(Sleepers {
                started: Instant::now(),
                next_key: 0,
                by_key: HashMap::new(),
                by_time: BTreeSet::new(),
                closing: false,
                stopped: false,
            }),
        })
    }

    /// Watches `socket` until the answered [`Watch`] is dropped, and ticks `every` so often.
    pub fn watch(
        self: &Arc<Doorbell>,
        socket: &Arc<TcpStream>,
        every: Duration,
    ) -> io::Result<Watch> {
        let bell = Arc::new(Bell::new());
        let key = self.add_sleeper(bell.clone(), every);
        let watch = Watch {
            doorbell: self.clone(),
            key,
            socket: socket.clone(),
            bell,
        };
        // SAFETY: the socket must be deleted from the poller before it closes. `watch` holds it
        // open, and its `drop` deletes it.
        unsafe { self.poller.add(&*watch.socket, Event::readable(key)) }?;
        Ok(watch)
    }

    fn add_sleeper(&self, bell: Arc<Bell>, every: Duration) -> usize {
        let mut sleepers = self.lock();
        let key = sleepers.next_key;
        sleepers.next_key += 1;
        if sleepers.closing {
            bell.ring(Signal::Closing);
        }
        // A time too far to be told (a patient debugger's) is a year.
        let year = Duration::from_secs(365 * 24 * 3600);
        let every = every.clamp(Duration::from_millis(1), year);
        let due = due(sleepers.started, every);
        let sleeper = Sleeper { bell, every, due };
        sleepers.by_key.insert(key, sleeper);
        sleepers.by_time.insert((due, key));
        if sleepers.by_time.first() == Some(&(due, key)) {
            let _ = self.poller.notify(); // it sleeps until a later time: wake it to look again
        }
        key
    }

    /// Tells everyone who sleeps now, or will, that the server is ending.
    pub fn close(&self) {
        let mut sleepers = self.lock();
        sleepers.closing = true;
        for sleeper in sleepers.by_key.values() {
            sleeper.bell.ring(Signal::Closing);
        }
    }

    /// Ends [`doorbell_thread`].
    pub fn stop(&self) {
        self.lock().stopped = true;
        let _ = self.poller.notify();
    }

    fn lock(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The doorbell's own thread: sleeps on all sockets at once, until one of them has something or
/// the next tick is due.
pub fn doorbell_thread(doorbell: &Doorbell) {
    let mut events = Events::new();
    loop {
        let due = doorbell.lock().by_time.first().map(|(due, _)| *due);
        let patience = due.map(|due| due.saturating_duration_since(Instant::now()));
        events.clear();
        if let Err(error) = doorbell.poller.wait(&mut events, patience) {
            error!("the doorbell cannot wait: {error}");
        }
        let mut sleepers = doorbell.lock();
        if sleepers.stopped {
            return;
        }
        ring_readable(&sleepers, &events);
        ring_ticks(&mut sleepers);
    }
}

fn ring_readable(sleepers: &Sleepers, events: &Events) {
    for event in events.iter() {
        if let Some(sleeper) = sleepers.by_key.get(&event.key) {
            sleeper.bell.ring(Signal::Readable);
        }
    }
}

fn ring_ticks(sleepers: &mut Sleepers) {
    let now = Instant::now();
    while let Some(&(due, key)) = sleepers.by_time.first() {
        if due > now {
            return;
        }
        sleepers.by_time.remove(&(due, key));
        ring_tick(sleepers, key);
    }
}

/// Rings one sleeper, and notes when it is to be rung again.
fn ring_tick(sleepers: &mut Sleepers, key: usize) {
    if let Some(sleeper) = sleepers.by_key.get_mut(&key) {
        sleeper.bell.ring(Signal::Tick);
        sleeper.due = due(sleepers.started, sleeper.every);
        sleepers.by_time.insert((sleeper.due, key));
    }
}

/// A sleeping connection's place at the doorbell. It holds the socket open for as long as the
/// poller knows it; dropping it takes the socket out of the poller first.
pub struct Watch {
    doorbell: Arc<Doorbell>,
    key: usize,
    socket: Arc<TcpStream>,
    bell: Arc<Bell>,
}

impl Watch {
    /// Has the bell been rung? Then why.
    pub fn signal(&self) -> Option<Signal> {
        self.bell.take()
    }

    /// Asks for the next [`Signal::Readable`]: one is rung once for each time it is asked for.
    pub fn ask_again(&self) -> io::Result<()> {
        let interest = Event::readable(self.key);
        self.doorbell.poller.modify(&*self.socket, interest)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.doorbell.poller.delete(&*self.socket);
        let mut sleepers = self.doorbell.lock();
        if let Some(sleeper) = sleepers.by_key.remove(&self.key) {
            sleepers.by_time.remove(&(sleeper.due, self.key));
        }
    }
}
