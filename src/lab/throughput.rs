//! `throughput`: how many short polls per second, over N keep-alive connections.
//!
//! Beside comet stands the yardstick [`plain_threads`](super::plain_threads): the limit of a thread per
//! connection. Both servers run at once and are measured by turns, so that a change in the machine's speed
//! hits both.
//!
//! The client must not be the bottleneck. It is one thread that makes two system calls per request: it
//! visits the connections in turn, reads the answer of each and sends the next request. An answer ends
//! after a known number of bytes, so nothing is parsed.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::Value;

use super::findings::{Findings, Table};
use super::machine::Machine;
use super::options::Options;
use super::plot::{self, Axis, Plot};
use super::statistics::median;
use super::subject::{Subject, Work};

/// Each server's turns at each size.
const ROUNDS: usize = 5;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keep-alive connections to one server, each with the same request.
pub struct Pollers {
    connections: Vec<TcpStream>,
    request: String,
    /// The server's answer, which doesn't change while nothing is published.
    pub answer: Vec<u8>,
    /// The latest answer.
    buffer: Vec<u8>,
    /// Requests answered so far.
    pub answered: u64,
}

impl Pollers {
    /// Opens the connections. The first one fetches an answer, to learn its length.
    ///
    /// # Errors
    /// When the server refuses a connection.
    pub fn open(server: SocketAddr, connections: usize) -> io::Result<Pollers> {
        let request = format!("GET /polling?topic=chat HTTP/1.1\r\nHost: {server}\r\n\r\n");
        let connections: io::Result<Vec<TcpStream>> =
            (0..connections).map(|_| connect(server)).collect();
        let mut connections = connections?;
        let answer = first_answer(&mut connections[0], &request)?;
        Ok(Pollers {
            connections,
            request,
            buffer: vec![0; answer.len()],
            answer,
            answered: 1,
        })
    }

    /// Polls on all connections for `time`; returns the requests answered and the time they took. At its
    /// end no request is left unanswered.
    ///
    /// # Errors
    /// When the server closes a connection, or doesn't answer.
    pub fn poll_for(&mut self, time: Duration) -> io::Result<(u64, Duration)> {
        let (start, before) = (Instant::now(), self.answered);
        for connection in &mut self.connections {
            connection.write_all(self.request.as_bytes())?;
        }
        while start.elapsed() < time {
            self.poll_each()?;
        }
        for connection in &mut self.connections {
            read_answer(connection, &mut self.buffer)?;
        }
        self.answered += self.connections.len() as u64;
        Ok((self.answered - before, start.elapsed()))
    }

    /// One visit to each connection: reads its answer, sends the next request.
    fn poll_each(&mut self) -> io::Result<()> {
        for connection in &mut self.connections {
            read_answer(connection, &mut self.buffer)?;
            connection.write_all(self.request.as_bytes())?;
        }
        self.answered += self.connections.len() as u64;
        Ok(())
    }
}

fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(server)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Reads an answer of the known length. One of another length would shift the start of the next.
fn read_answer(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    socket.read_exact(buffer)?;
    match buffer.starts_with(b"HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(io::Error::other(
            "an answer was not a 200, or not as long as the first",
        )),
    }
}

/// A whole answer, head and body.
fn first_answer(socket: &mut TcpStream, request: &str) -> io::Result<Vec<u8>> {
    socket.write_all(request.as_bytes())?;
    let mut socket = BufReader::new(socket);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        if socket.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = head[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut answer = head.into_bytes();
    let head_length = answer.len();
    answer.resize(head_length + length, 0);
    socket.read_exact(&mut answer[head_length..])?;
    Ok(answer)
}

/// One turn of one server.
#[derive(Clone, Copy)]
struct Round {
    answered: u64,
    time: Duration,
    work: Work,
}

/// What one server did at one size.
struct Row {
    server: &'static str,
    connections: usize,
    rounds: Vec<Round>,
    /// Requests answered in all, and the server's own count of them, if it has one.
    answered: u64,
    counted: Option<f64>,
}

impl Row {
    fn per_second(&self) -> Option<f64> {
        let rounds = self.rounds.iter();
        median(rounds.map(|round| round.answered as f64 / round.time.as_secs_f64()))
    }

    /// The server's CPU time per request, in microseconds.
    fn cpu(&self) -> Option<f64> {
        let rounds = self.rounds.iter();
        median(rounds.map(|round| round.work.cpu.as_secs_f64() * 1e6 / round.answered as f64))
    }

    /// The server's context switches per request.
    fn switches(&self) -> Option<f64> {
        let rounds = self.rounds.iter();
        median(rounds.map(|round| round.work.switches as f64 / round.answered as f64))
    }
}

/// Runs the experiment.
///
/// # Errors
/// When a server under test doesn't start, or leaves a request unanswered.
pub fn findings(
    options: &Options,
    machine: &Machine,
    progress: &ProgressBar,
) -> io::Result<Findings> {
    let (sizes, mut notes) = sizes(options, machine);
    progress.set_length((sizes.len() * ROUNDS) as u64);
    let mut pairs = Vec::new();
    for size in sizes {
        progress.set_message(format!("rounds, {size} connections"));
        pairs.push(measure(size, time(options), progress)?);
    }
    notes.push(format!(
        "medians of {ROUNDS} rounds; each server has {} s per size, and the client, on one thread, shares the \
         machine's cores with it",
        seconds(options)
    ));
    Ok(Findings {
        name: "throughput",
        question: "N keep-alive connections poll without a pause. How many requests per second does comet answer, and \
            how many a server with a thread per connection that does the minimum?",
        tables: vec![rate_table(&pairs), cost_table(&pairs), count_table(&pairs)],
        plots: vec![plot(&pairs)],
        notes,
    })
}

/// The numbers of connections. Those to both servers are open at once, so both must fit.
fn sizes(options: &Options, machine: &Machine) -> (Vec<usize>, Vec<String>) {
    let asked = match options.connections.is_empty() {
        true => vec![8, 64, 512],
        false => options.sizes(),
    };
    let (both, notes) = machine.fit(asked.into_iter().map(|size| size * 2).collect());
    let sizes = both.into_iter().map(|size| (size / 2).max(1));
    (sizes.collect(), notes)
}

fn seconds(options: &Options) -> u32 {
    let usual = if options.quick { 1 } else { 5 };
    options.seconds.unwrap_or(usual)
}

/// The length of one round.
fn time(options: &Options) -> Duration {
    Duration::from_secs(seconds(options).into()) / ROUNDS as u32
}

/// comet and the yardstick, by turns.
fn measure(connections: usize, time: Duration, progress: &ProgressBar) -> io::Result<[Row; 2]> {
    let comet = Subject::comet(&[])?;
    let mut to_comet = Pollers::open(comet.address, connections)?;
    let plain = Subject::plain_threads(&to_comet.answer)?;
    let mut to_plain = Pollers::open(plain.address, connections)?;
    to_comet.poll_for(time / 2)?; // to warm up
    to_plain.poll_for(time / 2)?;
    let (mut comets, mut plains) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        comets.push(round(&comet, &mut to_comet, time)?);
        plains.push(round(&plain, &mut to_plain, time)?);
        progress.inc(1);
    }
    let row = |server, subject: &Subject, pollers: Pollers, rounds| Row {
        server,
        connections,
        rounds,
        answered: pollers.answered,
        counted: counted(subject.stats()),
    };
    Ok([
        row("comet", &comet, to_comet, comets),
        row("plain threads", &plain, to_plain, plains),
    ])
}

fn round(subject: &Subject, pollers: &mut Pollers, time: Duration) -> io::Result<Round> {
    let before = subject.work();
    let (answered, time) = pollers.poll_for(time)?;
    Ok(Round {
        answered,
        time,
        work: subject.work() - before,
    })
}

/// How many polls the server has counted.
fn counted(stats: Option<Value>) -> Option<f64> {
    stats?["techniques"]["polling"]["requests"].as_f64()
}

fn rate_table(pairs: &[[Row; 2]]) -> Table {
    let cells = pairs.iter().map(|[comet, plain]| {
        let (ours, limit) = (comet.per_second(), plain.per_second());
        vec![
            comet.connections.into(),
            ours.map(f64::round).into(),
            limit.map(f64::round).into(),
            ours.zip(limit).map(|(ours, limit)| ours / limit).into(),
        ]
    });
    let columns = ["connections", "comet", "plain threads", "comet / plain"];
    Table::new("Requests per second", &columns, cells)
}

fn cost_table(pairs: &[[Row; 2]]) -> Table {
    let cells = pairs.iter().flatten().map(|row| {
        vec![
            row.server.into(),
            row.connections.into(),
            row.cpu().into(),
            row.switches().into(),
        ]
    });
    let columns = ["by", "connections", "CPU µs", "context switches"];
    Table::new("The server's work per request", &columns, cells)
}

fn count_table(pairs: &[[Row; 2]]) -> Table {
    let cells = pairs.iter().flatten().map(|row| {
        vec![
            row.server.into(),
            row.connections.into(),
            row.answered.into(),
            row.counted.into(),
        ]
    });
    let columns = ["by", "connections", "answered", "counted by the server"];
    Table::new("All requests, the warm-up included", &columns, cells)
}

fn plot(pairs: &[[Row; 2]]) -> Plot {
    let points = pairs.iter().flatten().map(|row| {
        let rate = row.per_second();
        let point = rate.map(|rate| (row.connections as f64, rate));
        (row.server.to_string(), point)
    });
    Plot {
        title: "Requests per second".to_string(),
        x: Axis::logarithmic("connections"),
        y: Axis::linear("requests per second"),
        lines: plot::lines(points),
    }
}
