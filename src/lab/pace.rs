//! When the lab publishes: at random times, the same ones in each run. At regular times a polling client
//! would always be equally late.

use std::io;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::clients::Clients;

/// A message to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// Since the start.
    pub at: Duration,
    /// The number of its publisher.
    pub publisher: usize,
}

/// One publisher's messages at random times within `seconds`.
pub fn random(publisher: usize, messages: usize, seconds: f64) -> Vec<Due> {
    let mut random = fastrand::Rng::with_seed(publisher as u64 + 1);
    let due = |_| Due {
        at: Duration::from_secs_f64(random.f64() * seconds),
        publisher,
    };
    (0..messages).map(due).collect()
}

/// Publishes each message when it is due, and runs the clients in between.
pub fn publish(
    clients: &mut Clients,
    start: Instant,
    mut dues: Vec<Due>,
    seconds: f64,
    progress: &ProgressBar,
) -> io::Result<()> {
    dues.sort_by_key(|due| due.at);
    for (number, due) in dues.iter().enumerate() {
        run_until(clients, start + due.at)?;
        clients.publish(due.publisher, &message(number))?;
        progress.inc(1);
    }
    run_until(clients, start + Duration::from_secs_f64(seconds))
}

fn run_until(clients: &mut Clients, end: Instant) -> io::Result<()> {
    let left = end.saturating_duration_since(Instant::now());
    clients.until(left, |_| false).map(|_| ())
}

/// A chat message. All are equally long.
pub fn message(number: usize) -> String {
    format!(r#"{{"text":"hello, number {number:06}"}}"#)
}
