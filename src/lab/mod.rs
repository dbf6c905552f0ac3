//! The lab: experiments that measure the article's claims. Nothing else depends on it.
//!
//! Each experiment starts servers of its own ([`subject`]), in processes of their own and on free ports,
//! and drives them from one thread ([`clients`]). What it finds is told by [`report`].
//!
//! - [`wire`]: what goes over the wire for each message, heads and frames included
//! - [`delay`]: how long it takes from publishing a message to its delivery
//! - [`storm`]: what one line costs in a chat of many
//! - [`strain`]: what held connections cost, as there are more of them; beside it the yardstick, [`one_thread`]
//! - [`growth`]: what a stream that never ends does to the browser that reads it
//!
//! Chapter: [The claims](../../../../docs/claims.md).

pub mod browser;
pub mod chromium;
pub mod clients;
pub mod delay;
pub mod growth;
pub mod machine;
pub mod markdown;
pub mod one_thread;
pub mod pace;
pub mod plot;
pub mod reader;
pub mod report;
pub mod requests;
pub mod statistics;
pub mod storm;
pub mod strain;
pub mod subject;
pub mod wire;

use std::io::{self, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use socket2::SockRef;

use machine::Machine;
use report::Findings;
use requests::Technique;

/// Measures what push costs, one of the article's claims after the other
#[derive(Args, Clone, Debug)]
#[command(arg_required_else_help = true)]
pub struct Options {
    /// What to measure
    #[arg(value_enum)]
    pub experiment: Experiment,

    /// How many connections (delay: of each technique); several numbers are measured one after the
    /// other, such as 1000,5000,9000. Not for wire and growth, which look at one at a time
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: Vec<u32>,

    /// How long each measurement over time lasts: wire and delay, storm's typing, strain's idle time,
    /// growth's streams
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: Option<u32>,

    /// Which techniques, such as long-polling,websocket [default: all that the experiment is about]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_enum)]
    pub techniques: Vec<Technique>,

    /// A first look, within 20 seconds: fewer connections, shorter measurements
    #[arg(long)]
    pub quick: bool,

    /// The folder for the plots (.svg), the figures (.json and .md) and the report of "all" (.html)
    #[arg(long, value_name = "FOLDER", default_value = "target/lab")]
    pub out: PathBuf,
}

impl Options {
    /// Refuses, in words, what the experiment can't make sense of.
    ///
    /// # Errors
    /// What to leave out.
    pub fn check(&self) -> Result<(), String> {
        let (experiment, name) = (self.experiment, self.experiment.name());
        if experiment == Experiment::OneThread
            && (self.quick || self.seconds.is_some() || !self.techniques.is_empty())
        {
            return Err("one-thread only serves, until Ctrl-C: it takes no options".to_string());
        }
        if !self.connections.is_empty() && !experiment.takes_connections() {
            return Err(format!(
                "{name} does not ask how many there are: leave --connections out"
            ));
        }
        match self
            .techniques
            .iter()
            .find(|technique| !experiment.takes(**technique))
        {
            Some(technique) => Err(format!(
                "{name} can't measure {technique}: {}",
                experiment.about()
            )),
            None => Ok(()),
        }
    }

    /// What of these options one of all the experiments can use.
    fn of(&self, experiment: Experiment) -> Options {
        let mut options = Options {
            experiment,
            ..self.clone()
        };
        options
            .techniques
            .retain(|technique| experiment.takes(*technique));
        if !experiment.takes_connections() {
            options.connections.clear();
        }
        options
    }

    /// Is this technique to be measured?
    pub fn asks_for(&self, technique: Technique) -> bool {
        self.techniques.is_empty() || self.techniques.contains(&technique)
    }

    /// How many connections were asked for.
    pub fn sizes(&self) -> Vec<usize> {
        self.connections.iter().map(|size| *size as usize).collect()
    }
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Experiment {
    /// Requests and bytes for each message, by technique, from silence to a busy chat
    Wire,
    /// How long it takes from publishing to delivery, by technique
    Delay,
    /// One person types in a chat of N: requests, wake-ups, processor time
    Storm,
    /// N held connections: threads, memory, and how long one message takes to all of them
    Strain,
    /// A stream that never ends, in a real browser, and one with a limit
    Growth,
    /// All of them, and one page of HTML with everything
    All,
    /// No experiment: the yardstick by itself, WebSocket fan-out by one thread, until Ctrl-C
    OneThread,
}

impl Experiment {
    /// Those that "all" runs, in reading order.
    const ALL: [Experiment; 5] = [
        Experiment::Wire,
        Experiment::Delay,
        Experiment::Storm,
        Experiment::Strain,
        Experiment::Growth,
    ];

    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_string())
    }

    fn takes_connections(self) -> bool {
        !matches!(
            self,
            Experiment::Wire | Experiment::Growth | Experiment::OneThread
        )
    }

    fn takes(self, technique: Technique) -> bool {
        match self {
            Experiment::Storm | Experiment::Strain => technique != Technique::Polling,
            Experiment::Growth => growth::streams_by(technique),
            _ => true,
        }
    }

    /// Which techniques it takes, in words.
    fn about(self) -> &'static str {
        match self {
            Experiment::Growth => {
                "it is about xhr-streaming, forever-frame and event-source, whose answers have no end"
            }
            _ => "it is about connections that are held",
        }
    }

    fn measure(
        self,
        options: &Options,
        machine: &Machine,
        progress: &ProgressBar,
    ) -> io::Result<Findings> {
        match self {
            Experiment::Wire => wire::findings(options, progress),
            Experiment::Delay => delay::findings(options, machine, progress),
            Experiment::Storm => storm::findings(options, machine, progress),
            Experiment::Strain => strain::measure(options, machine, progress),
            Experiment::Growth => growth::findings(options, progress),
            Experiment::All | Experiment::OneThread => Ok(Findings::default()),
        }
    }
}

/// Runs what was asked for, tells it on standard output, and writes the files.
///
/// # Errors
/// When a server under test does not start, or a file can't be written.
pub fn run(options: &Options) -> io::Result<()> {
    if options.experiment == Experiment::OneThread {
        return serve_one_thread();
    }
    std::fs::create_dir_all(&options.out).map_err(|error| {
        let folder = options.out.display();
        io::Error::other(format!("can't write to {folder}: {error}"))
    })?;
    match options.experiment {
        Experiment::All => run_all(options, &Machine::look()),
        _ => run_one(options, &Machine::look()).map(|_| ()),
    }
}

/// One after the other. One that can't be measured is named in the report, and does not stop the others.
fn run_all(options: &Options, machine: &Machine) -> io::Result<()> {
    let mut all = Vec::new();
    let mut failed = Vec::new();
    for experiment in Experiment::ALL {
        let its = options.of(experiment);
        if its.techniques.is_empty() && !options.techniques.is_empty() {
            continue; // it is about none of those that were asked for
        }
        match run_one(&its, machine) {
            Ok(findings) => all.push(findings),
            Err(error) => {
                failed.push(format!("{}: {error}", experiment.name()));
            }
        }
    }
    let path = options.out.join("report.html");
    std::fs::write(&path, report::page(&all, &failed, machine))?;
    say(&format!("the whole report: {}\n", path.display()))?;
    match failed.is_empty() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "not measured: {}",
            failed.join("; ")
        ))),
    }
}

fn run_one(options: &Options, machine: &Machine) -> io::Result<Findings> {
    let experiment = options.experiment;
    let progress = progress_bar(&experiment.name());
    let findings = experiment.measure(options, machine, &progress);
    progress.finish_and_clear();
    let findings = findings?;
    let paths = findings.write(&options.out, machine)?;
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    say(&format!(
        "{}: {}\n  on {}\n  written to {}\n\n",
        findings.name,
        findings.to_text(),
        machine.to_text(),
        paths.join(" and ")
    ))?;
    Ok(findings)
}

/// On standard error, and only where someone can see it.
fn progress_bar(name: &str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_prefix(name.to_string());
    if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The yardstick, on a free port.
fn serve_one_thread() -> io::Result<()> {
    crate::door::room::measure(); // as many descriptors as may be
    let listener = TcpListener::bind("127.0.0.1:0")?;
    SockRef::from(&listener).listen(4096)?; // as many may wait as at the server it is measured beside
    say(&format!(
        "listening on http://{}/\n",
        listener.local_addr()?
    ))?;
    one_thread::serve(listener)
}
