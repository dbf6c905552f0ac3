//! Whose pages may do what. A browser names the page in `Origin` where a foreign page could do harm: on a POST, a
//! WebSocket, a CORS request. Other programs needn't, and need no permission: they could send anything. A browser
//! also names the server that it asked (`Host`). A foreign page can make its own name point at this machine (DNS
//! rebinding): it would then be of our origin, but its name gives it away.
//!
//! Chapter: [The promises](../../../../../docs/promises.md).

use std::net::{IpAddr, Ipv6Addr};

use crate::door::response::{self, Response, make_header};
use crate::door::shared::Shared;
use crate::failure::{Refusal, refuse};
use crate::request::Request;

/// Refuses a request to a name that isn't ours (421). Every address and `localhost` are ours; another name needs
/// `--allow-origin`.
pub fn check_host(host: Option<&str>, named: &[String]) -> Result<(), Refusal> {
    let Some(host) = host else {
        return Ok(()); // HTTP/1.0: no browser
    };
    let (name, _) = split_port(host);
    let is_named = |origin: &String| name_of(origin).eq_ignore_ascii_case(name);
    if is_local(name) || is_address(name) || named.iter().any(is_named) {
        return Ok(());
    }
    let advice = format!(
        "this server does not go by the name {name}; use its address, or start it with --allow-origin http://{host}"
    );
    Err(refuse(421, advice))
}

/// Refuses a request to the desk unless it asks for `localhost` or a loopback address. Returns that name.
pub fn check_desk_host(host: Option<&str>) -> Result<&str, Refusal> {
    let (name, _) = split_port(host.unwrap_or("localhost")); // HTTP/1.0: no browser
    match is_local(name) {
        true => Ok(name),
        false => Err(refuse(
            421,
            "the desk is for this machine only: call it localhost",
        )),
    }
}

/// The name in an origin such as `http://example.com:8080`.
fn name_of(origin: &str) -> &str {
    let authority = origin
        .split_once("://")
        .map_or(origin, |(_, authority)| authority);
    split_port(authority).0
}

/// An address can't be rebound: no resolver is ever asked for it.
fn is_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let ipv4 = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let ipv6 = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    ipv4 || ipv6.is_some_and(|name| name.parse::<Ipv6Addr>().is_ok())
}

/// The origin of the page that sent a request, if it may read the answer: one of ours, the desk's, or one that was
/// named. `None` without an `Origin`: a program, or a page's plain GET.
///
/// # Errors
/// A foreign page's origin is a refusal, for routes that only our own pages may use.
pub fn of(request: &Request, shared: &Shared) -> Result<Option<String>, Refusal> {
    let Some(origin) = request.header("Origin") else {
        return Ok(None);
    };
    let host = request.header("Host").unwrap_or_default();
    let named = &shared.settings.allow_origins;
    let ours = is_ours(origin, host, &shared.ports)
        || is_desks(origin, host, shared.desk_port)
        || named.iter().any(|name| name == origin);
    match ours {
        true => Ok(Some(origin.to_string())),
        false => Err(refuse(
            403,
            format!(
                "pages of {origin} may not do this; start comet with --allow-origin {origin} if they should"
            ),
        )),
    }
}

/// An origin is ours if the request went to it, or to another of our ports on the same machine.
fn is_ours(origin: &str, host: &str, ports: &[u16]) -> bool {
    let Some(origin) = origin.strip_prefix("http://") else {
        return false;
    };
    if origin.eq_ignore_ascii_case(host) {
        return true;
    }
    let (origin_name, origin_port) = split_port(origin);
    let (host_name, _) = split_port(host);
    ports.contains(&origin_port) && same_machine(origin_name, host_name)
}

/// The desk's page opens connections to the comet ports. It is on loopback, so the request must have come by
/// loopback, too: another machine's `localhost` isn't ours.
fn is_desks(origin: &str, host: &str, desk: Option<u16>) -> bool {
    let Some((name, port)) = origin.strip_prefix("http://").map(split_port) else {
        return false;
    };
    Some(port) == desk && is_local(name) && is_local(split_port(host).0)
}

fn same_machine(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || (is_local(one) && is_local(other))
}

/// Is this `localhost` or a loopback address?
pub fn is_local(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let loopback = |ip: IpAddr| ip.is_loopback();
    name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(loopback)
}

/// Splits `localhost:9090` or `[::1]:9090` into name and port. The default is 80.
pub fn split_port(authority: &str) -> (&str, u16) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            (name, port.parse().unwrap_or(0))
        }
        _ => (authority, 80),
    }
}

/// The answer to a preflight: what a browser asks before a request that a form could not have sent (the Fetch
/// standard, "CORS-preflight fetch"). Without an `Access-Control-Allow-Origin` beside it, the answer is no.
pub fn preflight(allow: &str) -> Response {
    response::whole(204, "text/plain", "")
        .with_header(make_header("Allow", allow))
        .with_header(make_header("Access-Control-Allow-Methods", allow))
        .with_header(make_header(
            "Access-Control-Allow-Headers",
            "Content-Type, Last-Event-ID",
        ))
}
