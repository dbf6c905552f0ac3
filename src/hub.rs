//! Topics, their rings of recent events, and the subscribers to wake: the fan-out.
//!
//! The ring is the truth. Publishing appends an event to the topic's ring, then puts a token into each subscriber's
//! channel of one. The token carries no data: it says "look again", and the subscriber reads the ring from its own
//! cursor. So nothing can be missed or repeated, a slow reader needs no special case, and a full channel means that
//! its subscriber already has a token.
//!
//! Chapter: [Long polling](../../../../docs/long-polling.md).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::Value;

use crate::event::{Event, News, unix_time};
use crate::failure::{Refusal, lock, refuse};

/// How many topics there may be.
pub const MAX_TOPICS: usize = 64;
/// How many events a ring keeps.
pub const RING_EVENTS: usize = 1024;
/// How many bytes of events a ring keeps: large events push old ones out sooner.
pub const RING_BYTES: usize = 4 << 20;
/// How many bytes of events one read of the ring returns (or one event, if that is larger): it bounds the memory of a
/// subscriber far behind.
pub const PORTION_BYTES: usize = 128 << 10;
/// How many subscribers are collected under the lock at a time, then woken without it.
const WAKE_BATCH: usize = 64;
/// An event this soon after its subscriber's last read belongs to a burst.
const BURST: Duration = Duration::from_millis(20);
/// Topics that are never forgotten: the default one, and the ball game's.
const LASTING: [&str; 2] = ["chat", "baseball"];

/// Where a client wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Only new events.
    Now,
    /// After the event with this id.
    After(u64),
    /// With this many of the last events.
    Last(usize),
}

/// All topics.
#[derive(Default)]
pub struct Hub {
    topics: Mutex<HashMap<String, Arc<Topic>>>,
}

impl Hub {
    /// Subscribes to `topic`: the first look finds everything after `since`. (503 when all topics are in use.)
    pub fn subscribe(&self, topic: &str, since: Since) -> Result<Subscription, Refusal> {
        Ok(Subscription::new(self.topic(topic)?, since))
    }

    /// Returns the first portion of what `topic` has after `since`, for clients that ask and leave.
    pub fn read(&self, topic: &str, since: Since) -> Result<News, Refusal> {
        let topic = self.topic(topic)?;
        let ring = read(&topic.ring);
        Ok(ring.after(ring.cursor(since)))
    }

    /// Publishes `data` to `topic`; returns the new event's id.
    pub fn publish(&self, topic: &str, data: &Value) -> Result<u64, Refusal> {
        let topic = self.topic(topic)?;
        let id = write(&topic.ring).append(&topic.name, data);
        topic.wake_subscribers();
        Ok(id)
    }

    /// How many subscriptions there are, in all topics.
    pub fn subscriptions(&self) -> usize {
        let topics = lock(&self.topics);
        let subscribers = topics.values().map(|topic| lock(&topic.subscribers).len());
        subscribers.sum()
    }

    /// Finds the topic of this name, or opens it.
    fn topic(&self, name: &str) -> Result<Arc<Topic>, Refusal> {
        let mut topics = lock(&self.topics);
        if let Some(topic) = topics.get(name) {
            return Ok(topic.clone());
        }
        if topics.len() >= MAX_TOPICS {
            forget_one(&mut topics)?;
        }
        let topic = Arc::new(Topic {
            name: name.to_string(),
            ring: RwLock::new(Ring::new()),
            subscribers: Mutex::default(),
        });
        topics.insert(name.to_string(), topic.clone());
        Ok(topic)
    }
}

/// Makes room by forgetting the topic that has been silent for longest. A topic in use stays: its users hold
/// references beside the map's.
fn forget_one(topics: &mut HashMap<String, Arc<Topic>>) -> Result<(), Refusal> {
    let idle = topics
        .values()
        .filter(|topic| Arc::strong_count(topic) == 1 && !LASTING.contains(&&*topic.name))
        .min_by_key(|topic| read(&topic.ring).last_append)
        .map(|topic| topic.name.clone());
    topics.remove(&idle.ok_or_else(too_many_topics)?);
    Ok(())
}

fn too_many_topics() -> Refusal {
    let message =
        format!("all {MAX_TOPICS} topics have listeners: use one of them, or ask again later");
    refuse(503, message).with("Retry-After", "5")
}

/// One topic. The ring's lock is not the subscribers' lock: readers of the ring share it, and a publisher that wakes
/// thousands blocks no reader.
struct Topic {
    name: String,
    ring: RwLock<Ring>,
    /// Where to put each subscriber's token, by the subscription's number.
    subscribers: Mutex<BTreeMap<u64, Sender<()>>>,
}

impl Topic {
    /// Puts a token into each subscriber's empty channel. No lock is held meanwhile: the woken thread would block on it.
    fn wake_subscribers(&self) {
        // Clients that subscribe from here on find the event in the ring: to wake them, too, might never end.
        let newest = lock(&self.subscribers).keys().next_back().copied();
        let end = newest.map_or(0, |newest| newest + 1);
        let mut batch = Vec::with_capacity(WAKE_BATCH);
        let mut next = 0;
        loop {
            batch.extend(
                lock(&self.subscribers)
                    .range(next..end)
                    .filter(|(_, token)| !token.is_full())
                    .take(WAKE_BATCH)
                    .map(|(number, token)| (*number, token.clone())),
            );
            let Some((last, _)) = batch.last() else {
                return;
            };
            next = last + 1;
            for (_, token) in batch.drain(..) {
                let _ = token.try_send(()); // full: a token is waiting
            }
        }
    }
}

/// What a topic remembers.
struct Ring {
    /// The id of the newest event, or the id before the first.
    newest: u64,
    /// When the newest event came, or when the topic was opened.
    last_append: Instant,
    /// The last events, oldest first; their ids have no holes.
    events: VecDeque<Arc<Event>>,
    bytes: usize,
}

impl Ring {
    /// Ids start from the clock, in microseconds, so that they are new even after a restart, and still fit into the
    /// 53 bits of a JavaScript number.
    fn new() -> Ring {
        Ring {
            newest: unix_time().as_micros() as u64,
            last_append: Instant::now(),
            events: VecDeque::new(),
            bytes: 0,
        }
    }

    fn append(&mut self, topic: &str, data: &Value) -> u64 {
        let event = Arc::new(Event::new(self.newest + 1, topic, data));
        self.newest = event.id;
        self.last_append = Instant::now();
        self.bytes += event.json.len();
        self.events.push_back(event);
        while self.events.len() > RING_EVENTS || self.bytes > RING_BYTES {
            match self.events.pop_front() {
                Some(oldest) => self.bytes -= oldest.json.len(),
                None => break,
            }
        }
        self.newest
    }

    /// The id of the event just before the oldest in the ring.
    fn before_oldest(&self) -> u64 {
        self.newest - self.events.len() as u64
    }

    /// The last id that a client beginning at `since` has seen.
    fn cursor(&self, since: Since) -> u64 {
        match since {
            Since::Now => self.newest,
            Since::After(id) => id,
            Since::Last(count) => self.newest - count.min(self.events.len()) as u64,
        }
    }

    /// The first portion of what the ring has after `cursor`; with a gap if the ring doesn't reach that far. If there
    /// is more, `next` is less than `newest`.
    fn after(&self, cursor: u64) -> News {
        let reached = (self.before_oldest()..=self.newest).contains(&cursor);
        let (gap, seen) = match reached {
            true => (None, cursor),
            false => (Some(self.before_oldest()), self.before_oldest()),
        };
        let events = self.portion((seen - self.before_oldest()) as usize);
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
        let rest = self.events.range(skip..);
        rest.take_while(fits).cloned().collect()
    }
}

/// A cursor into one topic's ring, and the channel that says when to look. Dropping it unsubscribes.
pub struct Subscription {
    topic: Arc<Topic>,
    number: u64,
    /// Holds a token when there may be something new.
    pub token: Receiver<()>,
    /// The sending end: leaves a token for the next portion.
    again: Sender<()>,
    /// The id of the last event read.
    cursor: u64,
    /// When the ring was last read.
    looked: Instant,
}

impl Subscription {
    /// Subscribes first and looks later: what comes in between leaves a token.
    fn new(topic: Arc<Topic>, since: Since) -> Subscription {
        let (again, token) = token();
        let mut subscribers = lock(&topic.subscribers);
        let number = subscribers.last_key_value().map_or(0, |(last, _)| last + 1);
        subscribers.insert(number, again.clone());
        drop(subscribers);
        let cursor = read(&topic.ring).cursor(since);
        Subscription {
            topic,
            number,
            token,
            again,
            cursor,
            looked: Instant::now(),
        }
    }

    /// Returns what has come since the last call, or the first portion of it. Never blocks.
    pub fn news(&mut self) -> News {
        let ring = read(&self.topic.ring);
        let news = ring.after(self.cursor);
        if news.next < ring.newest {
            let _ = self.again.try_send(()); // the next portion
        }
        drop(ring);
        self.cursor = news.next;
        self.looked = Instant::now();
        news
    }

    /// As [`Subscription::news`]; but in a burst it first yields while more events come, so that they share one
    /// write.
    pub fn gather(&mut self) -> News {
        let mut before = self.cursor;
        while self.looked.elapsed() < BURST && self.newest() > before {
            before = self.newest();
            thread::yield_now();
        }
        self.news()
    }

    fn newest(&self) -> u64 {
        read(&self.topic.ring).newest
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        lock(&self.topic.subscribers).remove(&self.number);
    }
}

/// A channel of one, with a token in it: the first look is due. Not inlined: the channel is built on the stack, and a
/// thread keeps every stack page that it has touched.
#[inline(never)]
fn token() -> (Sender<()>, Receiver<()>) {
    let (sender, receiver) = bounded(1);
    let _ = sender.try_send(());
    (sender, receiver)
}

fn read(ring: &RwLock<Ring>) -> RwLockReadGuard<'_, Ring> {
    ring.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(ring: &RwLock<Ring>) -> RwLockWriteGuard<'_, Ring> {
    ring.write().unwrap_or_else(PoisonError::into_inner)
}
