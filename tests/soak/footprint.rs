//! A process's threads, descriptors and memory. A test that counts them must be alone in its process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

use super::support::{resident_memory, wait_until};

/// Counts the bytes on the heap.
struct Counting;

static ON_HEAP: AtomicIsize = AtomicIsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system's allocator does everything; this only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ON_HEAP.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller keeps the system allocator's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ON_HEAP.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller keeps the system allocator's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What this process uses now.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    pub threads: usize,
    pub descriptors: usize,
    pub heap: isize,
    pub resident: u64,
}

impl Footprint {
    pub fn now() -> Footprint {
        give_back_free_memory();
        Footprint {
            threads: entries("/proc/self/task"),
            descriptors: entries("/proc/self/fd"),
            heap: ON_HEAP.load(Ordering::SeqCst),
            resident: resident_memory(),
        }
    }

    /// Waits until there are as many threads and descriptors as `before`: the last ones may still be ending.
    pub fn wait_for_same(before: &Footprint) -> Footprint {
        wait_until(&format!("threads and descriptors as in {before:?}"), || {
            let now = Footprint::now();
            (now.threads, now.descriptors) == (before.threads, before.descriptors)
        });
        Footprint::now()
    }
}

/// Makes all threads share one arena. Only then can the allocator return all freed memory, without which there is
/// nothing to compare.
#[cfg(target_env = "gnu")]
pub fn share_one_arena() {
    // SAFETY: it takes numbers, and changes only the allocator's speed.
    unsafe { nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1) };
}

#[cfg(target_env = "gnu")]
fn give_back_free_memory() {
    // SAFETY: it takes a number, and touches free memory only.
    unsafe { nix::libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
pub fn share_one_arena() {}

#[cfg(not(target_env = "gnu"))]
fn give_back_free_memory() {}

fn entries(directory: &str) -> usize {
    std::fs::read_dir(directory)
        .expect("/proc is there")
        .count()
}
