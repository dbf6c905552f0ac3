//! Runs the commands in the documents and compares their output.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::markdown::{Block, Document};
use super::support::{ANYTHING, Client, get, is_like, json, wait_until};

/// The ports that the documents use: two listeners and the desk.
const PORTS: [u16; 3] = [8080, 9090, 8081];

/// A real comet on free ports, for one document. Dropping it kills it.
pub struct Comet {
    child: Child,
    addresses: Vec<SocketAddr>,
    /// The commands with `&` that run until `wait`.
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

    /// Runs one command to its end, or only starts it if it ends with `&`. Returns its output.
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
        // An earlier command may have ended and still be counted: it would be mistaken for this one.
        let held = self.background.len() as u64;
        wait_until("only the earlier commands are held", || self.held() == held);
        self.background.push(shell(command));
        wait_until("the command is held or has ended", || {
            self.held() > held || self.last_has_ended()
        });
        String::new()
    }

    /// The number of held connections, from the desk.
    fn held(&self) -> u64 {
        let mut desk = Client::to(self.addresses[2]);
        desk.send(get("/stats"));
        json(&desk.read_answer().1)["held"]
            .as_u64()
            .expect("a number")
    }

    fn last_has_ended(&mut self) -> bool {
        let last = self.background.last_mut().expect("a command was started");
        last.try_wait().expect("its status is known").is_some()
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

/// `exec` replaces the shell with curl, so that killing the child leaves nothing behind. `--max-time` ends
/// every stream. `-q` and `no_proxy` rule out a `.curlrc` or a proxy.
fn shell(command: &str) -> Child {
    let patient = command.replacen("curl ", "exec curl -q --max-time 60 ", 1);
    Command::new("sh")
        .args(["-c", &patient])
        .env("no_proxy", "*")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh starts")
}

fn printed(child: Child) -> String {
    let output = child.wait_with_output().expect("the command ends");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn is_run(block: &Block) -> bool {
    let mark = block.mark.as_deref().unwrap_or_default();
    block.language == "console" && !mark.starts_with("not run: ")
}

/// The commands of a document, in order.
pub fn steps(document: &Document) -> Vec<Step> {
    let blocks = document.blocks();
    let run = blocks.iter().filter(|block| is_run(block));
    run.flat_map(steps_of_block).collect()
}

/// Runs a document's commands in order. Returns the outputs that differ from the text.
pub fn check(document: &Document) -> Vec<String> {
    let steps = steps(document);
    if steps.is_empty() {
        return Vec::new();
    }
    let mut comet = Comet::start(Path::new(env!("CARGO_BIN_EXE_comet")));
    let wrong = steps.iter().map(|step| wrong(document, step, &mut comet));
    wrong.flatten().collect()
}

/// One command and its expected output.
pub struct Step {
    pub line: usize,
    pub command: String,
    pub expected: Vec<String>,
}

/// A line that begins with `$ ` is a command; a `\` at its end continues it on the next line.
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
    /// How this output differs from the document's. `None`: it matches.
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

/// True if the lines are as expected. A line that is only `[…]` stands for any number of lines.
fn fits(expected: &[&str], came: &[&str]) -> bool {
    match (expected, came) {
        ([], []) => true,
        ([ANYTHING, rest @ ..], _) => (0..=came.len()).any(|n| fits(rest, &came[n..])),
        ([line, rest @ ..], [first, others @ ..]) => is_like(first, line) && fits(rest, others),
        _ => false,
    }
}
