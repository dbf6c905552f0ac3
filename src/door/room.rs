//! What the machine has room for, measured at start: the server knows its ceiling before it hits it.
//!
//! Chapter: [Why threads strain](../../../../../docs/strain.md).

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors kept for what is not a connection: listeners, the desk, the doorbell, files. (Of a small limit, half.)
const SPARE_FILES: u64 = 64;
/// Threads kept for what is not a connection, and for the rest of the machine. (Of a small limit, half.)
const SPARE_THREADS: u64 = 256;
/// Memory mappings of one thread: its stack and its signal stack, each with a guard page.
const MAPS_PER_THREAD: u64 = 4;
/// Mappings kept for the program itself.
const SPARE_MAPS: u64 = 1024;

/// How many connections, and so threads, fit, and which limit comes first.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub connections: usize,
    /// The limit that `connections` comes from.
    pub set_by: &'static str,
    pub open_files: u64,
    pub threads: u64,
}

/// Raises the soft limit on open files to the hard one, then computes how many connections each limit allows, and
/// takes the smallest.
pub fn measure() -> Room {
    let open_files = raise_open_files();
    let threads = thread_limit();
    let maps = number("/proc/sys/vm/max_map_count").unwrap_or(65_530);
    let rooms = [
        (
            "open files (ulimit -n)",
            open_files - SPARE_FILES.min(open_files / 2),
        ),
        (
            "threads (kernel.threads-max, kernel.pid_max, ulimit -u)",
            threads - SPARE_THREADS.min(threads / 2),
        ),
        (
            "memory mappings (vm.max_map_count)",
            maps.saturating_sub(SPARE_MAPS) / MAPS_PER_THREAD,
        ),
    ];
    let (set_by, room) = rooms
        .into_iter()
        .min_by_key(|(_, room)| *room)
        .unwrap_or(rooms[0]);
    Room {
        connections: room.max(1) as usize,
        set_by,
        open_files,
        threads,
    }
}

fn raise_open_files() -> u64 {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let most = hard.min(1 << 20); // "unlimited" is more than can be had
    match setrlimit(Resource::RLIMIT_NOFILE, most, hard) {
        Ok(()) => most,
        Err(_) => soft,
    }
}

/// The smallest of the limits on threads that apply to us. (A thread takes a process id, too.)
fn thread_limit() -> u64 {
    let all = number("/proc/sys/kernel/threads-max").unwrap_or(u64::MAX);
    let ids = number("/proc/sys/kernel/pid_max").unwrap_or(u64::MAX);
    all.min(ids).min(user_limit()).min(cgroup_limit())
}

/// `ulimit -u`, which does not bind root.
fn user_limit() -> u64 {
    match nix::unistd::geteuid().is_root() {
        true => u64::MAX,
        false => getrlimit(Resource::RLIMIT_NPROC).map_or(u64::MAX, |(soft, _)| soft),
    }
}

/// `pids.max` of our own control group (a container's limit, or a service's).
fn cgroup_limit() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let ours = groups.lines().find_map(|line| line.strip_prefix("0::"));
    ours.and_then(|group| number(&format!("/sys/fs/cgroup{group}/pids.max")))
        .unwrap_or(u64::MAX)
}

/// Reads a file of the kernel's that holds one number.
fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Asks for a larger futex table. Since Linux 6.16 a process has its own, sized by its processors: thousands of
/// parked threads then share a handful of buckets, and each wake walks through hundreds of them. Older kernels
/// refuse, and nothing is lost.
pub fn enlarge_futex_table() {
    const PR_FUTEX_HASH: i32 = 78;
    const PR_FUTEX_HASH_SET_SLOTS: u64 = 1;
    const SLOTS: u64 = 16_384;
    // SAFETY: this call takes numbers, no pointers, and only changes how fast futexes are found.
    unsafe { nix::libc::prctl(PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS, SLOTS, 0) };
}

/// Makes this thread, and those that it starts from here on, batch work to the scheduler (`SCHED_BATCH`): a thread
/// that wakes doesn't preempt the one that woke it.
pub fn wake_without_preempting() {
    let parameters = nix::libc::sched_param { sched_priority: 0 };
    // SAFETY: the pointer is to a local that lives for the call.
    unsafe { nix::libc::sched_setscheduler(0, nix::libc::SCHED_BATCH, &parameters) };
}
