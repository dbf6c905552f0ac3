//! A program in a terminal: tests type into it and read its output.

use std::fs;
use std::io::{PipeReader, Read, Write, pipe};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::{ANYTHING, is_like};

/// How long to wait while the program sleeps. It keeps a failing walk from hanging, and measures nothing: a program at
/// work, on a busy machine, may take longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to check whether a silent program is at work.
const MOMENT: Duration = Duration::from_millis(50);

/// A program, its input and its output. It is killed with its children when this is dropped.
pub struct Terminal {
    program: Child,
    keyboard: Option<ChildStdin>,
    screen: Receiver<String>,
    said: String,
    /// How many bytes of `said` have been matched.
    seen: usize,
}

impl Terminal {
    pub fn open(mut command: Command) -> Terminal {
        let (reader, writer) = pipe().expect("a pipe");
        let stderr = writer.try_clone().expect("the pipe's other end");
        command.stdin(Stdio::piped()).stdout(writer).stderr(stderr);
        let mut program = command.spawn().expect("the program starts");
        drop(command); // closes our copies of the writer, so that the reader can reach the end
        let (sender, screen) = unbounded();
        thread::spawn(move || read_all(reader, &sender));
        Terminal {
            keyboard: program.stdin.take(),
            program,
            screen,
            said: String::new(),
            seen: 0,
        }
    }

    /// Waits until all threads of the program's children sleep. Threads stopped by a debugger do not.
    pub fn wait_until_child_sleeps(&mut self) {
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            let awake: Vec<String> = self.children().into_iter().flat_map(awake).collect();
            if awake.is_empty() {
                return;
            }
            if self.has_passed(&mut deadline) {
                self.fail(&format!("all threads to sleep; these don't: {awake:?}"));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Has the deadline passed? A program at work puts it off.
    fn has_passed(&self, deadline: &mut Instant) -> bool {
        if !awake(self.program.id()).is_empty() {
            *deadline = Instant::now() + PATIENCE;
        }
        Instant::now() >= *deadline
    }

    fn children(&self) -> Vec<u32> {
        let pid = self.program.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        children
            .split_whitespace()
            .map(|child| child.parse().expect("a process id"))
            .collect()
    }

    /// Types these lines. If the program has ended, the next `see` fails.
    pub fn enter(&mut self, lines: &[&str]) {
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        if let Some(keyboard) = &mut self.keyboard {
            let _ = keyboard.write_all(lines.as_bytes());
        }
    }

    /// Waits for these lines, in this order; other lines may stand between them.
    pub fn see(&mut self, lines: &[&str]) {
        for expected in lines.iter().filter(|line| **line != ANYTHING) {
            while !self.find(expected) {
                if self.hear().is_err() {
                    self.fail(&format!("the line: {expected}"));
                }
            }
        }
    }

    /// The output up to the last line that was waited for.
    pub fn seen(&self) -> &str {
        &self.said[..self.seen]
    }

    /// Waits for more output.
    fn hear(&mut self) -> Result<(), RecvTimeoutError> {
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            match self.screen.recv_timeout(MOMENT) {
                Ok(more) => {
                    self.said += &more;
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout) if !self.has_passed(&mut deadline) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Says what the walk waited for, and all output up to here.
    fn fail(&mut self, awaited: &str) -> ! {
        self.said.extend(self.screen.try_iter());
        let (seen, rest) = self.said.split_at(self.seen);
        panic!("waited in vain for {awaited}\n--- matched:\n{seen}\n--- then:\n{rest}");
    }

    /// Looks for the next line like this one.
    fn find(&mut self, expected: &str) -> bool {
        let mut end = self.seen;
        for line in self.said[self.seen..].split_inclusive('\n') {
            end += line.len();
            // The server's output may interrupt the debugger's line about a new thread.
            let broken = format!("[New{ANYTHING}{expected}");
            if is_like(line.trim(), &broken) || is_like(line.trim(), expected.trim()) {
                self.seen = end;
                return true;
            }
        }
        false
    }

    /// Closes the input; returns all output up to the end.
    pub fn end(&mut self) -> String {
        self.keyboard = None;
        loop {
            match self.hear() {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return self.said.clone(),
                Err(RecvTimeoutError::Timeout) => self.fail("the program to end"),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let children = self.children();
        let _ = self.program.kill();
        for child in children {
            let _ = kill(Pid::from_raw(child as i32), Signal::SIGKILL);
        }
        let _ = self.program.wait();
    }
}

fn read_all(mut reader: PipeReader, sender: &Sender<String>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = reader.read(&mut bytes) {
        let _ = sender.send(String::from_utf8_lossy(&bytes[..count]).into_owned());
    }
}

/// The threads of a process that don't sleep, such as `doorbell: t`, where `t` means stopped by a debugger.
fn awake(process: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"));
    let stats = tasks.into_iter().flatten().flatten();
    let stats = stats.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let threads = stats.filter_map(|stat| name_and_state(&stat));
    let awake = threads.filter(|(_, state)| *state != 'S');
    awake
        .map(|(name, state)| format!("{name}: {state}"))
        .collect()
}

/// From a line such as `4711 (doorbell) S 1 …`.
fn name_and_state(stat: &str) -> Option<(String, char)> {
    let (start, rest) = stat.rsplit_once(") ")?;
    let (_, name) = start.split_once('(')?;
    Some((name.to_string(), rest.chars().next()?))
}
