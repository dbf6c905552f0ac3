//! `strain`: what N held connections cost, by technique, as N grows to what the machine has room for.
//! Beside each size stands the yardstick: the same fan-out by [`one_thread`](super::one_thread).

use std::io;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::clients::Clients;
use super::findings::{Findings, Table};
use super::machine::Machine;
use super::options::Options;
use super::plot::{self, Axis, Plot};
use super::proc;
use super::statistics::{Times, milliseconds};
use super::subject::{Subject, Usage, Work};
use super::technique::Technique;

/// How long one message may take to reach everyone before it is taken for lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// The burst: so many messages at once, to so many listeners.
const BURST: usize = 1000;
const BURST_LISTENERS: usize = 500;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// comet, its clients listening by this technique.
    Threads(Technique),
    /// The yardstick, with WebSockets.
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

/// What was found out about one server with so many connections.
struct Row {
    server: Server,
    connections: usize,
    /// What it used before the first connection, and with all of them.
    before: Usage,
    held: Usage,
    /// The kernel's memory for all of them, both ends of each connection, in bytes.
    kernel: u64,
    opened: Times,
    /// What it did while nothing happened, and for how long.
    idle: Work,
    idle_time: Duration,
    told: Told,
    /// How long a new, plain request took, in quiet and while a message went out to all.
    plain_quiet: Times,
    plain_busy: Times,
    lost: usize,
}

/// How one message after the other went out to all.
#[derive(Default)]
struct Told {
    /// From publishing to the middle one, to the 99th of a hundred, and to the last.
    median: Times,
    ninety_ninth: Times,
    last: Times,
    /// What one message cost the server.
    message: Work,
    /// How often a message did not reach someone.
    missed: usize,
}

/// Runs the experiment.
///
/// # Errors
/// When a server under test does not start.
pub fn findings(
    options: &Options,
    machine: &Machine,
    progress: &ProgressBar,
) -> io::Result<Findings> {
    let (sizes, mut notes) = sizes(options, machine);
    let servers = servers(options);
    progress.set_length((sizes.len() * servers.len() + 3) as u64);
    let mut rows = Vec::new();
    for &size in &sizes {
        for &server in &servers {
            progress.set_message(format!("{size} x {}", server.name()));
            rows.push(measure_row(server, size, options)?);
            progress.inc(1);
        }
    }
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
        question: "N connections are held, and one message goes to all of them. What do they cost, thread by thread, \
            and what does the same cost when one thread holds them all?",
        tables,
        plots: plots(&rows),
        notes,
    })
}

/// How many connections: what was asked for, as far as the machine has room for it.
fn sizes(options: &Options, machine: &Machine) -> (Vec<usize>, Vec<String>) {
    let asked = match (options.connections.is_empty(), options.quick) {
        (false, _) => options.sizes(),
        (true, true) => vec![200, 1000],
        (true, false) => vec![1000, 5000, 9000, 15_000],
    };
    let (sizes, mut notes) = machine.fit(asked);
    notes.push(format!(
        "this machine has room for {} connections; what ends it first: {}",
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

/// Long enough for one heartbeat of each connection (20 s), unless it has to be quick.
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
    // What follows is measured in the order in which it stands here.
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
        told: tell_everyone(&subject, &mut clients, rounds(options))?,
        plain_busy: ask_while_busy(&mut clients, rounds(options))?,
        lost: clients.lost,
    })
}

/// What the server does in the meantime.
fn work_during(subject: &Subject, meantime: impl FnOnce() -> io::Result<bool>) -> io::Result<Work> {
    let before = subject.work();
    meantime()?;
    Ok(subject.work() - before)
}

/// Plain requests, one after the other, while nothing else happens.
fn ask_in_quiet(clients: &mut Clients) -> io::Result<Times> {
    for asked in 1..=20 {
        clients.ask_plainly()?;
        clients.until(PATIENCE, |clients| clients.answered.len() == asked)?;
    }
    Ok(Times::of(&clients.answered))
}

/// One message after the other, each to everyone.
fn tell_everyone(subject: &Subject, clients: &mut Clients, rounds: usize) -> io::Result<Told> {
    let mut told = Told::default();
    let publisher = clients.publisher()?;
    let before = subject.work();
    for round in 0..rounds {
        let everyone = clients.listening();
        let mut delays = publish_to_all(clients, publisher, round, |_| Ok(()))?;
        delays.sort();
        told.median.extend(rank(&delays, everyone, 50));
        told.ninety_ninth.extend(rank(&delays, everyone, 99));
        told.last.extend(rank(&delays, everyone, 100));
        told.missed += everyone.saturating_sub(delays.len());
        clients.until(Duration::from_millis(100), |_| false)?; // who has to, asks again
    }
    told.message = (subject.work() - before).per(rounds);
    Ok(told)
}

/// How long it took until so many of a hundred had it; none if not so many ever had it.
fn rank(delays: &[Duration], everyone: usize, hundredths: usize) -> Option<&Duration> {
    delays.get((everyone * hundredths).div_ceil(100).checked_sub(1)?)
}

/// The same, with a plain request by somebody else in the middle of it: how long that took.
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

/// Publishes one message, waits until everyone has it, and answers with how long it took to each.
fn publish_to_all(
    clients: &mut Clients,
    publisher: usize,
    round: usize,
    meanwhile: impl FnOnce(&mut Clients) -> io::Result<()>,
) -> io::Result<Vec<Duration>> {
    let everyone = clients.listening();
    clients.arrivals.clear();
    clients.published.clear();
    clients.publish(publisher, &format!(r#"{{"round":{round}}}"#))?;
    meanwhile(clients)?;
    clients.until(PATIENCE, |clients| {
        clients.arrivals.len() >= everyone && !clients.published.is_empty()
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
    let mut table = Table::new(
        "Held connections (memory: KB each; the kernel's is both ends of the connection's; connect: until the answer's head was there)",
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
    );
    for row in rows {
        let each = |bytes: u64| bytes as f64 / 1024.0 / row.connections as f64;
        let seconds = row.idle_time.as_secs_f64();
        table.row(vec![
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
        ]);
    }
    table
}

fn message_table(rows: &[Row]) -> Table {
    let mut table = Table::new(
        "One message to all of them (ms from publishing; medians over the rounds), and a plain request on a new connection",
        &[
            "by",
            "connections",
            "half have it",
            "99 % have it",
            "the last has it",
            "server CPU ms",
            "switches each",
            "plain request, quiet",
            "the longest",
            "plain request meanwhile",
            "longest",
        ],
    );
    for row in rows {
        table.row(vec![
            row.server.name().into(),
            row.connections.into(),
            row.told.median.median().into(),
            row.told.ninety_ninth.median().into(),
            row.told.last.median().into(),
            milliseconds(row.told.message.cpu).into(),
            (row.told.message.switches as f64 / row.connections as f64).into(),
            row.plain_quiet.median().into(),
            row.plain_quiet.at(1.0).into(),
            row.plain_busy.median().into(),
            row.plain_busy.at(1.0).into(),
        ]);
    }
    table
}

/// Threads against the yardstick, size by size.
fn ratio_table(rows: &[Row]) -> Table {
    let mut table = Table::new(
        "WebSocket, the last delivery: a thread for each against one for all",
        &[
            "connections",
            "threads ms",
            "one thread ms",
            "ratio",
            "threads, µs a subscriber",
            "against the fewest",
        ],
    );
    let last = |server: Server, size: usize| {
        let row = rows
            .iter()
            .find(|row| row.server == server && row.connections == size);
        row.and_then(|row| row.told.last.median())
    };
    let mut first = None;
    for row in rows.iter().filter(|row| row.server == Server::OneThread) {
        let size = row.connections;
        let (threads, one) = (
            last(Server::Threads(Technique::Websocket), size),
            last(Server::OneThread, size),
        );
        let (Some(threads), Some(one)) = (threads, one) else {
            continue;
        };
        let each = threads * 1000.0 / size as f64;
        let fewest = *first.get_or_insert(each);
        table.row(vec![
            size.into(),
            threads.into(),
            one.into(),
            (threads / one).into(),
            each.into(),
            (each / fewest).into(),
        ]);
    }
    table
}

/// A thousand messages at once: does each sleeping thread write once for all that came?
fn burst_table(options: &Options) -> io::Result<Table> {
    let listeners = if options.quick {
        BURST_LISTENERS / 5
    } else {
        BURST_LISTENERS
    };
    let mut table = Table::new(
        format!("A burst of {BURST} messages to {listeners} WebSockets"),
        &[
            "by",
            "ms until all have all",
            "arrived",
            "of",
            "writes a subscriber",
            "messages a write",
        ],
    );
    for server in [Server::Threads(Technique::Websocket), Server::OneThread] {
        let burst = burst(server, listeners)?;
        table.row(vec![
            server.name().into(),
            burst.took.into(),
            burst.arrived.into(),
            (listeners * BURST).into(),
            burst.writes.into(),
            burst.writes.map(|writes| BURST as f64 / writes).into(),
        ]);
    }
    Ok(table)
}

/// What became of a burst.
struct Burst {
    /// Until all had all, in milliseconds.
    took: Option<f64>,
    arrived: usize,
    /// How often the server wrote, for each listener.
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

/// The server's own count of its writes to WebSockets; the yardstick has none: it writes each message.
fn writes(subject: &Subject) -> Option<f64> {
    subject.stats()?["techniques"]["websocket"]["writes"].as_f64()
}

fn writes_since(subject: &Subject, before: Option<f64>) -> Option<f64> {
    Some(writes(subject)? - before?)
}

/// One connection after the other, until the server says that it is full.
fn ceiling_table(
    options: &Options,
    machine: &Machine,
    notes: &mut Vec<String>,
) -> io::Result<Table> {
    let mut table = Table::new(
        "The ceiling: connections are opened until one is refused",
        &[
            "held",
            "refused after ms",
            "a message reached",
            "the desk answers after ms",
        ],
    );
    let subject = low_or_real_ceiling(options, machine, notes)?;
    let mut clients = Clients::new(subject.address)?;
    while clients.lost == 0 && clients.listen(Technique::Websocket).is_ok() {}
    clients.all_open()?;
    let held = clients.listening();
    let refused = time_of_refusal(&mut clients);
    if refused.is_none() {
        notes
            .push("the lab ran out of descriptors or ports before the server was full".to_string());
    }
    let asked = Instant::now();
    let desk = subject.stats().map(|_| milliseconds(asked.elapsed()));
    let reached = say_to_all(&mut clients, held)?;
    table.row(vec![
        held.into(),
        refused.into(),
        reached.into(),
        desk.into(),
    ]);
    Ok(table)
}

/// The server to be filled up: to what this machine has room for, or, to be quick, to a few hundred.
fn low_or_real_ceiling(
    options: &Options,
    machine: &Machine,
    notes: &mut Vec<String>,
) -> io::Result<Subject> {
    if !options.quick {
        return Subject::comet(&[]);
    }
    let cap = machine.fit(vec![500]).0[0].to_string();
    notes.push(format!("the ceiling was lowered to {cap}, to be quick"));
    Subject::comet(&["--max-connections", &cap])
}

/// How long a full server takes to refuse one more, in milliseconds; none if it could not be asked.
fn time_of_refusal(clients: &mut Clients) -> Option<f64> {
    let (asked, lost) = (Instant::now(), clients.lost);
    clients.listen(Technique::Websocket).ok()?;
    let was_refused = clients.until(PATIENCE, |clients| clients.lost > lost);
    was_refused
        .unwrap_or(false)
        .then(|| milliseconds(asked.elapsed()))
}

/// Has one say something to all who are `held`: how many it reached.
fn say_to_all(clients: &mut Clients, held: usize) -> io::Result<usize> {
    clients.arrivals.clear();
    clients.say(0, r#"{"to":"all"}"#)?;
    clients.until(PATIENCE, |clients| clients.arrivals.len() >= held)?;
    Ok(clients.arrivals.len())
}

fn losses(rows: &[Row]) -> Vec<String> {
    let lost = rows
        .iter()
        .filter(|row| row.lost > 0 || row.told.missed > 0);
    lost.map(|row| {
        format!(
            "{} of {} connections by {} were lost, and {} messages missed",
            row.lost,
            row.connections,
            row.server.name(),
            row.told.missed
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
        plot("One message to all: until the last has it", "ms", &|row| {
            row.told.last.median()
        }),
        plot("Threads", "threads", &|row| Some(row.held.threads as f64)),
        plot("Resident memory", "MB", &|row| {
            Some(row.held.resident as f64 / 1e6)
        }),
        plot(
            "A plain request on a new connection, while a message goes out",
            "ms",
            &|row| row.plain_busy.median(),
        ),
    ]
}
