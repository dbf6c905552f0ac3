//! The lab's clients, all on one thread, over `polling`: ten thousand connections take one thread here, and
//! ten thousand in the server under test.

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

/// The limit of connections that wait for their first answer.
const OPENING: usize = 64;

/// Closing a socket sends a reset: thousands of sockets in TIME_WAIT would use up the ports.
const RESET: linger = linger {
    l_onoff: 1,
    l_linger: 0,
};

/// The topic of experiments that need only one.
pub const TOPIC: &str = "lab";

/// A client's technique and topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub technique: Technique,
    pub topic: String,
    /// The time between a polling client's requests.
    pub interval: Duration,
}

impl Listener {
    /// Listens by this technique to the lab's topic.
    pub fn by(technique: Technique) -> Listener {
        Listener {
            technique,
            topic: TOPIC.to_string(),
            interval: Duration::from_secs(1),
        }
    }

    /// Polls the lab's topic at this interval.
    pub fn polling(interval: Duration) -> Listener {
        Listener {
            interval,
            ..Listener::by(Technique::Polling)
        }
    }

    /// The same with another topic.
    pub fn to(&self, topic: &str) -> Listener {
        Listener {
            topic: topic.to_string(),
            ..self.clone()
        }
    }

    /// For tables and plots: `polling every 2 s`.
    pub fn name(&self) -> String {
        match self.technique {
            Technique::Polling => format!("polling every {} s", self.interval.as_secs_f64()),
            technique => technique.to_string(),
        }
    }
}

/// An event that a client received.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub client: usize,
    /// The event's id.
    pub id: u64,
    pub at: Instant,
}

/// An event that a client published.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    pub publisher: usize,
    /// Unique within its topic only.
    pub id: u64,
    /// When the request was written.
    pub at: Instant,
}

/// Requests and bytes on the sockets, heads and frames included.
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

/// A client's task.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Errand {
    /// Listens; asks again if the technique requires it.
    Listen(Listener),
    /// Publishes to this topic on [`Clients::publish`].
    Publish(String),
    /// Sends one plain request.
    Ask,
}

/// One client.
struct Client {
    socket: TcpStream,
    errand: Errand,
    reader: Reader,
    outbox: Vec<u8>,
    /// When the latest request was written; for the first request, when the connection was begun.
    asked: Instant,
    /// When each event that the server has not confirmed yet was published.
    unconfirmed: VecDeque<Instant>,
    /// True once its first answer has begun.
    open: bool,
    gone: bool,
    /// How many answers have begun, and how many have ended.
    begun: u64,
    ended: u64,
    /// The last event's id.
    cursor: Option<u64>,
    traffic: Traffic,
}

impl Client {
    /// True if no answer is on its way.
    fn is_settled(&self, heads: Heads) -> bool {
        let Errand::Listen(listener) = &self.errand else {
            return true;
        };
        let requests = self.traffic.requests;
        let is_settled = match listener.technique {
            Technique::Polling => self.ended == requests,
            // A page's first long poll returns at once, with the cursor.
            Technique::LongPolling | Technique::JsonpPolling if heads == Heads::Chromium => {
                self.begun == requests && self.cursor.is_some()
            }
            _ => self.begun == requests,
        };
        is_settled || self.gone
    }
}

/// All clients of one server, and what they have received.
pub struct Clients {
    address: SocketAddr,
    host: String,
    poller: Poller,
    events: Events,
    buffer: Vec<u8>,
    clients: Vec<Client>,
    /// When each polling client asks next.
    later: BinaryHeap<Reverse<(Instant, usize)>>,
    /// The request heads that they send.
    pub heads: Heads,
    pub arrivals: Vec<Arrival>,
    pub published: Vec<Published>,
    /// For each listening connection, the time from `connect` to the head of its answer.
    pub opened: Vec<Duration>,
    /// For each plain request, the time to its answer, `connect` included.
    pub answered: Vec<Duration>,
    /// Listening connections that the server closed or refused.
    pub lost: usize,
    /// Connections that wait for their first answer.
    opening: usize,
}

impl Clients {
    /// For the server at `address`; no clients yet.
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

    /// Adds a client that listens by this technique to the lab's topic.
    pub fn listen(&mut self, technique: Technique) -> io::Result<usize> {
        self.add(Listener::by(technique))
    }

    /// Adds `count` clients that listen by this technique, and waits for their first answers.
    pub fn listen_all(&mut self, technique: Technique, count: usize) -> io::Result<()> {
        for _ in 0..count {
            self.listen(technique)?;
        }
        match self.all_open()? {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "the server has not answered {} of {count} connections",
                self.opening
            ))),
        }
    }

    /// Adds a client that listens. Waits while too many others have no answer yet.
    pub fn add(&mut self, listener: Listener) -> io::Result<usize> {
        let client = self.connect(Errand::Listen(listener))?;
        self.opening += 1;
        self.ask(client)?;
        self.until(Duration::from_secs(20), |clients| clients.opening < OPENING)?;
        Ok(client)
    }

    /// Adds a client that publishes to the lab's topic.
    pub fn publisher(&mut self) -> io::Result<usize> {
        self.publisher_to(TOPIC)
    }

    /// Adds a client that publishes to this topic.
    pub fn publisher_to(&mut self, topic: &str) -> io::Result<usize> {
        self.connect(Errand::Publish(topic.to_string()))
    }

    /// Publishes an event; [`Clients::published`] has it once the server has confirmed its id. Reconnects if
    /// the server has closed an idle connection.
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

    /// True if the server has not confirmed an event yet.
    pub fn is_publishing(&self) -> bool {
        let mut clients = self.clients.iter();
        clients.any(|client| !client.unconfirmed.is_empty())
    }

    /// Sends a message from a client that listens by WebSocket.
    pub fn say(&mut self, client: usize, json: &str) -> io::Result<()> {
        self.send(client, &requests::text_frame(json))
    }

    /// Sends one plain request on a new connection; [`Clients::answered`] gets its time.
    pub fn ask_plainly(&mut self) -> io::Result<()> {
        let client = self.connect(Errand::Ask)?;
        let request = requests::plain(&self.host);
        self.send(client, request.as_bytes())
    }

    /// The number of listening clients.
    pub fn listening(&self) -> usize {
        let listens = |client: &&Client| matches!(client.errand, Errand::Listen(_)) && !client.gone;
        self.clients.iter().filter(listens).count()
    }

    /// Waits until all clients listen and no answer is on its way: long polls have been sent again, and
    /// polling clients wait for their next turn.
    pub fn settle(&mut self) -> io::Result<bool> {
        self.until(Duration::from_secs(10), |clients| {
            let mut all = clients.clients.iter();
            all.all(|client| client.is_settled(clients.heads))
        })
    }

    /// Waits until every client has its first answer. `false`: some don't have it in time.
    pub fn all_open(&mut self) -> io::Result<bool> {
        self.until(Duration::from_secs(60), |clients| clients.opening == 0)
    }

    /// The traffic of all listening clients so far.
    pub fn traffic(&self) -> Traffic {
        let clients = self.clients.iter();
        let listening = clients.filter(|client| matches!(client.errand, Errand::Listen(_)));
        let traffic = listening.map(|client| client.traffic);
        traffic.fold(Traffic::default(), |sum, more| sum + more)
    }

    /// The traffic of one client so far.
    pub fn traffic_of(&self, client: usize) -> Traffic {
        self.clients[client].traffic
    }

    /// Runs the clients until `done`; `false` if `patience` ran out first.
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

    /// One turn of the loop: waits for input or the next due time, and handles both.
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
        let text = format!("the lab holds {held} connections and can't open another: {error}");
        io::Error::new(error.kind(), text)
    }
}

/// One client at a time.
impl Clients {
    /// Sends a listening client's request.
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

    /// Writes as much as the socket takes; waits for writability if there is more.
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

    /// A client's socket is readable, or writable again.
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

    /// Takes the ids of published events. The server answers in the order of the requests.
    fn confirmed(&mut self, publisher: usize, seen: &Seen) {
        for &id in &seen.ids {
            let at = self.clients[publisher].unconfirmed.pop_front();
            self.published
                .extend(at.map(|at| Published { publisher, id, at }));
        }
    }

    fn heard(&mut self, key: usize, seen: &Seen, at: Instant) -> io::Result<()> {
        self.first_head(key, seen, at)?;
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

    /// Handles the head of a client's first answer: the client is connected, or was refused.
    fn first_head(&mut self, key: usize, seen: &Seen, at: Instant) -> io::Result<()> {
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

    /// An answer has ended: does what the technique does next.
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

    /// The connection is gone. Its entry stays, so that the others keep their numbers.
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
