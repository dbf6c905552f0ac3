//! The desk's page, its files, and its links to the comet ports.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use crate::door::response::{self, Response as Answer, make_header};
use crate::door::shared::Shared;
use crate::failure::{Refusal, refuse};
use crate::pages::site;

/// A file of `www/`: the desk's page, or any file that isn't a page. `name` is the host name in the browser's
/// request.
pub fn file(path: &str, name: &str, shared: &Shared) -> Result<Answer, Refusal> {
    let wanted = match path {
        "" | "/" => "desk.html",
        path => path.trim_start_matches('/'),
    };
    if wanted.ends_with(".html") && wanted != "desk.html" {
        return Err(nothing_here(path));
    }
    let (file, kind) = site::file(wanted).ok_or_else(|| nothing_here(path))?;
    let mut answer = response::whole(200, &kind, file.data.to_vec())
        .with_header(make_header("Cache-Control", "no-cache"));
    if kind.starts_with("text/html") {
        let policy = policy(name, shared);
        answer.add_header(make_header("Content-Security-Policy", &policy));
    }
    Ok(answer)
}

fn nothing_here(path: &str) -> Refusal {
    let message =
        format!("the desk has no {path}: it has /, /stats, /history, /threads and /healthz");
    refuse(404, message)
}

/// The answer to `/ports`: the page links to the comet ports, and opens its sockets at the first.
pub fn ports(name: &str, shared: &Shared) -> Value {
    json!({ "ports": shared.ports, "desk": shared.desk_port, "comet": authorities(name, shared) })
}

/// What the page may load from and connect to: the desk, and WebSockets at the first comet port.
fn policy(name: &str, shared: &Shared) -> String {
    let first = authorities(name, shared).into_iter().next();
    let first = first.map_or(String::new(), |authority| format!(" ws://{authority}"));
    format!(
        "default-src 'self'; connect-src 'self'{first}; frame-ancestors 'none'; base-uri 'none'; \
         form-action 'none'; object-src 'none'"
    )
}

/// The comet ports as host and port, such as `localhost:8080`.
fn authorities(name: &str, shared: &Shared) -> Vec<String> {
    let listeners = shared.settings.listen.iter().zip(&shared.ports);
    let authority =
        |(address, port): (&SocketAddr, &u16)| format!("{}:{port}", host(name, address.ip()));
    listeners.map(authority).collect()
}

/// The host for links to a listener: the request's own host name if that reaches the listener, else its
/// address. An IPv6 address becomes `localhost`, because browsers accept no IPv6 host in a policy.
fn host(name: &str, ip: IpAddr) -> String {
    let name = match name.starts_with('[') {
        true => "localhost",
        false => name,
    };
    let by_name = name.eq_ignore_ascii_case("localhost") && ip.is_loopback();
    match ip {
        _ if by_name || ip.is_unspecified() => name.to_string(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
