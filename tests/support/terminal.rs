//! A program in a terminal: tests type into it and read its output.

use std::fs;
use std::io::{PipeReader, Read, Write, pipe};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procfs::process::Process;

use super::support::{ANYTHING, is_like};

/// How long a test waits for a line. It keeps a failing walk from hanging, and measures nothing.
const PATIENCE: Duration = Duration::from_secs(60);

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

    /// True if all threads of the program's children sleep. Threads stopped by a debugger do not.
    pub fn is_child_asleep(&self) -> bool {
        self.children().into_iter().all(|child| {
            let tasks = Process::new(child).and_then(|process| process.tasks());
            let mut states = tasks
                .into_iter()
                .flatten()
                .flatten()
                .map(|task| task.stat());
            states.all(|stat| stat.is_ok_and(|stat| stat.state == 'S'))
        })
    }

    fn children(&self) -> Vec<i32> {
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

    pub fn see(&mut self, lines: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        for expected in lines.iter().filter(|line| **line != ANYTHING) {
            while !self.find(expected) {
                match self.screen.recv_deadline(deadline) {
                    Ok(more) => self.said += &more,
                    Err(_) => panic!("not seen: {expected}\nin:\n{}", &self.said),
                }
            }
        }
    }

    /// Looks for the next line like this one.
    fn find(&mut self, expected: &str) -> bool {
        let mut end = self.seen;
        for line in self.said[self.seen..].split_inclusive('\n') {
            end += line.len();
            // The server's output may interrupt the debugger's line about a new thread.
            let broken = line.starts_with("[New") && line.trim().ends_with(expected);
            if broken || is_like(line.trim(), expected.trim()) {
                self.seen = end;
                return true;
            }
        }
        false
    }

    /// Closes the input; returns all output up to the end.
    pub fn end(&mut self) -> String {
        self.keyboard = None;
        let deadline = Instant::now() + PATIENCE;
        while let Ok(more) = self.screen.recv_deadline(deadline) {
            self.said += &more;
        }
        self.said.clone()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let children = self.children();
        let _ = self.program.kill();
        for child in children {
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
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
