//! What the server counts: how many connections there are, and what each technique does with its.
//!
//! Chapter: [Why threads strain](../../../../docs/strain.md).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// All counts of one server.
pub struct Meter {
    pub started: Instant,
    /// Open connections, each with its thread.
    pub connections: AtomicUsize,
    /// One a route, in the routes' order.
    pub counts: Vec<Arc<Count>>,
}

/// What has happened on one route since the server started. Bytes are those of heads, chunk sizes
/// and frame headers too: all that the socket took.
#[derive(Default)]
pub struct Count {
    /// The technique's name, as its module has it.
    pub name: &'static str,
    /// Connections held by it now.
    pub held: AtomicUsize,
    pub requests: AtomicU64,
    /// Events delivered.
    pub events: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    /// Calls that wrote something: several events may go out with one.
    pub writes: AtomicU64,
}

impl Meter {
    /// A meter with a count for each of these names.
    pub fn new(names: &[&'static str]) -> Meter {
        let count = |name: &&'static str| {
            Arc::new(Count {
                name,
                ..Count::default()
            })
        };
        Meter {
            started: Instant::now(),
            connections: AtomicUsize::new(0),
            counts: names.iter().map(count).collect(),
        }
    }

    /// Connections held now, by all techniques.
    pub fn held(&self) -> usize {
        self.held_by_route().into_iter().sum()
    }

    /// Connections held now, in the order of `counts`.
    pub fn held_by_route(&self) -> Vec<usize> {
        let held = |count: &Arc<Count>| count.held.load(Ordering::Relaxed);
        self.counts.iter().map(held).collect()
    }
}

/// Counts one more for as long as it lives, however its owner ends.
pub struct Held {
    count: Arc<Count>,
}

impl Held {
    /// Counts a held connection until it is dropped.
    pub fn new(count: &Arc<Count>) -> Held {
        count.held.fetch_add(1, Ordering::Relaxed);
        Held {
            count: count.clone(),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Adds to a count.
pub fn add(count: &AtomicU64, more: usize) {
    count.fetch_add(more as u64, Ordering::Relaxed);
}
