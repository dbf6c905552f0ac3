//! The one thread that waits for every connection at once: it watches each sleeping connection's socket and deadline, and
//! wakes the connection's thread, which would not notice otherwise that its client has hung up. As in the
//! [`hub`](crate::hub), a wake carries no data: a token in a channel of one says "look around", and the thread looks at
//! its socket and its clock. This one thread can watch ten thousand sockets. It could also have served them.
//!
//! Chapter: [Why threads strain](../../../../docs/strain.md).

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use log::error;
use polling::{Events, Poller};

use crate::failure::lock;

/// The longest interval: a debugger's patience could overflow an `Instant`.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Watches the sockets and deadlines of sleeping connections.
pub struct Doorbell {
    poller: Poller,
    started: Instant,
    next_key: AtomicUsize,
    /// Where to put each sleeper's token, by its key in the poller.
    sleepers: Mutex<HashMap<usize, Sender<()>>>,
    /// When each sleeper is to be woken, soonest first.
    deadlines: Mutex<BTreeSet<(Instant, usize)>>,
    stopped: AtomicBool,
}

impl Doorbell {
    /// A doorbell. Run [`doorbell_thread`] in a thread of its own.
    ///
    /// # Errors
    /// When the kernel has no poller (epoll) for it.
    pub fn new() -> io::Result<Doorbell> {
        Ok(Doorbell {
            poller: Poller::new()?,
            started: Instant::now(),
            next_key: AtomicUsize::new(0),
            sleepers: Mutex::default(),
            deadlines: Mutex::default(),
            stopped: AtomicBool::new(false),
        })
    }

    /// Wakes the owner of the returned [`Watch`] when `socket` is readable, and each time that `every` is over.
    ///
    /// # Errors
    /// When the poller has no room for the socket.
    pub fn watch(
        self: &Arc<Doorbell>,
        socket: &Arc<TcpStream>,
        every: Duration,
    ) -> io::Result<Watch> {
        let (sender, token) = channel();
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        lock(&self.sleepers).insert(key, sender);
        let every = every.clamp(Duration::from_millis(1), YEAR);
        let watch = Watch {
            doorbell: self.clone(),
            key,
            socket: socket.clone(),
            token,
            every,
            deadline: self.set_deadline(key, every),
        };
        // SAFETY: the socket must be deleted from the poller before it closes. `watch` keeps it open, and its
        // `drop` deletes it.
        unsafe {
            self.poller
                .add(&*watch.socket, polling::Event::readable(key))
        }?;
        Ok(watch)
    }

    /// Sets a sleeper's deadline: when `every` is over, or up to a sixteenth later. Deadlines are rounded, so that
    /// heartbeats fire in 16 batches: waking the CPU for each would cost twice as much.
    fn set_deadline(&self, key: usize, every: Duration) -> Instant {
        let step = (every / 16).as_micros().max(1) as u64;
        let over = (self.started.elapsed() + every).as_micros() as u64;
        let deadline = self.started + Duration::from_micros(over.div_ceil(step) * step);
        let mut deadlines = lock(&self.deadlines);
        deadlines.insert((deadline, key));
        if deadlines.first() == Some(&(deadline, key)) {
            let _ = self.poller.notify(); // the doorbell's thread waits for a later one
        }
        deadline
    }

    /// Takes a sleeper whose deadline has passed.
    fn take_overdue(&self) -> Option<usize> {
        let mut deadlines = lock(&self.deadlines);
        let &(deadline, key) = deadlines.first()?;
        if deadline > Instant::now() {
            return None;
        }
        deadlines.remove(&(deadline, key));
        Some(key)
    }

    /// Wakes a sleeper. No lock is held meanwhile: the woken thread would block on it.
    fn wake(&self, key: usize) {
        let token = lock(&self.sleepers).get(&key).cloned();
        if let Some(token) = token {
            let _ = token.try_send(()); // full: a token is waiting
        }
    }

    /// Wakes every sleeper, to see that the server is ending.
    pub fn wake_all(&self) {
        let keys: Vec<usize> = lock(&self.sleepers).keys().copied().collect();
        for key in keys {
            self.wake(key);
        }
    }

    /// Ends [`doorbell_thread`].
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = self.poller.notify();
    }
}

/// The doorbell's own thread: sleeps on all sockets at once, until one of them has something or a deadline passes.
pub fn doorbell_thread(doorbell: &Doorbell) {
    let mut events = Events::new();
    while !doorbell.stopped.load(Ordering::SeqCst) {
        let next = lock(&doorbell.deadlines).first().copied();
        let patience = next.map(|(at, _)| at.saturating_duration_since(Instant::now()));
        events.clear();
        if let Err(error) = doorbell.poller.wait(&mut events, patience) {
            error!("the doorbell cannot wait: {error}");
        }
        for event in events.iter() {
            doorbell.wake(event.key);
        }
        while let Some(key) = doorbell.take_overdue() {
            doorbell.wake(key);
        }
    }
}

/// A connection's registration with the doorbell. It keeps the socket open until `drop` has removed it from the
/// poller.
pub struct Watch {
    doorbell: Arc<Doorbell>,
    key: usize,
    socket: Arc<TcpStream>,
    /// Holds a token when the socket may have something, or the deadline has passed, or the server is ending.
    pub token: Receiver<()>,
    every: Duration,
    deadline: Instant,
}

impl Watch {
    /// True if the deadline has passed; then sets the next one.
    pub fn is_overdue(&mut self) -> bool {
        let is_overdue = Instant::now() >= self.deadline;
        if is_overdue {
            self.forget_deadline();
            self.deadline = self.doorbell.set_deadline(self.key, self.every);
        }
        is_overdue
    }

    /// Re-arms the poller, which reports a socket once.
    pub fn rearm(&self) -> io::Result<()> {
        let interest = polling::Event::readable(self.key);
        self.doorbell.poller.modify(&*self.socket, interest)
    }

    fn forget_deadline(&self) {
        lock(&self.doorbell.deadlines).remove(&(self.deadline, self.key));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.doorbell.poller.delete(&*self.socket);
        self.forget_deadline();
        lock(&self.doorbell.sleepers).remove(&self.key);
    }
}

/// Not inlined, like the hub's `token`: it would enlarge its caller's stack frame.
#[inline(never)]
fn channel() -> (Sender<()>, Receiver<()>) {
    bounded(1)
}
