//! What the process uses now, as the kernel tells it.

use nix::sys::resource::{UsageWho, getrusage};
use procfs::process::{Process, Status};

/// Each figure is `None` when it can't be had: to ask for it takes a descriptor, too.
#[derive(Clone, Default)]
pub struct Usage {
    pub threads: Option<u64>,
    /// Resident memory: what is in RAM of stacks, heap and program.
    pub rss_bytes: Option<u64>,
    pub open_files: Option<usize>,
    /// Since the process started, of all its threads: a thread went to sleep, or its time was up.
    pub context_switches: Option<i64>,
}

impl Usage {
    /// Costs a few system calls. The kernel adds up the context switches over all threads: that is the
    /// part that grows with them.
    pub fn now() -> Usage {
        let me = Process::myself().ok();
        let status: Option<Status> = me.as_ref().and_then(|me| me.status().ok());
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        Usage {
            threads: status.as_ref().map(|status| status.threads),
            rss_bytes: status.and_then(|status| status.vmrss).map(|kib| kib * 1024),
            open_files: me.and_then(|me| me.fd_count().ok()),
            context_switches: usage.map(|usage| {
                usage.voluntary_context_switches() + usage.involuntary_context_switches()
            }),
        }
    }
}
