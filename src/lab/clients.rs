//! The lab's clients: as many as there are, all on one thread, over `polling`. The client that holds ten
//! thousand connections uses one thread; the server it measures uses ten thousand.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt::Linger};
use polling::{Event, Events, PollMode, Poller};

use super::reader::{Reader, Seen};
use super::requests::{self, Heads, Question};
use super::technique::Technique;

/// How many connections may be waiting for their first answer at a time.
const OPENING: usize = 64;

/// Closing a socket sends a reset: thousands of sockets in TIME_WAIT would use up the ports.
const RESET: linger = linger {
    l_onoff: 1,
    l_linger: 0,
};

/// The topic that the lab talks in, unless it needs several.
pub const TOPIC: &str = "lab";

/// How a client listens, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub technique: Technique,
    pub topic: String,
    /// Of a polling client: from one question to the next.
    pub interval: Duration,
}

impl Listener {
    /// By this technique, to the lab's topic.
    pub fn by(technique: Technique) -> Listener {
        Listener {
            technique,
            topic: TOPIC.to_string(),
            interval: Duration::from_secs(1),
        }
    }

    /// By polling, so often.
    pub fn polling(interval: Duration) -> Listener {
        Listener {
            interval,
            ..Listener::by(Technique::Polling)
        }
    }

    /// The same, to another topic.
    pub fn to(&self, topic: &str) -> Listener {
        Listener {
            topic: topic.to_string(),
            ..self.clone()
        }
    }

    /// As tables and plots have it: `polling every 2 s`.
    pub fn name(&self) -> String {
        match self.technique {
            Technique::Polling => format!("polling every {} s", self.interval.as_secs_f64()),
            technique => technique.to_string(),
        }
    }
}

/// An event that came to a client.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub client: usize,
    /// The event's id.
    pub id: u64,
    pub at: Instant,
}

/// An event that one of the clients published.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    pub publisher: usize,
    /// Ids are a topic's own: two topics may have the same.
    pub id: u64,
    /// When its request was written.
    pub at: Instant,
}

/// What went over the sockets, heads and frames included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub requests: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
}

impl std::ops::Add for Traffic {
    type Output = Traffic;

    fn add(self, more: Traffic) -> Traffic {
        Traffic {
            requests: self.requests + more.requests,
            bytes_up: self.bytes_up + more.bytes_up,
            bytes_down: self.bytes_down + more.bytes_down,
        }
    }
}

impl std::ops::Sub for Traffic {
    type Output = Traffic;

    fn sub(self, before: Traffic) -> Traffic {
        Traffic {
            requests: self.requests - before.requests,
            bytes_up: self.bytes_up - before.bytes_up,
            bytes_down: self.bytes_down - before.bytes_down,
        }
    }
}

/// What a client is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Errand {
    /// Listens, and goes on asking where the technique wants it.
    Listen(Listener),
    /// Publishes to this topic when it is told to.
    Publish(String),
    /// Asks one plain question.
    Ask,
}

/// One client.
struct Client {
    socket: TcpStream,
    errand: Errand,
    reader: Reader,
    outbox: Vec<u8>,
    /// When the last question was written; of the first, when the connection was begun.
    asked: Instant,
    /// When each event was published that the server has not confirmed yet.
    unconfirmed: VecDeque<Instant>,
    /// Has its first answer begun?
    open: bool,
    gone: bool,
    /// How many of its questions have got the head of an answer, and how many the whole of it.
    begun: u64,
    ended: u64,
    /// The last id it knows.
    cursor: Option<u64>,
    traffic: Traffic,
}

impl Client {
    fn is_settled(&self, heads: Heads) -> bool {
        let Errand::Listen(listener) = &self.errand else {
            return true;
        };
        let requests = self.traffic.requests;
        let is_settled = match listener.technique {
            Technique::Polling => self.ended == requests,
            // A page's first question isn't held: it brings the cursor.
            Technique::LongPolling | Technique::JsonpPolling if heads == Heads::Chromium => {
                self.begun == requests && self.cursor.is_some()
            }
            _ => self.begun == requests,
        };
        is_settled || self.gone
    }
}

/// All clients of one server, and what has come to them.
pub struct Clients {
    address: SocketAddr,
    host: String,
    poller: Poller,
    events: Events,
    buffer: Vec<u8>,
    clients: Vec<Client>,
    /// Polling clients, and when each asks next.
    later: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Whose heads they all send.
    pub heads: Heads,
    pub arrivals: Vec<Arrival>,
    pub published: Vec<Published>,
    /// How long each listening connection took from `connect` to the head of its answer.
    pub opened: Vec<Duration>,
    /// How long each plain question took, connection included.
    pub answered: Vec<Duration>,
    /// Connections that the server closed or refused.
    pub lost: usize,
    opening: usize,
}

impl Clients {
    /// No clients yet, of the server at `address`.
    pub fn new(address: SocketAddr) -> io::Result<Clients> {
        Ok(Clients {
            address,
            host: address.to_string(),
            poller: Poller::new()?,
            events: Events::new(),
            buffer: vec![0; 64 << 10],
            clients: Vec::new(),
            later: BinaryHeap::new(),
            heads: Heads::Short,
            arrivals: Vec::new(),
            published: Vec::new(),
            opened: Vec::new(),
            answered: Vec::new(),
            lost: 0,
            opening: 0,
        })
    }

    /// One more client, listening by this technique to the lab's topic.
    pub fn listen(&mut self, technique: Technique) -> io::Result<usize> {
        self.add(Listener::by(technique))
    }

    /// So many more clients that listen by this technique, and waits until all of them are in.
    pub fn listen_all(&mut self, technique: Technique, count: usize) -> io::Result<()> {
        for _ in 0..count {
            self.listen(technique)?;
        }
        match self.all_open()? {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "the server has not let in {} of {count} connections",
                self.opening
            ))),
        }
    }

    /// One more client that listens. Waits while too many are still being let in.
    pub fn add(&mut self, listener: Listener) -> io::Result<usize> {
        let client = self.connect(Errand::Listen(listener))?;
        self.opening += 1;
        self.ask(client)?;
        self.until(Duration::from_secs(20), |clients| clients.opening < OPENING)?;
        Ok(client)
    }

    /// One more client, to publish with in the lab's topic.
    pub fn publisher(&mut self) -> io::Result<usize> {
        self.publisher_to(TOPIC)
    }

    /// One more client, to publish with.
    pub fn publisher_to(&mut self, topic: &str) -> io::Result<usize> {
        self.connect(Errand::Publish(topic.to_string()))
    }

    /// Has this publisher publish; [`Clients::published`] has it once the server has said its id. If it was
    /// silent for so long that the server has closed its connection, it comes by a new one.
    pub fn publish(&mut self, publisher: usize, json: &str) -> io::Result<()> {
        if self.clients[publisher].gone {
            let socket = self.open_socket(publisher)?;
            let client = &mut self.clients[publisher];
            (client.socket, client.reader, client.gone) = (socket, Reader::default(), false);
        }
        let client = &mut self.clients[publisher];
        let Errand::Publish(topic) = &client.errand else {
            return Ok(());
        };
        let request = self.heads.publish(&self.host, topic, json);
        client.unconfirmed.push_back(Instant::now());
        client.traffic.requests += 1;
        self.send(publisher, request.as_bytes())
    }

    /// Has the server still to confirm an event?
    pub fn is_publishing(&self) -> bool {
        let mut clients = self.clients.iter();
        clients.any(|client| !client.unconfirmed.is_empty())
    }

    /// Has a client that listens by WebSocket say something over it.
    pub fn say(&mut self, client: usize, json: &str) -> io::Result<()> {
        self.send(client, &requests::text_frame(json))
    }

    /// Asks one plain question on a new connection; [`Clients::answered`] has how long it took.
    pub fn ask_plainly(&mut self) -> io::Result<()> {
        let client = self.connect(Errand::Ask)?;
        let request = requests::plain(&self.host);
        self.send(client, request.as_bytes())
    }

    /// How many are listening.
    pub fn listening(&self) -> usize {
        let listens = |client: &&Client| matches!(client.errand, Errand::Listen(_)) && !client.gone;
        self.clients.iter().filter(listens).count()
    }

    /// Waits for a moment in which everyone listens, and no answer is on its way: whoever had one has asked
    /// again, and a polling client waits for its next turn.
    pub fn settle(&mut self) -> io::Result<bool> {
        self.until(Duration::from_secs(10), |clients| {
            let mut all = clients.clients.iter();
            all.all(|client| client.is_settled(clients.heads))
        })
    }

    /// Lets everyone who is to come in, come in. `false`: some did not, in time.
    pub fn all_open(&mut self) -> io::Result<bool> {
        self.until(Duration::from_secs(60), |clients| clients.opening == 0)
    }

    /// All traffic of the listening clients until now.
    pub fn traffic(&self) -> Traffic {
        let clients = self.clients.iter();
        let listening = clients.filter(|client| matches!(client.errand, Errand::Listen(_)));
        let traffic = listening.map(|client| client.traffic);
        traffic.fold(Traffic::default(), |sum, more| sum + more)
    }

    /// The traffic of one client until now.
    pub fn traffic_of(&self, client: usize) -> Traffic {
        self.clients[client].traffic
    }

    /// Goes on until `done`, or for `patience` at the most. Answers whether it was done.
    pub fn until(
        &mut self,
        patience: Duration,
        done: impl Fn(&Clients) -> bool,
    ) -> io::Result<bool> {
        let deadline = Instant::now() + patience;
        while !done(self) {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.turn(deadline)?;
        }
        Ok(true)
    }

    /// One turn of the loop: sleeps until something comes or is due, then sees to it.
    fn turn(&mut self, deadline: Instant) -> io::Result<()> {
        let due = self.later.peek().map_or(deadline, |Reverse((due, _))| *due);
        let timeout = due.min(deadline).saturating_duration_since(Instant::now());
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        self.poller.wait(&mut events, Some(timeout))?;
        for event in events.iter() {
            self.serve(event.key)?;
        }
        self.events = events;
        while let Some(&Reverse((due, client))) = self.later.peek()
            && due <= Instant::now()
        {
            self.later.pop();
            self.ask(client)?;
        }
        Ok(())
    }

    fn connect(&mut self, errand: Errand) -> io::Result<usize> {
        let asked = Instant::now();
        let key = self.clients.len();
        let socket = self.open_socket(key)?;
        self.clients.push(Client {
            socket,
            errand,
            reader: Reader::default(),
            outbox: Vec::new(),
            asked,
            unconfirmed: VecDeque::new(),
            open: false,
            gone: false,
            begun: 0,
            ended: 0,
            cursor: None,
            traffic: Traffic::default(),
        });
        Ok(key)
    }

    fn open_socket(&self, key: usize) -> io::Result<TcpStream> {
        let socket = TcpStream::connect(self.address).map_err(|error| self.explain(error))?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        setsockopt(&socket, Linger, &RESET)?;
        // SAFETY: the socket is closed together with the poller, or after `lose` has deleted it.
        unsafe {
            self.poller
                .add_with_mode(&socket, Event::readable(key), PollMode::Level)
        }?;
        Ok(socket)
    }

    fn explain(&self, error: io::Error) -> io::Error {
        let held = self.clients.len();
        let told = format!("the lab holds {held} connections, and can't open another: {error}");
        io::Error::new(error.kind(), told)
    }
}

/// What is done for one client.
impl Clients {
    /// Sends a listening client's question.
    fn ask(&mut self, key: usize) -> io::Result<()> {
        let client = &mut self.clients[key];
        let Errand::Listen(listener) = &client.errand else {
            return Ok(());
        };
        if client.gone {
            return Ok(());
        }
        let question = Question {
            technique: listener.technique,
            topic: &listener.topic,
            since: client.cursor,
        };
        let request = self.heads.listen(question, &self.host);
        if client.open {
            client.asked = Instant::now();
        }
        client.traffic.requests += 1;
        self.send(key, request.as_bytes())
    }

    fn send(&mut self, key: usize, bytes: &[u8]) -> io::Result<()> {
        let client = &mut self.clients[key];
        client.traffic.bytes_up += bytes.len() as u64;
        client.outbox.extend_from_slice(bytes);
        self.flush(key)
    }

    /// Writes as much as the socket takes, and asks to be told when it takes more.
    fn flush(&mut self, key: usize) -> io::Result<()> {
        let client = &mut self.clients[key];
        while !client.outbox.is_empty() {
            match client.socket.write(&client.outbox) {
                Ok(count) => drop(client.outbox.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return self.poller.modify_with_mode(
                        &client.socket,
                        Event::all(key),
                        PollMode::Level,
                    );
                }
                Err(_) => return self.lose(key),
            }
        }
        Ok(())
    }

    /// A client's socket has something to read, or room again for what is in its outbox.
    fn serve(&mut self, key: usize) -> io::Result<()> {
        if !self.clients[key].outbox.is_empty() {
            let client = &self.clients[key];
            self.poller
                .modify_with_mode(&client.socket, Event::readable(key), PollMode::Level)?;
            self.flush(key)?;
        }
        match self.clients[key].socket.read(&mut self.buffer) {
            Ok(0) => self.lose(key),
            Ok(count) => self.read(key, count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(_) => self.lose(key),
        }
    }

    fn read(&mut self, key: usize, count: usize) -> io::Result<()> {
        let at = Instant::now();
        let client = &mut self.clients[key];
        client.traffic.bytes_down += count as u64;
        let seen = client.reader.take(&self.buffer[..count]);
        match &client.errand {
            Errand::Listen(_) => self.heard(key, &seen, at),
            Errand::Publish(_) => {
                self.confirmed(key, &seen);
                Ok(())
            }
            Errand::Ask => {
                self.answered.extend(seen.ended.then(|| at - client.asked));
                Ok(())
            }
        }
    }

    /// The server has said which ids it gave. It answers in the order it was asked.
    fn confirmed(&mut self, publisher: usize, seen: &Seen) {
        for &id in &seen.ids {
            let at = self.clients[publisher].unconfirmed.pop_front();
            self.published
                .extend(at.map(|at| Published { publisher, id, at }));
        }
    }

    fn heard(&mut self, key: usize, seen: &Seen, at: Instant) -> io::Result<()> {
        self.let_in(key, seen, at)?;
        let client = &mut self.clients[key];
        client.begun += u64::from(seen.status.is_some());
        client.ended += u64::from(seen.ended);
        let arrived = seen.ids.iter().map(|&id| Arrival {
            client: key,
            id,
            at,
        });
        self.arrivals.extend(arrived);
        client.cursor = seen.next.or(seen.ids.last().copied()).or(client.cursor);
        if seen.pinged {
            const PONG: &[u8] = &[0x8a, 0x80, 0, 0, 0, 0]; // empty, masked with zeros
            self.send(key, PONG)?;
        }
        match seen.ended {
            true => self.ended(key),
            false => Ok(()),
        }
    }

    /// Is this the first that we hear from the server? Then the client is in, or was refused.
    fn let_in(&mut self, key: usize, seen: &Seen, at: Instant) -> io::Result<()> {
        let client = &mut self.clients[key];
        if seen.status.is_none() || client.open {
            return Ok(());
        }
        client.open = true;
        self.opening -= 1;
        self.opened.push(at - client.asked);
        match seen.status {
            Some(101 | 200) => Ok(()),
            _ => self.lose(key),
        }
    }

    /// An answer is over: what does the technique do next?
    fn ended(&mut self, key: usize) -> io::Result<()> {
        let client = &self.clients[key];
        let Errand::Listen(listener) = &client.errand else {
            return Ok(());
        };
        match listener.technique {
            Technique::Websocket => self.lose(key),
            Technique::Polling => {
                let due = client.asked + listener.interval;
                self.later.push(Reverse((due, key)));
                Ok(())
            }
            _ => self.ask(key),
        }
    }

    /// The connection is gone. Its place stays, so that the others keep their numbers.
    fn lose(&mut self, key: usize) -> io::Result<()> {
        let client = &mut self.clients[key];
        if client.gone {
            return Ok(());
        }
        client.gone = true;
        if let Errand::Listen(_) = client.errand {
            self.lost += 1;
            self.opening -= usize::from(!client.open);
            client.open = true;
        }
        self.poller.delete(&client.socket)
    }
}
