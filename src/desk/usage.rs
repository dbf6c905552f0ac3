//! What the process uses now, according to the kernel.

use std::fs;

use nix::sys::resource::{UsageWho, getrusage};

/// A figure is `None` if it can't be read: reading `/proc` takes a file descriptor.
#[derive(Clone, Default)]
pub struct Usage {
    pub threads: Option<u64>,
    /// Resident memory: the pages of stacks, heap and program that are in RAM.
    pub rss_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_files: Option<usize>,
    /// Context switches of all threads since the process started, voluntary and involuntary.
    pub context_switches: Option<i64>,
}

impl Usage {
    /// Takes a few system calls. Their cost grows with the number of threads and descriptors.
    pub fn now() -> Usage {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Usage {
            threads: number_after("Threads:", &status),
            rss_bytes: number_after("VmRSS:", &status).map(|kib| kib * 1024),
            open_files: open_files(),
            context_switches: context_switches(),
        }
    }
}

/// The number in the line of `/proc/self/status` that starts with this name.
fn number_after(name: &str, status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

/// Since Linux 6.2 the directory's size is the number of its files. Listing thousands takes milliseconds.
fn open_files() -> Option<usize> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => Some(fs::read_dir("/proc/self/fd").ok()?.count()),
        files => Some(files as usize),
    }
}

fn context_switches() -> Option<i64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    Some(usage.voluntary_context_switches() + usage.involuntary_context_switches())
}
