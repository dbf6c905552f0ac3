//! The command line: starts the server, and ends it well.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use comet::door::room;
use comet::door::settings::{Limits, Settings};
use comet::event::unix_time;
use comet::failure;
use comet::server::Server;
use crossbeam_channel::{Receiver, Sender, unbounded};
use log::{error, info};

/// Server push, made visible: polling, long polling, streaming and WebSocket, one thread per connection
///
/// Open the first address it prints in a browser. Ctrl-C ends it well: each held connection gets its
/// proper end; a second Ctrl-C ends it at once. Logs go to standard error; RUST_LOG=debug says more.
#[derive(Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct CommandLine {
    /// Where to listen; may be given several times. Port 0 picks a free one. A second address is a
    /// second origin to a browser, with six more connections [default: 127.0.0.1:8080 and 127.0.0.1:9090]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Vec<SocketAddr>,

    /// Where the teacher's desk listens, on loopback only: a live page of threads, memory and held
    /// connections (and /stats, /healthz); "off" for none
    #[arg(long, value_name = "ADDR|off", default_value = "127.0.0.1:8081")]
    desk: Desk,

    /// The largest number of connections, and so of threads [default: as many as the machine has room for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: Option<u32>,

    /// Another site whose pages may publish and open WebSockets here, and a name that we go by, such as
    /// http://example.com or, in a local network, http://mymachine:8080; may be given several times
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    allow_origin: Vec<String>,

    /// Stretch each time limit to at least this long, so that clients stay connected while you are at a
    /// breakpoint
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    patience: u32,

    /// The ball game's seed: the same seed plays the same season [default: from the clock]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    #[cfg(feature = "lab")]
    #[command(subcommand)]
    command: Option<Command>,
}

/// What comet does instead of serving.
#[cfg(feature = "lab")]
#[derive(clap::Subcommand)]
enum Command {
    Lab(comet::lab::options::Options),
}

/// The desk's address, or no desk.
#[derive(Clone)]
enum Desk {
    At(SocketAddr),
    Off,
}

impl std::str::FromStr for Desk {
    type Err = String;

    fn from_str(text: &str) -> Result<Desk, String> {
        match text {
            "off" => Ok(Desk::Off),
            text => address(text).map(Desk::At),
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.replace("localhost:", "127.0.0.1:");
    text.parse().map_err(|_| {
        "give an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_string()
    })
}

fn origin(text: &str) -> Result<String, String> {
    let authority = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    match authority {
        Some(authority) if !authority.is_empty() && !authority.contains('/') => {
            Ok(text.to_string())
        }
        _ => Err(
            "give a scheme and a host as browsers send it, such as http://example.com (no path)"
                .to_string(),
        ),
    }
}

impl CommandLine {
    fn settings(self) -> Settings {
        let defaults = Settings::default();
        Settings {
            listen: match self.listen.is_empty() {
                true => defaults.listen,
                false => self.listen,
            },
            desk: match self.desk {
                Desk::At(address) => Some(address),
                Desk::Off => None,
            },
            max_connections: self.max_connections.map(|most| most as usize),
            allow_origins: self.allow_origin,
            seed: self.seed.unwrap_or(unix_time().as_micros() as u64),
            limits: Limits::default().stretched(Duration::from_secs(self.patience.into())),
        }
    }
}

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    failure::log_panics();
    #[cfg(feature = "lab")]
    if let Some(Command::Lab(options)) = &command_line.command {
        return exit_code(run_lab(options));
    }
    exit_code(run(command_line.settings()))
}

fn exit_code(ended: io::Result<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs an experiment, if its options fit it.
#[cfg(feature = "lab")]
fn run_lab(options: &comet::lab::options::Options) -> io::Result<()> {
    let mut command = <CommandLine as clap::CommandFactory>::command();
    command.build(); // gives the subcommand its full name, for the message
    if let (Err(why), Some(lab)) = (options.check(), command.find_subcommand_mut("lab")) {
        let conflict = clap::error::ErrorKind::ArgumentConflict;
        lab.error(conflict, why).exit();
    }
    comet::lab::run(options)
}

/// Runs the server until Ctrl-C.
fn run(settings: Settings) -> io::Result<()> {
    let interrupted = on_interrupt()?;
    room::enlarge_futex_table();
    let seed = settings.seed;
    let server = Server::start(settings)?;
    info!("the ball game's seed is {seed}");
    announce(&server)?;
    let _ = interrupted.recv();
    info!("ending: each held connection gets its proper end; Ctrl-C again ends at once");
    let left = server.stop(Duration::from_millis(1500));
    if left > 0 {
        info!("{left} connections did not end in time");
    }
    Ok(())
}

/// Prints one line a listener, for people and for programs that start us.
fn announce(server: &Server) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for address in &server.addresses {
        writeln!(out, "listening on http://{address}/")?;
    }
    if let Some(address) = server.desk_address {
        writeln!(out, "desk on http://{address}/")?;
    }
    out.flush()
}

/// Catches Ctrl-C and SIGTERM: the first sends on the channel, the second ends the process.
fn on_interrupt() -> io::Result<Receiver<()>> {
    let (sender, receiver): (Sender<()>, Receiver<()>) = unbounded();
    let mut before = false;
    let handler = move || {
        if before {
            std::process::exit(130);
        }
        before = true;
        let _ = sender.send(());
    };
    ctrlc::set_handler(handler).map_err(io::Error::other)?;
    Ok(receiver)
}
