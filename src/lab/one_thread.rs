//! The yardstick for strain: the same fan-out by one thread, a plain event loop over `polling`.
//!
//! It speaks just enough WebSocket to be measured beside [`crate::server`]: `GET /websocket` opens a
//! socket that only listens, `POST /publish` sends to all of them, and any other request gets a short answer.
//! One thread waits for *all* sockets at once and keeps a few hundred bytes for each; there are no other
//! threads to wake. The price is the code's shape: two lines of a thread of its own (`wait`, then `write`)
//! become a state here, kept for each client between turns of the loop.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use polling::{Event, Events, PollMode, Poller};
use tungstenite::handshake::derive_accept_key;

use crate::event;

/// The listener's key. The clients' keys follow.
const LISTENER: usize = 0;

/// Serves until the process ends.
///
/// # Errors
/// When the poller fails.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let poller = Poller::new()?;
    // SAFETY: the loop never ends, so the listener is never closed.
    unsafe { poller.add_with_mode(&listener, Event::readable(LISTENER), PollMode::Level) }?;
    let mut this = Loop {
        poller,
        listener,
        clients: HashMap::new(),
        newest: LISTENER,
        published: 0,
    };
    let mut events = Events::new();
    loop {
        events.clear();
        this.poller.wait(&mut events, None)?; // the only place where the thread sleeps
        for event in events.iter() {
            match event.key {
                LISTENER => this.accept(),
                key => this.serve_client(key),
            }
        }
    }
}

struct Loop {
    poller: Poller,
    listener: TcpListener,
    clients: HashMap<usize, Client>,
    newest: usize,
    published: u64,
}

impl Loop {
    fn accept(&mut self) {
        while let Ok((socket, _)) = self.listener.accept() {
            self.newest += 1;
            let _ = socket.set_nonblocking(true);
            let _ = socket.set_nodelay(true);
            let interest = Event::all(self.newest);
            // SAFETY: `forget` takes the socket out of the poller before it closes it.
            let watched = unsafe { self.poller.add_with_mode(&socket, interest, PollMode::Edge) };
            if watched.is_ok() {
                self.clients.insert(self.newest, Client::new(socket));
            }
        }
    }

    /// A client's socket is readable, or writable again.
    fn serve_client(&mut self, key: usize) {
        let Some(client) = self.clients.get_mut(&key) else {
            return;
        };
        let served = client.write(b"").and_then(|()| client.read());
        while let Some(request) = self.clients.get_mut(&key).and_then(Client::take_request) {
            self.answer(key, &request);
        }
        if served.is_err() {
            self.forget(key);
        }
    }

    fn answer(&mut self, key: usize, request: &Request) {
        let answer = match &request.websocket_key {
            Some(websocket_key) => upgrade(websocket_key),
            None if request.publishes => ordinary(&self.publish(&request.body)),
            None => ordinary("{}"),
        };
        if let Some(client) = self.clients.get_mut(&key) {
            client.listens = request.websocket_key.is_some();
            let _ = client.write(answer.as_bytes());
        }
    }

    /// Encoded once, written to each. This is the whole fan-out.
    fn publish(&mut self, body: &[u8]) -> String {
        self.published += 1;
        let data = serde_json::from_slice(body).unwrap_or_default();
        let event = event::Event::new(self.published, "chat", &data);
        let frame = text_frame(&event.json);
        for client in self.clients.values_mut().filter(|client| client.listens) {
            let _ = client.write(&frame); // a closed socket becomes readable, and is forgotten then
        }
        format!(r#"{{"id":{}}}"#, event.id)
    }

    fn forget(&mut self, key: usize) {
        if let Some(client) = self.clients.remove(&key) {
            let _ = self.poller.delete(&client.socket);
        }
    }
}

/// A client's state between turns of the loop.
struct Client {
    socket: TcpStream,
    /// An incomplete request.
    inbox: Vec<u8>,
    /// Bytes that the socket has not taken yet.
    outbox: Vec<u8>,
    /// True for a WebSocket.
    listens: bool,
}

impl Client {
    fn new(socket: TcpStream) -> Client {
        Client {
            socket,
            inbox: Vec::new(),
            outbox: Vec::new(),
            listens: false,
        }
    }

    /// Reads all input. Discards what WebSockets send: this server only fans out.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) if !self.listens => self.inbox.extend_from_slice(&buffer[..count]),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes as much as the socket takes. The rest waits until it is writable again.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.outbox.is_empty() {
            self.outbox.extend_from_slice(bytes);
            let rest = std::mem::take(&mut self.outbox);
            return self.write(&rest);
        }
        match self.socket.write(bytes) {
            Ok(count) => self.outbox.extend_from_slice(&bytes[count..]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.outbox.extend_from_slice(bytes)
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The next request, if it is complete.
    fn take_request(&mut self) -> Option<Request> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Request::new(&mut headers);
        let head_bytes = match head.parse(&self.inbox) {
            Ok(httparse::Status::Complete(count)) => count,
            _ => return None,
        };
        let header = |name: &str| {
            let found = head
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name));
            found.and_then(|header| std::str::from_utf8(header.value).ok())
        };
        let length = header("Content-Length").and_then(|length| length.parse().ok());
        let end = head_bytes + length.unwrap_or(0);
        let request = Request {
            publishes: head.method == Some("POST"),
            websocket_key: header("Sec-WebSocket-Key").map(str::to_string),
            body: self.inbox.get(head_bytes..end)?.to_vec(),
        };
        self.inbox.drain(..end);
        Some(request)
    }
}

/// What this server uses of a request.
struct Request {
    publishes: bool,
    websocket_key: Option<String>,
    body: Vec<u8>,
}

fn ordinary(json: &str) -> String {
    let length = json.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}"
    )
}

/// The answer to a handshake (RFC 6455 section 4.2.2).
fn upgrade(websocket_key: &str) -> String {
    let accept = derive_accept_key(websocket_key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// A whole message in one frame: FIN and "text", the length, the text (RFC 6455 section 5.2).
fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        length @ 0..=125 => frame.push(length as u8),
        length => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes()); // a body has at most 64 KiB
        }
    }
    frame.extend_from_slice(text.as_bytes());
    frame
}
