//! `storm`: one person types in a chat of N, and every line goes to all. *Article: 롱폴링, where a large
//! chat makes "an enormous number" of calls.*
//!
//! The lines come fast enough to follow, one after the other, and then once more all at the same moment.

use std::io;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::clients::{Clients, Traffic};
use super::findings::{Findings, Table};
use super::machine::Machine;
use super::options::Options;
use super::pace;
use super::plot::{self, Axis, Plot};
use super::requests::Heads;
use super::statistics::{Times, milliseconds};
use super::subject::{Subject, Work};
use super::technique::Technique;

/// From one line to the next.
const GAP: Duration = Duration::from_millis(200);
/// Lines that are typed at the same moment: a flurry.
const FLURRY: usize = 20;
/// How long a line may take to reach everyone before it is taken for lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// What so many lines did to the clients.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub lines: usize,
    pub arrivals: usize,
    pub traffic: Traffic,
    /// From publishing a line until everybody had it.
    pub everybody: Times,
}

/// What was found out about one technique with so many in the chat.
struct Row {
    technique: Technique,
    listeners: usize,
    calm: Told,
    calm_work: Work,
    flurry: Told,
    flurry_work: Work,
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
/// When a server under test does not start.
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
        "the requests are those with which the listeners ask again; a wake-up is a context switch of the server"
            .to_string(),
    );
    notes.extend(losses(&rows));
    Ok(Findings {
        name: "storm",
        question: "One person types in a chat of N. What does one line cost until everybody has it?",
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

/// How many lines are typed in the time there is.
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

/// Lets everybody in, and then the one who types.
pub fn open(clients: &mut Clients, technique: Technique, listeners: usize) -> io::Result<usize> {
    clients.heads = Heads::Chromium;
    clients.listen_all(technique, listeners)?;
    clients.settle()?;
    clients.publisher()
}

/// One line after the other. A line waits until everybody has the one before it.
pub fn type_lines(clients: &mut Clients, typist: usize, lines: usize) -> io::Result<Told> {
    let before = clients.traffic();
    let mut told = Told {
        lines,
        ..Told::default()
    };
    for number in 0..lines {
        let begun = Instant::now();
        let (arrivals, took) = tell(clients, typist, number, 1)?;
        told.arrivals += arrivals;
        told.everybody.extend(took.as_ref());
        clients.until(GAP.saturating_sub(begun.elapsed()), |_| false)?;
        clients.settle()?; // who has to, asks again
    }
    told.traffic = clients.traffic() - before;
    Ok(told)
}

/// All lines at once.
pub fn type_flurry(clients: &mut Clients, typist: usize, lines: usize) -> io::Result<Told> {
    let before = clients.traffic();
    let (arrivals, took) = tell(clients, typist, 0, lines)?;
    clients.settle()?; // who has to, asks again
    let mut everybody = Times::default();
    everybody.extend(took.as_ref());
    Ok(Told {
        lines,
        arrivals,
        traffic: clients.traffic() - before,
        everybody,
    })
}

/// Publishes so many lines, and waits until everybody has them: how many arrivals, and how long it took.
fn tell(
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
    let mut table = Table::new(
        format!("What one line costs, one every {gap} ms"),
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
            "everybody has it after ms",
            "at the worst",
        ],
    );
    for row in rows {
        let work = row.calm_work.per(row.calm.lines);
        table.row(vec![
            row.technique.to_string().into(),
            row.listeners.into(),
            row.calm.lines.into(),
            row.calm.arrivals.into(),
            row.per_line(row.calm.traffic.requests).into(),
            (row.per_line(row.calm.traffic.bytes_up) / 1000.0).into(),
            (row.per_line(row.calm.traffic.bytes_down) / 1000.0).into(),
            work.switches.into(),
            (work.switches as f64 / row.listeners as f64).into(),
            milliseconds(work.cpu).into(),
            row.calm.everybody.median().into(),
            row.calm.everybody.at(1.0).into(),
        ]);
    }
    table
}

fn flurry_table(rows: &[Row]) -> Table {
    let mut table = Table::new(
        format!("A flurry: {FLURRY} lines at the same moment"),
        &[
            "by",
            "in the chat",
            "arrivals",
            "requests",
            "messages a request",
            "KB up",
            "KB down",
            "wake-ups",
            "server CPU ms",
            "everybody has all after ms",
        ],
    );
    for row in rows {
        let Traffic {
            requests,
            bytes_up,
            bytes_down,
        } = row.flurry.traffic;
        table.row(vec![
            row.technique.to_string().into(),
            row.listeners.into(),
            row.flurry.arrivals.into(),
            requests.into(),
            (requests > 0)
                .then(|| row.flurry.arrivals as f64 / requests as f64)
                .into(),
            (bytes_up as f64 / 1000.0).into(),
            (bytes_down as f64 / 1000.0).into(),
            row.flurry_work.switches.into(),
            milliseconds(row.flurry_work.cpu).into(),
            row.flurry.everybody.median().into(),
        ]);
    }
    table
}

fn losses(rows: &[Row]) -> Vec<String> {
    let lost = rows
        .iter()
        .filter(|row| row.lost > 0 || row.calm.arrivals != row.calm.lines * row.listeners);
    lost.map(|row| {
        format!(
            "{} x {}: {} connections were lost, {} of {} lines arrived",
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
        plot("Requests a line", "requests", &|row| {
            Some(row.per_line(row.calm.traffic.requests))
        }),
        plot(
            "Wake-ups of the server a line",
            "context switches",
            &|row| Some(row.per_line(row.calm_work.switches)),
        ),
        plot("The server's processor time a line", "ms", &|row| {
            Some(milliseconds(row.calm_work.per(row.calm.lines).cpu))
        }),
        plot("Until everybody has the line", "ms", &|row| {
            row.calm.everybody.median()
        }),
    ]
}
