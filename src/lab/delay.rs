//! `delay`: the time from publishing a message to its delivery, by technique, as distributions. *Article:
//! 폴링, 롱폴링, WebSocket.*
//!
//! Each message is published at a random time and goes to all clients, a few of each technique. For a polling
//! client, the delay is the time until its next request.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::clients::{Clients, Listener};
use super::findings::{Findings, Table};
use super::machine::Machine;
use super::options::Options;
use super::pace;
use super::plot::{Axis, Line, Plot};
use super::statistics::Times;
use super::subject::Subject;
use super::technique::Technique;

/// The polling clients' intervals.
const INTERVALS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];
const MESSAGES_A_SECOND: f64 = 20.0;
/// A message that has not arrived by then is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// The delays of all messages to the clients of one listener.
#[derive(Clone, Debug)]
pub struct Row {
    pub listener: Listener,
    pub clients: usize,
    pub times: Times,
    /// Messages that never arrived.
    pub missing: usize,
}

/// Runs the experiment.
///
/// # Errors
/// When the server under test doesn't start.
pub fn findings(
    options: &Options,
    machine: &Machine,
    progress: &ProgressBar,
) -> io::Result<Findings> {
    let ways = ways(options);
    let (sizes, mut notes) = sizes(options, machine, ways.len());
    let seconds = seconds(options);
    let messages = (MESSAGES_A_SECOND * seconds) as usize;
    progress.set_length((messages * sizes.len()) as u64);
    let mut rows = Vec::new();
    for size in sizes {
        progress.set_message(format!("messages to {size} clients of each technique"));
        let subject = Subject::comet(&[])?;
        let mut clients = Clients::new(subject.address)?;
        rows.extend(measure(&mut clients, &ways, size, seconds, progress)?);
    }
    notes.push(format!(
        "{messages} messages at random times; a polling client asks at each interval, with or without new events"
    ));
    notes.push(NETWORK_NOTE.to_string());
    Ok(Findings {
        name: "delay",
        question: "How long does a message take from publishing until a client has it?",
        tables: vec![table(&rows)],
        plots: vec![plot(&rows)],
        notes,
    })
}

const NETWORK_NOTE: &str = "without a network: a real one adds half a round trip to each delay, and a whole one to a \
    message that is published while a long poll's next request is on its way";

fn ways(options: &Options) -> Vec<Listener> {
    let polling = INTERVALS.map(Listener::polling);
    let held = Technique::HELD.map(Listener::by);
    let all = polling.into_iter().chain(held);
    all.filter(|way| options.asks_for(way.technique)).collect()
}

/// The numbers of clients of each technique.
fn sizes(options: &Options, machine: &Machine, ways: usize) -> (Vec<usize>, Vec<String>) {
    let asked = match options.connections.is_empty() {
        true => vec![2],
        false => options.sizes(),
    };
    let all = asked.iter().map(|size| size * ways).collect();
    let (all, notes) = machine.fit(all);
    let sizes = all.into_iter().map(|size| (size / ways).max(1));
    (sizes.collect(), notes)
}

fn seconds(options: &Options) -> f64 {
    let seconds = options.seconds.map(f64::from);
    seconds.unwrap_or(if options.quick { 10.0 } else { 60.0 })
}

/// Connects `size` clients of each technique, and publishes messages to all of them for `seconds`.
pub fn measure(
    clients: &mut Clients,
    ways: &[Listener],
    size: usize,
    seconds: f64,
    progress: &ProgressBar,
) -> io::Result<Vec<Row>> {
    let publisher = clients.publisher()?;
    let way_of = connect(clients, ways, size)?;
    let messages = (MESSAGES_A_SECOND * seconds) as usize;
    let dues = pace::random(publisher, messages, seconds);
    pace::publish(clients, Instant::now(), dues, seconds, progress)?;
    let all = messages * ways.len() * size;
    clients.until(PATIENCE, |clients| {
        clients.published.len() >= messages && clients.arrivals.len() >= all
    })?;
    let delays = delays(clients, &way_of, ways.len());
    let row = |(way, delays): (&Listener, Vec<Duration>)| Row {
        listener: way.clone(),
        clients: size,
        missing: (messages * size).saturating_sub(delays.len()),
        times: Times::of(&delays),
    };
    Ok(ways.iter().zip(delays).map(row).collect())
}

/// Connects the clients; returns each one's index in `ways`.
fn connect(
    clients: &mut Clients,
    ways: &[Listener],
    size: usize,
) -> io::Result<HashMap<usize, usize>> {
    let mut way_of = HashMap::new();
    for (number, way) in ways.iter().enumerate() {
        for _ in 0..size {
            way_of.insert(clients.add(way.clone())?, number);
        }
    }
    clients.all_open()?;
    Ok(way_of)
}

/// The delay of each arrival, by technique.
fn delays(clients: &Clients, way_of: &HashMap<usize, usize>, ways: usize) -> Vec<Vec<Duration>> {
    let published: HashMap<u64, Instant> = clients
        .published
        .iter()
        .map(|event| (event.id, event.at))
        .collect();
    let mut delays = vec![Vec::new(); ways];
    for arrival in &clients.arrivals {
        if let (Some(at), Some(way)) = (published.get(&arrival.id), way_of.get(&arrival.client)) {
            delays[*way].push(arrival.at.saturating_duration_since(*at));
        }
    }
    delays
}

fn table(rows: &[Row]) -> Table {
    let cells = rows.iter().map(|row| {
        vec![
            row.listener.name().into(),
            row.clients.into(),
            row.times.len().into(),
            row.missing.into(),
            row.times.median().into(),
            row.times.at(0.9).into(),
            row.times.at(0.99).into(),
            row.times.at(1.0).into(),
        ]
    });
    Table::new(
        "From publishing to delivery, in milliseconds",
        &[
            "by", "clients", "messages", "missing", "median", "90th", "99th", "longest",
        ],
        cells,
    )
}

/// At the largest client count: the share of messages delivered within a time.
fn plot(rows: &[Row]) -> Plot {
    let most = rows.iter().map(|row| row.clients).max().unwrap_or(0);
    let rows = rows.iter().filter(|row| row.clients == most);
    Plot {
        title: "Share of messages delivered within a time".to_string(),
        x: Axis::logarithmic("ms since publishing"),
        y: Axis::linear("% of the messages"),
        lines: rows
            .map(|row| Line {
                name: row.listener.name(),
                points: shares(row.times.sorted()),
            })
            .collect(),
    }
}

/// At most about a hundred points, from the first arrival to the last.
fn shares(sorted: &[f64]) -> Vec<(f64, f64)> {
    let share = |index: usize| (index + 1) as f64 * 100.0 / sorted.len() as f64;
    let step = sorted.len().div_ceil(100).max(1);
    let last = sorted.len().saturating_sub(1);
    let chosen = (0..last)
        .step_by(step)
        .chain((!sorted.is_empty()).then_some(last));
    chosen.map(|index| (sorted[index], share(index))).collect()
}
