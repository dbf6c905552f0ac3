//! `strain`: what N held connections cost, by technique, as N grows to the machine's capacity. Beside each
//! size stands the yardstick: the same fan-out by [`one_thread`](super::one_thread).

use std::io;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::clients::Clients;
use super::findings::{Cell, Findings, Table};
use super::machine::Machine;
use super::options::Options;
use super::plot::{self, Axis, Plot};
use super::proc;
use super::statistics::{Times, milliseconds};
use super::subject::{Subject, Usage, Work};
use super::technique::Technique;

/// A message that has not reached every client by then is lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// The burst: messages published at once, and the clients they go to.
const BURST: usize = 1000;
const BURST_LISTENERS: usize = 500;

/// A server under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// comet, with clients of this technique.
    Threads(Technique),
    /// The yardstick, with WebSocket clients.
    OneThread,
}

impl Server {
    fn start(self) -> io::Result<Subject> {
        match self {
            Server::Threads(_) => Subject::comet(&[]),
            Server::OneThread => Subject::one_thread(),
        }
    }

    fn technique(self) -> Technique {
        match self {
            Server::Threads(technique) => technique,
            Server::OneThread => Technique::Websocket,
        }
    }

    fn name(self) -> String {
        match self {
            Server::Threads(technique) => technique.to_string(),
            Server::OneThread => "websocket, one thread".to_string(),
        }
    }
}

/// The figures of one server at one size.
struct Row {
    server: Server,
    connections: usize,
    /// What the server used before the first connection, and with all of them.
    before: Usage,
    held: Usage,
    /// The kernel's memory for all connections, both ends included, in bytes.
    kernel: u64,
    /// From `connect` to the head of the answer.
    opened: Times,
    /// The server's work while nothing was published, and the length of that time.
    idle: Work,
    idle_time: Duration,
    fan_out: FanOut,
    /// How long a plain request on a new connection took: while nothing else happened, and during a fan-out.
    plain_quiet: Times,
    plain_busy: Times,
    /// Connections that the server closed or refused.
    lost: usize,
}

/// The figures of one message to all clients, repeated in rounds.
#[derive(Default)]
struct FanOut {
    /// From publishing until half of the clients, 99 % of them, and all of them had the message.
    median: Times,
    ninety_ninth: Times,
    last: Times,
    /// The server's work per message.
    message: Work,
    /// Deliveries that never came.
    missed: usize,
}

/// Runs the experiment.
///
/// # Errors
/// When a server under test doesn't start.
pub fn findings(
    options: &Options,
    machine: &Machine,
    progress: &ProgressBar,
) -> io::Result<Findings> {
    let (sizes, mut notes) = sizes(options, machine);
    let rows = measure(&sizes, options, progress)?;
    let mut tables = vec![held_table(&rows), message_table(&rows)];
    if options.asks_for(Technique::Websocket) {
        tables.push(ratio_table(&rows));
        progress.set_message("a burst");
        tables.push(burst_table(options)?);
        progress.inc(2);
        progress.set_message("the ceiling");
        tables.push(ceiling_table(options, machine, &mut notes)?);
    }
    notes.extend(losses(&rows));
    Ok(Findings {
        name: "strain",
        question: "N connections are held, and one message goes to all of them. What does that cost with a thread per \
            connection, and with one thread for all?",
        tables,
        plots: plots(&rows),
        notes,
    })
}

/// Every server at every size.
fn measure(sizes: &[usize], options: &Options, progress: &ProgressBar) -> io::Result<Vec<Row>> {
    let servers = servers(options);
    progress.set_length((sizes.len() * servers.len() + 3) as u64);
    let mut rows = Vec::new();
    for &size in sizes {
        for &server in &servers {
            progress.set_message(format!("{size} x {}", server.name()));
            rows.push(measure_row(server, size, options)?);
            progress.inc(1);
        }
    }
    Ok(rows)
}

/// The numbers of connections, and notes on the machine's capacity.
fn sizes(options: &Options, machine: &Machine) -> (Vec<usize>, Vec<String>) {
    let asked = match (options.connections.is_empty(), options.quick) {
        (false, _) => options.sizes(),
        (true, true) => vec![200, 1000],
        (true, false) => vec![1000, 5000, 9000, 15_000],
    };
    let (sizes, mut notes) = machine.fit(asked);
    notes.push(format!(
        "this machine's capacity is {} connections, limited by {}",
        machine.capacity.connections, machine.capacity.set_by
    ));
    (sizes, notes)
}

fn servers(options: &Options) -> Vec<Server> {
    let quick = [
        Technique::LongPolling,
        Technique::XhrStreaming,
        Technique::Websocket,
    ];
    let techniques = match (options.techniques.as_slice(), options.quick) {
        ([], true) => &quick[..],
        ([], false) => &Technique::HELD[..],
        (asked, _) => asked,
    };
    let mut servers: Vec<Server> = techniques.iter().copied().map(Server::Threads).collect();
    if techniques.contains(&Technique::Websocket) {
        servers.push(Server::OneThread);
    }
    servers
}

fn rounds(options: &Options) -> usize {
    if options.quick { 3 } else { 11 }
}

/// By default long enough for one heartbeat of each connection (20 s).
fn idle_time(options: &Options) -> Duration {
    let seconds = options
        .seconds
        .unwrap_or(if options.quick { 1 } else { 20 });
    Duration::from_secs(seconds.into())
}

fn measure_row(server: Server, connections: usize, options: &Options) -> io::Result<Row> {
    let subject = server.start()?;
    let (before, kernel_before) = (subject.usage(), proc::kernel_memory());
    let mut clients = Clients::new(subject.address)?;
    clients.listen_all(server.technique(), connections)?;
    let (held, kernel) = (
        subject.usage(),
        proc::kernel_memory().saturating_sub(kernel_before),
    );
    // The fields below are measured in this order.
    Ok(Row {
        server,
        connections,
        before,
        held,
        kernel,
        opened: Times::of(&clients.opened),
        idle: work_during(&subject, || clients.until(idle_time(options), |_| false))?,
        idle_time: idle_time(options),
        plain_quiet: ask_in_quiet(&mut clients)?,
        fan_out: fan_out(&subject, &mut clients, rounds(options))?,
        plain_busy: ask_while_busy(&mut clients, rounds(options))?,
        lost: clients.lost,
    })
}

/// The server's work in the meantime.
fn work_during(subject: &Subject, meantime: impl FnOnce() -> io::Result<bool>) -> io::Result<Work> {
    let before = subject.work();
    meantime()?;
    Ok(subject.work() - before)
}

/// Plain requests, one at a time, while nothing else happens.
fn ask_in_quiet(clients: &mut Clients) -> io::Result<Times> {
    for asked in 1..=20 {
        clients.ask_plainly()?;
        clients.until(PATIENCE, |clients| clients.answered.len() == asked)?;
    }
    Ok(Times::of(&clients.answered))
}

/// Sends one message per round to all clients.
fn fan_out(subject: &Subject, clients: &mut Clients, rounds: usize) -> io::Result<FanOut> {
    let mut fan_out = FanOut::default();
    let publisher = clients.publisher()?;
    let before = subject.work();
    for round in 0..rounds {
        let listening = clients.listening();
        let mut delays = publish_to_all(clients, publisher, round, |_| Ok(()))?;
        delays.sort();
        fan_out.median.extend(rank(&delays, listening, 50));
        fan_out.ninety_ninth.extend(rank(&delays, listening, 99));
        fan_out.last.extend(rank(&delays, listening, 100));
        fan_out.missed += listening.saturating_sub(delays.len());
        clients.until(Duration::from_millis(100), |_| false)?; // long polls ask again
    }
    fan_out.message = (subject.work() - before).per(rounds);
    Ok(fan_out)
}

/// The delay after which this percentage of the clients had the message; `None` if it was never reached.
fn rank(delays: &[Duration], listening: usize, hundredths: usize) -> Option<&Duration> {
    delays.get((listening * hundredths).div_ceil(100).checked_sub(1)?)
}

/// Times a plain request in the middle of each fan-out.
fn ask_while_busy(clients: &mut Clients, rounds: usize) -> io::Result<Times> {
    let publisher = clients.publisher()?;
    clients.answered.clear();
    for round in 0..rounds {
        publish_to_all(clients, publisher, round, Clients::ask_plainly)?;
        clients.until(PATIENCE, |clients| clients.answered.len() == round + 1)?;
        clients.until(Duration::from_millis(100), |_| false)?;
    }
    Ok(Times::of(&clients.answered))
}

/// Publishes one message and waits until all clients have it; returns the delay to each.
fn publish_to_all(
    clients: &mut Clients,
    publisher: usize,
    round: usize,
    meanwhile: impl FnOnce(&mut Clients) -> io::Result<()>,
) -> io::Result<Vec<Duration>> {
    let listening = clients.listening();
    clients.arrivals.clear();
    clients.published.clear();
    clients.publish(publisher, &format!(r#"{{"round":{round}}}"#))?;
    meanwhile(clients)?;
    clients.until(PATIENCE, |clients| {
        clients.arrivals.len() >= listening && !clients.published.is_empty()
    })?;
    let Some(published) = clients.published.first().copied() else {
        return Ok(Vec::new());
    };
    Ok(clients
        .arrivals
        .iter()
        .map(|arrival| arrival.at - published.at)
        .collect())
}

fn held_table(rows: &[Row]) -> Table {
    Table::new(
        "Held connections (KB: memory per connection, the kernel's includes both ends; connect: until the answer's head arrived)",
        &[
            "by",
            "connections",
            "connect median ms",
            "99th ms",
            "threads",
            "descriptors",
            "mappings",
            "resident KB",
            "kernel KB",
            "idle % of a core",
            "idle switches/s",
        ],
        rows.iter().map(held_cells),
    )
}

fn held_cells(row: &Row) -> Vec<Cell> {
    let each = |bytes: u64| bytes as f64 / 1024.0 / row.connections as f64;
    let seconds = row.idle_time.as_secs_f64();
    vec![
        row.server.name().into(),
        row.connections.into(),
        row.opened.median().into(),
        row.opened.at(0.99).into(),
        row.held.threads.into(),
        row.held.files.into(),
        row.held.maps.into(),
        each(row.held.resident.saturating_sub(row.before.resident)).into(),
        each(row.kernel).into(),
        (row.idle.cpu.as_secs_f64() / seconds * 100.0).into(),
        (row.idle.switches as f64 / seconds).into(),
    ]
}

fn message_table(rows: &[Row]) -> Table {
    Table::new(
        "One message to all of them (ms from publishing, medians over the rounds), and a plain request on a new connection",
        &[
            "by",
            "connections",
            "half have it",
            "99 % have it",
            "all have it",
            "server CPU ms",
            "switches each",
            "plain request, quiet",
            "longest, quiet",
            "plain request, during fan-out",
            "longest, during fan-out",
        ],
        rows.iter().map(message_cells),
    )
}

fn message_cells(row: &Row) -> Vec<Cell> {
    vec![
        row.server.name().into(),
        row.connections.into(),
        row.fan_out.median.median().into(),
        row.fan_out.ninety_ninth.median().into(),
        row.fan_out.last.median().into(),
        milliseconds(row.fan_out.message.cpu).into(),
        (row.fan_out.message.switches as f64 / row.connections as f64).into(),
        row.plain_quiet.median().into(),
        row.plain_quiet.at(1.0).into(),
        row.plain_busy.median().into(),
        row.plain_busy.at(1.0).into(),
    ]
}

/// A thread per connection against the yardstick, size by size.
fn ratio_table(rows: &[Row]) -> Table {
    let pairs = last_deliveries(rows);
    let each = |(size, threads, _): &(usize, f64, f64)| threads * 1000.0 / *size as f64;
    let smallest = pairs.first().map_or(f64::NAN, each);
    let cells = pairs.iter().map(|pair| {
        let &(size, threads, one) = pair;
        vec![
            size.into(),
            threads.into(),
            one.into(),
            (threads / one).into(),
            each(pair).into(),
            (each(pair) / smallest).into(),
        ]
    });
    Table::new(
        "WebSocket, time until all have it: a thread per connection against one thread",
        &[
            "connections",
            "threads ms",
            "one thread ms",
            "ratio",
            "threads, µs per subscriber",
            "relative to the smallest size",
        ],
        cells,
    )
}

/// For each size with both servers: the size, and the last delivery in ms by threads and by one thread.
fn last_deliveries(rows: &[Row]) -> Vec<(usize, f64, f64)> {
    let last = |server: Server, size: usize| {
        let mut rows = rows.iter();
        let row = rows.find(|row| row.server == server && row.connections == size);
        row.and_then(|row| row.fan_out.last.median())
    };
    let yardsticks = rows.iter().filter(|row| row.server == Server::OneThread);
    let pair = |row: &Row| {
        let size = row.connections;
        let threads = last(Server::Threads(Technique::Websocket), size)?;
        Some((size, threads, last(Server::OneThread, size)?))
    };
    yardsticks.filter_map(pair).collect()
}

/// Many messages at once: each sleeping thread should write once for several of them.
fn burst_table(options: &Options) -> io::Result<Table> {
    let listeners = match options.quick {
        true => BURST_LISTENERS / 5,
        false => BURST_LISTENERS,
    };
    let mut rows = Vec::new();
    for server in [Server::Threads(Technique::Websocket), Server::OneThread] {
        let burst = burst(server, listeners)?;
        rows.push(vec![
            server.name().into(),
            burst.took.into(),
            burst.arrived.into(),
            (listeners * BURST).into(),
            burst.writes.into(),
            burst.writes.map(|writes| BURST as f64 / writes).into(),
        ]);
    }
    Ok(Table::new(
        format!("A burst of {BURST} messages to {listeners} WebSockets"),
        &[
            "by",
            "ms until all have all",
            "arrived",
            "of",
            "writes per subscriber",
            "messages per write",
        ],
        rows,
    ))
}

/// The figures of a burst.
struct Burst {
    /// Until all clients had all messages, in milliseconds.
    took: Option<f64>,
    arrived: usize,
    /// The server's writes per client.
    writes: Option<f64>,
}

fn burst(server: Server, listeners: usize) -> io::Result<Burst> {
    let subject = server.start()?;
    let mut clients = Clients::new(subject.address)?;
    clients.listen_all(server.technique(), listeners)?;
    let publisher = clients.publisher()?;
    let (begun, writes) = (Instant::now(), writes(&subject));
    for message in 0..BURST {
        clients.publish(publisher, &format!(r#"{{"message":{message}}}"#))?;
    }
    clients.until(PATIENCE, |clients| {
        clients.arrivals.len() >= listeners * BURST
    })?;
    let last = clients.arrivals.last();
    Ok(Burst {
        took: last.map(|arrival| milliseconds(arrival.at - begun)),
        arrived: clients.arrivals.len(),
        writes: writes_since(&subject, writes).map(|writes| writes / listeners as f64),
    })
}

/// The server's own count of its writes to WebSockets. The yardstick keeps none.
fn writes(subject: &Subject) -> Option<f64> {
    subject.stats()?["techniques"]["websocket"]["writes"].as_f64()
}

fn writes_since(subject: &Subject, before: Option<f64>) -> Option<f64> {
    Some(writes(subject)? - before?)
}

/// Opens connections until the server refuses one.
fn ceiling_table(
    options: &Options,
    machine: &Machine,
    notes: &mut Vec<String>,
) -> io::Result<Table> {
    let subject = low_or_real_ceiling(options, machine, notes)?;
    let mut clients = Clients::new(subject.address)?;
    while clients.lost == 0 && clients.listen(Technique::Websocket).is_ok() {}
    clients.all_open()?;
    let held = clients.listening();
    let refused = time_of_refusal(&mut clients);
    if refused.is_none() {
        let note = "the lab ran out of descriptors or ports before the server reached its ceiling";
        notes.push(note.to_string());
    }
    let asked = Instant::now();
    let desk = subject.stats().map(|_| milliseconds(asked.elapsed()));
    let reached = say_to_all(&mut clients, held)?;
    let columns = [
        "held",
        "refused after ms",
        "a message reached",
        "the desk answers after ms",
    ];
    let cells = vec![held.into(), refused.into(), reached.into(), desk.into()];
    let title = "The ceiling: connections are opened until one is refused";
    Ok(Table::new(title, &columns, [cells]))
}

/// A server whose ceiling is this machine's capacity; for `--quick`, a few hundred connections.
fn low_or_real_ceiling(
    options: &Options,
    machine: &Machine,
    notes: &mut Vec<String>,
) -> io::Result<Subject> {
    if !options.quick {
        return Subject::comet(&[]);
    }
    let cap = machine.fit(vec![500]).0[0].to_string();
    notes.push(format!("--quick: the ceiling was lowered to {cap}"));
    Subject::comet(&["--max-connections", &cap])
}

/// How long the server takes to refuse one more connection, in milliseconds; `None` if the lab can't open
/// one.
fn time_of_refusal(clients: &mut Clients) -> Option<f64> {
    let (asked, lost) = (Instant::now(), clients.lost);
    clients.listen(Technique::Websocket).ok()?;
    let was_refused = clients.until(PATIENCE, |clients| clients.lost > lost);
    was_refused
        .unwrap_or(false)
        .then(|| milliseconds(asked.elapsed()))
}

/// Sends a message from one client to all `held`; returns how many it reached.
fn say_to_all(clients: &mut Clients, held: usize) -> io::Result<usize> {
    clients.arrivals.clear();
    clients.say(0, r#"{"to":"all"}"#)?;
    clients.until(PATIENCE, |clients| clients.arrivals.len() >= held)?;
    Ok(clients.arrivals.len())
}

fn losses(rows: &[Row]) -> Vec<String> {
    let lost = rows
        .iter()
        .filter(|row| row.lost > 0 || row.fan_out.missed > 0);
    lost.map(|row| {
        format!(
            "lost: {} of {} connections by {}, and {} deliveries",
            row.lost,
            row.connections,
            row.server.name(),
            row.fan_out.missed
        )
    })
    .collect()
}

fn plots(rows: &[Row]) -> Vec<Plot> {
    let plot = |title: &str, y: &'static str, value: &dyn Fn(&Row) -> Option<f64>| Plot {
        title: title.to_string(),
        x: Axis::linear("connections"),
        y: Axis::linear(y),
        lines: plot::lines(rows.iter().map(|row| {
            let point = value(row).map(|value| (row.connections as f64, value));
            (row.server.name(), point)
        })),
    };
    vec![
        plot("One message to all: time until all have it", "ms", &|row| {
            row.fan_out.last.median()
        }),
        plot("Threads", "threads", &|row| Some(row.held.threads as f64)),
        plot("Resident memory", "MB", &|row| {
            Some(row.held.resident as f64 / 1e6)
        }),
        plot(
            "A plain request on a new connection, during a fan-out",
            "ms",
            &|row| row.plain_busy.median(),
        ),
    ]
}
