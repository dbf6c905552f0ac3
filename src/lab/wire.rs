//! `wire`: requests and bytes, up and down, per delivered message, by technique and by message rate. Counted
//! on the socket, with heads, chunks and frames, but without TCP's own packets. The clients send a real
//! Chromium's heads ([`chromium`]). *Article: 폴링, 롱폴링, WebSocket.*
//!
//! All rates and techniques run side by side, with one client for each pair.

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::Value;

use super::chromium;
use super::clients::{Clients, Listener, Traffic};
use super::findings::{Cell, Findings, Table};
use super::options::Options;
use super::pace::{self, Due};
use super::plot::{Axis, Line, Plot};
use super::requests::Heads;
use super::subject::Subject;
use super::technique::Technique;
use crate::event::Event;

/// The intervals of the article's code and of its ball game.
const INTERVALS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];
/// Seconds before the measurement: a polling client's first answers have nothing to bring yet.
const WARM_UP: f64 = 5.0;
/// A message that has not arrived by then is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// The topic for measuring a single message.
const ONE: &str = "wire-one";

/// A topic and its message rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub name: &'static str,
    pub topic: &'static str,
    /// Messages per second, on average.
    pub per_second: f64,
}

/// From a game before it begins to a busy chat.
pub const RATES: [Rate; 5] = [
    rate("silence", "wire-silence", 0.0),
    rate("one in 5 s", "wire-5s", 0.2),
    rate("1 a second", "wire-1", 1.0),
    rate("10 a second", "wire-10", 10.0),
    rate("50 a second", "wire-50", 50.0),
];

const fn rate(name: &'static str, topic: &'static str, per_second: f64) -> Rate {
    Rate {
        name,
        topic,
        per_second,
    }
}

impl Rate {
    fn messages(&self, seconds: f64) -> usize {
        (self.per_second * seconds).round() as usize
    }
}

/// The figures of one client.
#[derive(Clone, Debug)]
pub struct Row {
    pub rate: Rate,
    pub listener: Listener,
    /// The traffic until it listened: the first requests, and the heads of their answers.
    pub opening: Traffic,
    /// The traffic from then until the measurement.
    pub warm_up: Traffic,
    /// The traffic measured, and the length of the measurement.
    pub traffic: Traffic,
    pub seconds: f64,
    /// Messages that arrived in this time.
    pub delivered: usize,
    /// Messages that did not arrive, although they were due.
    pub missing: usize,
}

impl Row {
    fn per_message(&self, count: u64) -> Cell {
        match self.delivered {
            0 => Cell::Nothing,
            delivered => Cell::Number(count as f64 / delivered as f64),
        }
    }

    fn bytes(&self) -> u64 {
        self.traffic.bytes_up + self.traffic.bytes_down
    }

    fn per_minute(&self, count: u64) -> f64 {
        count as f64 * 60.0 / self.seconds
    }
}

/// The traffic of delivering one message to one client, or of sending one.
#[derive(Clone, Debug)]
pub struct One {
    pub name: String,
    pub traffic: Traffic,
    /// The bytes of the message itself.
    pub message_bytes: u64,
}

impl One {
    /// The bytes of heads, chunks and frames.
    pub fn around(&self) -> u64 {
        self.traffic.bytes_up + self.traffic.bytes_down - self.message_bytes
    }
}

/// Runs the experiment.
///
/// # Errors
/// When the server under test doesn't start.
pub fn findings(options: &Options, progress: &ProgressBar) -> io::Result<Findings> {
    let ways = ways(options);
    let seconds = seconds(options);
    let subject = Subject::comet(&[])?;
    let mut clients = Clients::new(subject.address)?;
    let ones = measure_one(&mut clients, &ways)?;
    let rows = measure(&mut clients, &ways, seconds, progress)?;
    Ok(Findings {
        name: "wire",
        question: "How many requests and bytes does each delivered message take, heads and frames included, with a real \
            Chromium's heads, and how does that change with the message rate?",
        tables: vec![
            one_table(&ones),
            silence_table(&rows),
            requests_table(&rows),
            bytes_table(&rows),
            counts_table(&rows),
        ],
        plots: plots(&rows),
        notes: notes(&ones, &rows, seconds),
    })
}

fn ways(options: &Options) -> Vec<Listener> {
    let polling = INTERVALS.map(Listener::polling);
    let held = Technique::HELD.map(Listener::by);
    let all = polling.into_iter().chain(held);
    all.filter(|way| options.asks_for(way.technique)).collect()
}

fn seconds(options: &Options) -> f64 {
    let seconds = options.seconds.map(f64::from);
    seconds.unwrap_or(if options.quick { 10.0 } else { 60.0 })
}

/// Delivers one message to a client of each technique, and sends one by POST and one by WebSocket.
pub fn measure_one(clients: &mut Clients, ways: &[Listener]) -> io::Result<Vec<One>> {
    clients.heads = Heads::Chromium;
    let listening = open_one(clients, ways)?;
    let publisher = clients.publisher_to(ONE)?;
    clients.settle()?;
    let each = listening.iter();
    let before: Vec<Traffic> = each
        .map(|(_, client)| clients.traffic_of(*client))
        .collect();
    clients.publish(publisher, &pace::message(0))?;
    clients.until(PATIENCE, |clients| {
        clients.arrivals.len() >= listening.len() && !clients.published.is_empty()
    })?;
    clients.settle()?;
    let message_bytes = event_bytes(clients, publisher);
    let mut ones = Vec::new();
    for ((technique, client), before) in listening.iter().zip(before) {
        ones.push(One {
            name: technique.to_string(),
            traffic: clients.traffic_of(*client) - before,
            message_bytes,
        });
    }
    ones.extend(say_one(clients, publisher, &listening)?);
    Ok(ones)
}

/// A client of each technique.
fn open_one(clients: &mut Clients, ways: &[Listener]) -> io::Result<Vec<(Technique, usize)>> {
    let mut techniques: Vec<Technique> = ways.iter().map(|way| way.technique).collect();
    techniques.dedup(); // polling has an entry for each interval
    let mut listening = Vec::new();
    for technique in techniques {
        let client = clients.add(Listener::by(technique).to(ONE))?;
        listening.push((technique, client));
    }
    clients.all_open()?;
    Ok(listening)
}

/// The publisher's POST and its answer; and a WebSocket's frame, which has no answer.
fn say_one(
    clients: &mut Clients,
    publisher: usize,
    listening: &[(Technique, usize)],
) -> io::Result<Vec<One>> {
    let text = pace::message(1);
    let said = |by: &str, traffic: Traffic| One {
        name: format!("to send one: {by}"),
        traffic,
        message_bytes: text.len() as u64,
    };
    let mut ones = vec![said("POST", clients.traffic_of(publisher))];
    let mut listening = listening.iter();
    if let Some(&(_, client)) = listening.find(|(by, _)| *by == Technique::Websocket) {
        let before = clients.traffic_of(client);
        clients.say(client, &text)?;
        ones.push(said("websocket", clients.traffic_of(client) - before));
    }
    Ok(ones)
}

/// A client of one technique that listens to the topic of one rate.
struct Lane {
    rate: Rate,
    listener: Listener,
    client: usize,
    /// The publisher of this rate.
    publisher: usize,
    /// The client's traffic so far when it listened, and when the measurement began.
    opened: Traffic,
    warm: Traffic,
}

/// All rates by all techniques, side by side, for `seconds` after the warm-up.
pub fn measure(
    clients: &mut Clients,
    ways: &[Listener],
    seconds: f64,
    progress: &ProgressBar,
) -> io::Result<Vec<Row>> {
    clients.heads = Heads::Chromium;
    clients.arrivals.clear();
    clients.published.clear();
    let mut lanes = open(clients, ways)?;
    let (early, late) = talk(&lanes, WARM_UP + seconds);
    progress.set_length((early.len() + late.len()) as u64);
    progress.set_message(format!("messages to {} connections", lanes.len()));
    let begun = Instant::now();
    pace::publish(clients, begun, early, WARM_UP, progress)?;
    for lane in &mut lanes {
        lane.warm = clients.traffic_of(lane.client);
    }
    let warm = Instant::now();
    pace::publish(clients, begun, late, WARM_UP + seconds, progress)?;
    hear_the_last(clients, &lanes)?;
    let end = Instant::now();
    Ok(lanes
        .iter()
        .map(|lane| row(clients, lane, warm..end))
        .collect())
}

/// Connects all clients, and waits until each of them listens.
fn open(clients: &mut Clients, ways: &[Listener]) -> io::Result<Vec<Lane>> {
    let mut lanes = Vec::new();
    for rate in RATES {
        let publisher = clients.publisher_to(rate.topic)?;
        for way in ways {
            lanes.push(Lane {
                rate,
                listener: way.to(rate.topic),
                client: clients.add(way.to(rate.topic))?,
                publisher,
                opened: Traffic::default(),
                warm: Traffic::default(),
            });
        }
    }
    clients.all_open()?;
    clients.settle()?;
    for lane in &mut lanes {
        lane.opened = clients.traffic_of(lane.client);
    }
    Ok(lanes)
}

/// Waits until no message is due any more and no answer is on its way.
fn hear_the_last(clients: &mut Clients, lanes: &[Lane]) -> io::Result<()> {
    clients.until(PATIENCE, |clients| {
        let now = Instant::now();
        let mut lanes = lanes.iter();
        !clients.is_publishing() && lanes.all(|lane| missing(clients, lane, now) == 0)
    })?;
    clients.settle().map(|_| ())
}

/// The messages to be published, before and after the measurement begins.
fn talk(lanes: &[Lane], seconds: f64) -> (Vec<Due>, Vec<Due>) {
    let mut talk: Vec<(usize, usize)> = lanes
        .iter()
        .map(|lane| (lane.publisher, lane.rate.messages(seconds)))
        .collect();
    talk.dedup(); // the lanes of one rate have one publisher
    let dues = talk
        .into_iter()
        .flat_map(|(publisher, messages)| pace::random(publisher, messages, seconds));
    dues.partition(|due| due.at.as_secs_f64() < WARM_UP)
}

fn row(clients: &Clients, lane: &Lane, measured: Range<Instant>) -> Row {
    let arrivals = clients.arrivals.iter();
    let came = arrivals.filter(|arrival| arrival.client == lane.client);
    Row {
        rate: lane.rate,
        listener: lane.listener.clone(),
        opening: lane.opened,
        warm_up: lane.warm - lane.opened,
        traffic: clients.traffic_of(lane.client) - lane.warm,
        seconds: (measured.end - measured.start).as_secs_f64(),
        delivered: came
            .filter(|arrival| measured.contains(&arrival.at))
            .count(),
        missing: missing(clients, lane, measured.end),
    }
}

/// How many events that were due `by` then this client lacks.
fn missing(clients: &Clients, lane: &Lane, by: Instant) -> usize {
    let arrivals = clients.arrivals.iter();
    let came = arrivals.filter(|arrival| arrival.client == lane.client);
    let ids: HashSet<u64> = came.map(|arrival| arrival.id).collect();
    let late = match lane.listener.technique {
        Technique::Polling => lane.listener.interval + Duration::from_secs(1),
        _ => Duration::ZERO, // delivered at once
    };
    let due = clients
        .published
        .iter()
        .filter(|event| event.publisher == lane.publisher && event.at + late < by);
    due.filter(|event| !ids.contains(&event.id)).count()
}

/// The length of an event's JSON. All messages of a publisher are equally long, and so are their ids.
fn event_bytes(clients: &Clients, publisher: usize) -> u64 {
    let mut published = clients.published.iter();
    let first = published.find(|event| event.publisher == publisher);
    let data: Value = serde_json::from_str(&pace::message(0)).unwrap_or_default();
    first.map_or(0, |event| {
        Event::new(event.id, ONE, &data).json.len() as u64
    })
}

fn one_table(ones: &[One]) -> Table {
    let websocket = ones.iter().find(|one| one.name == "websocket");
    let frame = websocket.map(|one| one.around() as f64);
    let cells = ones.iter().map(|one| {
        vec![
            one.name.clone().into(),
            one.traffic.requests.into(),
            one.traffic.bytes_up.into(),
            one.traffic.bytes_down.into(),
            one.message_bytes.into(),
            one.around().into(),
            frame.map(|frame| one.around() as f64 / frame).into(),
        ]
    });
    Table::new(
        "Around one message, in bytes: from its delivery until the client listens again",
        &[
            "by",
            "requests",
            "up",
            "down",
            "the message",
            "around it",
            "times a frame's",
        ],
        cells,
    )
}

fn silence_table(rows: &[Row]) -> Table {
    let silent = rows.iter().filter(|row| row.rate == RATES[0]);
    let cells = silent.map(|row| {
        vec![
            row.listener.name().into(),
            row.per_minute(row.traffic.requests).into(),
            row.per_minute(row.traffic.bytes_up).into(),
            row.per_minute(row.traffic.bytes_down).into(),
            (row.per_minute(row.bytes()) * 60.0 * 24.0 / 1e6).into(),
        ]
    });
    Table::new(
        "Silence: per client and minute",
        &["by", "requests", "bytes up", "bytes down", "MB a day"],
        cells,
    )
}

fn requests_table(rows: &[Row]) -> Table {
    by_rate(
        "Requests per delivered message, by message rate",
        rows,
        |row| row.per_message(row.traffic.requests),
    )
}

fn bytes_table(rows: &[Row]) -> Table {
    by_rate(
        "Bytes per delivered message, up and down, by message rate",
        rows,
        |row| row.per_message(row.bytes()),
    )
}

/// One row per technique, one column per rate except silence, which has no messages.
fn by_rate(title: &str, rows: &[Row], cell: impl Fn(&Row) -> Cell) -> Table {
    let names = RATES[1..].iter().map(|rate| rate.name);
    let columns: Vec<&'static str> = std::iter::once("by").chain(names).collect();
    let first = rows.iter().filter(|row| row.rate == RATES[1]);
    let cells = first.map(|first| {
        let name = first.listener.name();
        let same = rows.iter().filter(|row| row.listener.name() == name);
        let cells = same.filter(|row| row.rate != RATES[0]).map(&cell);
        std::iter::once(name.clone().into()).chain(cells).collect()
    });
    Table::new(title, &columns, cells)
}

fn counts_table(rows: &[Row]) -> Table {
    Table::new(
        "As it was counted, per client (opening: until it first listened)",
        &[
            "messages",
            "by",
            "delivered",
            "missing",
            "requests",
            "bytes up",
            "bytes down",
            "opening requests",
            "opening up",
            "opening down",
        ],
        rows.iter().map(counts_cells),
    )
}

fn counts_cells(row: &Row) -> Vec<Cell> {
    vec![
        row.rate.name.into(),
        row.listener.name().into(),
        row.delivered.into(),
        row.missing.into(),
        row.traffic.requests.into(),
        row.traffic.bytes_up.into(),
        row.traffic.bytes_down.into(),
        row.opening.requests.into(),
        row.opening.bytes_up.into(),
        row.opening.bytes_down.into(),
    ]
}

fn plots(rows: &[Row]) -> Vec<Plot> {
    let plot = |title: &str, y: Axis, value: &dyn Fn(&Row) -> u64| Plot {
        title: title.to_string(),
        x: Axis::logarithmic("messages per second"),
        y,
        lines: lines(rows, value),
    };
    vec![
        plot("Bytes per message", Axis::logarithmic("bytes"), &Row::bytes),
        plot("Requests per message", Axis::linear("requests"), &|row| {
            row.traffic.requests
        }),
    ]
}

fn lines(rows: &[Row], value: &dyn Fn(&Row) -> u64) -> Vec<Line> {
    let silent = rows.iter().filter(|row| row.rate == RATES[0]);
    let names = silent.map(|row| row.listener.name());
    let points = |name: &str| {
        let same = rows
            .iter()
            .filter(|row| row.listener.name() == name && row.delivered > 0);
        let point = |row: &Row| {
            (
                row.rate.per_second,
                value(row) as f64 / row.delivered as f64,
            )
        };
        same.map(point).collect()
    };
    names
        .map(|name| Line {
            points: points(&name),
            name,
        })
        .collect()
}

fn notes(ones: &[One], rows: &[Row], seconds: f64) -> Vec<String> {
    let mut notes = vec![
        format!("messages at random times, measured for {seconds} s after {WARM_UP} s of warm-up"),
        FRAME_NOTE.to_string(),
    ];
    notes.extend(ratio_note(ones));
    if seconds < 30.0 {
        notes.push(SHORT_NOTE.to_string());
    }
    let lost = rows.iter().filter(|row| row.missing > 0);
    notes.extend(lost.map(|row| {
        let (by, rate) = (row.listener.name(), row.rate.name);
        format!("{by}, {rate}: {} messages did not arrive", row.missing)
    }));
    notes
}

const FRAME_NOTE: &str = "\"times a frame's\" divides by the WebSocket frame's own bytes around this message: 2, as \
    for every message of up to 125 bytes; a message of up to 64 KiB has 4, and one that goes up has 4 more, the mask";

const SHORT_NOTE: &str = "too short for heartbeats (every 20 s) and for polls that time out (after 25 s): --seconds 60 \
    counts them";

/// Where the article's "400 times" may come from.
fn ratio_note(ones: &[One]) -> Option<String> {
    let poll = ones.iter().find(|one| one.name == "long-polling")?;
    let newer = chromium::newer_bytes(chromium::XHR) as u64;
    let older = poll.around() - newer;
    Some(format!(
        "of the {} bytes around a message by long polling, {newer} are lines that browsers didn't send in 2015 \
         (sec-ch-ua, Sec-Fetch): without them it is {older}, or {} times a frame's 2 and {} times its 4",
        poll.around(),
        older / 2,
        older / 4
    ))
}
