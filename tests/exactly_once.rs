//! Exactly once, in order, however the connection is cut: here a client of each technique, byte by byte; in
//! `comet_js.rs` the real script in a browser.

#[allow(dead_code)]
#[path = "support/browser.rs"]
mod browser;
mod support;

#[path = "exactly_once/comet_js.rs"]
mod comet_js;
#[path = "exactly_once/truth.rs"]
mod truth;
#[path = "exactly_once/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use comet::hub::{RING_EVENTS, Since};
use fastrand::Rng;
use serde_json::{Value, json};
use socket2::SockRef;
use support::{PATIENCE, TestServer, get, handshake, post, seeded};
use truth::{Published, Told, Truth};
use wire::{Answer, Framing, TECHNIQUES, Technique, id};

const EVENTS: usize = 10_000;
const PUBLISHERS: usize = 4;
const RESTARTS: usize = 3;
/// The number of the last event, published after all others.
const THE_END: usize = EVENTS;

/// How a client leaves, unless the server ends the connection first.
const MANNERS: [&str; 4] = ["mid-request", "closed", "half-closed", "reset"];
/// Where in an answer it leaves, in some cases.
const PLACES: [&str; 4] = ["mid-head", "mid-body", "mid-chunk", "mid-frame"];

#[test]
fn exactly_once_in_order_on_every_technique() {
    seeded(|random| {
        // So short that empty answers and heartbeats come between the events.
        let mut server = TestServer::with_limits(|limits| {
            limits.hold = Duration::from_millis(1);
            limits.heartbeat = Duration::from_millis(5);
        });
        let stage = Stage::new(&server);
        let (truth, received) = play(&mut server, &stage, random);
        let received = TECHNIQUES.iter().zip(&received);
        let gaps = received.map(|((name, _), told)| truth.check(name, stage.base, told));
        assert!(
            gaps.sum::<usize>() > 0,
            "no client ever fell behind the ring"
        );
        let cuts = stage.cuts.into_inner().unwrap();
        for kind in MANNERS.iter().chain(&PLACES) {
            assert!(
                cuts.contains(kind),
                "no client was cut {kind}, but {cuts:?}"
            );
        }
    });
}

/// Runs the clients and the publishers, and restarts the server a few times meanwhile. Returns what was published,
/// and what each client received.
fn play(server: &mut TestServer, stage: &Stage, mut random: Rng) -> (Truth, Vec<Vec<Told>>) {
    thread::scope(|scope| {
        let clients = TECHNIQUES.map(|technique| {
            let client = Client::new(technique, stage, random.fork());
            scope.spawn(move || client.follow())
        });
        let publishers = [0, 1, 2, 3].map(|share| {
            let publisher = Publisher::new(stage, random.fork());
            scope.spawn(move || publisher.publish_share(share * EVENTS / PUBLISHERS))
        });
        for restart in 1..=RESTARTS {
            let share = EVENTS / (RESTARTS + 1);
            stage.wait_published(restart * share + random.usize(0..share / 2));
            server.restart();
        }
        let mut published: Vec<_> = publishers.into_iter().flat_map(join).collect();
        published.push(Publisher::new(stage, random).publish(THE_END));
        (Truth::new(published), clients.map(join).into())
    })
}

/// A thread's result, or its panic.
fn join<T>(thread: ScopedJoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|why| resume_unwind(why))
}

/// What all clients and publishers share.
struct Stage {
    addresses: Vec<SocketAddr>,
    /// The id before the first event.
    base: u64,
    /// How many events have been published.
    published: AtomicUsize,
    /// The [`MANNERS`] and [`PLACES`] in which clients have left so far.
    cuts: Mutex<BTreeSet<&'static str>>,
}

impl Stage {
    fn new(server: &TestServer) -> Stage {
        let server = server.server();
        Stage {
            addresses: server.addresses.clone(),
            base: server.shared.hub.read("chat", Since::Now).unwrap().next,
            published: AtomicUsize::new(0),
            cuts: Mutex::default(),
        }
    }

    fn published(&self) -> usize {
        self.published.load(Ordering::SeqCst)
    }

    fn wait_published(&self, count: usize) {
        let count = count.min(EVENTS);
        let deadline = Instant::now() + PATIENCE * 3;
        while self.published() < count {
            assert!(
                Instant::now() < deadline,
                "{count} events were never published"
            );
            moment();
        }
    }

    fn connect(&self, random: &mut Rng) -> io::Result<TcpStream> {
        let address = random.choice(&self.addresses).expect("two addresses");
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }
}

/// Waits before the next attempt.
fn moment() {
    thread::sleep(Duration::from_millis(1));
}

// The publishers.

struct Publisher<'a> {
    stage: &'a Stage,
    random: Rng,
    /// Reused for each event until the server ends it.
    socket: Option<TcpStream>,
}

impl Publisher<'_> {
    fn new(stage: &Stage, random: Rng) -> Publisher<'_> {
        Publisher {
            stage,
            random,
            socket: None,
        }
    }

    /// Publishes a quarter of all events, numbered from `first`.
    fn publish_share(mut self, first: usize) -> Vec<Published> {
        let numbers = first..first + EVENTS / PUBLISHERS;
        numbers.map(|number| self.publish(number)).collect()
    }

    /// Publishes one event, and retries until it is answered: without an answer it was not published.
    fn publish(&mut self, number: usize) -> Published {
        let text = "</script>\u{2028}홈런".repeat(self.random.usize(0..8));
        let body = json!({ "number": number, "text": text }).to_string();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let began = Instant::now();
            if let Ok(id) = self.post(&body) {
                self.stage.published.fetch_add(1, Ordering::SeqCst);
                let answered = Instant::now();
                return Published {
                    id,
                    number,
                    began,
                    answered,
                };
            }
            self.socket = None;
            assert!(began < deadline, "event {number} could not be published");
            moment();
        }
    }

    fn post(&mut self, body: &str) -> io::Result<u64> {
        if self.socket.is_none() {
            self.socket = Some(self.stage.connect(&mut self.random)?);
        }
        let mut socket = self.socket.as_ref().expect("it has just been opened");
        socket.write_all(post("/publish", body).as_bytes())?;
        let mut answer = Answer::default();
        let mut buffer = [0; 1024];
        while !answer.ended {
            let count = came(socket.read(&mut buffer))?;
            answer.take(&buffer[..count]);
        }
        Ok(id(&support::json(&answer.text())["id"]))
    }
}

/// The length of a read, or an error if the connection has ended.
fn came(read: io::Result<usize>) -> io::Result<usize> {
    match read {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            panic!("nothing came for {PATIENCE:?}")
        }
        read => read,
    }
}

// The clients.

/// How a connection is cut: after this many bytes, in one of the [`MANNERS`].
struct Cut {
    after: usize,
    manner: &'static str,
}

struct Client<'a> {
    technique: Technique,
    stage: &'a Stage,
    random: Rng,
    /// The `limit` of a stream's answer, or nothing.
    limit: &'static str,
    /// The last id it saw.
    last: u64,
    /// When it must have seen the last event.
    deadline: Instant,
    asked: Instant,
    told: Vec<Told>,
    ended: bool,
}

impl Client<'_> {
    fn new(technique: Technique, stage: &Stage, random: Rng) -> Client<'_> {
        Client {
            technique,
            stage,
            random,
            limit: "",
            last: stage.base,
            deadline: Instant::now() + PATIENCE * 3,
            asked: Instant::now(),
            told: Vec::new(),
            ended: false,
        }
    }

    /// Reconnects until it has seen the last event. Now and then it stays away long enough for the ring to lose
    /// events.
    fn follow(mut self) -> Vec<Told> {
        while !self.ended {
            self.assert_in_time();
            if self.visit().is_err() {
                moment(); // perhaps the server is restarting
            }
            if self.random.u8(0..20) == 0 {
                let missed = self.random.usize(0..2 * RING_EVENTS);
                self.stage.wait_published(self.stage.published() + missed);
            }
        }
        self.told
    }

    fn assert_in_time(&self) {
        let (path, last) = (self.technique.0, self.last);
        let in_time = Instant::now() < self.deadline;
        assert!(in_time, "{path} waited in vain for the event after {last}");
    }

    /// One connection, until it is cut or the server ends it.
    fn visit(&mut self) -> io::Result<()> {
        let mut socket = self.stage.connect(&mut self.random)?;
        let mut cut = self.choose_cut();
        self.limit = self
            .random
            .choice(["", "&limit=1", "&limit=20000"])
            .expect("three limits");
        if cut.manner == "mid-request" {
            let request = self.request();
            let part = self.random.usize(0..request.len());
            socket.write_all(&request.as_bytes()[..part])?;
            return self.leave(&socket, cut.manner, "mid-request");
        }
        loop {
            self.asked = Instant::now();
            socket.write_all(self.request().as_bytes())?;
            let goes_on = self.read_answer(&mut socket, &mut cut)?;
            if self.ended || !goes_on {
                return Ok(());
            }
            if self.technique.0 == "polling" {
                thread::sleep(Duration::from_millis(5)); // the interval of polling
            }
        }
    }

    /// A cut within the head, somewhere later, or so late that the server may end the connection first.
    fn choose_cut(&mut self) -> Cut {
        let most = [400, 4_000, 40_000, 400_000][self.random.usize(0..4)];
        Cut {
            after: self.random.usize(0..most),
            manner: MANNERS[self.random.usize(0..MANNERS.len())],
        }
    }

    /// The request for events after the last id. An event source keeps its URL and sends `Last-Event-ID`, as a
    /// browser does.
    fn request(&self) -> String {
        let last = self.last;
        match self.technique.0 {
            "websocket" => handshake(&format!("/websocket?since={last}")),
            "jsonp-polling" => get(&format!("/jsonp-polling?since={last}&callback=f")),
            "event-source" => {
                let Client { stage, limit, .. } = self;
                let request = get(&format!("/event-source?since={}{limit}", stage.base));
                request.replace("\r\n\r\n", &format!("\r\nLast-Event-ID: {last}\r\n\r\n"))
            }
            path => get(&format!("/{path}?since={last}{}", self.limit)),
        }
    }

    /// Reads an answer in pieces of random size. `true` if the connection takes the next request.
    fn read_answer(&mut self, socket: &mut TcpStream, cut: &mut Cut) -> io::Result<bool> {
        let mut answer = Answer::default();
        let mut buffer = [0; 8192];
        while !answer.ended && !self.ended {
            self.assert_in_time();
            let piece = 1 << self.random.u32(0..13);
            if cut.after == 0 {
                self.leave(socket, cut.manner, answer.place())?;
                cut.after = usize::MAX; // what still arrives counts
            }
            let count = came(socket.read(&mut buffer[..piece.min(cut.after)]))?;
            cut.after -= count;
            answer.take(&buffer[..count]);
            let messages = (self.technique.1)(&mut answer);
            messages.iter().for_each(|message| self.hear(message));
        }
        Ok(answer.framing != Framing::Frames)
    }

    /// Leaves; a message that is incomplete is lost. Only a half-closed connection can still be read.
    fn leave(
        &self,
        socket: &TcpStream,
        manner: &'static str,
        place: &'static str,
    ) -> io::Result<()> {
        self.stage.cuts.lock().unwrap().extend([manner, place]);
        match manner {
            "half-closed" => return socket.shutdown(Shutdown::Write),
            "reset" => SockRef::from(socket).set_linger(Some(Duration::ZERO))?,
            _ => {}
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn hear(&mut self, message: &Value) {
        let is_gap = message["gap"] == true;
        if !is_gap && message["id"].is_null() {
            assert_eq!(
                message["next"], self.last,
                "an empty answer keeps the cursor"
            );
            return;
        }
        let number = (!is_gap).then(|| id(&message["data"]["number"]) as usize);
        self.last = id(&message[if is_gap { "next" } else { "id" }]);
        self.ended |= number == Some(THE_END);
        self.told.push(Told {
            id: self.last,
            number,
            asked: self.asked,
            came: Instant::now(),
        });
    }
}
