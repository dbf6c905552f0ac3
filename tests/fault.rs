//! A panic in one connection's thread ends only that connection.

mod support;

use std::sync::{Mutex, PoisonError};

use comet::connection::Exchange;
use comet::failure::{Failure, log_panics};
use comet::hub::Hub;
use comet::request::Request;
use comet::routes::{ROUTES, Route};
use comet::server::Server;
use log::{LevelFilter, Log, Metadata, Record};
use support::{TestServer, ids, json, settings, wait_until};

/// Collects the errors in the log.
struct Kept(Mutex<Vec<String>>);

static LOG: Kept = Kept(Mutex::new(Vec::new()));

impl Log for Kept {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() == log::Level::Error
    }

    fn log(&self, record: &Record) {
        if self.enabled(record.metadata()) {
            eprintln!("{}", record.args());
            self.lines().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

impl Kept {
    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A technique that takes a seat, holds the connection, and panics.
fn faulty(request: &Request, exchange: &mut Exchange, hub: &Hub) -> Result<(), Failure> {
    let _subscription = hub.subscribe(&request.topic()?, request.since()?)?;
    exchange.start("text/plain", &[])?;
    exchange.hold("faulty", exchange.shared().settings.limits.heartbeat)?;
    panic!("a fault that was forced");
}

fn routes_with_a_fault() -> &'static [Route] {
    let fault = Route {
        path: "/faulty",
        name: "faulty",
        allow: "GET",
        article: "",
        source: "",
        own_pages_only: false,
        technique: faulty,
    };
    let mut routes = vec![fault];
    routes.extend(ROUTES);
    Vec::leak(routes)
}

#[test]
fn a_fault_stays_where_it_is() {
    log::set_logger(&LOG).expect("the first logger of this process");
    log::set_max_level(LevelFilter::Error);
    log_panics();
    let server = Server::start_with(settings(), routes_with_a_fault()).expect("the server starts");
    let server = TestServer {
        address: server.addresses[0],
        server: Some(server),
    };
    let mut held = server.get("/long-polling");
    held.read_head();
    server.wait_held("long_polling", 1);
    for _ in 0..20 {
        let mut client = server.get("/faulty");
        assert_eq!(client.read_head().status, 200);
        assert_eq!(client.read_to_end(), "", "the connection ends");
    }
    wait_until("only the long poll to be left", || {
        server.connections() == 1
    });
    assert_eq!(server.held("faulty"), 0, "the panic left the count right");
    assert_eq!(server.held("long_polling"), 1);
    assert_eq!(server.server().shared.hub.subscriptions(), 1);

    let id = server.publish("chat", "the others go on");
    assert_eq!(ids(&json(&held.read_chunk())), [id]);
    let lines = LOG.lines();
    assert_eq!(lines.len(), 20, "each panic is logged once: {lines:?}");
    for line in lines.iter() {
        assert!(line.starts_with("thread faulty-"), "{line}");
        assert!(line.contains("a fault that was forced"), "{line}");
    }
}
