//! The soak: clients of every kind at once, for a while; afterwards nothing is left behind.
//!
//! It takes a few seconds, or ten minutes with `COMET_SOAK_MINUTES=10 cargo test --test soak`. The test is alone in
//! its process, so that it can count threads, descriptors and memory exactly.

#[path = "soak/footprint.rs"]
mod footprint;
mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use comet::hub::{MAX_TOPICS, Since};
use fastrand::Rng;
use footprint::{Footprint, share_one_arena};
use socket2::SockRef;
use support::{PATIENCE, StreamReader, TestServer, frame, get, handshake, ids, json, post, seeded};
use support::{settings, wait_until};

/// How many threads play clients that come and go; each has up to [`OPEN`] connections at a time.
const CROWD: usize = 32;
const OPEN: usize = 10;
/// The crowd's topics. Not `chat`, which is never forgotten: see [`forget_topics`].
const CROWDED: [&str; 3] = ["crowd-1", "crowd-2", "crowd-3"];
/// The topic of the steady readers.
const STEADY: &str = "steady";
/// How many events its publisher may be ahead of the slowest steady reader: less than the ring holds.
const AHEAD: u64 = 500;

#[test]
fn nothing_is_left_behind_and_nothing_was_lost() {
    seeded(|mut random| {
        share_one_arena();
        let without_server = Footprint::now();
        let mut server = start();
        let before = Footprint::now();
        let length = Duration::from_millis(1500);
        let end = Instant::now() + minutes().unwrap_or(2 * length);
        round(&server, length, &mut random); // warms up everything that is allocated once
        let warm = settle(&server, &before);
        loop {
            round(&server, length, &mut random);
            assert_nothing_grew(&warm, &settle(&server, &before));
            if Instant::now() >= end {
                break;
            }
        }
        assert_eq!(server.stop(), 0, "every connection ended in time");
        Footprint::wait_for_same(&without_server);
    });
}

/// A server with limits so short that most of them are reached in every round. A request sent at once still has
/// time enough on a busy machine.
fn start() -> TestServer {
    let mut settings = settings();
    settings.limits.request = Duration::from_secs(2);
    settings.limits.write = Duration::from_millis(300);
    settings.limits.hold = Duration::from_millis(200);
    settings.limits.heartbeat = Duration::from_millis(100);
    TestServer::with(settings)
}

fn minutes() -> Option<Duration> {
    let minutes = std::env::var("COMET_SOAK_MINUTES").ok()?;
    let minutes: f64 = minutes.parse().expect("COMET_SOAK_MINUTES is a number");
    Some(Duration::from_secs_f64(minutes * 60.0))
}

/// Waits until nothing of the clients is left. Returns the footprint, and the id of the ball game's last play.
fn settle(server: &TestServer, before: &Footprint) -> (Footprint, u64) {
    wait_until("no connection left", || server.connections() == 0);
    assert_eq!(server.server().shared.metrics.held(), 0);
    assert_eq!(server.server().shared.hub.subscriptions(), 0);
    forget_topics(server);
    let play = server.server().shared.hub.read("baseball", Since::Now);
    (Footprint::wait_for_same(before), play.unwrap().next)
}

/// Replaces every topic that can be forgotten with a new one: their rings are not always as full, which would
/// distort the comparison.
fn forget_topics(server: &TestServer) {
    let hub = &server.server().shared.hub;
    let open = |n| hub.subscribe(&format!("new-{n}"), Since::Now);
    let seats: Vec<_> = (0..MAX_TOPICS - 2).map(open).collect();
    assert!(
        seats.iter().all(Result::is_ok),
        "the other topics have no subscribers"
    );
}

/// The heap may grow by the ball game's plays (at most 2 KB each) and by tables that keep their largest size.
/// Resident memory may grow by more, as heaps have holes.
fn assert_nothing_grew((warm, first_play): &(Footprint, u64), (now, play): &(Footprint, u64)) {
    let heap = now.heap - warm.heap;
    let most = (32 << 10) + (play - first_play) as isize * 2000;
    assert!(heap < most, "{heap} bytes of heap, {warm:?}, {now:?}");
    let resident = now.resident.saturating_sub(warm.resident);
    assert!(resident < 16 << 20, "{warm:?}, {now:?}");
}

// --- one round: everything at once ---

/// How far the steady readers are, and the last id once it is known.
struct Progress {
    first: u64,
    seen: [AtomicU64; TECHNIQUES],
    last: AtomicU64,
    over: AtomicBool,
}

/// Ends the other threads when the round ends, also by a panic: the scope waits for all threads before it reports
/// one.
struct End<'a>(&'a Progress);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.last.store(0, Ordering::SeqCst);
        self.0.over.store(true, Ordering::SeqCst);
    }
}

impl Progress {
    fn of_slowest(&self) -> u64 {
        let seen = self.seen.iter().map(|seen| seen.load(Ordering::SeqCst));
        seen.min().unwrap_or_default()
    }
}

fn round(server: &TestServer, length: Duration, random: &mut Rng) {
    let first = server.publish(STEADY, "first");
    let progress = Progress {
        first,
        seen: [first; TECHNIQUES].map(AtomicU64::new),
        last: AtomicU64::new(u64::MAX),
        over: AtomicBool::new(false),
    };
    let errands = AtomicUsize::new(0);
    thread::scope(|scope| {
        let _end = End(&progress);
        for technique in 0..TECHNIQUES {
            let progress = &progress;
            spawn(scope, move || follow(server, technique, progress));
        }
        for _ in 0..CROWD {
            let (over, errands, random) = (&progress.over, &errands, random.fork());
            spawn(scope, move || {
                come_and_go(server.address, over, errands, random)
            });
        }
        let (over, fork) = (&progress.over, random.fork());
        spawn(scope, move || publish_to_the_crowd(server, over, fork));
        publish_steadily(server, length, &progress);
    });
    assert!(errands.into_inner() > 0);
}

/// Spawns a thread with a small stack, which can't become a huge page: the system keeps the stacks of some ended
/// threads, and huge ones would distort the comparison.
fn spawn<'a>(scope: &'a Scope<'a, '_>, body: impl FnOnce() + Send + 'a) {
    let builder = thread::Builder::new().stack_size(512 << 10);
    builder.spawn_scoped(scope, body).expect("a thread");
}

/// Publishes at the pace of the slowest steady reader, so that the ring has everything that they have yet to read
/// and no event may be lost.
fn publish_steadily(server: &TestServer, length: Duration, progress: &Progress) {
    let end = Instant::now() + length;
    let mut last = progress.first;
    while Instant::now() < end {
        thread::sleep(Duration::from_micros(500)); // the crowd needs CPU time, too
        if last < progress.of_slowest() + AHEAD {
            last = server.publish(STEADY, "steady");
        }
    }
    progress.last.store(last, Ordering::SeqCst);
    let all = || progress.of_slowest() == last;
    wait_until("every steady reader to have every event", all);
}

/// Publishes events of all sizes, so that clients that don't read get stuck.
fn publish_to_the_crowd(server: &TestServer, over: &AtomicBool, mut random: Rng) {
    while !over.load(Ordering::SeqCst) {
        let text = "x".repeat(random.usize(0..100_000));
        server.publish(CROWDED[random.usize(..CROWDED.len())], &text);
        thread::sleep(Duration::from_millis(3));
    }
}

// --- the steady readers ---

/// The polls, then the streams, then the echo, which is not a technique.
const PATHS: [&str; 9] = [
    "/polling?",
    "/long-polling?",
    "/jsonp-polling?callback=f&",
    "/xhr-streaming?",
    "/forever-frame?",
    "/multipart-streaming?",
    "/event-source?",
    "/websocket?",
    "/echo?",
];
const POLLS: usize = 3;
const TECHNIQUES: usize = 8;

/// The request for events after `since`.
fn request(path: &str, topic: &str, since: &str) -> String {
    let target = format!("{path}topic={topic}{since}");
    match path {
        "/websocket?" | "/echo?" => handshake(&target),
        _ => get(&target),
    }
}

/// Reads the steady topic by one technique, to its end.
fn follow(server: &TestServer, technique: usize, progress: &Progress) {
    let path = PATHS[technique];
    let seen = &progress.seen[technique];
    let see = |id| {
        seen.store(id, Ordering::SeqCst);
        id < progress.last.load(Ordering::SeqCst)
    };
    match technique {
        0..POLLS => follow_by_asking(server, path, progress.first, see),
        _ => follow_stream(server, path, progress.first, see),
    }
}

/// `see` takes the last id seen, and returns whether there are more events.
fn follow_stream(server: &TestServer, path: &str, first: u64, see: impl Fn(u64) -> bool) {
    let mut client = server.ask(&request(path, STEADY, &format!("&since={first}")));
    let mut reader = StreamReader::after(first);
    let mut bytes = [0; 4096];
    while see(reader.follower.last) {
        let count = client.socket.read(&mut bytes).expect("more, in time");
        assert!(count > 0, "{path} ended after {}", reader.follower.last);
        reader.hear(&bytes[..count]);
    }
    assert_eq!(reader.follower.gaps, 0, "{path} lost nothing");
}

fn follow_by_asking(server: &TestServer, path: &str, first: u64, see: impl Fn(u64) -> bool) {
    let mut client = server.connect();
    let mut last = first;
    while see(last) {
        client.send(request(path, STEADY, &format!("&since={last}")));
        let (_, body) = match path {
            "/polling?" => client.read_answer(),
            _ => client.read_chunked_answer(),
        };
        let call = body.trim_start_matches("/**/f(").trim_end_matches(");");
        let answer = json(call);
        let ids = ids(&answer);
        assert_eq!(answer["gap"], false, "{path} lost nothing");
        assert!(ids.iter().copied().eq(last + 1..=last + ids.len() as u64));
        last += ids.len() as u64;
        thread::sleep(Duration::from_millis(2)); // about as a browser would
    }
}

// --- the crowd ---

/// Opens connections and leaves them, over and over.
fn come_and_go(server: SocketAddr, over: &AtomicBool, errands: &AtomicUsize, mut random: Rng) {
    let mut open = Vec::new();
    while !over.load(Ordering::SeqCst) {
        match random.usize(..8) {
            0..3 if open.len() < OPEN => open.extend(arrive(server, &mut random)),
            0..3 => leave(open.swap_remove(random.usize(..OPEN)), &mut random),
            3..6 => open
                .iter_mut()
                .for_each(|client| linger(client, &mut random)),
            6 => talk(server, &mut random),
            _ => run_errand(server, &mut random),
        }
        errands.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_micros(random.u64(..10_000)));
    }
}

/// A new client of some technique, or none if the machine has no free port.
fn arrive(server: SocketAddr, random: &mut Rng) -> Option<TcpStream> {
    let mut client = TcpStream::connect(server).ok()?;
    client.set_nonblocking(true).ok()?;
    let path = random.choice(PATHS)?;
    let since = random.choice(["", "&since=0", "&since=-1", "&since=-1000"])?;
    let request = request(path, CROWDED[random.usize(..CROWDED.len())], since);
    let sent = match random.u8(..8) {
        0 => random.usize(..request.len()), // an incomplete request
        _ => request.len(),
    };
    let _ = client.write(&request.as_bytes()[..sent]);
    Some(client)
}

/// Some read, some send (perhaps nonsense), and most do nothing.
fn linger(client: &mut TcpStream, random: &mut Rng) {
    let _ = match random.u8(..16) {
        0..4 => client.read(&mut [0; 3000]),
        4 => client.write(&frame(0x81, b"hello")), // nonsense unless it is a WebSocket
        5 => client.write(&frame(0x89, b"ping")),
        6 => client.write(get("/polling?topic=crowd-1").as_bytes()), // sent early, or nonsense to a WebSocket
        7 => client.write(&vec![0xff; random.usize(..20_000)]),
        _ => Ok(0),
    };
}

/// Leaves in one of several ways.
fn leave(mut client: TcpStream, random: &mut Rng) {
    let _ = match random.u8(..5) {
        0 => SockRef::from(&client).set_linger(Some(Duration::ZERO)),
        1 => client.shutdown(Shutdown::Write),
        2 => client.write(&frame(0x81, b"cut off")[..7]).map(drop),
        3 => client
            .write(&frame(0x88, &1000_u16.to_be_bytes()))
            .map(drop),
        _ => Ok(()),
    };
}

/// A short visit to /echo, which must return a message unchanged.
fn talk(server: SocketAddr, random: &mut Rng) {
    let Ok(client) = TcpStream::connect(server) else {
        return;
    };
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let opened = tungstenite::client("ws://localhost/echo", client);
    let (mut socket, _) = opened.expect("the server agrees to the upgrade");
    let message = tungstenite::Message::binary(vec![7; random.usize(..30_000)]);
    socket.send(message.clone()).expect("a frame sent");
    wait_until("the echo", || socket.read().expect("a frame") == message); // after any pings
    if random.bool() {
        let _ = socket.close(None);
        while socket.read().is_ok() {}
    }
}

/// Short requests, each with the beginning of its answer.
fn errands() -> [(String, &'static str); 16] {
    let large = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    [
        (get("/"), "HTTP/1.1 200"),
        (get("/comet.js"), "HTTP/1.1 200"),
        (get("/ports"), "HTTP/1.1 200"),
        (get("/source/hub.rs"), "HTTP/1.1 200"),
        (get("/polling?topic=crowd-1&since=-5"), "HTTP/1.1 200"),
        (get("/long-polling?topic=crowd-1&wait=0"), "HTTP/1.1 200"),
        (post("/publish?topic=crowd-2", "hello"), "HTTP/1.1 200"),
        (post("/publish?topic=baseball", "hello"), "HTTP/1.1 403"),
        (post("/publish?topic=crowd-2", ""), "HTTP/1.1 400"),
        (get("/polling?since=x"), "HTTP/1.1 400"),
        (get("/nowhere"), "HTTP/1.1 404"),
        (get("/websocket"), "HTTP/1.1 426"),
        (large, "HTTP/1.1 431"),
        ("GET / HTTP/3.0\r\n\r\n".to_string(), "HTTP/1.1 505"),
        ("\x16\x03\x01".to_string(), "HTTP/1.1 400"),
        ("<policy-file-request/>\0".to_string(), "<?xml"),
    ]
}

fn run_errand(server: SocketAddr, random: &mut Rng) {
    let (request, beginning) = random.choice(errands()).expect("there are some");
    let Ok(mut client) = TcpStream::connect(server) else {
        return;
    };
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(request.as_bytes()).expect("it takes all");
    client.shutdown(Shutdown::Write).expect("half a close");
    let mut answer = Vec::new();
    client
        .read_to_end(&mut answer)
        .expect("an answer and an end");
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.starts_with(beginning),
        "{request:.60}: {answer:.200}"
    );
}
