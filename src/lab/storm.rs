//! `storm`: one person types in a chat of N, and every line goes to all. *Article: 롱폴링, where a large
//! chat makes "an enormous number" of calls.*
//!
//! The lines come one at a time, 200 ms apart, and then all at once.

use std::io;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::clients::{Clients, Traffic};
use super::findings::{Cell, Findings, Table};
use super::machine::Machine;
use super::options::Options;
use super::pace;
use super::plot::{self, Axis, Plot};
use super::requests::Heads;
use super::statistics::{Times, milliseconds};
use super::subject::{Subject, Work};
use super::technique::Technique;

/// Time between lines.
const GAP: Duration = Duration::from_millis(200);
/// The number of lines published at once.
const FLURRY: usize = 20;
/// A line that has not reached every client by then is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// What some lines cost the clients.
#[derive(Clone, Debug, Default)]
pub struct FanOut {
    pub lines: usize,
    pub arrivals: usize,
    pub traffic: Traffic,
    /// From publishing a line until all clients had it.
    pub to_all: Times,
}

/// The figures of one technique at one size.
struct Row {
    technique: Technique,
    listeners: usize,
    calm: FanOut,
    calm_work: Work,
    flurry: FanOut,
    flurry_work: Work,
    /// Connections that the server closed or refused.
    lost: usize,
}

impl Row {
    fn per_line(&self, count: u64) -> f64 {
        count as f64 / self.calm.lines as f64
    }
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
    let techniques = techniques(options);
    let lines = lines(options);
    progress.set_length((sizes.len() * techniques.len()) as u64);
    let mut rows = Vec::new();
    for &size in &sizes {
        for &technique in &techniques {
            progress.set_message(format!("{size} x {technique}"));
            rows.push(measure_row(technique, size, lines)?);
            progress.inc(1);
        }
    }
    notes.push(
        "requests: those that the listeners send to ask again; wake-ups: the server's context switches"
            .to_string(),
    );
    notes.extend(losses(&rows));
    Ok(Findings {
        name: "storm",
        question: "One person types in a chat of N. What does one line cost until all have it?",
        tables: vec![calm_table(&rows), flurry_table(&rows)],
        plots: plots(&rows),
        notes,
    })
}

fn sizes(options: &Options, machine: &Machine) -> (Vec<usize>, Vec<String>) {
    let asked = match (options.connections.is_empty(), options.quick) {
        (false, _) => options.sizes(),
        (true, true) => vec![50, 200, 500],
        (true, false) => vec![100, 500, 1000, 2000, 5000],
    };
    machine.fit(asked)
}

fn techniques(options: &Options) -> Vec<Technique> {
    let few = [
        Technique::LongPolling,
        Technique::XhrStreaming,
        Technique::Websocket,
    ];
    match options.techniques.is_empty() {
        true if options.quick => few.to_vec(),
        true => [&few[..], &[Technique::JsonpPolling]].concat(),
        false => options.techniques.clone(),
    }
}

/// The number of lines that fit in the time.
fn lines(options: &Options) -> usize {
    let usual = if options.quick { 5 } else { 20 };
    let asked = options.seconds.map(|seconds| {
        let gaps = f64::from(seconds) / GAP.as_secs_f64();
        (gaps as usize).max(1)
    });
    asked.unwrap_or(usual)
}

fn measure_row(technique: Technique, listeners: usize, lines: usize) -> io::Result<Row> {
    let subject = Subject::comet(&[])?;
    let mut clients = Clients::new(subject.address)?;
    let typist = open(&mut clients, technique, listeners)?;
    let begun = subject.work();
    let calm = type_lines(&mut clients, typist, lines)?;
    let between = subject.work();
    let flurry = type_flurry(&mut clients, typist, FLURRY)?;
    Ok(Row {
        technique,
        listeners,
        calm,
        calm_work: between - begun,
        flurry,
        flurry_work: subject.work() - between,
        lost: clients.lost,
    })
}

/// Connects the listeners and the typist; returns the typist.
pub fn open(clients: &mut Clients, technique: Technique, listeners: usize) -> io::Result<usize> {
    clients.heads = Heads::Chromium;
    clients.listen_all(technique, listeners)?;
    clients.settle()?;
    clients.publisher()
}

/// Types the lines one at a time. Each waits until all clients have the one before it.
pub fn type_lines(clients: &mut Clients, typist: usize, lines: usize) -> io::Result<FanOut> {
    let before = clients.traffic();
    let mut fan_out = FanOut {
        lines,
        ..FanOut::default()
    };
    for number in 0..lines {
        let begun = Instant::now();
        let (arrivals, took) = publish_lines(clients, typist, number, 1)?;
        fan_out.arrivals += arrivals;
        fan_out.to_all.extend(took.as_ref());
        clients.until(GAP.saturating_sub(begun.elapsed()), |_| false)?;
        clients.settle()?; // long polls ask again
    }
    fan_out.traffic = clients.traffic() - before;
    Ok(fan_out)
}

/// Publishes all lines at once.
pub fn type_flurry(clients: &mut Clients, typist: usize, lines: usize) -> io::Result<FanOut> {
    let before = clients.traffic();
    let (arrivals, took) = publish_lines(clients, typist, 0, lines)?;
    clients.settle()?; // long polls ask again
    let mut to_all = Times::default();
    to_all.extend(took.as_ref());
    Ok(FanOut {
        lines,
        arrivals,
        traffic: clients.traffic() - before,
        to_all,
    })
}

/// Publishes lines and waits until all clients have them; returns the arrivals, and the time if none is
/// missing.
fn publish_lines(
    clients: &mut Clients,
    typist: usize,
    first: usize,
    lines: usize,
) -> io::Result<(usize, Option<Duration>)> {
    let wanted = clients.listening() * lines;
    clients.arrivals.clear();
    clients.published.clear();
    for number in first..first + lines {
        clients.publish(typist, &pace::message(number))?;
    }
    clients.until(PATIENCE, |clients| {
        clients.arrivals.len() >= wanted && clients.published.len() >= lines
    })?;
    let last = clients.arrivals.iter().map(|arrival| arrival.at).max();
    let first = clients.published.first().map(|event| event.at);
    let took = last.zip(first).map(|(last, first)| last - first);
    Ok((
        clients.arrivals.len(),
        took.filter(|_| clients.arrivals.len() >= wanted),
    ))
}

fn calm_table(rows: &[Row]) -> Table {
    let gap = GAP.as_millis();
    Table::new(
        format!("What one line costs, at one every {gap} ms"),
        &[
            "by",
            "in the chat",
            "lines",
            "arrivals",
            "requests",
            "KB up",
            "KB down",
            "wake-ups",
            "wake-ups each",
            "server CPU ms",
            "all have it after ms",
            "longest",
        ],
        rows.iter().map(calm_cells),
    )
}

fn calm_cells(row: &Row) -> Vec<Cell> {
    let calm = &row.calm;
    let work = row.calm_work.per(calm.lines);
    vec![
        row.technique.to_string().into(),
        row.listeners.into(),
        calm.lines.into(),
        calm.arrivals.into(),
        row.per_line(calm.traffic.requests).into(),
        (row.per_line(calm.traffic.bytes_up) / 1000.0).into(),
        (row.per_line(calm.traffic.bytes_down) / 1000.0).into(),
        work.switches.into(),
        (work.switches as f64 / row.listeners as f64).into(),
        milliseconds(work.cpu).into(),
        calm.to_all.median().into(),
        calm.to_all.at(1.0).into(),
    ]
}

fn flurry_table(rows: &[Row]) -> Table {
    Table::new(
        format!("A flurry: {FLURRY} lines at once"),
        &[
            "by",
            "in the chat",
            "arrivals",
            "requests",
            "messages per request",
            "KB up",
            "KB down",
            "wake-ups",
            "server CPU ms",
            "all have all after ms",
        ],
        rows.iter().map(flurry_cells),
    )
}

fn flurry_cells(row: &Row) -> Vec<Cell> {
    let (flurry, traffic) = (&row.flurry, row.flurry.traffic);
    let per_request = flurry.arrivals as f64 / traffic.requests as f64;
    vec![
        row.technique.to_string().into(),
        row.listeners.into(),
        flurry.arrivals.into(),
        traffic.requests.into(),
        (traffic.requests > 0).then_some(per_request).into(),
        (traffic.bytes_up as f64 / 1000.0).into(),
        (traffic.bytes_down as f64 / 1000.0).into(),
        row.flurry_work.switches.into(),
        milliseconds(row.flurry_work.cpu).into(),
        flurry.to_all.median().into(),
    ]
}

fn losses(rows: &[Row]) -> Vec<String> {
    let lost = rows
        .iter()
        .filter(|row| row.lost > 0 || row.calm.arrivals != row.calm.lines * row.listeners);
    lost.map(|row| {
        format!(
            "{} x {}: {} connections lost, {} of {} lines arrived",
            row.listeners,
            row.technique,
            row.lost,
            row.calm.arrivals,
            row.calm.lines * row.listeners
        )
    })
    .collect()
}

fn plots(rows: &[Row]) -> Vec<Plot> {
    let plot = |title: &str, y: &'static str, value: &dyn Fn(&Row) -> Option<f64>| Plot {
        title: title.to_string(),
        x: Axis::linear("in the chat"),
        y: Axis::linear(y),
        lines: plot::lines(rows.iter().map(|row| {
            let point = value(row).map(|value| (row.listeners as f64, value));
            (row.technique.to_string(), point)
        })),
    };
    vec![
        plot("Requests per line", "requests", &|row| {
            Some(row.per_line(row.calm.traffic.requests))
        }),
        plot(
            "Wake-ups of the server per line",
            "context switches",
            &|row| Some(row.per_line(row.calm_work.switches)),
        ),
        plot("The server's CPU time per line", "ms", &|row| {
            Some(milliseconds(row.calm_work.per(row.calm.lines).cpu))
        }),
        plot("Time until all have the line", "ms", &|row| {
            row.calm.to_all.median()
        }),
    ]
}
