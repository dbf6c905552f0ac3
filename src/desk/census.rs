//! What all threads do now: each is named for it (see `Connection::rename`), and the kernel keeps the
//! names in `/proc/self/task/*/comm`.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use serde_json::{Value, json};

/// The threads are not counted more often than that.
const AT_MOST_EVERY: Duration = Duration::from_secs(2);
/// It takes a file a thread. So that it never becomes a load of its own, whatever it took is followed by
/// so many times as long without: half a percent of one processor.
const PAUSE: u32 = 200;

/// The threads as they were counted last.
#[derive(Default)]
pub struct Census {
    last: Option<Count>,
}

struct Count {
    at: Instant,
    took: Duration,
    /// Roles, and how many threads have each.
    roles: Vec<(String, usize)>,
}

impl Count {
    /// How long it stands.
    fn stands(&self) -> Duration {
        AT_MOST_EVERY.max(self.took * PAUSE)
    }

    fn tell(&self) -> Value {
        let row = |(role, threads): &(String, usize)| json!({ "role": role, "threads": threads });
        json!({
            "age_ms": self.at.elapsed().as_millis() as u64,
            "took_us": self.took.as_micros() as u64,
            "every_ms": self.stands().as_millis() as u64,
            "threads": self.roles.iter().map(|(_, threads)| threads).sum::<usize>(),
            "roles": self.roles.iter().map(row).collect::<Vec<Value>>(),
        })
    }
}

impl Census {
    /// The last count, for `/threads`; a new one if that is too old.
    ///
    /// # Errors
    /// When the threads can't be counted, and never could.
    pub fn tell(&mut self) -> io::Result<Value> {
        let stands = |count: &Count| count.at.elapsed() < count.stands();
        if !self.last.as_ref().is_some_and(stands) {
            match (count(), &self.last) {
                (Ok(count), _) => self.last = Some(count),
                (Err(error), None) => return Err(error),
                (Err(_), Some(_)) => {} // the old one tells its age
            }
        }
        Ok(self.last.as_ref().map_or(Value::Null, Count::tell))
    }
}

/// Most threads first.
fn count() -> io::Result<Count> {
    let at = Instant::now();
    let mut roles: HashMap<String, usize> = HashMap::new();
    for task in fs::read_dir("/proc/self/task")? {
        if let Some(name) = name_of(&task?.path())? {
            *roles.entry(role(&name).to_string()).or_default() += 1;
        }
    }
    let mut roles: Vec<(String, usize)> = roles.into_iter().collect();
    roles.sort_by(|(a, more), (b, less)| less.cmp(more).then(a.cmp(b)));
    Ok(Count {
        at,
        took: at.elapsed(),
        roles,
    })
}

/// A thread's name; `None` if it has ended meanwhile.
fn name_of(task: &Path) -> io::Result<Option<String>> {
    match fs::read(task.join("comm")) {
        Ok(name) => Ok(Some(String::from_utf8_lossy(&name).trim_end().to_string())),
        Err(error) if is_over(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_over(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ESRCH as i32)
}

/// A thread's name without its number: `long-poll-12` is one of the `long-poll`.
pub fn role(name: &str) -> &str {
    let role = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match role.strip_suffix('-') {
        Some(role) if !role.is_empty() => role,
        _ => name,
    }
}
