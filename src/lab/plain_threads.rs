//! The yardstick for throughput: a thread for each connection, and as little work as that allows.
//!
//! Each thread blocks in `read`, finds the end of the request's head, and writes one canned answer. It reads
//! no header, has no deadline and counts nothing: what remains is the cost of the shape itself, two
//! system calls and a context switch per request.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Serves until the process ends.
///
/// # Errors
/// When a thread can't be started.
pub fn serve(listener: TcpListener, answer: Vec<u8>) -> io::Result<()> {
    let answer = Arc::new(answer);
    for socket in listener.incoming().flatten() {
        let answer = Arc::clone(&answer);
        thread::Builder::new().spawn(move || serve_connection(socket, &answer))?;
    }
    Ok(())
}

/// Answers one request after the other, until the client disconnects.
fn serve_connection(mut socket: TcpStream, answer: &[u8]) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    let mut unread = Vec::new();
    loop {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        unread.extend_from_slice(&buffer[..count]);
        while let Some(end) = end_of_head(&unread) {
            unread.drain(..end);
            socket.write_all(answer)?;
        }
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut windows = bytes.windows(END_OF_HEAD.len());
    let start = windows.position(|window| window == END_OF_HEAD)?;
    Some(start + END_OF_HEAD.len())
}
