//! All counts in one answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use crate::desk::usage::Usage;
use crate::door::metrics::RouteMetrics;
use crate::door::shared::Shared;

/// The answer to `/stats`.
pub fn stats(shared: &Shared) -> Value {
    let meter = &shared.metrics;
    let usage = Usage::now();
    json!({
        "uptime_s": meter.started.elapsed().as_secs(),
        "threads": usage.threads,
        "rss_bytes": usage.rss_bytes,
        "open_files": usage.open_files,
        "context_switches": usage.context_switches,
        "limits": limits(shared),
        "connections": meter.connections.load(Ordering::SeqCst),
        "held": meter.held(),
        "techniques": techniques(&meter.routes),
    })
}

/// The limits: the connection cap, and what the machine allows this process.
pub fn limits(shared: &Shared) -> Value {
    json!({
        "connections": shared.max_connections,
        "open_files": shared.room.open_files,
        "threads": shared.room.threads,
    })
}

fn techniques(counts: &[Arc<RouteMetrics>]) -> Map<String, Value> {
    let rows = counts
        .iter()
        .map(|count| (count.name.to_string(), technique(count)));
    rows.collect()
}

fn technique(count: &RouteMetrics) -> Value {
    json!({
        "held": count.held.load(Ordering::Relaxed),
        "requests": count.requests.load(Ordering::Relaxed),
        "events": count.events.load(Ordering::Relaxed),
        "bytes_in": count.bytes_in.load(Ordering::Relaxed),
        "bytes_out": count.bytes_out.load(Ordering::Relaxed),
        "writes": count.writes.load(Ordering::Relaxed),
    })
}
