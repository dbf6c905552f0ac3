//! When the lab publishes: at random times, the same in each run. At even times a polling client would
//! always be as late as the first time.

use std::io;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::clients::Clients;

/// A message that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// Since the beginning.
    pub at: Duration,
    /// Which of the publishers publishes it.
    pub publisher: usize,
}

/// So many messages of one publisher, at random times within these seconds.
pub fn random(publisher: usize, messages: usize, seconds: f64) -> Vec<Due> {
    let mut random = fastrand::Rng::with_seed(publisher as u64 + 1);
    let due = |_| Due {
        at: Duration::from_secs_f64(random.f64() * seconds),
        publisher,
    };
    (0..messages).map(due).collect()
}

/// Publishes each message when it is due, and lets the clients do theirs until then.
pub fn publish(
    clients: &mut Clients,
    begun: Instant,
    mut dues: Vec<Due>,
    seconds: f64,
    progress: &ProgressBar,
) -> io::Result<()> {
    dues.sort_by_key(|due| due.at);
    for (number, due) in dues.iter().enumerate() {
        run_until(clients, begun + due.at)?;
        clients.publish(due.publisher, &message(number))?;
        progress.inc(1);
    }
    run_until(clients, begun + Duration::from_secs_f64(seconds))
}

fn run_until(clients: &mut Clients, end: Instant) -> io::Result<()> {
    let left = end.saturating_duration_since(Instant::now());
    clients.until(left, |_| false).map(|_| ())
}

/// What one says in a chat. They are all of one length.
pub fn message(number: usize) -> String {
    format!(r#"{{"text":"hello, number {number:06}"}}"#)
}
