//! The techniques, as the lab names them on its command line.

use std::fmt;

use clap::ValueEnum;

/// A technique; its name is also its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Technique {
    Polling,
    LongPolling,
    XhrStreaming,
    ForeverFrame,
    MultipartStreaming,
    JsonpPolling,
    EventSource,
    Websocket,
}

impl Technique {
    /// The techniques that hold a connection, in the article's order.
    pub const HELD: [Technique; 7] = [
        Technique::LongPolling,
        Technique::XhrStreaming,
        Technique::ForeverFrame,
        Technique::MultipartStreaming,
        Technique::JsonpPolling,
        Technique::EventSource,
        Technique::Websocket,
    ];

    /// Its path, such as `/long-polling`.
    pub fn path(self) -> String {
        format!("/{self}")
    }

    /// True if each answer ends, so that the client sends a new request for the next event.
    pub fn asks_again(self) -> bool {
        matches!(
            self,
            Technique::Polling | Technique::LongPolling | Technique::JsonpPolling
        )
    }
}

/// As in its path and in `--techniques`: `long-polling`.
impl fmt::Display for Technique {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let value = self.to_possible_value();
        formatter.pad(value.as_ref().map_or("", |value| value.get_name()))
    }
}
