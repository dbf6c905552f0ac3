//! What the lab measures: a server in a process of its own, seen from outside, through /proc.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use procfs::process::Process;
use serde_json::Value;

/// A server under test. Dropping it ends the process.
pub struct Subject {
    child: Child,
    pub address: SocketAddr,
    /// The desk, if it has one.
    pub desk: Option<SocketAddr>,
    process: Process,
}

/// What a server uses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub threads: usize,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Open descriptors.
    pub files: usize,
    /// Memory mappings.
    pub maps: usize,
}

/// What a server has done until now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Processor time, the kernel's on its behalf included.
    pub cpu: Duration,
    /// How often a thread of it gave up a processor, or lost it.
    pub switches: u64,
}

impl std::ops::Sub for Work {
    type Output = Work;

    fn sub(self, before: Work) -> Work {
        Work {
            cpu: self.cpu.saturating_sub(before.cpu),
            switches: self.switches.saturating_sub(before.switches),
        }
    }
}

impl Work {
    /// One of so many equal parts.
    pub fn per(self, parts: usize) -> Work {
        Work {
            cpu: self.cpu / parts.max(1) as u32,
            switches: self.switches / parts.max(1) as u64,
        }
    }
}

impl Subject {
    /// comet itself, on free ports.
    ///
    /// # Errors
    /// When it does not start; the message has what it said.
    pub fn comet(more: &[&str]) -> io::Result<Subject> {
        let free = "127.0.0.1:0";
        let arguments = ["--listen", free, "--desk", free];
        Subject::start(&[&arguments, more].concat(), 2)
    }

    /// The yardstick: [`super::one_thread`].
    pub fn one_thread() -> io::Result<Subject> {
        Subject::start(&["lab", "one-thread"], 1)
    }

    fn start(arguments: &[&str], lines: usize) -> io::Result<Subject> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(arguments)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let lab = Pid::this();
        // SAFETY: between fork and exec this makes two system calls, and touches no memory.
        unsafe { command.pre_exec(move || end_with(lab)) };
        let mut child = command.spawn()?;
        let process = Process::new(child.id() as i32).map_err(io::Error::other)?;
        let addresses = child
            .stdout
            .take()
            .map(|stdout| read_addresses(BufReader::new(stdout), lines));
        let addresses = addresses.unwrap_or_default();
        let Some(&address) = addresses.first() else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other(
                "the server under test did not start: see what it said above",
            ));
        };
        Ok(Subject {
            child,
            address,
            desk: addresses.get(1).copied(),
            process,
        })
    }

    /// What it uses now.
    pub fn usage(&self) -> Usage {
        let status = self.process.status().ok();
        Usage {
            threads: status.as_ref().map_or(0, |status| status.threads as usize),
            resident: status.and_then(|status| status.vmrss).unwrap_or(0) * 1024,
            files: self.process.fd_count().unwrap_or(0),
            maps: self.process.maps().map_or(0, |maps| maps.len()),
        }
    }

    /// What the server says of itself, at its desk.
    pub fn stats(&self) -> Option<Value> {
        let mut socket = TcpStream::connect(self.desk?).ok()?;
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .ok()?;
        let request = "GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        socket.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }

    /// What it has done until now. Costs one look at each of its threads.
    pub fn work(&self) -> Work {
        let tasks = self.process.tasks().into_iter().flatten().flatten();
        let statuses = tasks.filter_map(|task| task.status().ok());
        let switches = |status: procfs::process::Status| {
            status.voluntary_ctxt_switches.unwrap_or(0)
                + status.nonvoluntary_ctxt_switches.unwrap_or(0)
        };
        Work {
            cpu: self.cpu(),
            switches: statuses.map(switches).sum(),
        }
    }

    /// By its own clock: /proc/PID/stat counts in steps of 10 ms, too long for one message.
    fn cpu(&self) -> Duration {
        let pid = Pid::from_raw(self.process.pid());
        let time = clock_getcpuclockid(pid).and_then(clock_gettime);
        time.map_or(Duration::ZERO, Duration::from)
    }
}

/// However the lab ends, its servers end with it.
fn end_with(lab: Pid) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    match Pid::parent() == lab {
        true => Ok(()),
        false => Err(io::ErrorKind::Interrupted.into()), // it has ended already
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The addresses that a server prints: `listening on http://127.0.0.1:41237/`.
fn read_addresses(mut stdout: impl BufRead, lines: usize) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    let mut line = String::new();
    while addresses.len() < lines && matches!(stdout.read_line(&mut line), Ok(1..)) {
        let address = line.trim().trim_end_matches('/').rsplit('/').next();
        addresses.extend(address.and_then(|address| address.parse::<SocketAddr>().ok()));
        line.clear();
    }
    addresses
}
