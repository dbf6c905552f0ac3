//! All counts in one answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use crate::desk::usage::Usage;
use crate::door::metrics::RouteMetrics;
use crate::door::shared::Shared;

/// The answer to `/stats`.
pub fn stats(shared: &Shared) -> Value {
    let metrics = &shared.metrics;
    let usage = Usage::now();
    json!({
        "uptime_s": metrics.started.elapsed().as_secs(),
        "threads": usage.threads,
        "rss_bytes": usage.rss_bytes,
        "open_files": usage.open_files,
        "context_switches": usage.context_switches,
        "limits": limits(shared),
        "connections": metrics.connections.load(Ordering::SeqCst),
        "held": metrics.held(),
        "techniques": techniques(&metrics.routes),
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

fn techniques(routes: &[Arc<RouteMetrics>]) -> Map<String, Value> {
    let rows = routes
        .iter()
        .map(|route| (route.name.to_string(), technique(route)));
    rows.collect()
}

fn technique(route: &RouteMetrics) -> Value {
    json!({
        "held": route.held.load(Ordering::Relaxed),
        "requests": route.requests.load(Ordering::Relaxed),
        "events": route.events.load(Ordering::Relaxed),
        "bytes_in": route.bytes_in.load(Ordering::Relaxed),
        "bytes_out": route.bytes_out.load(Ordering::Relaxed),
        "writes": route.writes.load(Ordering::Relaxed),
    })
}
