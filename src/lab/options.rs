//! The lab's command line: which experiment, and how large.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::technique::Technique;

/// Measures what push costs: experiments that check the article's claims
#[derive(Args, Clone, Debug)]
#[command(arg_required_else_help = true)]
pub struct Options {
    /// What to measure
    #[arg(value_enum)]
    pub experiment: Experiment,

    /// Number of connections (delay: of each technique). Several numbers, such as 1000,5000,9000, are
    /// measured in turn. Not for wire and growth, which measure one connection at a time
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: Vec<u32>,

    /// Duration of each measurement over time: wire and delay, storm's typing, strain's idle time,
    /// throughput's requests to each server, growth's streams
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: Option<u32>,

    /// Techniques to measure, such as long-polling,websocket [default: all that the experiment covers]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_enum)]
    pub techniques: Vec<Technique>,

    /// A first look within 20 seconds: fewer connections, shorter measurements
    #[arg(long)]
    pub quick: bool,

    /// Folder for the plots (.svg), the figures (.json and .md) and the report of "all" (.html)
    #[arg(long, value_name = "FOLDER", default_value = "target/lab")]
    pub out: PathBuf,
}

impl Options {
    /// Refuses options that don't apply to the experiment.
    ///
    /// # Errors
    /// Which option to leave out.
    pub fn check(&self) -> Result<(), String> {
        let (experiment, name) = (self.experiment, self.experiment.name());
        if experiment.is_yardstick()
            && (self.quick || self.seconds.is_some() || !self.techniques.is_empty())
        {
            return Err(format!("{name} serves until Ctrl-C: it takes no options"));
        }
        if !self.connections.is_empty() && !experiment.takes_connections() {
            return Err(format!(
                "{name} has a fixed number of connections: leave --connections out"
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

    /// The options that apply to one experiment of "all".
    pub fn of(&self, experiment: Experiment) -> Options {
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

    /// True if this technique is to be measured.
    pub fn asks_for(&self, technique: Technique) -> bool {
        self.techniques.is_empty() || self.techniques.contains(&technique)
    }

    /// The numbers of connections asked for.
    pub fn sizes(&self) -> Vec<usize> {
        self.connections.iter().map(|size| *size as usize).collect()
    }
}

/// The experiments and yardsticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Experiment {
    /// Requests and bytes per message, by technique, from silence to a busy chat
    Wire,
    /// Time from publishing to delivery, by technique
    Delay,
    /// One person types in a chat of N: requests, wake-ups, CPU time
    Storm,
    /// N held connections: threads, memory, and the time until one message has reached all
    Strain,
    /// Requests per second over N keep-alive connections, beside a server that does the minimum
    Throughput,
    /// A stream that never ends, in a real browser, and one with a limit
    Growth,
    /// All experiments, and one HTML page with their results
    All,
    /// Strain's yardstick by itself: WebSocket fan-out by one thread. Serves until Ctrl-C
    OneThread,
    /// Throughput's yardstick by itself: a thread per connection answers every request with what it has
    /// read from standard input. Serves until Ctrl-C
    PlainThreads,
}

impl Experiment {
    /// Those that "all" runs, in reading order.
    pub const ALL: [Experiment; 6] = [
        Experiment::Wire,
        Experiment::Delay,
        Experiment::Storm,
        Experiment::Strain,
        Experiment::Throughput,
        Experiment::Growth,
    ];

    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_string())
    }

    /// True if it only serves, to be measured by an experiment.
    pub fn is_yardstick(self) -> bool {
        matches!(self, Experiment::OneThread | Experiment::PlainThreads)
    }

    fn takes_connections(self) -> bool {
        !matches!(self, Experiment::Wire | Experiment::Growth) && !self.is_yardstick()
    }

    fn takes(self, technique: Technique) -> bool {
        match self {
            Experiment::Storm | Experiment::Strain => technique != Technique::Polling,
            Experiment::Throughput => technique == Technique::Polling,
            Experiment::Growth => matches!(
                technique,
                Technique::XhrStreaming | Technique::ForeverFrame | Technique::EventSource
            ),
            _ => true,
        }
    }

    /// Which techniques it takes, for people.
    fn about(self) -> &'static str {
        match self {
            Experiment::Growth => {
                "it is about xhr-streaming, forever-frame and event-source, whose answers have no end"
            }
            Experiment::Throughput => "it is about polling, whose answers are short",
            _ => "it is about connections that are held",
        }
    }
}
