//! Exactly once, in order, whatever cuts the connection: each technique's client, byte by byte, and
//! then the real `comet.js` behind a proxy that cuts.

#[allow(dead_code)]
#[path = "support/browser.rs"]
mod browser;
mod support;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use browser::{Page, chromium};
use comet::hub::{Cursor, RING_EVENTS};
use fastrand::Rng;
use serde_json::{Value, json};
use socket2::SockRef;
use support::{PATIENCE, TestServer, get, handshake, post, restarted, seeded, settings};

const EVENTS: usize = 10_000;
const PUBLISHERS: usize = 4;
const RESTARTS: usize = 3;
/// What the last event of all says.
const THE_END: usize = usize::MAX >> 12;

/// A technique: its path, and how its messages are found in what has come.
type Technique = (&'static str, fn(&mut Answer) -> Vec<Value>);

const TECHNIQUES: [Technique; 8] = [
    ("polling", poll_answer),
    ("long-polling", poll_answer),
    ("xhr-streaming", lines),
    ("forever-frame", scripts),
    ("multipart-streaming", parts),
    ("jsonp-polling", jsonp_call),
    ("event-source", blocks),
    ("websocket", frames),
];

/// How a client leaves, when it is not the server who ends it.
const MANNERS: [&str; 4] = ["mid-request", "closed", "half-closed", "reset"];

#[test]
fn exactly_once_in_order_on_every_technique() {
    seeded(|random| {
        let mut server = TestServer::start();
        let stage = Stage::new(&server);
        let (truth, heard) = play(&mut server, &stage, random);
        let heard = TECHNIQUES.iter().zip(&heard);
        let gaps = heard.map(|((name, _), told)| truth.check(name, stage.base, told));
        assert!(gaps.sum::<usize>() > 0, "the ring has never moved on");
        stage.assert_all_kinds();
    });
}

/// Everybody at once: the clients, the publishers, and a server that now and then is another. Answers
/// with what there was, and what each client was told.
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
            assert_eq!(server.stop(), 0, "each connection had its end");
            server.server = Some(restarted(&stage.addresses));
        }
        let mut published = publishers
            .map(join)
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        published.push(Publisher::new(stage, random).publish(THE_END));
        (Truth::new(published), clients.map(join).into())
    })
}

/// What a thread answers; what it died of is what the test dies of.
fn join<T>(thread: ScopedJoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|why| resume_unwind(why))
}

/// What everybody on it sees.
struct Stage {
    addresses: Vec<SocketAddr>,
    /// The id before the first event.
    base: u64,
    /// How many events have been published.
    published: AtomicUsize,
    /// How often a client has left in each of the [`MANNERS`].
    cuts: [AtomicUsize; MANNERS.len()],
}

impl Stage {
    fn new(server: &TestServer) -> Stage {
        let server = server.server();
        Stage {
            addresses: server.addresses.clone(),
            base: server.shared.hub.read("chat", Cursor::Now).unwrap().next,
            published: AtomicUsize::new(0),
            cuts: Default::default(),
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

    fn assert_all_kinds(&self) {
        for (manner, cuts) in MANNERS.iter().zip(&self.cuts) {
            assert!(cuts.load(Ordering::SeqCst) > 0, "no client was {manner}");
        }
    }
}

/// Before something is tried once more.
fn moment() {
    thread::sleep(Duration::from_millis(1));
}

// The publishers.

/// An event, as its publisher knows it.
struct Published {
    id: u64,
    number: usize,
    /// Before it was sent.
    began: Instant,
    /// When the server's answer had come.
    answered: Instant,
}

struct Publisher<'a> {
    stage: &'a Stage,
    random: Rng,
    /// Kept alive from one event to the next, until the server ends it.
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

    /// Publishes a fourth of all events; their numbers begin with this.
    fn publish_share(mut self, first: usize) -> Vec<Published> {
        let numbers = first..first + EVENTS / PUBLISHERS;
        numbers.map(|number| self.publish(number)).collect()
    }

    /// Publishes one event. Without an answer it has not been published: then it is tried again.
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
            answer.take(came(socket.read(&mut buffer))?, &buffer);
        }
        Ok(support::json(&answer.text())["id"].as_u64().expect("an id"))
    }
}

/// What a read brought. No bytes: the connection has ended.
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

/// What a client was told, on the question it asked then.
struct Told {
    message: Message,
    asked: Instant,
    came: Instant,
}

enum Message {
    Event {
        id: u64,
        number: usize,
    },
    /// Events are missing after the last one, up to this id.
    Gap {
        next: u64,
    },
}

/// How a connection is to be cut: after so many bytes, and in this one of the [`MANNERS`].
struct Cut {
    after: usize,
    manner: usize,
}

struct Client<'a> {
    technique: Technique,
    stage: &'a Stage,
    random: Rng,
    /// How long an answer may be, if it is a stream: some have a limit.
    limit: &'static str,
    /// The last id it saw.
    last: u64,
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
            asked: Instant::now(),
            told: Vec::new(),
            ended: false,
        }
    }

    /// Comes back until it has seen the last event of all. Now and then it stays away for so long that
    /// the ring may move on.
    fn follow(mut self) -> Vec<Told> {
        let deadline = Instant::now() + PATIENCE * 3;
        while !self.ended {
            assert!(
                Instant::now() < deadline,
                "{} came to {}",
                self.technique.0,
                self.last
            );
            if self.visit().is_err() {
                moment(); // the server may be away
            }
            if self.random.u8(0..20) == 0 {
                let missed = self.random.usize(0..2 * RING_EVENTS);
                self.stage.wait_published(self.stage.published() + missed);
            }
        }
        self.told
    }

    /// One connection, until it is cut or the server ends it.
    fn visit(&mut self) -> io::Result<()> {
        let mut socket = self.stage.connect(&mut self.random)?;
        let mut cut = self.choose_cut();
        self.limit = self
            .random
            .choice(["", "&limit=1", "&limit=20000"])
            .expect("some");
        if cut.manner == 0 {
            let request = self.request();
            let part = self.random.usize(0..request.len());
            socket.write_all(&request.as_bytes()[..part])?;
            return self.leave(&socket, &cut);
        }
        loop {
            self.asked = Instant::now();
            socket.write_all(self.request().as_bytes())?;
            let goes_on = self.read_answer(&mut socket, &mut cut)?;
            if self.ended || !goes_on {
                return Ok(());
            }
            if self.technique.0 == "polling" {
                thread::sleep(Duration::from_millis(5)); // this is what polling is
            }
        }
    }

    /// Mid-head, in the middle of something later, or so late that the server may be first.
    fn choose_cut(&mut self) -> Cut {
        let most = *self
            .random
            .choice(&[400, 4_000, 40_000, 400_000])
            .expect("some");
        Cut {
            after: self.random.usize(0..most),
            manner: self.random.usize(0..MANNERS.len()),
        }
    }

    /// Asks for what came after the last id; an event source as a browser does, which asks for the
    /// same URL again.
    fn request(&self) -> String {
        let Client {
            technique: (path, _),
            last,
            ..
        } = self;
        match *path {
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

    /// Reads an answer in pieces of random size. May the next question follow on this connection?
    fn read_answer(&mut self, socket: &mut TcpStream, cut: &mut Cut) -> io::Result<bool> {
        let mut answer = Answer::default();
        let mut buffer = [0; 8192];
        while !answer.ended && !self.ended {
            let piece = 1 << self.random.u32(0..13);
            if cut.after == 0 {
                self.leave(socket, cut)?;
                cut.after = usize::MAX; // what is still on its way counts
            }
            let count = came(socket.read(&mut buffer[..piece.min(cut.after)]))?;
            cut.after -= count;
            answer.take(count, &buffer);
            (self.technique.1)(&mut answer)
                .iter()
                .for_each(|message| self.hear(message));
        }
        Ok(answer.framing == Framing::Chunked || answer.framing == Framing::Length)
    }

    /// Leaves; what has come of a message is lost with the connection. Only one that is half-closed can
    /// still be read.
    fn leave(&self, socket: &TcpStream, cut: &Cut) -> io::Result<()> {
        self.stage.cuts[cut.manner].fetch_add(1, Ordering::SeqCst);
        match MANNERS[cut.manner] {
            "half-closed" => return socket.shutdown(Shutdown::Write),
            "reset" => SockRef::from(socket).set_linger(Some(Duration::ZERO))?,
            _ => {}
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn hear(&mut self, message: &Value) {
        let message = match message["gap"] == true {
            true => Message::Gap {
                next: id(&message["next"]),
            },
            false => Message::Event {
                id: id(&message["id"]),
                number: id(&message["data"]["number"]) as usize,
            },
        };
        self.ended |= matches!(
            message,
            Message::Event {
                number: THE_END,
                ..
            }
        );
        self.last = match message {
            Message::Gap { next } => next,
            Message::Event { id, .. } => id,
        };
        self.told.push(Told {
            message,
            asked: self.asked,
            came: Instant::now(),
        });
    }
}

fn id(value: &Value) -> u64 {
    value.as_u64().expect("an id")
}

// What comes, byte by byte, and what each technique makes of it.

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Framing {
    #[default]
    Length,
    Chunked,
    /// After the upgrade.
    Frames,
}

/// An answer, as far as it has come.
#[derive(Default)]
struct Answer {
    /// Read, but not yet understood.
    raw: Vec<u8>,
    head: Option<String>,
    framing: Framing,
    /// How much of the body, or of this chunk, is still to come.
    left: usize,
    last_chunk: bool,
    /// What has come of the body, and has not been taken out.
    body: Vec<u8>,
    ended: bool,
}

impl Answer {
    fn take(&mut self, count: usize, buffer: &[u8]) {
        self.raw.extend_from_slice(&buffer[..count]);
        if self.head.is_none() {
            let Some(head) = cut_off(&mut self.raw, "\r\n\r\n") else {
                return;
            };
            self.begin(&head);
            self.head = Some(head);
        }
        match self.framing {
            Framing::Frames => self.body.append(&mut self.raw),
            Framing::Chunked => self.take_chunks(),
            Framing::Length => {
                self.take_left();
                self.ended = self.left == 0;
            }
        }
    }

    fn begin(&mut self, head: &str) {
        let value = |name| head.lines().find_map(|line| line.strip_prefix(name));
        assert!(
            head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.1 101 "),
            "{head}"
        );
        if let Some(length) = value("Content-Length: ") {
            self.left = length.parse().expect("a length");
        } else {
            let chunked = value("Transfer-Encoding: chunked").is_some();
            self.framing = if chunked {
                Framing::Chunked
            } else {
                Framing::Frames
            };
        }
    }

    fn take_left(&mut self) {
        let count = self.left.min(self.raw.len());
        self.body.extend(self.raw.drain(..count));
        self.left -= count;
    }

    /// The line that ends a chunk's data is an empty one; after the last chunk, it is the end.
    fn take_chunks(&mut self) {
        loop {
            self.take_left();
            if self.left > 0 {
                return;
            }
            match cut_off(&mut self.raw, "\r\n").as_deref() {
                None => return,
                Some("") => self.ended |= self.last_chunk,
                Some(size) => {
                    self.left = usize::from_str_radix(size, 16).expect("a size");
                    self.last_chunk = self.left == 0;
                }
            }
        }
    }

    /// All of the body.
    fn text(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.body)).expect("UTF-8")
    }

    /// The pieces of the body that this ends, without it.
    fn pieces(&mut self, end: &str) -> Vec<String> {
        std::iter::from_fn(|| cut_off(&mut self.body, end)).collect()
    }
}

/// Takes off what stands before `end`, and `end` with it, if it has come.
fn cut_off(bytes: &mut Vec<u8>, end: &str) -> Option<String> {
    let found = |window: &[u8]| window == end.as_bytes();
    let at = bytes.windows(end.len()).position(found)?;
    let piece = bytes.drain(..at + end.len()).collect::<Vec<u8>>();
    Some(String::from_utf8(piece[..at].to_vec()).expect("UTF-8"))
}

/// The part of a text between two others; nothing if they are not in it.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.rsplit_once(end)?.0)
}

/// A whole answer: a gap, if it says so, is before its first event.
fn poll_answer(answer: &mut Answer) -> Vec<Value> {
    match answer.ended {
        true => poll_messages(&answer.text()),
        false => Vec::new(),
    }
}

fn poll_messages(text: &str) -> Vec<Value> {
    let answer = support::json(text);
    let events = answer["events"].as_array().expect("events");
    let next = id(&answer["next"]);
    assert!(
        events.last().is_none_or(|event| event["id"] == next),
        "go on after the last one"
    );
    let before = events.first().map_or(next, |event| id(&event["id"]) - 1);
    let gap = (answer["gap"] == true).then(|| json!({ "gap": true, "next": before }));
    gap.into_iter().chain(events.iter().cloned()).collect()
}

fn jsonp_call(answer: &mut Answer) -> Vec<Value> {
    match answer.ended {
        true => poll_messages(between(&answer.text(), "/**/f(", ");").expect("a call of f")),
        false => Vec::new(),
    }
}

fn lines(answer: &mut Answer) -> Vec<Value> {
    let lines = answer.pieces("\n").into_iter();
    lines
        .filter(|line| !line.is_empty())
        .map(|line| support::json(&line))
        .collect()
}

fn scripts(answer: &mut Answer) -> Vec<Value> {
    let scripts = answer.pieces("</script>\n").into_iter();
    let call = |script: String| Some(support::json(between(&script, ".receive(", ");document.")?));
    scripts.filter_map(call).collect()
}

fn parts(answer: &mut Answer) -> Vec<Value> {
    let parts = answer.pieces("\r\n--comet").into_iter();
    let bodies = parts.filter_map(|part| Some(part.split_once("\r\n\r\n")?.1.to_string()));
    bodies
        .filter(|body| !body.is_empty())
        .map(|body| support::json(&body))
        .collect()
}

fn blocks(answer: &mut Answer) -> Vec<Value> {
    answer
        .pieces("\n\n")
        .iter()
        .filter_map(|block| message(block))
        .collect()
}

/// A block of an event source's stream; the first says when to come back, and a comment says nothing.
fn message(block: &str) -> Option<Value> {
    let field = |name| block.lines().find_map(|line| line.strip_prefix(name));
    let message = support::json(field("data: ")?);
    let gap = field("event: ") == Some("gap");
    let id = if gap {
        &message["next"]
    } else {
        &message["id"]
    };
    assert_eq!(field("id: "), Some(id.to_string().as_str()), "{block}");
    assert_eq!(gap, message["gap"] == true, "{block}");
    Some(message)
}

fn frames(answer: &mut Answer) -> Vec<Value> {
    let mut messages = Vec::new();
    while let Some((opcode, payload)) = frame(&mut answer.body) {
        match opcode {
            0x81 => messages.push(support::json(&String::from_utf8(payload).expect("UTF-8"))),
            0x88 => answer.ended = true,
            0x89 => {} // a ping: the server's heartbeat
            _ => panic!("a frame of the kind {opcode:x}"),
        }
    }
    messages
}

/// The first frame, if it is whole: its first byte and its payload (RFC 6455 section 5.2).
fn frame(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (start, length) = match *bytes.get(1)? {
        126 => (4, bytes.get(2..4)?),
        127 => (10, bytes.get(2..10)?),
        _ => (2, &bytes[1..2]),
    };
    let length = length
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let payload = bytes.get(start..start + length)?.to_vec();
    Some((bytes.drain(..start + length).next()?, payload))
}

// What was to be told.

/// Every event there was, by its id.
struct Truth(BTreeMap<u64, Published>);

impl Truth {
    fn new(published: Vec<Published>) -> Truth {
        let count = published.len();
        let truth = Truth(
            published
                .into_iter()
                .map(|event| (event.id, event))
                .collect(),
        );
        assert_eq!(truth.0.len(), count, "each event has an id of its own");
        truth
    }

    /// Each event once and in order, but for those that a gap says are missing. Answers how many gaps
    /// there were because the ring had moved on.
    fn check(&self, name: &str, base: u64, told: &[Told]) -> usize {
        let mut last = base;
        let mut gaps = 0;
        for told in told {
            last = match told.message {
                Message::Gap { next } => {
                    assert!(
                        next > last,
                        "{name}: a gap, but nothing is missing after {last}"
                    );
                    gaps += usize::from(self.check_gap(name, next, told));
                    next
                }
                Message::Event { id, number } => {
                    assert_eq!(id, last + 1, "{name}: the next event");
                    let published = self.0.get(&id).expect("it was published");
                    assert_eq!(number, published.number, "{name}: event {id}");
                    id
                }
            };
        }
        gaps
    }

    /// What comes next is the oldest event that the ring still had at some moment between question and
    /// answer: the one that pushes it out was not there before the question, and the ring had become
    /// full before the answer; or else the server was new, and this is its first.
    fn check_gap(&self, name: &str, next: u64, told: &Told) -> bool {
        let ring = RING_EVENTS as u64;
        assert!(
            self.0.contains_key(&(next + 1)),
            "{name}: nothing follows the gap"
        );
        if let Some(later) = self.0.get(&(next + ring + 1)) {
            assert!(
                later.answered >= told.asked,
                "{name}: {next} was forgotten before"
            );
        }
        let moved_on = self.0.contains_key(&next);
        if moved_on {
            let newest = self.0.get(&(next + ring)).expect("the ring was full");
            assert!(
                newest.began <= told.came,
                "{name}: the ring still had {next}"
            );
        }
        moved_on
    }
}

// The real script, in a browser.

/// One Comet a transport, with a list of what it told and a count of its losses. The page's clock goes
/// forty times as fast: a script waits a second before it comes back, and 45 before it gives up a frame
/// that says nothing. What shows no sign of life is given up after a second and a half of ours.
const FOLLOW: &str = "(async () => {
    const {setTimeout} = window;
    window.setTimeout = (f, ms, ...rest) => setTimeout.call(window, f, ms / 40, ...rest);
    const {Comet} = await import('/comet.js');
    window.follow = (topic, since, names) => names.map((name) => {
        const follower = {name, told: [], lost: 0};
        const tell = (what) => { if (what === 'lost') follower.lost += 1; };
        const options = {transports: [name], silence: 60_000, tell};
        const comet = new Comet(`/?topic=${topic}&since=${since}`, options);
        comet.onmessage = ({data}) => follower.told.push(JSON.parse(data).id ?? data);
        follower.close = () => comet.close();
        return follower;
    });
})()";

#[test]
fn exactly_once_in_order_when_the_connection_is_cut_under_comet_js() {
    let Some(chromium) = chromium() else { return };
    seeded(|mut random| {
        let (server, proxy) = server_behind_proxy(&mut random);
        let page = chromium.open(&server, "polling.html");
        page.requests_may_fail();
        page.js(FOLLOW);
        // Four at once, as a browser opens six connections to one port and no more.
        for (topic, four) in ["one", "two"].iter().zip(TECHNIQUES.chunks(4)) {
            let names = four.iter().map(|(name, _)| *name);
            follow_through_cuts(&server, &proxy, &page, topic, &names.collect::<Vec<_>>());
        }
        // A head that is cut off counts as far as it came: what the browser says of that is no trouble.
        let troubles = page.troubles().into_iter();
        let troubles: Vec<_> = troubles
            .filter(|trouble| !trouble.starts_with("log: "))
            .collect();
        assert!(troubles.is_empty(), "{troubles:#?}");
    });
}

fn follow_through_cuts(
    server: &TestServer,
    proxy: &Proxy,
    page: &Page,
    topic: &str,
    names: &[&str],
) {
    let base = server.publish(topic, "the beginning");
    page.js(&format!(
        "void (window.followers = follow('{topic}', {base}, {names:?}))"
    ));
    let mut ids = publish_while(server, topic, || {
        proxy.cuts.store(true, Ordering::SeqCst);
        page.wait("followers.every(({lost}) => lost > 1)");
        proxy.cuts.store(false, Ordering::SeqCst);
    });
    let last = server.publish(topic, "the end");
    ids.push(last);
    page.wait(&format!(
        "followers.every(({{told}}) => told.at(-1) === {last})"
    ));
    for (n, name) in names.iter().enumerate() {
        assert_eq!(
            page.js(&format!("followers[{n}].told")),
            json!(ids),
            "{name}"
        );
    }
    page.js("followers.forEach((follower) => follower.close())");
}

/// Four publishers publish while something is done, but no more than the ring holds: so nobody may miss
/// anything. Answers with the ids, in order.
fn publish_while(server: &TestServer, topic: &str, doing: impl FnOnce()) -> Vec<u64> {
    let done = AtomicBool::new(false);
    let publish = || {
        let share = (0..RING_EVENTS / PUBLISHERS - 1).take_while(|_| !done.load(Ordering::SeqCst));
        let publish = |_| {
            thread::sleep(Duration::from_millis(40)); // a pace that a page can follow
            server.publish(topic, "</script>홈런")
        };
        share.map(publish).collect::<Vec<u64>>()
    };
    let mut ids = thread::scope(|scope| {
        let publishers = [(); PUBLISHERS].map(|()| scope.spawn(publish));
        doing();
        done.store(true, Ordering::SeqCst);
        publishers
            .map(|publisher| publisher.join().expect("a publisher"))
            .concat()
    });
    ids.sort_unstable();
    ids
}

/// A server, and a proxy that looks like it to a browser: it has the same port, on another address of
/// this machine.
fn server_behind_proxy(random: &mut Rng) -> (TestServer, Proxy) {
    let mut settings = settings();
    settings.listen = vec![SocketAddr::from(([127, 0, 0, 2], 0))];
    settings.limits.heartbeat = Duration::from_millis(100);
    loop {
        let mut server = TestServer::with(settings.clone());
        let behind = server.address;
        server.address.set_ip([127, 0, 0, 1].into());
        if let Ok(listener) = TcpListener::bind(server.address) {
            return (server, Proxy::start(listener, behind, random.fork()));
        }
    }
}

/// Passes bytes on, and cuts connections after some of them, for as long as `cuts` says so.
struct Proxy {
    listener: Arc<TcpListener>,
    cuts: Arc<AtomicBool>,
}

impl Proxy {
    fn start(listener: TcpListener, behind: SocketAddr, mut random: Rng) -> Proxy {
        let proxy = Proxy {
            listener: Arc::new(listener),
            cuts: Arc::default(),
        };
        let (listener, cuts) = (proxy.listener.clone(), proxy.cuts.clone());
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let Ok(server) = TcpStream::connect(behind) else {
                    return;
                };
                pass_on(client, server, cuts.clone(), random.fork());
            }
        });
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
    }
}

fn pass_on(client: TcpStream, server: TcpStream, cuts: Arc<AtomicBool>, random: Rng) {
    let (client, server) = (Arc::new(client), Arc::new(server));
    let (from, to) = (client.clone(), server.clone());
    thread::spawn(move || {
        let _ = io::copy(&mut &*from, &mut &*to);
        let _ = to.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let end = pass_on_until_cut(&server, &client, &cuts, random);
        let _ = client.shutdown(end);
        let _ = server.shutdown(Shutdown::Both);
    });
}

/// Passes on what the server says. Answers how to end the client's connection: properly, as the server
/// would; or only for the other thread, and the close then is a reset.
fn pass_on_until_cut(
    mut server: &TcpStream,
    mut client: &TcpStream,
    cuts: &AtomicBool,
    mut random: Rng,
) -> Shutdown {
    let most = [400, 4_000, 20_000][random.usize(0..3)];
    let mut left = random.usize(0..most);
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        let cutting = cuts.load(Ordering::SeqCst);
        let passed = if cutting { count.min(left) } else { count };
        left -= if cutting { passed } else { 0 };
        if client.write_all(&buffer[..passed]).is_err() {
            break;
        }
        if passed < count && random.bool() {
            let _ = SockRef::from(client).set_linger(Some(Duration::ZERO));
            return Shutdown::Read;
        }
        if passed < count {
            break;
        }
    }
    Shutdown::Both
}
