//! The lab's clients: as many as there are, all on one thread, over `polling`. The client that holds ten
//! thousand connections uses one thread; the server it measures uses ten thousand.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use polling::{Event, Events, PollMode, Poller};
use socket2::SockRef;

use super::reader::{Reader, Seen};
use super::requests::{self, Technique};

/// How many connections may be waiting for their first answer at a time.
const OPENING: usize = 64;

/// The topic that the lab talks in.
pub const TOPIC: &str = "lab";

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

/// What a client is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Listens by this technique, and goes on asking where the technique wants it.
    Listen(Technique),
    /// Publishes when it is told to.
    Publish,
    /// Asks one plain question.
    Ask,
}

/// One client.
struct Client {
    socket: TcpStream,
    errand: Errand,
    reader: Reader,
    outbox: Vec<u8>,
    /// When the connection was begun, or the last request written.
    asked: Instant,
    /// Has its first answer begun?
    open: bool,
    /// The last id it knows.
    cursor: Option<u64>,
    traffic: Traffic,
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
    /// How long a polling client waits between an answer and its next question.
    pub interval: Duration,
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
            interval: Duration::from_secs(1),
            arrivals: Vec::new(),
            published: Vec::new(),
            opened: Vec::new(),
            answered: Vec::new(),
            lost: 0,
            opening: 0,
        })
    }

    /// One more client, listening by this technique. Waits while too many are still being let in.
    pub fn listen(&mut self, technique: Technique) -> io::Result<usize> {
        let client = self.connect(Errand::Listen(technique))?;
        self.opening += 1;
        self.ask(client)?;
        self.until(Duration::from_secs(20), |clients| clients.opening < OPENING)?;
        Ok(client)
    }

    /// One more client, to publish with.
    pub fn publisher(&mut self) -> io::Result<usize> {
        self.connect(Errand::Publish)
    }

    /// Has this publisher publish; [`Clients::published`] has it once the server has said its id.
    pub fn publish(&mut self, publisher: usize, json: &str) -> io::Result<()> {
        let request = requests::publish(&self.host, TOPIC, json);
        self.send(publisher, request.as_bytes())
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
        let listens = |client: &&Client| matches!(client.errand, Errand::Listen(_));
        self.clients.iter().filter(listens).count() - self.lost
    }

    /// Lets everyone who is to come in, come in. `false`: some did not, in time.
    pub fn all_open(&mut self) -> io::Result<bool> {
        self.until(Duration::from_secs(60), |clients| clients.opening == 0)
    }

    /// All traffic of the listening clients until now.
    pub fn traffic(&self) -> Traffic {
        let listening = self
            .clients
            .iter()
            .filter(|client| matches!(client.errand, Errand::Listen(_)));
        listening.fold(Traffic::default(), |sum, client| Traffic {
            requests: sum.requests + client.traffic.requests,
            bytes_up: sum.bytes_up + client.traffic.bytes_up,
            bytes_down: sum.bytes_down + client.traffic.bytes_down,
        })
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
        let socket = TcpStream::connect(self.address)?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        // Ends with a reset: thousands of sockets in TIME_WAIT would use up the ports.
        SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
        let key = self.clients.len();
        // SAFETY: the socket is closed by `lose`, which deletes it first, or together with the poller.
        unsafe {
            self.poller
                .add_with_mode(&socket, Event::readable(key), PollMode::Level)
        }?;
        self.clients.push(Client {
            socket,
            errand,
            reader: Reader::default(),
            outbox: Vec::new(),
            asked,
            open: false,
            cursor: None,
            traffic: Traffic::default(),
        });
        Ok(key)
    }
}

/// What is done for one client.
impl Clients {
    /// Sends a listening client's request.
    fn ask(&mut self, key: usize) -> io::Result<()> {
        let client = &mut self.clients[key];
        let Errand::Listen(technique) = client.errand else {
            return Ok(());
        };
        let request = requests::listen(technique, &self.host, TOPIC, client.cursor);
        client.traffic.requests += 1;
        self.send(key, request.as_bytes())
    }

    fn send(&mut self, key: usize, bytes: &[u8]) -> io::Result<()> {
        let client = &mut self.clients[key];
        if client.errand == Errand::Publish {
            client.asked = Instant::now();
        }
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
        match client.errand {
            Errand::Listen(technique) => self.heard(key, technique, &seen, at),
            Errand::Publish => {
                let asked = client.asked;
                self.published
                    .extend(seen.ids.iter().map(|&id| Published { id, at: asked }));
                Ok(())
            }
            Errand::Ask => {
                self.answered.extend(seen.ended.then(|| at - client.asked));
                Ok(())
            }
        }
    }

    fn heard(
        &mut self,
        key: usize,
        technique: Technique,
        seen: &Seen,
        at: Instant,
    ) -> io::Result<()> {
        let client = &mut self.clients[key];
        if seen.status.is_some() && !client.open {
            client.open = true;
            self.opening -= 1;
            self.opened.push(at - client.asked);
            if !matches!(seen.status, Some(101 | 200)) {
                return self.lose(key);
            }
        }
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
            true if technique == Technique::Websocket => self.lose(key),
            true if technique == Technique::Polling => {
                self.later.push(Reverse((at + self.interval, key)));
                Ok(())
            }
            true => self.ask(key),
            false => Ok(()),
        }
    }

    /// The connection is gone. Its place stays, so that the others keep their numbers.
    fn lose(&mut self, key: usize) -> io::Result<()> {
        let client = &mut self.clients[key];
        if let Errand::Listen(_) = client.errand {
            self.lost += 1;
            self.opening -= usize::from(!client.open);
            client.open = true;
        }
        self.poller.delete(&client.socket)
    }
}
