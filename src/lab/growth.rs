//! `growth`: what a stream that never ends does to the browser that reads it, and what a limit with
//! reconnect does instead. *Article: XHR 스트리밍 (readyState 3, substring(lastSize)).*
//!
//! Each variant gets a fresh Chromium with the page `growth.html`. The lab publishes events at a steady
//! pace. The page reads them by one technique, and reports over comet itself (`POST /publish`) the length of
//! its `responseText`, the size of its heap, and whether each event came once. The renderer's memory comes
//! from `/proc`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::browser::{self, Browser, Usage};
use super::findings::{Cell, Findings, Table};
use super::options::Options;
use super::plot::{Axis, Line, Plot};
use super::subject::Subject;
use super::technique::Technique;

/// How long to wait for a report from the page.
const PATIENCE: Duration = Duration::from_secs(30);
/// The interval between samples of the reports and of `/proc`.
const LOOK: Duration = Duration::from_millis(100);

/// A technique, with or without a limit.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// As in modules and pages: `xhr_streaming`.
    pub technique: &'static str,
    /// The length at which the server ends an answer, in bytes.
    pub limit: Option<usize>,
}

/// XHR streaming keeps the text, and a forever frame its scripts: each with and without a limit. An event
/// source keeps nothing.
pub const VARIANTS: [Variant; 5] = [
    variant("xhr_streaming", None),
    variant("xhr_streaming", Some(1 << 20)),
    variant("forever_frame", None),
    variant("forever_frame", Some(1 << 20)),
    variant("event_source", None),
];

const fn variant(technique: &'static str, limit: Option<usize>) -> Variant {
    Variant { technique, limit }
}

/// The events that are published for each variant.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub seconds: f64,
    pub events_a_second: f64,
    /// The length of the event's data.
    pub event_bytes: usize,
}

impl Load {
    /// 40 MB: the growth is unmistakable.
    pub const FULL: Load = Load {
        seconds: 20.0,
        events_a_second: 500.0,
        event_bytes: 4000,
    };
    /// 2.4 MB: the growth is visible.
    pub const QUICK: Load = Load {
        seconds: 1.2,
        ..Load::FULL
    };

    fn events(&self) -> u64 {
        (self.seconds * self.events_a_second) as u64
    }
}

/// The figures of one variant.
#[derive(Clone, Debug)]
pub struct Row {
    pub variant: Variant,
    /// From the first event's publishing to the last one's arrival.
    pub seconds: f64,
    pub published: u64,
    /// Events that the page received, missed, and received twice.
    pub events: u64,
    pub missed: u64,
    pub repeated: u64,
    /// The answers' bodies, as far as the script sees them.
    pub bytes: u64,
    /// The longest `responseText`; 0 for techniques without one.
    pub longest: u64,
    /// Requests after the first.
    pub reconnects: u64,
    /// The page's JavaScript heap after garbage collection: before and after.
    pub heap_start: u64,
    pub heap_end: u64,
    /// The renderer's resident memory: before, and its peak.
    pub resident_start: u64,
    pub resident_peak: u64,
    /// The renderer's CPU time.
    pub cpu: Duration,
    pub samples: Vec<Sample>,
}

/// The memory at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the first event.
    pub seconds: f64,
    pub text: u64,
    pub heap: u64,
    pub resident: u64,
}

/// The note on a machine without Chromium.
pub const SKIPPED: &str = "skipped: Chromium is not installed (apt-get install chromium)";

/// Runs the experiment.
///
/// # Errors
/// As [`measure`].
pub fn findings(options: &Options, progress: &ProgressBar) -> io::Result<Findings> {
    let mut findings = Findings {
        name: "growth",
        question: "A stream never ends. What does that do to the browser that reads it, and what does it change if the \
            server ends each answer at a limit (?limit=BYTES) and the script reconnects?",
        ..Findings::default()
    };
    let Some(chromium) = browser::find() else {
        findings.notes.push(SKIPPED.to_string());
        return Ok(findings);
    };
    let load = load(options);
    let rows = measure_all(options, &chromium, load, progress)?;
    findings.tables.push(table(&rows, load));
    findings.plots = plots(&rows);
    Ok(findings)
}

/// Each variant asked for, with a server of its own.
fn measure_all(
    options: &Options,
    chromium: &PathBuf,
    load: Load,
    progress: &ProgressBar,
) -> io::Result<Vec<Row>> {
    let variants = VARIANTS.into_iter();
    let variants: Vec<Variant> = variants
        .filter(|variant| is_asked_for(options, variant))
        .collect();
    progress.set_length(variants.len() as u64);
    let mut rows = Vec::new();
    for variant in variants {
        progress.set_message(variant.name());
        let subject = Subject::comet(&[])?;
        rows.push(measure(subject.address, chromium, variant, load)?);
        progress.inc(1);
    }
    Ok(rows)
}

fn is_asked_for(options: &Options, variant: &Variant) -> bool {
    let mut techniques = options.techniques.iter();
    options.techniques.is_empty() || techniques.any(|technique| variant.is_by(*technique))
}

fn load(options: &Options) -> Load {
    let load = if options.quick {
        Load::QUICK
    } else {
        Load::FULL
    };
    Load {
        seconds: options.seconds.map_or(load.seconds, f64::from),
        ..load
    }
}

fn table(rows: &[Row], load: Load) -> Table {
    let title = format!(
        "{} events per second of {} bytes, for {} s (sizes in MB; the heap after garbage collection)",
        load.events_a_second, load.event_bytes, load.seconds
    );
    let columns = [
        "technique",
        "limit",
        "seconds",
        "events",
        "missed",
        "received",
        "longest text",
        "heap before",
        "heap after",
        "resident before",
        "resident peak",
        "renderer CPU s",
        "reconnects",
    ];
    Table::new(title, &columns, rows.iter().map(Row::cells))
}

impl Variant {
    fn is_by(&self, technique: Technique) -> bool {
        self.technique.replace('_', "-") == technique.to_string()
    }

    fn name(&self) -> String {
        let technique = self.technique.replace('_', "-");
        match self.limit {
            Some(limit) => format!("{technique}, limit {limit}"),
            None => technique,
        }
    }
}

impl Row {
    fn cells(&self) -> Vec<Cell> {
        let limit = self.variant.limit.map(|limit| megabytes(limit as u64));
        let longest = (self.longest > 0).then(|| megabytes(self.longest)); // some techniques keep no text
        vec![
            self.variant.technique.replace('_', "-").into(),
            limit.into(),
            self.seconds.into(),
            self.events.into(),
            self.missed.into(),
            megabytes(self.bytes).into(),
            longest.into(),
            megabytes(self.heap_start).into(),
            megabytes(self.heap_end).into(),
            megabytes(self.resident_start).into(),
            megabytes(self.resident_peak).into(),
            self.cpu.as_secs_f64().into(),
            self.reconnects.into(),
        ]
    }

    fn line(&self, value: impl Fn(&Sample) -> u64) -> Line {
        let points = self.samples.iter();
        Line {
            name: self.variant.name(),
            points: points
                .map(|sample| (sample.seconds, megabytes(value(sample))))
                .collect(),
        }
    }
}

fn plots(rows: &[Row]) -> Vec<Plot> {
    let plot = |title: &str, value: fn(&Sample) -> u64| Plot {
        title: title.to_string(),
        x: Axis::linear("seconds"),
        y: Axis::linear("MB"),
        lines: rows.iter().map(|row| row.line(value)).collect(),
    };
    vec![
        plot("responseText", |sample| sample.text),
        plot("Resident memory of the page's process", |sample| {
            sample.resident
        }),
    ]
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Measures one variant against the server at `address`.
///
/// # Errors
/// When the server or the browser can't be reached, or the page doesn't report.
pub fn measure(
    address: SocketAddr,
    chromium: &PathBuf,
    variant: Variant,
    load: Load,
) -> io::Result<Row> {
    let mut run = Run::begin(address, chromium, variant)?;
    let start = Instant::now();
    for number in 0..load.events() {
        let due = start + Duration::from_secs_f64(number as f64 / load.events_a_second);
        run.look_until(due)?;
        run.publish(load.event_bytes)?;
    }
    let deadline = Instant::now() + PATIENCE;
    while run.reported("events") + run.reported("missed") < load.events()
        && Instant::now() < deadline
    {
        run.look_until(Instant::now() + LOOK)?;
    }
    Ok(run.end(load.events(), start.elapsed()))
}

/// A running variant.
struct Run {
    variant: Variant,
    server: Asker,
    topic: String,
    /// Ends when dropped.
    _browser: Browser,
    renderer: Pid,
    /// The first report, and the renderer's usage then.
    first: Value,
    before: Usage,
    /// The latest report and its id.
    last: Value,
    last_id: u64,
    started: Instant,
    looked: Instant,
    samples: Vec<Sample>,
}

impl Run {
    /// Opens the page and waits for its first report.
    fn begin(address: SocketAddr, chromium: &PathBuf, variant: Variant) -> io::Result<Run> {
        let mut server = Asker::to(address)?;
        let topic = format!("growth-{}", fastrand::u32(..));
        let since = server.publish(&topic, &json!("before the first"))?;
        let last_id = server.publish(&report_topic(&topic), &json!("nothing yet"))?;
        let browser = Browser::open(chromium, &page(address, variant, &topic, since))?;
        let (first, last_id) = first_report(&mut server, &topic, last_id)?;
        let renderer = browser.renderer();
        let renderer = renderer.ok_or_else(|| io::Error::other("Chromium has no renderer"))?;
        Ok(Run {
            variant,
            server,
            topic,
            _browser: browser,
            before: browser::usage(renderer),
            renderer,
            last: first.clone(),
            first,
            last_id,
            started: Instant::now(),
            looked: Instant::now(),
            samples: Vec::new(),
        })
    }

    fn publish(&mut self, bytes: usize) -> io::Result<()> {
        let data = Value::from("x".repeat(bytes));
        self.server.publish(&self.topic, &data).map(|_| ())
    }

    /// Sleeps until `due`, after a sample if one is due.
    fn look_until(&mut self, due: Instant) -> io::Result<()> {
        if self.looked.elapsed() >= LOOK {
            self.look()?;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        Ok(())
    }

    fn look(&mut self) -> io::Result<()> {
        self.looked = Instant::now();
        let reports = self
            .server
            .events(&report_topic(&self.topic), self.last_id)?;
        if let Some((id, report)) = reports.into_iter().last() {
            (self.last_id, self.last) = (id, report);
        }
        self.samples.push(Sample {
            seconds: self.started.elapsed().as_secs_f64(),
            text: self.reported("length"),
            heap: self.reported("heap"),
            resident: browser::usage(self.renderer).resident,
        });
        Ok(())
    }

    /// A number in the latest report.
    fn reported(&self, name: &str) -> u64 {
        self.last[name].as_u64().unwrap_or(0)
    }

    fn end(self, published: u64, took: Duration) -> Row {
        let resident = self.samples.iter().map(|sample| sample.resident).max();
        Row {
            variant: self.variant,
            seconds: took.as_secs_f64(),
            published,
            events: self.reported("events"),
            missed: self.reported("missed"),
            repeated: self.reported("repeated"),
            bytes: self.reported("bytes"),
            longest: self.reported("longest"),
            reconnects: self.reported("requests").saturating_sub(1),
            heap_start: self.first["heap"].as_u64().unwrap_or(0),
            heap_end: self.reported("heap"),
            resident_start: self.before.resident,
            resident_peak: resident.unwrap_or(0).max(self.before.resident),
            cpu: browser::usage(self.renderer)
                .cpu
                .saturating_sub(self.before.cpu),
            samples: self.samples,
        }
    }
}

fn report_topic(topic: &str) -> String {
    format!("{topic}-says")
}

/// The URL of the page, with what it needs to measure.
fn page(address: SocketAddr, variant: Variant, topic: &str, since: u64) -> String {
    let limit = variant.limit.map(|limit| format!("&limit={limit}"));
    format!(
        "http://{address}/growth.html?technique={}&topic={topic}&since={since}&report={}{}",
        variant.technique,
        report_topic(topic),
        limit.unwrap_or_default()
    )
}

/// The page's first report and its id.
fn first_report(server: &mut Asker, topic: &str, mut since: u64) -> io::Result<(Value, u64)> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for (id, report) in server.events(&report_topic(topic), since)? {
            since = id;
            // An earlier report, without requests, comes before the stream has been opened.
            if report["requests"].as_u64() > Some(0) {
                return Ok((report, id));
            }
        }
        thread::sleep(LOOK);
    }
    Err(io::Error::other(
        "the page in Chromium doesn't report anything",
    ))
}

/// A keep-alive connection to the server.
struct Asker {
    host: SocketAddr,
    socket: BufReader<TcpStream>,
}

impl Asker {
    fn to(host: SocketAddr) -> io::Result<Asker> {
        let socket = TcpStream::connect(host)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Asker {
            host,
            socket: BufReader::new(socket),
        })
    }

    /// Publishes an event; returns its id.
    fn publish(&mut self, topic: &str, data: &Value) -> io::Result<u64> {
        let answer = self.ask(
            "POST",
            &format!("/publish?topic={topic}"),
            &data.to_string(),
        )?;
        let id = answer["id"].as_u64();
        id.ok_or_else(|| io::Error::other(format!("not published: {answer}")))
    }

    /// The events after `since`: id and data.
    fn events(&mut self, topic: &str, since: u64) -> io::Result<Vec<(u64, Value)>> {
        let answer = self.ask("GET", &format!("/polling?topic={topic}&since={since}"), "")?;
        let events = answer["events"].as_array().cloned().unwrap_or_default();
        let events = events.into_iter();
        Ok(events
            .filter_map(|event| Some((event["id"].as_u64()?, event["data"].clone())))
            .collect())
    }

    fn ask(&mut self, method: &str, target: &str, body: &str) -> io::Result<Value> {
        let (host, length) = (self.host, body.len());
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.socket.get_mut().write_all(request.as_bytes())?;
        let mut answer = vec![0; self.read_head()?];
        self.socket.read_exact(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Reads a head; returns the body's length.
    fn read_head(&mut self) -> io::Result<usize> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.socket.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", value)) => length = value.parse().unwrap_or(0),
                None if line.trim_end().is_empty() => return Ok(length),
                _ => {}
            }
        }
    }
}
