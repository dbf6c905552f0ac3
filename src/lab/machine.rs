//! The machine that an experiment ran on: figures mean little without it.

use procfs::{CpuInfo, Current, Meminfo};
use serde_json::{Value, json};

use crate::door::room::{self, Room};

/// What is not a client's connection: descriptors and ports that the lab itself needs.
const SPARE: usize = 100;

/// What there is, and what of it one process may have.
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
    /// Looks at this machine. Raises our own limit on open files to the hard one, as the server does.
    pub fn look() -> Machine {
        let processors = CpuInfo::current().ok();
        let name = processors
            .as_ref()
            .and_then(|processors| processors.model_name(0));
        Machine {
            processor: name.unwrap_or("an unknown processor").to_string(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: Meminfo::current().map_or(0, |memory| memory.mem_total),
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_string(),
            capacity: room::measure(),
        }
    }

    /// So many connections as were asked for, as far as there is room for them; and if there is not, a word
    /// about it.
    pub fn fit(&self, asked: Vec<usize>) -> (Vec<usize>, Vec<String>) {
        let Room {
            connections,
            open_files,
            set_by,
            ..
        } = self.capacity;
        let room = connections.min(open_files as usize);
        let ports = local_ports();
        let set_by = match ports < room {
            true => "ports (net.ipv4.ip_local_port_range)",
            false => set_by,
        };
        let room = room.min(ports).saturating_sub(SPARE).max(1);
        let most = asked.iter().max().copied().unwrap_or(0);
        let mut sizes: Vec<usize> = asked.into_iter().map(|size| size.min(room)).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let note = (most > room).then(|| {
            format!("cut short at {room} connections instead of {most}: this machine has no room for more {set_by}")
        });
        (sizes, note.into_iter().collect())
    }

    /// One line.
    pub fn to_text(&self) -> String {
        format!(
            "{}, {} cores, {:.0} GiB, Linux {}; room for {} connections, and then no more {}",
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

/// How many connections one address of ours can have to one of a server's.
fn local_ports() -> usize {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let range = range.unwrap_or_default();
    let mut ends = range.split_whitespace().map(str::parse::<usize>);
    match (ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last))) => last.saturating_sub(first) + 1,
        _ => usize::MAX,
    }
}

/// Memory that the kernel itself uses now, in bytes: threads' kernel stacks, page tables, and its own
/// objects (sockets, tasks, epoll entries). It is the whole machine's: take the difference of two looks.
pub fn kernel_memory() -> u64 {
    Meminfo::current().map_or(0, |memory| {
        memory.slab + memory.kernel_stack.unwrap_or(0) + memory.page_tables.unwrap_or(0)
    })
}
