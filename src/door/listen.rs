//! Opens listeners, and turns away the connections that there is no room for.
//!
//! Chapter: [Why threads strain](../../../../../docs/strain.md).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen as start_listening,
    setsockopt, socket, sockopt::ReuseAddr,
};

use crate::door::{reader, response};
use crate::failure::refuse;

/// The backlog: how many connections may wait to be accepted. (The standard library asks for 128; of a burst of
/// thousands, most would then have to send their SYN again.)
const BACKLOG: i32 = 4096;

/// Listens on an address.
///
/// # Errors
/// When the address can't be had: the message says what to do.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    open(address).map_err(|error| cannot_listen("--listen", address, &error))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let (family, address) = match address {
        SocketAddr::V4(address) => (AddressFamily::Inet, SockaddrStorage::from(address)),
        SocketAddr::V6(address) => (AddressFamily::Inet6, SockaddrStorage::from(address)),
    };
    let listener = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&listener, ReuseAddr, &true)?;
    bind(listener.as_raw_fd(), &address)?;
    start_listening(&listener, Backlog::new(BACKLOG)?)?;
    Ok(listener.into())
}

/// One clear line for an address that can't be had.
pub fn cannot_listen(option: &str, address: SocketAddr, error: &io::Error) -> io::Error {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => "is another comet running? stop it, or choose a port",
        ErrorKind::PermissionDenied => "ports below 1024 need root; choose another",
        _ => "choose an address of this machine",
    };
    let message = format!(
        "cannot listen on {address}: {error}; {advice} with {option} (port 0 picks a free one)"
    );
    io::Error::new(error.kind(), message)
}

/// Makes a blocked `accept` return. (On Linux, shutting a listener down does.)
pub fn stop_accepting(listener: &TcpListener) {
    let _ = nix::sys::socket::shutdown(listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
}

/// Answers 503 without a thread and without waiting: a new socket takes these few bytes at once.
pub fn turn_away(mut socket: &TcpStream) {
    let refusal = refuse(
        503,
        "all connections are in use: try again in a few seconds",
    );
    let more = [("Retry-After", "5".to_string()), response::close()];
    let bytes = response::to_bytes(response::refusal(&refusal), &more, false);
    let _ = socket.set_nonblocking(true);
    let _ = socket.write_all(&bytes);
    let _ = socket.shutdown(Shutdown::Write);
    // Unread input would reset the connection. Bounded, so that a client can't stall us.
    let _ = io::copy(&mut socket.take(reader::MAX_HEAD as u64), &mut io::sink());
}
