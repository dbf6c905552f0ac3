//! A connection's socket: its limits, reading it without waiting, writing, and the end that loses nothing.
//!
//! Chapter: [Why threads strain](../../../../../docs/strain.md).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt::TcpUserTimeout};

/// Sets the limits of a connection just accepted: no waiting for full packets (`TCP_NODELAY`), how long a `read` and
/// a `write` may make no progress, and how long the client may leave bytes unacknowledged (`TCP_USER_TIMEOUT`).
///
/// # Errors
/// When the client is gone already.
pub fn set_limits(socket: &TcpStream, read: Duration, write: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(read))?;
    socket.set_write_timeout(Some(write))?;
    // In milliseconds. The kernel takes 24 days at most.
    let unacknowledged = write.saturating_mul(3).as_millis().min(i32::MAX as u128);
    setsockopt(&socket, TcpUserTimeout, &(unacknowledged as u32))?;
    Ok(())
}

/// Appends what one `read` brings to `inbox`. `false`: nothing has come.
///
/// # Errors
/// `UnexpectedEof` when the client has hung up.
pub fn read(socket: &TcpStream, inbox: &mut Vec<u8>) -> io::Result<bool> {
    let mut reader = socket;
    came(append(inbox, |buffer| reader.read(buffer)))
}

/// The same without waiting.
pub fn read_now(socket: &TcpStream, inbox: &mut Vec<u8>) -> io::Result<bool> {
    came(append(inbox, |buffer| receive(socket, buffer)))
}

/// Reads without waiting, into a buffer. `WouldBlock`: nothing has come.
pub fn receive(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(recv(socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?)
}

/// Appends what one `read` brings; returns its length. There is no buffer on the stack: a thread keeps every page of
/// its stack that was touched once.
pub fn append(
    inbox: &mut Vec<u8>,
    read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    const SPACE: usize = 4096;
    let before = inbox.len();
    inbox.resize(before + SPACE, 0);
    let count = read(&mut inbox[before..]);
    inbox.truncate(before + count.as_ref().map_or(0, |count| *count));
    count
}

fn came(read: io::Result<usize>) -> io::Result<bool> {
    match read {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(true),
        Err(error) if is_try_again(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Errors of a read or write that mean "not now".
pub fn is_try_again(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
    )
}

/// Writes some of it.
///
/// # Errors
/// `TimedOut` when the client has taken nothing within the write limit. (tungstenite would take `WouldBlock` for
/// "later".)
pub fn write(mut socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {} // a debugger's stop
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            written => return written,
        }
    }
}

/// Ends a connection so that what was written still arrives: says that no more will come, and reads what the client
/// was still sending, for a second at most. (Closing a socket with unread input resets the connection, and a reset
/// may overtake the answer.)
pub fn linger(mut socket: &TcpStream) {
    let _ = socket.shutdown(Shutdown::Write);
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut buffer = vec![0; 4096];
    while Instant::now() < deadline {
        match socket.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if is_try_again(&error) => {}
            Err(_) => return,
        }
    }
}
