//! The lab: experiments that measure the article's claims. Nothing else depends on it.
//!
//! Each experiment starts its servers ([`subject`]) in processes of their own, on free ports, and drives
//! them from one thread ([`clients`]). [`findings`] holds the results, [`report`] writes them.
//!
//! - [`wire`]: the bytes on the wire for each message, heads and frames included
//! - [`delay`]: the time from publishing a message to its delivery
//! - [`storm`]: the cost of one line in a large chat
//! - [`strain`]: the cost of held connections as their number grows, beside the yardstick [`one_thread`]
//! - [`throughput`]: requests per second, beside the yardstick [`plain_threads`]
//! - [`growth`]: what an endless stream does to the browser that reads it
//!
//! Chapter: [The claims](../../../../docs/claims.md).

pub mod browser;
pub mod chromium;
pub mod clients;
pub mod delay;
pub mod findings;
pub mod growth;
pub mod machine;
pub mod markdown;
pub mod one_thread;
pub mod options;
pub mod pace;
pub mod plain_threads;
pub mod plot;
pub mod proc;
pub mod reader;
pub mod report;
pub mod requests;
pub mod statistics;
pub mod storm;
pub mod strain;
pub mod subject;
pub mod technique;
pub mod throughput;
pub mod wire;

use std::io::{self, Read, Write};
use std::net::TcpListener;

use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::socket::{Backlog, listen};

use crate::door::room;
use findings::Findings;
use machine::Machine;
use options::{Experiment, Options};

/// Runs one experiment or all, prints the results, and writes the files.
///
/// # Errors
/// When a server under test doesn't start, or a file can't be written.
pub fn run(options: &Options) -> io::Result<()> {
    if options.experiment.is_yardstick() {
        return serve_yardstick(options.experiment);
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

/// Runs one experiment after the other. The report names those that fail; the others still run.
fn run_all(options: &Options, machine: &Machine) -> io::Result<()> {
    let (mut all, mut failed) = (Vec::new(), Vec::new());
    for experiment in Experiment::ALL {
        let its = options.of(experiment);
        if its.techniques.is_empty() && !options.techniques.is_empty() {
            continue; // it covers none of the techniques asked for
        }
        match run_one(&its, machine) {
            Ok(findings) => all.push(findings),
            Err(error) => failed.push(format!("{}: {error}", experiment.name())),
        }
    }
    let path = options.out.join("report.html");
    std::fs::write(&path, report::page(&all, &failed, machine))?;
    say(&format!("the whole report: {}\n", path.display()))?;
    match failed.is_empty() {
        true => Ok(()),
        false => {
            let failed = failed.join("; ");
            Err(io::Error::other(format!("not measured: {failed}")))
        }
    }
}

fn run_one(options: &Options, machine: &Machine) -> io::Result<Findings> {
    let progress = progress_bar(&options.experiment.name());
    let findings = measure(options, machine, &progress);
    progress.finish_and_clear();
    let findings = findings?;
    let paths = report::write(&findings, &options.out, machine)?;
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

fn measure(options: &Options, machine: &Machine, progress: &ProgressBar) -> io::Result<Findings> {
    match options.experiment {
        Experiment::Wire => wire::findings(options, progress),
        Experiment::Delay => delay::findings(options, machine, progress),
        Experiment::Storm => storm::findings(options, machine, progress),
        Experiment::Strain => strain::findings(options, machine, progress),
        Experiment::Throughput => throughput::findings(options, machine, progress),
        Experiment::Growth => growth::findings(options, progress),
        _ => Ok(Findings::default()),
    }
}

/// On standard error, and only if that is a terminal.
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

/// Serves on a free port, with comet's limit on open files and comet's backlog.
fn serve_yardstick(yardstick: Experiment) -> io::Result<()> {
    room::measure(); // raises the limit on open files
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listen(&listener, Backlog::new(4096)?)?;
    let address = listener.local_addr()?;
    let announce = || say(&format!("listening on http://{address}/\n"));
    if yardstick == Experiment::OneThread {
        announce()?;
        return one_thread::serve(listener);
    }
    let mut answer = Vec::new();
    io::stdin().read_to_end(&mut answer)?;
    announce()?;
    plain_threads::serve(listener, answer)
}
