//! Runs what the documents tell a reader to type, and compares what comes.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::markdown::{Block, Document};
use super::support::{ANYTHING, Client, get, is_like, json, wait_until};

/// The ports that the documents speak of: two listeners and the desk.
const PORTS: [u16; 3] = [8080, 9090, 8081];

/// A real comet on free ports, for one document. It is killed when that is done.
pub struct Comet {
    child: Child,
    addresses: Vec<SocketAddr>,
    /// Commands that ended with `&`, until `wait`.
    background: Vec<Child>,
}

impl Comet {
    pub fn start(program: &Path) -> Comet {
        let free = "127.0.0.1:0";
        let arguments = ["--listen", free, "--listen", free, "--desk", free];
        let mut child = Command::new(program)
            .args(arguments)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .expect("comet starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let addresses = lines.take(3).map(|line| address(&line.expect("a line")));
        Comet {
            addresses: addresses.collect(),
            child,
            background: Vec::new(),
        }
    }

    /// Runs one command to its end, or starts it if it ends with `&`. Answers what it printed.
    pub fn run(&mut self, command: &str) -> String {
        let printed = self.run_on_our_ports(&self.on_our_ports(command));
        self.on_their_ports(&printed)
    }

    fn run_on_our_ports(&mut self, command: &str) -> String {
        if command == "wait" {
            return self.background.drain(..).map(printed).collect();
        }
        let Some(command) = command.strip_suffix('&') else {
            return printed(shell(command));
        };
        // One before may have ended, and not be counted out yet: that would be taken for this one.
        let held = self.background.len() as u64;
        wait_until("only these are held", || self.held() == held);
        self.background.push(shell(command));
        wait_until("it is held, or answered", || {
            self.held() > held || self.last_has_ended()
        });
        String::new()
    }

    /// How many connections are held, as the desk says.
    fn held(&self) -> u64 {
        let mut desk = Client::to(self.addresses[2]);
        desk.send(get("/stats"));
        json(&desk.read_answer().1)["held"]
            .as_u64()
            .expect("a number")
    }

    fn last_has_ended(&mut self) -> bool {
        let last = self.background.last_mut().expect("it was started");
        last.try_wait().expect("it can be asked").is_some()
    }

    fn on_our_ports(&self, command: &str) -> String {
        let ports = PORTS.iter().zip(&self.addresses);
        ports.fold(command.to_string(), |command, (port, address)| {
            command.replace(&format!(":{port}"), &format!(":{}", address.port()))
        })
    }

    fn on_their_ports(&self, output: &str) -> String {
        let ports = PORTS.iter().zip(&self.addresses);
        ports.fold(output.to_string(), |output, (port, address)| {
            output.replace(&format!(":{}", address.port()), &format!(":{port}"))
        })
    }
}

impl Drop for Comet {
    fn drop(&mut self) {
        for child in self.background.iter_mut().chain([&mut self.child]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn address(line: &str) -> SocketAddr {
    let (_, address) = line.split_once("http://").expect("an address");
    address.trim_end_matches('/').parse().expect("an address")
}

/// `exec`, so that the shell's process becomes curl's: killed, it leaves nothing behind. A stream without
/// `--max-time` of its own ends, too; and nobody's `.curlrc` or proxy changes what comes.
fn shell(command: &str) -> Child {
    let patient = command.replacen("curl ", "exec curl -q --max-time 60 ", 1);
    Command::new("sh")
        .args(["-c", &patient])
        .env("no_proxy", "*")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a shell")
}

fn printed(child: Child) -> String {
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn is_run(block: &Block) -> bool {
    let mark = block.mark.as_deref().unwrap_or_default();
    block.language == "console" && !mark.starts_with("not run: ")
}

/// What a document tells to type, from its beginning to its end.
pub fn steps(document: &Document) -> Vec<Step> {
    let blocks = document.blocks();
    let run = blocks.iter().filter(|block| is_run(block));
    run.flat_map(steps_of_block).collect()
}

/// Runs the document from beginning to end. Answers what came out otherwise than it says.
pub fn check(document: &Document) -> Vec<String> {
    let steps = steps(document);
    if steps.is_empty() {
        return Vec::new();
    }
    let mut comet = Comet::start(Path::new(env!("CARGO_BIN_EXE_comet")));
    let wrong = steps.iter().map(|step| wrong(document, step, &mut comet));
    wrong.flatten().collect()
}

/// One command, and the lines that should follow.
pub struct Step {
    pub line: usize,
    pub command: String,
    pub expected: Vec<String>,
}

/// A line that begins with `$ ` is a command; one that ends with `\` goes on in the next.
fn steps_of_block(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (n, text) in block.text.lines().enumerate() {
        let line = block.first + 1 + n;
        if let Some(command) = text.strip_prefix("$ ") {
            let (command, expected) = (command.to_string(), Vec::new());
            steps.push(Step {
                line,
                command,
                expected,
            });
        } else if let Some(step) = steps.last_mut() {
            match step.command.strip_suffix('\\') {
                Some(begun) => step.command = format!("{begun}{}", text.trim_start()),
                None => step.expected.push(text.to_string()),
            }
        }
    }
    steps
}

fn wrong(document: &Document, step: &Step, comet: &mut Comet) -> Option<String> {
    let place = format!("{}:{}: {}", document.path, step.line, step.command);
    if step.command != "wait" && !step.command.starts_with("curl ") {
        return Some(format!(
            "{place}\nonly curl and wait are run: mark the block with <!-- not run: why -->"
        ));
    }
    step.differs(&comet.run(&step.command))
        .map(|how| format!("{place}\n{how}"))
}

impl Step {
    /// How this output is otherwise than the document says.
    pub fn differs(&self, output: &str) -> Option<String> {
        let came: Vec<&str> = output.trim_end().lines().collect();
        let expected = self.expected.join("\n");
        let lines: Vec<&str> = expected.trim_end().lines().collect();
        (!fits(&lines, &came)).then(|| {
            let came = came.join("\n");
            format!("prints\n{came}\nand the document says\n{expected}")
        })
    }
}

/// Do these lines say what is expected? A line that is only `[…]` stands for any number of lines.
fn fits(expected: &[&str], came: &[&str]) -> bool {
    match (expected, came) {
        ([], []) => true,
        ([ANYTHING, rest @ ..], _) => (0..=came.len()).any(|n| fits(rest, &came[n..])),
        ([line, rest @ ..], [first, others @ ..]) => is_like(first, line) && fits(rest, others),
        _ => false,
    }
}
