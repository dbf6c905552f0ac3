//! A server under test, in a process of its own, measured from outside through [`proc`].

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;

use super::proc;

/// A server under test. Dropping it ends the process.
pub struct Subject {
    child: Child,
    pub address: SocketAddr,
    /// Its desk, if it has one.
    pub desk: Option<SocketAddr>,
    process: Pid,
}

/// What a server uses at a moment.
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

/// What a server has done so far, or between two readings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// CPU time, the kernel's on its behalf included.
    pub cpu: Duration,
    /// Context switches of all its threads.
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
    /// The work of one of `parts` equal parts.
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
    /// When it doesn't start.
    pub fn comet(more: &[&str]) -> io::Result<Subject> {
        let free = "127.0.0.1:0";
        let arguments = ["--listen", free, "--desk", free];
        Subject::start(&[&arguments, more].concat(), Stdio::null(), 2)
    }

    /// The yardstick for strain: [`super::one_thread`].
    pub fn one_thread() -> io::Result<Subject> {
        Subject::start(&["lab", "one-thread"], Stdio::null(), 1)
    }

    /// The yardstick for throughput, [`super::plain_threads`]. It answers every request with `answer`.
    pub fn plain_threads(answer: &[u8]) -> io::Result<Subject> {
        let (input, mut writer) = io::pipe()?;
        writer.write_all(answer)?;
        drop(writer);
        Subject::start(&["lab", "plain-threads"], input.into(), 1)
    }

    /// Starts `comet` with these arguments, and reads its address, and its desk's, from its first `lines`.
    fn start(arguments: &[&str], input: Stdio, lines: usize) -> io::Result<Subject> {
        let mut child = command(arguments)?.stdin(input).spawn()?;
        let stdout = child.stdout.take().map(BufReader::new);
        let addresses = stdout.map(|stdout| read_addresses(stdout, lines));
        let addresses = addresses.unwrap_or_default();
        let Some(&address) = addresses.first() else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other(
                "the server under test did not start: see its message above",
            ));
        };
        Ok(Subject {
            process: Pid::from_raw(child.id() as i32),
            child,
            address,
            desk: addresses.get(1).copied(),
        })
    }

    /// What it uses now.
    pub fn usage(&self) -> Usage {
        Usage {
            threads: proc::threads(self.process),
            resident: proc::resident(self.process),
            files: proc::open_files(self.process),
            maps: proc::mappings(self.process),
        }
    }

    /// The server's own counts, from its desk.
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

    /// Its work so far. Reads a file for each of its threads.
    pub fn work(&self) -> Work {
        Work {
            cpu: proc::cpu(self.process),
            switches: proc::switches(self.process),
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(arguments)
        .env("RUST_LOG", "warn")
        .stdout(Stdio::piped());
    let lab = Pid::this();
    // SAFETY: between fork and exec this makes two system calls, and touches no memory.
    unsafe { command.pre_exec(move || end_with(lab)) };
    Ok(command)
}

/// Asks the kernel to kill the server when the lab ends, however it ends.
fn end_with(lab: Pid) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    match Pid::parent() == lab {
        true => Ok(()),
        false => Err(io::ErrorKind::Interrupted.into()), // the lab has already ended
    }
}

/// The addresses in a server's output: `listening on http://127.0.0.1:41237/`.
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
