//! What all threads are doing. Each thread is named after its work (see `Connection::rename`), and the kernel
//! lists the names in `/proc/self/task/*/comm`.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use serde_json::{Value, json};

/// The shortest time between two counts.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(2);
/// A count reads one file per thread, so it gets slower as threads are added. The next one waits 200 times as
/// long as the last one took: counting stays below half a percent of one CPU.
const REST_FACTOR: u32 = 200;

/// The last count of the threads.
#[derive(Default)]
pub struct Census {
    last: Option<Roles>,
}

/// How many threads had each role at one moment.
struct Roles {
    counted_at: Instant,
    took: Duration,
    /// Role and number of threads, the largest number first.
    rows: Vec<(String, usize)>,
}

impl Roles {
    /// How long this count is valid.
    fn lifetime(&self) -> Duration {
        SHORTEST_INTERVAL.max(self.took * REST_FACTOR)
    }

    fn is_fresh(&self) -> bool {
        self.counted_at.elapsed() < self.lifetime()
    }

    fn json(&self) -> Value {
        let row = |(role, threads): &(String, usize)| json!({ "role": role, "threads": threads });
        json!({
            "age_ms": self.counted_at.elapsed().as_millis() as u64,
            "took_us": self.took.as_micros() as u64,
            "every_ms": self.lifetime().as_millis() as u64,
            "threads": self.rows.iter().map(|(_, threads)| threads).sum::<usize>(),
            "roles": self.rows.iter().map(row).collect::<Vec<Value>>(),
        })
    }
}

impl Census {
    /// The answer to `/threads`: the last count, or a new one if that is too old.
    ///
    /// # Errors
    /// If the threads can't be counted and there is no earlier count.
    pub fn json(&mut self) -> io::Result<Value> {
        if !self.last.as_ref().is_some_and(Roles::is_fresh) {
            match (count_roles(), &self.last) {
                (Ok(roles), _) => self.last = Some(roles),
                (Err(error), None) => return Err(error),
                (Err(_), Some(_)) => {} // the old count will do: `age_ms` shows its age
            }
        }
        Ok(self.last.as_ref().map_or(Value::Null, Roles::json))
    }
}

fn count_roles() -> io::Result<Roles> {
    let counted_at = Instant::now();
    let mut roles: HashMap<String, usize> = HashMap::new();
    for task in fs::read_dir("/proc/self/task")? {
        if let Some(name) = name_of(&task?.path())? {
            *roles.entry(role(&name).to_string()).or_default() += 1;
        }
    }
    let mut rows: Vec<(String, usize)> = roles.into_iter().collect();
    rows.sort_by(|(a, more), (b, less)| less.cmp(more).then(a.cmp(b)));
    Ok(Roles {
        counted_at,
        took: counted_at.elapsed(),
        rows,
    })
}

/// A thread's name; `None` if the thread has ended since it was listed.
fn name_of(task: &Path) -> io::Result<Option<String>> {
    match fs::read(task.join("comm")) {
        Ok(name) => Ok(Some(String::from_utf8_lossy(&name).trim_end().to_string())),
        Err(error) if has_ended(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn has_ended(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ESRCH as i32)
}

/// A thread's name without its number: the role of `long-poll-12` is `long-poll`.
pub fn role(name: &str) -> &str {
    let role = name.trim_end_matches(|c: char| c.is_ascii_digit());
    match role.strip_suffix('-') {
        Some(role) if !role.is_empty() => role,
        _ => name,
    }
}
