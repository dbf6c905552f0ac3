//! What the server counts: its connections, and what each route does with them.
//!
//! Chapter: [Why threads strain](../../../../../docs/strain.md).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// All counts of one server.
pub struct Metrics {
    pub started: Instant,
    /// Open connections, each with its thread.
    pub connections: AtomicUsize,
    /// One a route, in the routes' order.
    pub routes: Vec<Arc<RouteMetrics>>,
}

/// What has happened on one route since the server started. Bytes are those of its requests and answers, with heads,
/// chunk sizes and frame headers.
#[derive(Default)]
pub struct RouteMetrics {
    /// The route's name.
    pub name: &'static str,
    /// Connections held now.
    pub held: AtomicUsize,
    pub requests: AtomicU64,
    /// Events delivered.
    pub events: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    /// Calls of `write`: one may carry several events.
    pub writes: AtomicU64,
}

impl Metrics {
    /// Metrics for routes with these names.
    pub fn new(names: &[&'static str]) -> Metrics {
        let route = |name: &&'static str| {
            Arc::new(RouteMetrics {
                name,
                ..RouteMetrics::default()
            })
        };
        Metrics {
            started: Instant::now(),
            connections: AtomicUsize::new(0),
            routes: names.iter().map(route).collect(),
        }
    }

    /// Connections held now, on all routes.
    pub fn held(&self) -> usize {
        self.held_by_route().into_iter().sum()
    }

    /// Connections held now, in the routes' order.
    pub fn held_by_route(&self) -> Vec<usize> {
        let held = |route: &Arc<RouteMetrics>| route.held.load(Ordering::Relaxed);
        self.routes.iter().map(held).collect()
    }
}

/// Adds to a count.
pub fn add(count: &AtomicU64, more: usize) {
    count.fetch_add(more as u64, Ordering::Relaxed);
}
