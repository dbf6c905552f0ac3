//! The command line: what it prints, what it refuses, and how it ends. Each test runs the real program.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, ExitStatus, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Client, Program, get, handshake, json, post};

fn comet(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comet"));
    command
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

fn spawn(arguments: &[&str]) -> Program {
    let mut command = comet(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Program(command.spawn().expect("the program starts"))
}

fn read(pipe: Option<impl Read>) -> String {
    let mut text = String::new();
    let mut pipe = pipe.expect("piped");
    pipe.read_to_string(&mut text).expect("UTF-8");
    text
}

/// Runs it with arguments that it must refuse; returns its error output.
fn refused(arguments: &[&str]) -> String {
    let mut program = spawn(arguments);
    let status = program.wait();
    assert!(!status.success(), "{arguments:?} should be refused");
    assert_eq!(read(program.0.stdout.take()), "");
    read(program.0.stderr.take())
}

/// A running comet and the addresses that it printed.
struct Running {
    program: Program,
    lines: Vec<String>,
    addresses: Vec<SocketAddr>,
}

impl Running {
    /// Starts it and reads its first lines, one for each listener.
    fn start(arguments: &[&str], lines: usize) -> Running {
        let mut program = spawn(arguments);
        let lines = program.first_lines(lines);
        let addresses = lines.iter().map(|line| address(line)).collect();
        Running {
            program,
            lines,
            addresses,
        }
    }

    fn id(&self) -> i32 {
        self.program.0.id() as i32
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id()), signal).expect("it is running");
    }

    /// Its state in `/proc`: `T` if it is stopped.
    fn state(&self) -> char {
        let state = support::status(&self.id().to_string(), "State");
        state.chars().next().expect("a letter")
    }

    /// Waits until it has ended; returns its status and its log.
    fn wait(mut self) -> (ExitStatus, String) {
        let status = self.program.wait();
        (status, read(self.program.0.stderr.take()))
    }
}

fn address(line: &str) -> SocketAddr {
    let (_, address) = line.split_once("http://").expect("an address");
    address.trim_end_matches('/').parse().expect("an address")
}

const ANY: &[&str] = &[
    "--listen",
    "127.0.0.1:0",
    "--listen",
    "[::1]:0",
    "--desk",
    "127.0.0.1:0",
];

#[test]
fn it_prints_one_line_a_listener_and_ends_well_on_interrupt() {
    let running = Running::start(ANY, 3);
    for (line, start) in running
        .lines
        .iter()
        .zip(["listening on", "listening on", "desk on"])
    {
        assert!(
            line.starts_with(&format!("{start} http://")) && line.ends_with('/'),
            "{line}"
        );
    }
    let mut client = Client::to(running.addresses[1]);
    client.send(get("/long-polling"));
    assert_eq!(client.read_head().status, 200);
    running.signal(Signal::SIGINT);
    assert_eq!(json(&client.read_chunk())["events"], serde_json::json!([]));
    drop(client);
    let (status, log) = running.wait();
    assert!(status.success(), "{status} {log}");
    assert!(
        log.contains("room for"),
        "the log says how many connections there is room for: {log}"
    );
}

#[test]
fn it_ends_well_on_sigterm_too() {
    let running = Running::start(ANY, 3);
    running.signal(Signal::SIGTERM);
    assert!(running.wait().0.success());
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let running = Running::start(ANY, 3);
    let mut client = Client::to(running.addresses[0]);
    client.send(get("/xhr-streaming"));
    client.read_head();
    running.signal(Signal::SIGINT);
    while !client.read_chunk().is_empty() {} // then the server waits for this client to close
    running.signal(Signal::SIGINT);
    assert_eq!(running.wait().0.code(), Some(130));
}

/// Requests that are held, and the proper end of each answer.
fn held_with_ends() -> [(String, &'static [u8]); 7] {
    [
        (get("/long-polling"), b",\"gap\":false}\r\n0\r\n\r\n"),
        (
            get("/jsonp-polling?callback=f"),
            b",\"gap\":false});\r\n0\r\n\r\n",
        ),
        (get("/xhr-streaming"), b"\r\n0\r\n\r\n"),
        (get("/forever-frame"), b"\r\n0\r\n\r\n"),
        (get("/event-source"), b"\r\n0\r\n\r\n"),
        (get("/multipart-streaming"), b"--comet--\r\n\r\n0\r\n\r\n"),
        (
            handshake("/websocket"),
            b"\x88\x16\x03\xe9the server is ending", // Close, 1001
        ),
    ]
}

#[test]
fn it_ends_well_with_a_thousand_held_connections() {
    let running = Running::start(ANY, 3);
    let kinds = held_with_ends();
    let kinds = kinds.iter().cycle().take(1001);
    let ask = |(request, end)| {
        let mut client = Client::to(running.addresses[0]);
        client.send(request);
        (client, end)
    };
    let mut clients: Vec<(Client, &[u8])> =
        kinds.map(|(request, end)| ask((request, *end))).collect();
    for (client, _) in &mut clients {
        assert!([101, 200].contains(&client.read_head().status));
    }
    running.signal(Signal::SIGTERM);
    for (mut client, end) in clients {
        let answer = client.read_to_end_as_bytes();
        assert!(
            answer.ends_with(end),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    let (status, log) = running.wait();
    assert!(status.success(), "{status} {log}");
}

#[test]
fn it_ends_well_although_the_desk_waits_for_a_client() {
    let running = Running::start(ANY, 3);
    let desk = running.addresses[2];
    let mut waiting = Client::to(desk);
    waiting.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n");
    let mut stuck = Client::to(desk); // sends requests and reads no answer
    stuck.send(get("/comet.js").repeat(1000));
    let is_answered = || {
        let mut client = Client::to(desk);
        client.send(get("/healthz"));
        let second = Some(std::time::Duration::from_secs(1));
        client.socket.set_read_timeout(second).unwrap();
        client.socket.read(&mut [0]).is_ok()
    };
    support::wait_until("the desk waits for a client", || !is_answered());
    running.signal(Signal::SIGTERM);
    assert!(running.wait().0.success());
    drop((waiting, stuck)); // open until here
}

#[test]
fn a_request_that_came_just_before_the_end_is_answered() {
    let running = Running::start(ANY, 3);
    let mut clients: Vec<Client> = (0..20).map(|_| Client::to(running.addresses[0])).collect();
    for client in &mut clients {
        client.send(get("/weigh"));
        client.read_answer();
    }
    running.signal(Signal::SIGSTOP);
    support::wait_until("stopped", || running.state() == 'T');
    for client in &mut clients {
        client.send(get("/weigh"));
    }
    running.signal(Signal::SIGTERM);
    running.signal(Signal::SIGCONT);
    for client in &mut clients {
        assert_eq!(client.read_answer().0.status, 200);
    }
    drop(clients);
    assert!(running.wait().0.success());
}

/// The other limits are an hour, so only the drain deadline can disconnect a client that does not read its
/// answer. A client that never stops sending still gets its Close.
#[test]
fn it_ends_well_although_some_clients_never_do() {
    let running = Running::start(&[ANY, &["--patience", "3600"]].concat(), 3);
    let address = running.addresses[0];
    let large = "x".repeat(60 << 10);
    (0..3).for_each(|_| _ = publish(address, &large));
    let mut stuck = Client::to(address); // sends requests and reads no answer
    let second = Some(std::time::Duration::from_secs(1));
    stuck.socket.set_write_timeout(second).unwrap();
    let questions = get("/polling?since=-1024").repeat(100);
    while stuck.socket.write_all(questions.as_bytes()).is_ok() {} // until the sockets are full
    let mut talking = Client::to(address);
    talking.send(handshake("/websocket"));
    talking.read_head();
    let talk = std::thread::spawn(move || {
        let pings = support::frame(0x89, b"x").repeat(1000);
        while talking.socket.write_all(&pings).is_ok() {}
    });
    running.signal(Signal::SIGTERM);
    let (status, log) = running.wait();
    assert!(status.success(), "{status} {log}");
    assert!(log.contains("did not end in time"), "{log}");
    talk.join().unwrap();
    drop(stuck); // open until here
}

#[test]
fn other_machines_are_served_by_address_and_by_an_allowed_name() {
    let allowed = "http://classroom.test";
    let arguments = ["--listen", "0.0.0.0:0", "--desk", "off", "--allow-origin"];
    let running = Running::start(&[&arguments[..], &[allowed]].concat(), 1);
    let port = running.addresses[0].port();
    let say = |host: &str, origin: &str| {
        // An address of this machine that is neither localhost nor in --listen.
        let mut client = Client::to(SocketAddr::from(([127, 0, 0, 2], port)));
        let own = format!("Host: {host}\r\nOrigin: {origin}\r\n");
        client.send(post("/publish", "hello").replace("Host: localhost\r\n", &own));
        client.read_answer().0.status
    };
    let address = format!("127.0.0.2:{port}");
    assert_eq!(say(&address, &format!("http://{address}")), 200);
    assert_eq!(say("classroom.test", allowed), 200);
    assert_eq!(say(&address, "http://evil.test"), 403);
    assert_eq!(say("evil.test", "http://evil.test"), 421);
    running.signal(Signal::SIGTERM);
    running.wait();
}

#[test]
fn the_same_seed_plays_the_same_game() {
    let play = || {
        let running = Running::start(
            &["--listen", "127.0.0.1:0", "--desk", "off", "--seed", "42"],
            1,
        );
        let mut client = Client::to(running.addresses[0]);
        client.send(get("/long-polling?topic=baseball&since=-1024"));
        let data = json(&client.read_chunked_answer().1)["events"][0]["data"].clone();
        running.signal(Signal::SIGTERM);
        running.wait();
        data
    };
    let first = play();
    assert!(first.is_object());
    assert_eq!(first, play());
}

#[test]
fn a_taken_port_gets_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (option, others) in [
        ("--listen", ["--desk", "off"]),
        ("--desk", ["--listen", "127.0.0.1:0"]),
    ] {
        let _held = TcpListener::bind(&taken); // taken by this socket or by the one above
        let log = refused(&[&[option, &taken], &others[..]].concat());
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
        assert_eq!(errors.len(), 1, "{log}");
        for part in [
            "cannot listen on",
            &taken,
            "is another comet running?",
            option,
            "port 0",
        ] {
            assert!(errors[0].contains(part), "{part} in {log}");
        }
    }
}

#[test]
fn a_bad_option_gets_a_line_that_says_what_to_do() {
    for (arguments, advice) in [
        (vec!["--frob"], "--help"),
        (vec!["--listen", "8080"], "such as 127.0.0.1:8080"),
        (vec!["--desk", "here"], "such as 127.0.0.1:8080"),
        (
            vec!["--desk", "0.0.0.0:0", "--listen", "127.0.0.1:0"],
            "--desk off",
        ),
        (vec!["--max-connections", "0"], "1.."),
        (
            vec!["--allow-origin", "example.com"],
            "such as http://example.com",
        ),
        (vec!["--patience", "long"], "invalid digit"),
    ] {
        let message = refused(&arguments);
        assert!(message.contains(advice), "{arguments:?}: {message}");
    }
}

#[test]
fn help_explains_every_option() {
    let Output { status, stdout, .. } = comet(&["--help"]).output().unwrap();
    assert!(status.success());
    let help = String::from_utf8(stdout).unwrap();
    for option in [
        "--listen",
        "--desk",
        "--max-connections",
        "--allow-origin",
        "--patience",
        "--seed",
    ] {
        assert!(help.contains(option), "{option}");
    }
}

#[test]
fn every_thread_of_the_program_has_a_name_of_its_own() {
    let running = Running::start(ANY, 3);
    let mut client = Client::to(running.addresses[0]);
    client.send(get("/long-polling"));
    client.read_head();
    let names = || -> Vec<String> {
        let threads = support::threads(&running.id().to_string());
        threads
            .into_iter()
            .filter(|(tid, _)| *tid != running.id())
            .map(|(_, name)| name)
            .collect()
    };
    support::wait_until("a long-poll thread", || {
        names().iter().any(|name| name.starts_with("long-poll-"))
    });
    support::wait_until("only the main thread to be named comet", || {
        !names().contains(&"comet".to_string()) // a new thread has this name until it sets its own
    });
    running.signal(Signal::SIGTERM);
    drop(client);
    running.wait();
}

/// Stops the whole process, as a debugger does, and continues it: blocking system calls return EINTR.
fn stop_and_go(running: &Running) {
    running.signal(Signal::SIGSTOP);
    support::wait_until("stopped", || running.state() == 'T');
    running.signal(Signal::SIGCONT);
    support::wait_until("running again", || running.state() != 'T');
}

fn publish(address: SocketAddr, text: &str) -> u64 {
    let mut client = Client::to(address);
    client.send(post("/publish", text));
    json(&client.read_answer().1)["id"].as_u64().expect("an id")
}

#[test]
fn a_debuggers_stop_is_an_error_to_nobody() {
    let running = Running::start(ANY, 3);
    let address = running.addresses[0];
    let mut halfway = Client::to(address);
    halfway.send("GET /polling HTTP/1.1\r\nHo");
    let mut idle = Client::to(address);
    idle.send(get("/polling"));
    idle.read_answer();
    let mut poll = Client::to(address);
    poll.send(get("/long-polling"));
    let mut stream = Client::to(address);
    stream.send(get("/xhr-streaming"));
    poll.read_head();
    stream.read_head();
    for _ in 0..10 {
        stop_and_go(&running);
    }
    halfway.send("st: localhost\r\n\r\n");
    assert_eq!(halfway.read_answer().0.status, 200);
    idle.send(get("/polling"));
    assert_eq!(idle.read_answer().0.status, 200);
    let id = publish(address, "after the stop");
    assert!(poll.read_chunk().contains(&id.to_string()));
    assert_eq!(stream.read_chunk(), "\n\n\n", "the beginning");
    assert!(stream.read_chunk().contains(&id.to_string()));
    running.signal(Signal::SIGTERM);
    running.wait();
}

#[test]
fn a_write_goes_on_after_a_debuggers_stop() {
    let running = Running::start(ANY, 3);
    let address = running.addresses[0];
    let socket = std::net::TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let (mut websocket, _) = tungstenite::client("ws://localhost/websocket", socket).unwrap();
    let mut stream = Client::to(address);
    stream.send(get("/xhr-streaming"));
    stream.read_head();
    let large = "x".repeat(60 << 10);
    let last = (0..400).map(|_| publish(address, &large)).max(); // more than the sockets hold
    let last = last.expect("an id").to_string();
    for _ in 0..10 {
        stop_and_go(&running);
    }
    support::wait_until("the last event on the stream", || {
        stream.read_chunk().contains(&last)
    });
    support::wait_until("the last event on the WebSocket", || {
        let message = websocket.read().expect("it is still open");
        message.to_text().unwrap().contains(&last)
    });
    running.signal(Signal::SIGTERM);
    drop((stream, websocket));
    running.wait();
}
