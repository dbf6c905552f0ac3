//! What every thread of the server shares.
//!
//! Chapter: [Why threads strain](../../../../../docs/strain.md).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use log::info;

use crate::door::metrics::Metrics;
use crate::door::room::{self, Room};
use crate::door::settings::Settings;
use crate::doorbell::Doorbell;
use crate::hub::Hub;

/// What every thread of the server shares.
pub struct Shared {
    pub settings: Settings,
    pub hub: Hub,
    pub doorbell: Arc<Doorbell>,
    pub metrics: Metrics,
    /// The ports we listen on, in the order they were given.
    pub ports: Vec<u16>,
    pub desk_port: Option<u16>,
    /// How many connections there may be.
    pub max_connections: usize,
    /// What the machine has room for.
    pub room: Room,
    /// The number of the newest connection.
    pub last_number: AtomicU64,
    /// Set when the server is ending.
    pub closing: AtomicBool,
}

impl Shared {
    /// Measures the machine's room, and opens the hub and the doorbell.
    ///
    /// # Errors
    /// When there is no poller for the doorbell.
    pub fn new(
        settings: Settings,
        routes: &[&'static str],
        addresses: &[SocketAddr],
        desk: Option<SocketAddr>,
    ) -> io::Result<Shared> {
        let room = room::measure();
        info!(
            "room for {} connections; what ends it first: {}",
            room.connections, room.set_by
        );
        Ok(Shared {
            max_connections: settings.max_connections.unwrap_or(room.connections),
            room,
            settings,
            hub: Hub::default(),
            doorbell: Arc::new(Doorbell::new()?),
            metrics: Metrics::new(routes),
            ports: addresses.iter().map(SocketAddr::port).collect(),
            desk_port: desk.map(|address| address.port()),
            last_number: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        })
    }
}
