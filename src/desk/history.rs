//! The last five minutes, one sample per second, so that a page shows them as soon as it opens.
//!
//! The desk's thread takes the samples whether or not a page polls: polling adds no measurements.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::desk::stats::limits;
use crate::desk::usage::Usage;
use crate::door::shared::Shared;
use crate::event::unix_time;

/// Time between two samples.
pub const EVERY: Duration = Duration::from_secs(1);
/// Number of samples kept: five minutes of them.
pub const KEPT: usize = 300;

/// The samples, oldest first.
pub struct History {
    samples: VecDeque<Sample>,
    due: Instant,
}

struct Sample {
    /// Unix milliseconds, strictly increasing even if the clock is set back.
    at: u64,
    usage: Usage,
    connections: usize,
    /// Held connections per route, in the order of `Meter::counts`.
    held: Vec<usize>,
}

impl Default for History {
    fn default() -> History {
        History {
            samples: VecDeque::with_capacity(KEPT),
            due: Instant::now(),
        }
    }
}

impl History {
    /// Time until the next sample is due.
    pub fn until_due(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Takes a sample if one is due. Missed samples are not made up for: they stay visible as a gap.
    pub fn keep_up(&mut self, shared: &Shared) {
        if self.until_due().is_zero() {
            self.sample(shared);
            self.due = (self.due + EVERY).max(Instant::now());
        }
    }

    /// Takes a sample. When [`KEPT`] are stored, the oldest is dropped.
    pub fn sample(&mut self, shared: &Shared) {
        let now = unix_time().as_millis() as u64;
        let before = self.newest();
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample {
            at: before.map_or(now, |before| now.max(before + 1)),
            usage: Usage::now(),
            connections: shared.metrics.connections.load(Ordering::SeqCst),
            held: shared.metrics.held_by_route(),
        });
    }

    fn newest(&self) -> Option<u64> {
        self.samples.back().map(|sample| sample.at)
    }

    /// The answer to `/history`: the samples after `since`. A `since` in the future means another clock: send
    /// everything.
    pub fn after(&self, since: u64, shared: &Shared) -> Value {
        let since = match self.newest() {
            Some(newest) if since <= newest => since,
            _ => 0,
        };
        let newer = self.samples.iter().filter(|sample| sample.at > since);
        let samples: Vec<Value> = newer.map(|sample| sample.json(shared)).collect();
        json!({
            "every_ms": EVERY.as_millis() as u64,
            "kept": KEPT,
            "limits": limits(shared),
            "samples": samples,
        })
    }
}

impl Sample {
    fn json(&self, shared: &Shared) -> Value {
        json!({
            "at": self.at,
            "threads": self.usage.threads,
            "rss_bytes": self.usage.rss_bytes,
            "open_files": self.usage.open_files,
            "context_switches": self.usage.context_switches,
            "connections": self.connections,
            "held": self.held_by_name(shared),
        })
    }

    /// Leaves out the routes that hold nothing: that is most of them, in each of 300 samples.
    fn held_by_name(&self, shared: &Shared) -> Map<String, Value> {
        let rows = shared.metrics.routes.iter().zip(&self.held);
        let rows = rows.filter(|(_, held)| **held > 0);
        rows.map(|(count, held)| (count.name.to_string(), json!(held)))
            .collect()
    }
}
