//! Whose pages may do what. A browser says which page a request comes from (`Origin`); programs
//! that are no browsers don't, and need no permission: they could have sent anything.

use crate::failure::{Refusal, refuse};
use crate::http::Request;

/// The origin whose page may read the answer: one of ours, or one that was named.
pub fn allowed(request: &Request, ports: &[u16], named: &[String]) -> Option<String> {
    let origin = request.header("Origin")?;
    let host = request.header("Host").unwrap_or_default();
    let ours = is_ours(origin, host, ports) || named.iter().any(|name| name == origin);
    ours.then(|| origin.to_string())
}

/// Refuses a request that a foreign page made its visitor's browser send.
pub fn check(request: &Request, reader_origin: &Option<String>) -> Result<(), Refusal> {
    match (request.header("Origin"), reader_origin) {
        (Some(origin), None) => Err(refuse(
            403,
            format!(
                "pages of {origin} may not do this; start comet with --allow-origin {origin} if they should"
            ),
        )),
        _ => Ok(()),
    }
}

/// An origin is ours if it is the very address that the request went to, or differs from it only in
/// being another of our ports (or another name of this machine itself).
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

fn same_machine(one: &str, other: &str) -> bool {
    let local = |name: &str| matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    one.eq_ignore_ascii_case(other) || (local(one) && local(other))
}

/// `localhost:9090` and `[::1]:9090` into name and port; 80 where none is given.
pub fn split_port(authority: &str) -> (&str, u16) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            (name, port.parse().unwrap_or(0))
        }
        _ => (authority, 80),
    }
}
