//! A proxy that records all bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The bytes of one connection.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// From the client to the server.
    pub up: Vec<u8>,
    pub down: Vec<u8>,
}

pub struct Proxy {
    pub address: SocketAddr,
    connections: Arc<Mutex<Vec<Arc<Mutex<Recorded>>>>>,
}

impl Proxy {
    /// A proxy in front of this server. It ends with the test's process.
    pub fn to(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let connections = Arc::default();
        let proxy = Proxy {
            address,
            connections: Arc::clone(&connections),
        };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let record = Arc::default();
                connections.lock().unwrap().push(Arc::clone(&record));
                connect(client, server, record);
            }
        });
        proxy
    }

    /// All bytes so far, by connection.
    pub fn recorded(&self) -> Vec<Recorded> {
        let connections = self.connections.lock().unwrap();
        let records = connections
            .iter()
            .map(|record| record.lock().unwrap().clone());
        records.collect()
    }
}

/// A thread for each direction.
fn connect(client: TcpStream, server: SocketAddr, record: Arc<Mutex<Recorded>>) {
    let server = TcpStream::connect(server).expect("the server accepts");
    for socket in [&client, &server] {
        socket.set_nodelay(true).expect("a socket");
    }
    let (client_too, server_too) = (
        client.try_clone().expect("a socket"),
        server.try_clone().expect("a socket"),
    );
    let same = Arc::clone(&record);
    thread::spawn(move || {
        pass_on(client, server, |bytes| {
            record.lock().unwrap().up.extend(bytes)
        })
    });
    thread::spawn(move || {
        pass_on(server_too, client_too, |bytes| {
            same.lock().unwrap().down.extend(bytes)
        })
    });
}

/// Records each piece before it passes it on.
fn pass_on(mut from: TcpStream, mut to: TcpStream, record: impl Fn(&[u8])) {
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        record(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
