//! The lab: experiments that measure the article's claims. Nothing else depends on it.
//!
//! Each experiment starts servers of its own ([`subject`]), in processes of their own and on free ports,
//! and drives them from one thread ([`clients`]). What it finds is told by [`report`].
//!
//! - [`strain`]: what held connections cost, as there are more of them; beside it the yardstick, [`one_thread`]
//! - [`growth`]: what a stream that never ends does to the browser that reads it

pub mod browser;
pub mod clients;
pub mod growth;
pub mod machine;
pub mod one_thread;
pub mod plot;
pub mod reader;
pub mod report;
pub mod requests;
pub mod statistics;
pub mod strain;
pub mod subject;

use std::io::{self, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use socket2::SockRef;

use machine::Machine;
use report::Findings;
use requests::Technique;

/// Measures what push costs: `comet lab strain`
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// What to measure
    #[arg(value_enum)]
    pub experiment: Experiment,

    /// How many connections; several numbers are measured one after the other, such as 1000,5000,9000
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: Vec<u32>,

    /// How long each measurement over time lasts
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub seconds: Option<u32>,

    /// Which techniques, such as long-polling,websocket [default: all that the experiment is about]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_enum)]
    pub techniques: Vec<Technique>,

    /// A first look, within 20 seconds: fewer connections, shorter measurements
    #[arg(long)]
    pub quick: bool,

    /// The folder for the plots (.svg), the figures (.json) and the report of "all" (.html)
    #[arg(long, value_name = "FOLDER", default_value = "target/lab")]
    pub out: PathBuf,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Experiment {
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
    const ALL: [Experiment; 2] = [Experiment::Strain, Experiment::Growth];

    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_string())
    }

    fn measure(
        self,
        options: &Options,
        machine: &Machine,
        progress: &ProgressBar,
    ) -> io::Result<Findings> {
        match self {
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
    match options.experiment {
        Experiment::OneThread => return serve_one_thread(),
        Experiment::All => {}
        experiment => return run_one(experiment, options, &Machine::look()).map(|_| ()),
    }
    let machine = Machine::look();
    let all = Experiment::ALL
        .iter()
        .map(|experiment| run_one(*experiment, options, &machine));
    let all = all.collect::<io::Result<Vec<Findings>>>()?;
    let path = options.out.join("report.html");
    std::fs::write(&path, report::page(&all, &machine))?;
    say(&format!("the whole report: {}\n", path.display()))
}

fn run_one(experiment: Experiment, options: &Options, machine: &Machine) -> io::Result<Findings> {
    let progress = progress_bar(&experiment.name());
    let findings = experiment.measure(options, machine, &progress)?;
    progress.finish_and_clear();
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
    crate::capacity::measure(); // as many descriptors as may be
    let listener = TcpListener::bind("127.0.0.1:0")?;
    SockRef::from(&listener).listen(4096)?; // as many may wait as at the server it is measured beside
    say(&format!(
        "listening on http://{}/\n",
        listener.local_addr()?
    ))?;
    one_thread::serve(listener)
}
