//! One table: path, technique, where the article tells of it, and where the source is.
//!
//! Chapter: [The map](../../../../docs/README.md).

use std::io;

use log::debug;
use tiny_http::Method;

use crate::connection::{Connection, Exchange};
use crate::door::origin;
use crate::failure::{Failure, Refusal, refuse};
use crate::hub::Hub;
use crate::pages::{delay, echo, site};
use crate::publish;
use crate::request::Request;
use crate::techniques::{
    event_source, forever_frame, jsonp_polling, long_polling, multipart_streaming, polling,
    websocket, xhr_streaming,
};

/// What a technique is: it gets the request, the exchange to answer it in, and the hub.
pub type Technique = fn(&Request, &mut Exchange, &Hub) -> Result<(), Failure>;

/// One row of the table.
pub struct Route {
    /// The path. One that ends in `/` stands for all below it.
    pub path: &'static str,
    /// The module's name; its metrics have it, too.
    pub name: &'static str,
    /// The methods it takes, as an `Allow` header lists them.
    pub allow: &'static str,
    /// The heading in the article, or what stands closest to it.
    pub article: &'static str,
    /// The source file, below `src/`.
    pub source: &'static str,
    /// True for routes that publish or open a WebSocket: foreign pages may not use them.
    pub own_pages_only: bool,
    pub technique: Technique,
}

const fn route(
    path: &'static str,
    name: &'static str,
    allow: &'static str,
    article: &'static str,
    source: &'static str,
    technique: Technique,
) -> Route {
    Route {
        path,
        name,
        allow,
        article,
        source,
        own_pages_only: false,
        technique,
    }
}

/// The techniques in the article's order, then what else the pages request. The last row takes all the rest.
#[rustfmt::skip]
pub const ROUTES: [Route; 15] = [
    route("/polling", "polling", "GET, POST", "폴링", "techniques/polling.rs", polling::answer),
    route("/long-polling", "long_polling", "GET, POST", "롱폴링", "techniques/long_polling.rs", long_polling::answer),
    route("/xhr-streaming", "xhr_streaming", "GET, POST", "XHR 스트리밍", "techniques/xhr_streaming.rs", xhr_streaming::answer),
    route("/forever-frame", "forever_frame", "GET", "XHR 스트리밍 (iframe, forever frame)", "techniques/forever_frame.rs", forever_frame::answer),
    route("/multipart-streaming", "multipart_streaming", "GET", "WebSocket (Socket.IO: AJAX Multi part Streaming)", "techniques/multipart_streaming.rs", multipart_streaming::answer),
    route("/jsonp-polling", "jsonp_polling", "GET", "WebSocket (Socket.IO: JSONP Polling)", "techniques/jsonp_polling.rs", jsonp_polling::answer),
    route("/event-source", "event_source", "GET", "WebSocket (HTML5)", "techniques/event_source.rs", event_source::answer),
    Route { own_pages_only: true, ..route("/websocket", "websocket", "GET", "WebSocket", "techniques/websocket.rs", websocket::answer) },
    Route { own_pages_only: true, ..route("/echo", "echo", "GET", "", "pages/echo.rs", echo::answer) },
    Route { own_pages_only: true, ..route("/publish", "publish", "POST", "", "publish.rs", publish::answer) },
    route("/slow-polling", "slow_polling", "GET, POST", "", "pages/delay.rs", delay::answer),
    route("/ports", "ports", "GET, HEAD", "", "pages/site.rs", site::ports),
    route("/weigh", "weigh", "GET, HEAD", "", "pages/site.rs", site::weigh),
    route("/source/", "source", "GET, HEAD", "", "pages/site.rs", site::source),
    route("/", "site", "GET, HEAD", "", "pages/site.rs", site::answer),
];

/// Answers one request: finds its row, runs the technique, and sends a refusal if there is one.
///
/// # Errors
/// When the connection is no good any more.
pub fn answer(routes: &[Route], request: &Request, conn: &mut Connection) -> io::Result<()> {
    let shared = conn.shared.clone();
    let Request { method, path, .. } = request;
    let (index, route) = find(routes, path);
    debug!("{method} {path} on connection {}", conn.number);
    let mut exchange = Exchange::new(conn, request, &shared.metrics.routes[index]);
    match run_technique(route, request, &mut exchange) {
        Ok(()) => Ok(()),
        Err(Failure::Refused(refusal)) => exchange.refuse(&refusal),
        Err(Failure::Lost(error)) => Err(error),
    }
}

/// Checks what holds for every row, then lets the technique answer.
fn run_technique(route: &Route, request: &Request, exchange: &mut Exchange) -> Result<(), Failure> {
    let shared = exchange.conn.shared.clone();
    origin::check_host(request.header("Host"), &shared.settings.allow_origins)?;
    if request.method == Method::Options {
        return Ok(exchange.send(origin::preflight(route.allow))?);
    }
    check_method(route, request)?;
    if route.own_pages_only {
        exchange.origin.clone()?;
    }
    (route.technique)(request, exchange, &shared.hub)
}

/// The row for a path, and its index; the last row if no other fits.
fn find<'a>(routes: &'a [Route], path: &str) -> (usize, &'a Route) {
    let fits = |route: &Route| match route.path.ends_with('/') {
        true => path.starts_with(route.path),
        false => path == route.path,
    };
    let index = routes.iter().position(fits).unwrap_or(routes.len() - 1);
    (index, &routes[index])
}

fn check_method(route: &Route, request: &Request) -> Result<(), Refusal> {
    let method = request.method.as_str();
    match route.allow.split(", ").any(|allowed| allowed == method) {
        true => Ok(()),
        false => Err(refuse(
            405,
            format!("{} takes {}, not {method}", request.path, route.allow),
        )
        .with("Allow", route.allow)),
    }
}
