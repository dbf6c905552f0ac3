//! A debugger stopped in a technique shows the whole way of a request in one stack.

mod support;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

use support::get;

/// What the reader types: stop where long polling waits, go on to where the thread falls asleep, look.
const COMMANDS: &str = "\
set breakpoint pending off
set pagination off
break comet::techniques::long_polling::wait
run
break comet::connection::Connection::wait
continue
backtrace
info threads
kill
";

#[test]
fn a_debugger_shows_accept_request_technique_and_wait_in_one_stack() {
    if !support::has("rust-gdb", "apt-get install gdb") {
        return;
    }
    let address = free_address();
    let script = std::env::temp_dir().join(format!("comet-walk-{}.gdb", std::process::id()));
    std::fs::write(&script, COMMANDS).expect("the temporary folder can be written");
    let client = thread::spawn(move || ask_when_it_listens(address));
    let listen = address.to_string();
    let program = env!("CARGO_BIN_EXE_comet");
    let Output { stdout, stderr, .. } = Command::new("rust-gdb")
        .args(["--batch", "-nx", "-x"])
        .arg(&script)
        .args([
            "--args",
            program,
            "--listen",
            &listen,
            "--desk",
            "off",
            "--patience",
            "3600",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("rust-gdb starts");
    std::fs::remove_file(&script).expect("it was there");
    client.join().expect("the client asked");
    let said = String::from_utf8_lossy(&stdout);
    let stack = stack(&said);
    let way = [
        "comet::server::accepted_connection",
        "comet::server::answer_requests",
        "comet::routes::answer",
        "comet::routes::run_technique",
        "comet::techniques::long_polling::answer",
        "comet::techniques::long_polling::wait",
        "comet::connection::Connection::wait",
    ];
    assert_eq!(stack, way, "{said}\n{}", String::from_utf8_lossy(&stderr));
    for name in ["accept-", "doorbell", "baseball", "long-poll-1"] {
        let named = said.lines().any(|line| line.contains(&format!("\"{name}")));
        assert!(named, "info threads names {name}: {said}");
    }
}

/// Our own functions in the backtrace, from where the thread began to where it is.
fn stack(said: &str) -> Vec<String> {
    let frames = said.lines().filter(|line| line.starts_with('#'));
    let calls = frames.filter_map(|line| {
        line.split_whitespace()
            .find(|word| word.starts_with("comet::"))
    });
    let mut calls: Vec<String> = calls
        .filter(|call| !call.contains("{closure"))
        .map(|call| call.trim_end_matches("()").to_string())
        .collect();
    calls.reverse();
    calls
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address")
}

/// The second terminal: asks as soon as somebody listens, and stays until the debugger is done.
fn ask_when_it_listens(address: SocketAddr) {
    let mut socket = None;
    support::wait_until("comet listens", || {
        socket = TcpStream::connect(address).ok();
        socket.is_some()
    });
    let mut socket = socket.expect("connected");
    socket
        .write_all(get("/long-polling").as_bytes())
        .expect("it is taken");
    let _ = std::io::copy(&mut socket, &mut std::io::sink());
}
