//! The machine that an experiment ran on: figures mean little without it.

use serde_json::{Value, json};

use super::proc;
use crate::door::room::{self, Room};

/// Descriptors and ports kept for the lab itself.
const SPARE: usize = 100;

/// The machine, and how much of it one process may use.
#[derive(Clone, Debug)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    /// In bytes.
    pub memory: u64,
    pub kernel: String,
    pub capacity: Room,
}

impl Machine {
    /// This machine. Raises our own soft limit on open files to the hard one, as the server does.
    pub fn look() -> Machine {
        Machine {
            processor: proc::processor(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: proc::memory(),
            kernel: proc::kernel(),
            capacity: room::measure(),
        }
    }

    /// The sizes asked for, cut to what fits, and a note if one was cut.
    pub fn fit(&self, asked: Vec<usize>) -> (Vec<usize>, Vec<String>) {
        let (room, set_by) = self.room();
        let largest = asked.iter().max().copied().unwrap_or(0);
        let mut sizes: Vec<usize> = asked.into_iter().map(|size| size.min(room)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let note = (largest > room)
            .then(|| format!("limited to {room} connections instead of {largest} by {set_by}"));
        (sizes, note.into_iter().collect())
    }

    /// How many connections the lab can open, and the limit that decides it.
    fn room(&self) -> (usize, &'static str) {
        let capacity = &self.capacity;
        let room = capacity.connections.min(capacity.open_files as usize);
        let ports = proc::local_ports();
        let set_by = match ports < room {
            true => "ports (net.ipv4.ip_local_port_range)",
            false => capacity.set_by,
        };
        (room.min(ports).saturating_sub(SPARE).max(1), set_by)
    }

    /// One line.
    pub fn to_text(&self) -> String {
        format!(
            "{}, {} cores, {:.0} GiB, Linux {}; capacity {} connections, limited by {}",
            self.processor,
            self.cores,
            self.memory as f64 / f64::from(1 << 30),
            self.kernel,
            self.capacity.connections,
            self.capacity.set_by
        )
    }

    /// The same for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "memory_bytes": self.memory,
            "kernel": self.kernel,
            "room_for_connections": self.capacity.connections,
            "ended_by": self.capacity.set_by,
        })
    }
}
