//! What the command line can set, and the time limits.
//!
//! Chapter: [The promises](../../../../../docs/promises.md).

use std::net::SocketAddr;
use std::time::Duration;

/// What a server is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen. Each address is an origin of its own to a browser. Port 0 picks a free one.
    pub listen: Vec<SocketAddr>,
    /// Where the teacher's desk listens, on loopback only; `None` for no desk.
    pub desk: Option<SocketAddr>,
    /// The largest number of connections, and so of threads; `None`: as many as the machine has room for.
    pub max_connections: Option<usize>,
    /// Other sites whose pages may publish here and open WebSockets, such as `http://example.com`. We also answer to
    /// their names.
    pub allow_origins: Vec<String>,
    /// The ball game's seed: the same seed plays the same season.
    pub seed: u64,
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Settings {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Settings {
            listen: vec![local(8080), local(9090)],
            desk: Some(local(8081)),
            max_connections: None,
            allow_origins: Vec::new(),
            seed: 0,
            limits: Limits::default(),
        }
    }
}

/// The time limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a whole request, head and body, from its first byte on.
    pub request: Duration,
    /// How long a kept-alive connection may wait for its next request.
    pub idle: Duration,
    /// How long a write may wait without progress.
    pub write: Duration,
    /// How long a long poll is held without news.
    pub hold: Duration,
    /// The time between two heartbeats of a stream.
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            request: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            write: Duration::from_secs(10),
            hold: Duration::from_secs(25),
            heartbeat: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// Stretches each limit to at least `patience`, so that a client isn't disconnected while you are at a
    /// breakpoint. The heartbeat isn't a limit and keeps its pace.
    pub fn stretched(self, patience: Duration) -> Limits {
        Limits {
            request: self.request.max(patience),
            idle: self.idle.max(patience),
            write: self.write.max(patience),
            hold: self.hold.max(patience),
            heartbeat: self.heartbeat,
        }
    }
}
