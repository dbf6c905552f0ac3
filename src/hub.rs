//! Topics, their rings of last events, and the seats of those who listen: the fan-out.
//!
//! Joining a topic takes what it has (the backlog) *and* a seat under one lock, so no event can
//! fall between "what was" and "what comes". Publishing appends to the ring, then sends the event
//! down each seat's bounded channel and wakes the thread that sits there, if it sleeps. A full channel
//! never blocks the publisher and never costs an event: whoever sits there notices, and reads the ring
//! again.
//!
//! Chapter: [Long polling](../../../../docs/long-polling.md).

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, never};
use serde_json::Value;

use crate::event::{Event, News, unix_time};

/// How many topics there are at the most.
pub const MAX_TOPICS: usize = 64;
/// How many events a topic remembers.
pub const RING_EVENTS: usize = 1024;
/// How many bytes of events a topic remembers: large events push old ones out sooner.
pub const RING_BYTES: usize = 4 << 20;
/// How many bytes of events are read from the ring at a time (one event, if that is larger): a client
/// that is behind and does not read costs this much, and not the whole ring.
pub const PORTION_BYTES: usize = 128 << 10;
/// How many events may wait in a seat's channel before its owner has to read the ring instead.
pub const SEAT_EVENTS: usize = 32;
/// Events that come so soon after their listener has looked for the last time are a burst.
const BURST: Duration = Duration::from_millis(20);
/// Topics that are never forgotten: the default one, and the ball game's.
const LASTING: [&str; 2] = ["chat", "baseball"];

/// Where a client wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// Only what comes now.
    Now,
    /// Everything after the event with this id.
    After(u64),
    /// Begin with this many of the last events.
    Last(usize),
}

/// Why a topic can't be opened: all [`MAX_TOPICS`] are in use.
#[derive(Debug)]
pub struct TooManyTopics;

/// All topics.
#[derive(Default)]
pub struct Hub {
    topics: Mutex<HashMap<String, Arc<Topic>>>,
}

impl Hub {
    /// A seat in `topic`, with everything after `cursor` waiting in it. It is this thread's: an event wakes
    /// it from [`thread::park`].
    pub fn join(&self, topic: &str, cursor: Cursor) -> Result<Seat, TooManyTopics> {
        Ok(take_seat(self.topic(topic)?, cursor))
    }

    /// What `topic` has after `cursor`, or the first portion of it, for those who ask and leave.
    pub fn read(&self, topic: &str, cursor: Cursor) -> Result<News, TooManyTopics> {
        Ok(lock(&self.topic(topic)?.room).after(cursor))
    }

    /// Publishes `data` to everyone in `topic` and answers with the new event's id.
    pub fn publish(&self, topic: &str, data: &Value) -> Result<u64, TooManyTopics> {
        let topic = self.topic(topic)?;
        let mut room = lock(&topic.room);
        let event = Arc::new(Event::new(room.newest + 1, &topic.name, data));
        room.append(&event);
        for chair in room.chairs.values() {
            chair.offer(&event);
        }
        Ok(event.id)
    }

    /// How many seats are taken, in all topics.
    pub fn seats(&self) -> usize {
        let topics = lock(&self.topics);
        let seats = topics.values().map(|topic| lock(&topic.room).chairs.len());
        seats.sum()
    }

    /// The topic of this name; a new one if need be.
    fn topic(&self, name: &str) -> Result<Arc<Topic>, TooManyTopics> {
        let mut topics = lock(&self.topics);
        if let Some(topic) = topics.get(name) {
            return Ok(topic.clone());
        }
        if topics.len() >= MAX_TOPICS {
            forget_one(&mut topics)?;
        }
        let topic = Arc::new(Topic::new(name));
        topics.insert(name.to_string(), topic.clone());
        Ok(topic)
    }
}

/// Makes room by forgetting the topic that has been silent for longest. Only one that nobody else
/// holds (no seat, no publisher at work) can go: the map's own reference is then the last.
fn forget_one(topics: &mut HashMap<String, Arc<Topic>>) -> Result<(), TooManyTopics> {
    let idle = topics
        .values()
        .filter(|topic| Arc::strong_count(topic) == 1 && !LASTING.contains(&&*topic.name))
        .min_by_key(|topic| lock(&topic.room).spoken)
        .map(|topic| topic.name.clone());
    topics.remove(&idle.ok_or(TooManyTopics)?);
    Ok(())
}

/// One topic: a name, and the room that its lock guards.
struct Topic {
    name: String,
    room: Mutex<Room>,
}

impl Topic {
    fn new(name: &str) -> Topic {
        // Ids start from the clock, in microseconds, so that they are new even after a restart
        // (and still fit into the 53 bits of a JavaScript number).
        let newest = unix_time().as_micros() as u64;
        Topic {
            name: name.to_string(),
            room: Mutex::new(Room {
                newest,
                spoken: Instant::now(),
                ring: VecDeque::new(),
                ring_bytes: 0,
                chairs: HashMap::new(),
                next_chair: 0,
            }),
        }
    }
}

/// What a topic remembers, and who is in it.
struct Room {
    /// The id of the newest event, or the one before the first.
    newest: u64,
    /// When it came; in a topic without events, when the topic was opened.
    spoken: Instant,
    /// The last events; their ids have no holes.
    ring: VecDeque<Arc<Event>>,
    ring_bytes: usize,
    chairs: HashMap<u64, Chair>,
    next_chair: u64,
}

impl Room {
    fn append(&mut self, event: &Arc<Event>) {
        self.newest = event.id;
        self.spoken = Instant::now();
        self.ring_bytes += event.json.len();
        self.ring.push_back(event.clone());
        while self.ring.len() > RING_EVENTS || self.ring_bytes > RING_BYTES {
            match self.ring.pop_front() {
                Some(oldest) => self.ring_bytes -= oldest.json.len(),
                None => break,
            }
        }
    }

    /// What the ring has after `cursor`, or the first portion of it; with a gap if it no longer reaches
    /// that far. If there is more, `next` is less than `newest`.
    fn after(&self, cursor: Cursor) -> News {
        let before_ring = self.newest - self.ring.len() as u64;
        let (gap, skip) = match cursor {
            Cursor::Now => (None, self.ring.len()),
            Cursor::Last(count) => (None, self.ring.len().saturating_sub(count)),
            Cursor::After(id) if (before_ring..=self.newest).contains(&id) => {
                (None, (id - before_ring) as usize)
            }
            Cursor::After(_) => (Some(before_ring), 0),
        };
        let events = self.portion(skip);
        News {
            gap,
            next: events.last().map_or(self.newest, |event| event.id),
            events,
        }
    }

    /// One event at least, and then as many as fit into [`PORTION_BYTES`].
    fn portion(&self, skip: usize) -> Vec<Arc<Event>> {
        let mut bytes = 0;
        let fits = |event: &&Arc<Event>| {
            let is_first = bytes == 0;
            bytes += event.json.len();
            is_first || bytes <= PORTION_BYTES
        };
        let rest = self.ring.iter().skip(skip);
        rest.take_while(fits).cloned().collect()
    }
}

/// The publisher's side of a seat.
struct Chair {
    /// Who sits there.
    thread: Thread,
    events: Sender<Arc<Event>>,
    /// Has the ring something that the channel has not?
    missed: Arc<AtomicBool>,
}

impl Chair {
    /// Sends the event if there is room, says that one was missed if there is none, and wakes the thread
    /// that sits here if it sleeps: it looks at both before it sleeps again.
    fn offer(&self, event: &Arc<Event>) {
        if self.events.try_send(event.clone()).is_err() {
            self.missed.store(true, Ordering::SeqCst);
        }
        self.thread.unpark();
    }
}

/// One listener's place in a topic. Dropping it leaves the topic.
pub struct Seat {
    topic: Arc<Topic>,
    number: u64,
    /// Where the hub sends events.
    events: Receiver<Arc<Event>>,
    missed: Arc<AtomicBool>,
    /// What was there when the seat was taken.
    backlog: Option<News>,
    /// The id of the last event told.
    last: u64,
    /// When its owner last looked for news.
    looked: Instant,
}

/// Apart, because a channel is made on the stack before it is moved to the heap: the thread that will sleep here
/// keeps every page of its stack that was touched once.
#[inline(never)]
fn channel() -> (Sender<Arc<Event>>, Receiver<Arc<Event>>) {
    bounded(SEAT_EVENTS)
}

/// The backlog and the seat, under one lock.
fn take_seat(topic: Arc<Topic>, cursor: Cursor) -> Seat {
    let (sender, events) = channel();
    let mut room = lock(&topic.room);
    let backlog = room.after(cursor);
    let missed = Arc::new(AtomicBool::new(backlog.next < room.newest));
    let chair = Chair {
        thread: thread::current(),
        events: sender,
        missed: missed.clone(),
    };
    let number = room.next_chair;
    room.next_chair += 1;
    room.chairs.insert(number, chair);
    drop(room);
    Seat {
        topic,
        number,
        events,
        missed,
        last: backlog.next,
        backlog: Some(backlog),
        looked: Instant::now(),
    }
}

impl Seat {
    /// A seat in no topic, for a thread that waits for its client alone.
    pub fn nowhere() -> Seat {
        Seat {
            topic: Arc::new(Topic::new("")),
            number: 0,
            events: never(),
            missed: Arc::default(),
            backlog: None,
            last: 0,
            looked: Instant::now(),
        }
    }

    /// In a burst, lets other threads run for as long as that brings more events: the publisher gets on with
    /// it, and what it publishes goes out in one write instead of many.
    pub fn gather(&self) {
        let mut before = 0;
        while self.looked.elapsed() < BURST && self.events.len() > before {
            before = self.events.len();
            thread::yield_now();
        }
    }

    /// What has come since the last call, all or the first portion of it; empty only if nothing has.
    /// Never blocks.
    pub fn news(&mut self) -> News {
        if let Some(backlog) = self.backlog.take().filter(|backlog| !backlog.is_empty()) {
            return backlog;
        }
        let start = self.last;
        self.looked = Instant::now();
        let (mut events, mut bytes) = (Vec::new(), 0);
        for event in self.events.try_iter().take(SEAT_EVENTS) {
            if event.id > self.last {
                self.last = event.id;
                bytes += event.json.len();
                events.push(event);
            }
            if bytes >= PORTION_BYTES {
                break; // the others wait where they are
            }
        }
        if self.missed.swap(false, Ordering::SeqCst) {
            return self.read_ring(start); // there may be holes between those that came: all of them again
        }
        News {
            gap: None,
            events,
            next: self.last,
        }
    }

    fn read_ring(&mut self, start: u64) -> News {
        let room = lock(&self.topic.room);
        let news = room.after(Cursor::After(start));
        if news.next < room.newest {
            self.missed.store(true, Ordering::SeqCst); // the next portion is for the next time
        }
        self.last = news.next;
        news
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.topic.room).chairs.remove(&self.number);
    }
}

/// Locks a mutex. A thread that panicked while it held the lock ends alone: what it guarded here
/// is whole between any two statements, so the others go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
