//! The cap on connections holds, and the accept loop survives running out of descriptors or threads. Each test
//! runs the real program under its own limits, so each needs `prlimit`.

mod support;

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Client, Program, get, json, post, wait_until};

/// A comet under a limit, and where it listens.
struct Limited {
    program: Program,
    /// The file of its log.
    log: PathBuf,
    address: SocketAddr,
    desk: SocketAddr,
}

impl Limited {
    fn start(mut command: Command) -> Limited {
        let ports = ["--listen", "127.0.0.1:0", "--desk", "127.0.0.1:0"];
        command
            .args(ports)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("comet-room-{}-{number}.log", std::process::id());
        let log = std::env::temp_dir().join(name);
        let file = File::create(&log).expect("the temporary folder can be written");
        let logged = command.stdout(Stdio::piped()).stderr(file);
        let mut program = Program(logged.spawn().expect("the program starts"));
        let lines = program.first_lines(2);
        let address = |line: &String| {
            let (_, address) = line.split_once("http://").expect("an address");
            address.trim_end_matches('/').parse().expect("an address")
        };
        Limited {
            address: address(&lines[0]),
            desk: address(&lines[1]),
            program,
            log,
        }
    }

    /// What it has logged so far.
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("UTF-8")
    }

    fn hold(&self) -> Client {
        let mut client = Client::to(self.address);
        client.send(get("/long-polling"));
        client
    }

    fn stats(&self) -> serde_json::Value {
        let mut client = Client::to(self.desk);
        client.send(get("/stats"));
        json(&client.read_answer().1)
    }

    /// Ends it; returns its log.
    fn end(mut self) -> String {
        kill(Pid::from_raw(self.program.0.id() as i32), Signal::SIGTERM).expect("it is running");
        let ended = self.program.wait();
        let log = self.log();
        assert!(ended.success(), "{log}");
        log
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.log);
    }
}

/// `prlimit LIMIT comet …`
fn under(limit: &str) -> Command {
    let mut command = Command::new("prlimit");
    command.arg(limit).arg(env!("CARGO_BIN_EXE_comet"));
    command
}

fn warnings(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains("no room for another connection"))
        .collect()
}

#[test]
fn the_default_cap_comes_from_the_machines_limits_and_the_log_says_which() {
    if !support::has("prlimit", "apt-get install util-linux") {
        return;
    }
    let comet = Limited::start(under("--nofile=100:200"));
    let limits = comet.stats()["limits"].clone();
    assert_eq!(
        limits["open_files"], 200,
        "the soft limit is raised to the hard one"
    );
    let cap = limits["connections"].as_u64().expect("a number");
    assert!(
        (100..200).contains(&cap),
        "{cap} connections fit into 200 descriptors"
    );
    let held: Vec<Client> = (0..cap).map(|_| comet.hold()).collect();
    wait_until("all held", || comet.stats()["held"] == cap);
    let threads = || comet.stats()["threads"].as_u64().expect("a number");
    let before = threads();
    let mut turned_away: Vec<Client> = (0..30).map(|_| comet.hold()).collect();
    for client in &mut turned_away {
        let (head, _) = client.read_answer();
        assert_eq!(head.status, 503, "the cap comes before the last descriptor");
        assert_eq!(head.header("Retry-After"), Some("5"));
    }
    assert!(
        threads() < before + 15,
        "the refused clients cost no thread"
    );
    drop((held, turned_away));
    wait_until("all gone", || comet.stats()["held"] == 0);
    let log = comet.end();
    assert!(
        log.contains(&format!("room for {cap} connections")),
        "{log}"
    );
    assert!(log.contains("open files (ulimit -n)"), "{log}");
    assert!(warnings(&log).is_empty(), "{log}");
}

#[test]
fn the_accept_loop_survives_running_out_of_descriptors() {
    if !support::has("prlimit", "apt-get install util-linux") {
        return;
    }
    let mut command = under("--nofile=64:64");
    command.args(["--max-connections", "1000"]); // more than the descriptors allow
    let comet = Limited::start(command);
    // The kernel completes the other connections: they wait in its backlog to be accepted.
    let mut clients: Vec<Client> = (0..100).map(|_| comet.hold()).collect();
    let served = |clients: &mut Vec<Client>| {
        let silent = clients.iter_mut().map(|client| client.is_silent());
        silent.filter(|silent| !silent).count()
    };
    wait_until("some clients are served", || served(&mut clients) >= 40);
    wait_until("no descriptor is left", || {
        !warnings(&comet.log()).is_empty()
    });
    assert!(served(&mut clients) < 100);
    clients.drain(..90); // frees descriptors
    for client in &mut clients {
        assert_eq!(
            client.read_head().status,
            200,
            "the clients that waited are served"
        );
    }
    let mut publisher = Client::to(comet.address);
    publisher.send(post("/publish", "to the clients that waited"));
    let id = json(&publisher.read_answer().1)["id"].clone();
    for client in &mut clients {
        assert_eq!(json(&client.read_chunk())["next"], id);
    }
    assert_eq!(
        comet.stats()["limits"]["open_files"],
        64,
        "the desk answers again"
    );
    drop(clients);
    let log = comet.end();
    assert_eq!(warnings(&log).len(), 1, "logged once: {log}");
}

#[test]
fn the_accept_loop_survives_running_out_of_threads() {
    if !support::has("prlimit", "apt-get install util-linux") {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        return support::skip("not root: the limit would count all of this user's threads");
    }
    // The kernel counts threads by user, and exempts root. So the program runs as a user of its own, from a copy
    // that this user may read.
    let program = Copied::new();
    let mut command = Command::new("prlimit");
    command
        .args(["--nproc=60:60"])
        .arg(&program.path)
        .args(["--max-connections", "1000"]);
    let nobody_else = 60_000 + std::process::id() % 5_000; // differs between two runs of this test
    command.uid(nobody_else).gid(nobody_else).current_dir("/");
    let comet = Limited::start(command);
    let mut clients: Vec<Client> = (0..100).map(|_| comet.hold()).collect();
    let heads: Vec<u16> = clients
        .iter_mut()
        .map(|client| client.read_head().status)
        .collect();
    let held = heads.iter().filter(|status| **status == 200).count();
    let refused = heads.iter().filter(|status| **status == 503).count();
    assert!(
        held >= 20 && refused >= 20 && held + refused == 100,
        "{heads:?}"
    );
    // The desk needs a thread for each visitor, too, until it finds none.
    let mut visitors: Vec<Client> = Vec::new();
    wait_until("the desk has lost its accepting thread", || {
        visitors.push(Client::to(comet.desk));
        comet.log().contains("thread desk ended")
    });
    drop((clients, visitors));
    wait_until("free threads, and the desk to answer again", || {
        comet.stats()["connections"] == 0
    });
    let mut client = comet.hold();
    assert_eq!(client.read_head().status, 200);
    drop(client);
    let log = comet.end();
    assert_eq!(warnings(&log).len(), 1, "logged once: {log}");
    assert!(log.contains("room for 30 connections"), "{log}");
    assert!(log.contains("threads (kernel.threads-max"), "{log}");
}

/// A copy of the program in its own folder, deleted at the end of the test.
struct Copied {
    folder: PathBuf,
    path: PathBuf,
}

impl Copied {
    fn new() -> Copied {
        let folder = std::env::temp_dir().join(format!("comet-room-{}", std::process::id()));
        let path = folder.join("comet");
        std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
        std::fs::copy(env!("CARGO_BIN_EXE_comet"), &path).expect("copied");
        Copied { folder, path }
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
