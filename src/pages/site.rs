//! The site: the pages in `www/`, the sources they show, and two small facts that they ask for.
//!
//! Both folders are embedded in the release build. A debug build reads them from disk at each request, so that an
//! edit shows on reload.
//!
//! Chapter: [The map](../../../../../docs/README.md).

use rust_embed::{EmbeddedFile, RustEmbed};
use serde_json::json;

use crate::connection::Exchange;
use crate::door::origin::{is_local, split_port};
use crate::door::response::{self, Response, make_header};
use crate::door::shared::Shared;
use crate::failure::{Failure, refuse};
use crate::hub::Hub;
use crate::request::Request;

#[derive(RustEmbed)]
#[folder = "www/"]
struct Pages;

#[derive(RustEmbed)]
#[folder = "src/"]
struct Sources;

/// The folders of `www/` in which a file is looked up, in this order. So each page, and `comet.js`, has its URL at
/// the root.
const FOLDERS: [&str; 4] = ["", "techniques/", "growth/", "desk/"];

/// A page, script, style sheet or picture of `www/`.
pub fn answer(request: &Request, exchange: &mut Exchange, _: &Hub) -> Result<(), Failure> {
    exchange.conn.rename("site");
    let name = match request.path.as_str() {
        "/" => "index.html",
        "/desk.html" | "/desk/desk.html" => return to_the_desk(request, exchange),
        path => path.trim_start_matches('/'),
    };
    let Some((file, kind)) = file(name) else {
        let message = format!("there is no {} here: begin at /", request.path);
        return Err(refuse(404, message).into());
    };
    let policy = kind
        .starts_with("text/html")
        .then(|| page_policy(request, exchange.shared()));
    Ok(exchange.send(file_answer(request, &file, &kind, policy))?)
}

/// A file of `www/`, and its content type.
pub fn file(name: &str) -> Option<(EmbeddedFile, String)> {
    let mut places = FOLDERS.iter().map(|folder| format!("{folder}{name}"));
    let file = places.find_map(|place| Pages::get(&place))?;
    let kind = content_type(&file);
    Some((file, kind))
}

/// Redirects to the desk's own port: its page must load even when this port accepts nobody.
fn to_the_desk(request: &Request, exchange: &mut Exchange) -> Result<(), Failure> {
    let Some(port) = exchange.shared().desk_port else {
        return Err(refuse(404, "this comet has no desk: start it without --desk off").into());
    };
    let desk = format!("http://localhost:{port}/");
    if !is_local(split_port(request.header("Host").unwrap_or("localhost")).0) {
        let message = format!("the desk is at {desk}, for the machine that comet runs on");
        return Err(refuse(404, message).into());
    }
    let answer = response::whole(302, "text/plain", "").with_header(make_header("Location", &desk));
    Ok(exchange.send(answer)?)
}

/// The source of a module, as the pages show it: `/source/techniques/polling.rs`.
pub fn source(request: &Request, exchange: &mut Exchange, _: &Hub) -> Result<(), Failure> {
    exchange.conn.rename("source");
    let name = request.path.trim_start_matches("/source/");
    let Some(file) = Sources::get(name) else {
        return Err(refuse(404, "there is no such source: try /source/lib.rs").into());
    };
    Ok(exchange.send(file_answer(
        request,
        &file,
        "text/plain; charset=utf-8",
        None,
    ))?)
}

/// The ports we listen on, so that a page can use the second one.
pub fn ports(_: &Request, exchange: &mut Exchange, _: &Hub) -> Result<(), Failure> {
    exchange.conn.rename("site");
    let ports = json!({ "ports": exchange.shared().ports, "desk": exchange.shared().desk_port });
    Ok(exchange.send(response::json(200, ports.to_string()))?)
}

/// The length of this request's head: what each request costs a browser.
pub fn weigh(request: &Request, exchange: &mut Exchange, _: &Hub) -> Result<(), Failure> {
    exchange.conn.rename("site");
    let bytes = json!({ "bytes": request.head_bytes });
    Ok(exchange.send(response::json(200, bytes.to_string()))?)
}

/// The file, or 304 if the browser has this version of it.
fn file_answer(
    request: &Request,
    file: &EmbeddedFile,
    content_type: &str,
    policy: Option<String>,
) -> Response {
    let version = etag(file);
    let answer = match is_known(request, &version) {
        true => response::whole(304, content_type, ""),
        false => response::whole(200, content_type, file.data.to_vec()),
    };
    let mut answer = answer
        .with_header(make_header("ETag", &version))
        .with_header(make_header("Cache-Control", "no-cache"));
    if let Some(policy) = policy {
        answer.add_header(make_header("Content-Security-Policy", &policy));
    }
    answer
}

/// Does the browser have this version (RFC 9110 section 13.1.2)?
fn is_known(request: &Request, version: &str) -> bool {
    let known = request.header("If-None-Match").unwrap_or_default();
    let mut tags = known
        .split(',')
        .map(|tag| tag.trim().trim_start_matches("W/"));
    known.trim() == "*" || tags.any(|tag| tag == version)
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn content_type(file: &EmbeddedFile) -> String {
    match file.metadata.mimetype() {
        kind if kind.starts_with("text/") => format!("{kind}; charset=utf-8"),
        kind => kind.to_string(),
    }
}

/// What a page may load and connect to: its own origin and our other ports (Content-Security-Policy). `localhost` is
/// always allowed, so that the article's own line works on every page. A policy can't name an IPv6 address: a page
/// that came by one keeps to its own port.
fn page_policy(request: &Request, shared: &Shared) -> String {
    let (host, _) = split_port(request.header("Host").unwrap_or("localhost"));
    let (mut http, mut ws) = (String::new(), String::new());
    for port in &shared.ports {
        if !host.starts_with('[') {
            http.push_str(&format!(" http://{host}:{port}"));
            ws.push_str(&format!(" ws://{host}:{port}"));
        }
        ws.push_str(&format!(" ws://localhost:{port}"));
    }
    format!(
        "default-src 'self'; connect-src 'self'{http}{ws}; script-src 'self'{http}; img-src 'self' data:; \
         frame-ancestors 'self'; base-uri 'none'; form-action 'self'; object-src 'none'"
    )
}
