//! Types the debugger walks of `docs/debug/` into a real debugger, as a reader types them, and compares its output
//! with the page.
//!
//! The test runs a page's blocks in order. There are two terminals: the debugger's, and a shell's.
//!
//! - `gdb` is typed into the first, and `text` is expected there.
//! - `sh` is typed into the second, once all threads of the server sleep. A block of any other language (`json`,
//!   `http`, ...) is expected there.
//! - `console` is not run: it shows how to begin.
//!
//! The expected lines come in this order; other lines may stand between them. `[…]` stands for any text. A walk that
//! can't go on fails after ten seconds, and says what it waited for.

#[allow(dead_code)] // it has more than this file needs
#[path = "docs/markdown.rs"]
mod markdown;
mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::process::Command;

use markdown::Document;
use support::ANYTHING;
use terminal::Terminal;

/// Reads commands from the terminal: a file of commands could not wait for the second terminal.
const TYPED: &str =
    "python import sys; [gdb.execute(line) for line in iter(sys.stdin.readline, '')]";
/// The ports on the pages.
const PORTS: [&str; 3] = ["8080", "9090", "8081"];

/// The first walk, in `docs/README.md`.
#[test]
fn from_a_clone_to_a_sleeping_thread() {
    replay("../README");
}

#[test]
fn connection() {
    replay("connection");
}

#[test]
fn polling() {
    replay("polling");
}

#[test]
fn long_polling() {
    replay("long-polling");
}

#[test]
fn xhr_streaming() {
    replay("xhr-streaming");
}

#[test]
fn forever_frame() {
    replay("forever-frame");
}

#[test]
fn multipart_streaming() {
    replay("multipart-streaming");
}

#[test]
fn jsonp_polling() {
    replay("jsonp-polling");
}

#[test]
fn event_source() {
    replay("event-source");
}

#[test]
fn websocket() {
    replay("websocket");
}

#[test]
fn every_walk_is_replayed() {
    let tests = include_str!("walks.rs");
    for name in walks() {
        let replayed = tests.contains(&format!("replay(\"{name}\")"));
        assert!(replayed, "no test replays docs/debug/{name}.md");
    }
}

/// VS Code sets the same stops.
#[test]
fn launch_json_names_the_functions_of_each_walk() {
    let launch = support::json(include_str!("../.vscode/launch.json"));
    for name in walks() {
        let configurations = launch["configurations"].as_array().expect("a list");
        let mut configurations = configurations.iter();
        let walk = configurations.find(|one| one["name"] == format!("walk: {name}"));
        let commands = walk.map(|walk| walk["preRunCommands"].clone());
        let stops: Vec<String> = stops(&page(&name).text).map(lldb_breakpoint).collect();
        assert_eq!(commands, Some(stops.into()), "{name}");
    }
}

/// The command for VS Code's debugger, LLDB. It names some of `Exchange`'s functions after their `impl` block's place,
/// so a pattern finds them.
fn lldb_breakpoint(stop: &str) -> String {
    match stop {
        "comet::connection::{impl#3}::drop" => by_pattern("Drop.*::drop"),
        "comet::connection::Exchange::start" => by_pattern("::start"),
        "comet::connection::Exchange::switch_protocols" => by_pattern("::switch_protocols"),
        _ => format!("breakpoint set --name {stop}"),
    }
}

fn by_pattern(function: &str) -> String {
    format!("breakpoint set --func-regex Exchange.*{function}")
}

/// The functions where a walk stops, without repeats.
fn stops(page: &str) -> impl Iterator<Item = &str> {
    let mut seen = Vec::new();
    let set = page
        .lines()
        .filter_map(|line| line.trim_start_matches('t').strip_prefix("break "));
    let functions = set.filter_map(|set| set.split(' ').next());
    functions.filter(move |stop| {
        let new = !seen.contains(stop);
        seen.push(*stop);
        new
    })
}

/// The English pages of `docs/debug/`, except the first.
fn walks() -> Vec<String> {
    let names = support::names(&markdown::root().join("docs/debug")).into_iter();
    let names = names.filter_map(|name| name.strip_suffix(".md").map(String::from));
    let walks = names.filter(|name| !name.ends_with(".ko") && name != "README");
    walks.collect()
}

fn page(name: &str) -> Document {
    Document::read(&format!("docs/debug/{name}.md"))
}

/// Types a page into two terminals, and waits for each line that it shows.
fn replay(name: &str) {
    if !support::has("rust-gdb", "apt-get install gdb") {
        return;
    }
    let (mut gdb, mut shell) = (debugger(), second_terminal());
    let mut ports = Vec::new();
    for block in page(name).blocks() {
        let text = with_ports(&block.text, &ports);
        let lines: Vec<&str> = text.lines().collect();
        match &*block.language {
            "gdb" => gdb.enter(&lines),
            "text" => gdb.see(&lines),
            "sh" => {
                gdb.wait_until_child_sleeps();
                shell.enter(&lines);
            }
            "console" | "mermaid" => {} // typed elsewhere, or a picture
            _ => shell.see(&lines),
        }
        if ports.is_empty() {
            ports = server_ports(gdb.seen());
        }
    }
    check_breakpoints(&gdb.end());
}

/// Checks that each breakpoint was found and hit, and that no value of ours was optimized out.
fn check_breakpoints(said: &str) {
    let ours = |line: &&str| line.contains(" at src/") || line.starts_with('$');
    let hidden = said
        .lines()
        .filter(ours)
        .find(|line| line.contains("optimized out"));
    assert_eq!(hidden, None, "{said}");
    for bad in ["Error while", "pending", "internal-error"] {
        assert!(!said.contains(bad), "{bad}: {said}");
    }
    let numbers = said.lines().filter_map(breakpoint_set);
    let never_hit = |number: &&str| {
        let hit = |end| said.contains(&format!("reakpoint {number}{end}"));
        !hit(", ") && !hit(".1, ") && !hit(".2, ")
    };
    assert_eq!(numbers.clone().find(never_hit), None, "never hit: {said}");
    assert!(numbers.count() > 0, "no breakpoint: {said}");
}

/// The breakpoint's number, if this line says that one was set.
fn breakpoint_set(line: &str) -> Option<&str> {
    let (set, _) = line.split_once(" at 0x")?;
    set.trim_start_matches("Temporary b")
        .trim_start_matches('B')
        .strip_prefix("reakpoint ")
}

/// The ports where the server says that it listens, in the order of [`PORTS`].
fn server_ports(seen: &str) -> Vec<String> {
    let addresses = seen
        .lines()
        .filter_map(|line| line.split_once(" on http://127.0.0.1:"));
    addresses
        .map(|(_, port)| port.trim_end_matches('/').to_string())
        .collect()
}

/// Replaces the page's ports by the server's, or by `[…]` before these are known.
fn with_ports(page: &str, ports: &[String]) -> String {
    let mut rest = page;
    let mut text = String::new();
    while let Some((at, index)) = first_port(rest) {
        text += &rest[..at];
        text += ports.get(index).map_or(ANYTHING, String::as_str);
        rest = &rest[at + PORTS[index].len()..];
    }
    text + rest
}

/// Where the first of the page's ports stands, and which it is.
fn first_port(text: &str) -> Option<(usize, usize)> {
    let places = PORTS.iter().enumerate();
    let places = places.filter_map(|(index, port)| Some((text.find(port)?, index)));
    places.min()
}

/// The first terminal: the debugger, started as in `docs/debug/README.md`, but with ports that the system chooses.
fn debugger() -> Terminal {
    let mut command = Command::new("rust-gdb");
    command
        .env_remove("DEBUGINFOD_URLS")
        .env("RUST_LOG", "warn");
    command.args(["--batch", "-nx", "-ex", "set breakpoint pending off"]);
    command.args(["-ex", TYPED, "--args", env!("CARGO_BIN_EXE_comet")]);
    for option in ["--listen", "--listen", "--desk"] {
        command.args([option, "127.0.0.1:0"]);
    }
    command.args(["--patience", "3600"]);
    Terminal::open(command)
}

fn second_terminal() -> Terminal {
    Terminal::open(Command::new("sh"))
}
