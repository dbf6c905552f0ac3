//! What Linux says about a process and about the machine, read from `/proc`: one function per fact.
//!
//! A process that has ended reads as zero.

use std::fs;
use std::time::Duration;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The value of `name` in a text of `name: value` lines, such as `/proc/meminfo`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
    Some(value.trim())
}

/// The same as a number, without its unit.
fn number(text: &str, name: &str) -> u64 {
    let value = value(text, name).unwrap_or_default();
    let number = value.split(' ').next().unwrap_or_default();
    number.parse().unwrap_or(0)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn status(process: Pid) -> String {
    read(&format!("/proc/{process}/status"))
}

/// The numbers among the names in a directory: process ids, thread ids, descriptors.
fn numbers_in(folder: &str) -> Vec<i32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

/// How many threads it runs.
pub fn threads(process: Pid) -> usize {
    number(&status(process), "Threads") as usize
}

/// Its resident memory, in bytes.
pub fn resident(process: Pid) -> u64 {
    number(&status(process), "VmRSS") * 1024
}

/// How many descriptors it has open.
pub fn open_files(process: Pid) -> usize {
    numbers_in(&format!("/proc/{process}/fd")).len()
}

/// How many memory mappings it has.
pub fn mappings(process: Pid) -> usize {
    let maps = fs::read(format!("/proc/{process}/maps")).unwrap_or_default();
    maps.iter().filter(|byte| **byte == b'\n').count()
}

/// Context switches of all its threads so far. Reads one file per thread.
pub fn switches(process: Pid) -> u64 {
    let threads = numbers_in(&format!("/proc/{process}/task"));
    let switches = |thread: i32| {
        let status = read(&format!("/proc/{process}/task/{thread}/status"));
        number(&status, "voluntary_ctxt_switches") + number(&status, "nonvoluntary_ctxt_switches")
    };
    threads.into_iter().map(switches).sum()
}

/// CPU time so far, the kernel's on its behalf included. From the process's own clock: `/proc/PID/stat`
/// counts in steps of 10 ms, too coarse for one message.
pub fn cpu(process: Pid) -> Duration {
    let time = clock_getcpuclockid(process).and_then(clock_gettime);
    time.map_or(Duration::ZERO, Duration::from)
}

/// True until it has exited. A zombie has exited.
pub fn is_running(process: Pid) -> bool {
    let status = status(process);
    value(&status, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// When it started, in clock ticks since boot: field 22 of `stat`, counted from the end of the name,
/// which may contain spaces.
pub fn started(process: Pid) -> u64 {
    let stat = read(&format!("/proc/{process}/stat"));
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let started = fields.split_whitespace().nth(19);
    started.and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// Its command line; the arguments are separated by zero bytes.
pub fn command_line(process: Pid) -> String {
    let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&arguments).into_owned()
}

/// The running processes that it has started itself.
pub fn children(process: Pid) -> Vec<Pid> {
    let all = numbers_in("/proc").into_iter().map(Pid::from_raw);
    let parent = |child: Pid| number(&status(child), "PPid");
    let is_child = |child: &Pid| parent(*child) == process.as_raw() as u64 && is_running(*child);
    all.filter(is_child).collect()
}

/// Its children, their children, and so on.
pub fn descendants(process: Pid) -> Vec<Pid> {
    let mut found = children(process);
    let mut next = 0;
    while next < found.len() {
        found.extend(children(found[next]));
        next += 1;
    }
    found
}

/// The model of the first processor.
pub fn processor() -> String {
    let processors = read("/proc/cpuinfo");
    let model = value(&processors, "model name");
    model.unwrap_or("an unknown processor").to_string()
}

/// The machine's memory, in bytes.
pub fn memory() -> u64 {
    number(&read("/proc/meminfo"), "MemTotal") * 1024
}

/// The memory that the kernel itself uses, in bytes: kernel stacks, page tables, and its own objects
/// (sockets, tasks, epoll entries). It covers the whole machine, so compare two readings.
pub fn kernel_memory() -> u64 {
    let memory = read("/proc/meminfo");
    let sizes = ["Slab", "KernelStack", "PageTables"].map(|part| number(&memory, part));
    sizes.into_iter().sum::<u64>() * 1024
}

/// The kernel's version.
pub fn kernel() -> String {
    read("/proc/sys/kernel/osrelease").trim().to_string()
}

/// How many connections one local address can have to one address and port of a server.
pub fn local_ports() -> usize {
    let range = read("/proc/sys/net/ipv4/ip_local_port_range");
    let mut ends = range.split_whitespace().map(str::parse::<usize>);
    match (ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last))) => last.saturating_sub(first) + 1,
        _ => usize::MAX,
    }
}
