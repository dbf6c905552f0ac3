//! Clients that read or send slowly, or not at all. They cost what the limits allow, they are disconnected when the
//! limits say so, and no other client waits for them.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use comet::hub::{PORTION_BYTES, RING_EVENTS, Since};
use socket2::{Domain, Socket, Type};
use support::{
    Client, StreamReader, TestServer, frame, get, handshake, resident_memory, skip, wait_until,
};

const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(200);

/// Runs one test at a time: they measure this process's memory, and fill its sockets.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server with this write limit; its other limits are an hour.
fn server_with_write_limit(write: Duration) -> TestServer {
    TestServer::with_limits(|limits| {
        limits.write = write;
        limits.idle = HOUR;
        limits.heartbeat = HOUR;
    })
}

/// A client with a small receive buffer: two of the largest packets on loopback. With a smaller one, TCP itself
/// begins to delay.
fn narrow_client(server: &TestServer, request: impl AsRef<[u8]>) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(128 << 10).unwrap(); // before it connects, when TCP agrees on the window
    socket.connect(&server.address.into()).unwrap();
    let mut client = Client::from(std::net::TcpStream::from(socket));
    client.send(request);
    client
}

/// The techniques that stream, each with its request.
fn streams() -> [(&'static str, String); 5] {
    [
        ("xhr_streaming", get("/xhr-streaming")),
        ("forever_frame", get("/forever-frame")),
        ("multipart_streaming", get("/multipart-streaming")),
        ("event_source", get("/event-source")),
        ("websocket", handshake("/websocket")),
    ]
}

/// One client for each stream, which does not read.
fn stuck_clients(server: &TestServer) -> Vec<Client> {
    let stuck = |(name, request): (&str, String)| {
        let client = narrow_client(server, request);
        server.wait_held(name, 1);
        client
    };
    streams().into_iter().map(stuck).collect()
}

/// Reads a stream up to the event with this id. After each read, `got` has the last id seen.
fn read_up_to(client: &mut Client, reader: &mut StreamReader, last: u64, got: &AtomicU64) {
    let mut bytes = vec![0; 64 << 10];
    while reader.follower.last < last {
        let count = client.socket.read(&mut bytes).expect("more, in time");
        assert!(count > 0, "the stream ended after {}", reader.follower.last);
        reader.hear(&bytes[..count]);
        got.store(reader.follower.last, Ordering::SeqCst);
    }
}

/// 200,000 events are about 16 MB, four times what a socket holds, so clients that don't read are stuck. The
/// publisher stays at most half a ring ahead of the first reader, which therefore must get every event. A second
/// reader reads as fast as it can, and nobody waits for it: it gets every event or a gap.
#[test]
fn a_slow_reader_harms_nobody() {
    const EVENTS: u64 = 200_000;
    let _alone = alone();
    let server = server_with_write_limit(HOUR);
    let first = server.publish("chat", "first");
    let stuck = stuck_clients(&server);
    let mut clients = [server.get("/xhr-streaming"), server.open("/websocket")];
    wait_until("all held", || server.server().shared.metrics.held() == 7);

    let readers = [first, first].map(StreamReader::after);
    let got = [first, first].map(AtomicU64::new);
    let mut memory = 0;
    let readers = thread::scope(|scope| {
        let mut threads = Vec::new();
        for ((client, mut reader), got) in clients.iter_mut().zip(readers).zip(&got) {
            threads.push(scope.spawn(move || {
                read_up_to(client, &mut reader, first + EVENTS, got);
                reader
            }));
        }
        for n in 1..=EVENTS {
            if n == EVENTS / 10 {
                memory = resident_memory(); // all buffers have been filled once
            }
            let id = server.publish("chat", "small");
            if id.is_multiple_of(64) {
                let near = || got[0].load(Ordering::SeqCst) + RING_EVENTS as u64 / 2 > id;
                wait_until("the reader to catch up", near);
            }
        }
        let readers = threads.into_iter().map(|thread| thread.join().unwrap());
        readers.collect::<Vec<_>>()
    });
    assert_eq!(readers[0].follower.gaps, 0, "the ring had every event");

    // A subscriber costs no more than the ring's events and their text: less than 500 bytes an event.
    let subscribers = stuck.len() + clients.len();
    let bound = (subscribers + 1) * RING_EVENTS * 500 * 2;
    let growth = resident_memory().saturating_sub(memory);
    assert!(growth < bound as u64, "{growth} bytes more, not {bound}");
    assert_eq!(
        server.server().shared.metrics.held(),
        7,
        "nobody was disconnected"
    );
}

#[test]
fn a_slow_reader_is_disconnected_after_the_write_limit() {
    let _alone = alone();
    let server = server_with_write_limit(SOON);
    let stuck = stuck_clients(&server);
    let text = "x".repeat(32 << 10);
    wait_until("all clients to be disconnected", || {
        server.publish("chat", &text);
        server.connections() == 0
    });
    assert_eq!(server.server().shared.metrics.held(), 0);
    drop(stuck); // open until here
}

#[test]
fn a_client_that_does_not_read_its_answers_is_disconnected_after_the_write_limit() {
    const ANSWERS: usize = 100;
    let _alone = alone();
    let server = server_with_write_limit(SOON);
    publish_large(&server, RING_EVENTS); // so that each answer is a whole portion
    let answers = ["polling?", "long-polling?", "jsonp-polling?callback=f&"];
    let clients = answers.map(|path| {
        let request = get(&format!("/{path}since=-{RING_EVENTS}"));
        narrow_client(&server, request.repeat(ANSWERS))
    });
    server.accept_all();
    wait_until("all clients to be disconnected", || {
        server.connections() == 0
    });
    for mut client in clients {
        let mut answers = Vec::new();
        let _ = client.socket.read_to_end(&mut answers);
        assert!(
            answers.len() < ANSWERS * PORTION_BYTES / 2,
            "it got only part of its answers"
        );
    }
}

/// Each client asks for 3.5 MB. Without portions, each would cost that twice: as events, and as text.
#[test]
fn a_client_that_asks_for_the_whole_ring_and_does_not_read_costs_one_portion() {
    const CLIENTS: usize = 50;
    let _alone = alone();
    let server = server_with_write_limit(SOON);
    publish_large(&server, RING_EVENTS);
    let before = resident_memory();
    let paths = ["xhr-streaming", "event-source", "long-polling", "polling"];
    let ask = |n| {
        let path = paths[n % paths.len()];
        let request = get(&format!("/{path}?since=-{RING_EVENTS}"));
        narrow_client(&server, request.repeat(20))
    };
    let clients: Vec<Client> = (0..CLIENTS).map(ask).collect();
    let mut most = 0;
    wait_until("all clients to be disconnected", || {
        most = most.max(resident_memory());
        server.connections() == 0
    });
    let each = most.saturating_sub(before) as usize / CLIENTS;
    assert!(each < 8 * PORTION_BYTES, "{each} bytes a client");
    drop(clients); // open until here
}

#[test]
fn a_client_that_does_not_read_its_echoes_or_pongs_is_disconnected_after_the_write_limit() {
    let _alone = alone();
    let server = server_with_write_limit(SOON);
    let message = frame(0x82, &[7; 60_000]);
    let pings = frame(0x89, &[7; 125]).repeat(500);
    let open = |(path, bytes)| {
        let mut client = narrow_client(&server, handshake(path));
        client.read_head();
        client.socket.set_nonblocking(true).unwrap();
        (client, bytes, 0)
    };
    let mut talking = [
        ("/echo", message),
        ("/echo", pings.clone()),
        ("/websocket", pings),
    ]
    .map(open);
    wait_until("all clients to be disconnected", || {
        for (client, bytes, sent) in &mut talking {
            // Sends as much as the socket takes, and continues there the next time.
            *sent += client.socket.write(&bytes[*sent..]).unwrap_or(0);
            *sent %= bytes.len();
        }
        server.connections() == 0
    });
}

/// Publishes events of 3.5 KB, small enough that the ring holds nearly its full count of them.
fn publish_large(server: &TestServer, count: usize) -> u64 {
    let text = "x".repeat(3500);
    let publish = |_, _| server.publish("chat", &text);
    (0..count).fold(0, publish)
}

/// How many of the large events published this technique has not sent yet.
fn late(server: &TestServer, name: &str, published: usize) -> usize {
    let counts = &server.server().shared.metrics.routes;
    let count = counts.iter().find(|count| count.name == name).unwrap();
    published.saturating_sub(count.bytes_out.load(Ordering::Relaxed) as usize / 3500)
}

/// Reads once, up to `most` bytes.
fn read_a_little(client: &mut Client, reader: &mut StreamReader, most: usize) {
    let mut bytes = vec![0; most];
    let count = client.socket.read(&mut bytes).expect("more, in time");
    assert!(count > 0, "the stream ended after {}", reader.follower.last);
    reader.hear(&bytes[..count]);
}

#[test]
fn a_reader_that_is_merely_slow_catches_up_from_the_ring() {
    let _alone = alone();
    for (name, request) in streams() {
        let server = server_with_write_limit(HOUR);
        let first = server.publish("chat", "first");
        let mut client = narrow_client(&server, request);
        server.wait_held(name, 1);
        let (mut last, mut published) = (first, 0);
        while late(&server, name, published) < 160 {
            last = publish_large(&server, 10); // until the socket is full
            published += 10;
        }
        let mut reader = StreamReader::after(first);
        while reader.follower.last < last {
            read_a_little(&mut client, &mut reader, 5000);
        }
        assert_eq!(last, first + published as u64);
        assert_eq!(reader.follower.gaps, 0, "{name}: the ring had every event");
    }
}

#[test]
fn a_reader_slower_than_the_ring_gets_a_gap_each_time() {
    let _alone = alone();
    let server = server_with_write_limit(HOUR);
    let first = server.publish("chat", "first");
    let mut clients = stuck_clients(&server);
    let mut readers: Vec<_> = clients.iter().map(|_| StreamReader::after(first)).collect();
    let mut last = first;
    for _ in 0..200 {
        last = publish_large(&server, 20); // 70 KB, 14 MB in all: more than the socket and the ring hold
        for (client, reader) in clients.iter_mut().zip(&mut readers) {
            read_a_little(client, reader, 5000);
        }
    }
    let remembered = server.server().shared.hub.read("chat", Since::After(1));
    let before_ring = remembered.unwrap().gap.unwrap();
    for (client, reader) in clients.iter_mut().zip(&mut readers) {
        while reader.follower.last < last {
            read_a_little(client, reader, 64 << 10);
        }
        assert!(reader.follower.gaps > 0, "it got a gap");
        assert!(
            reader.last_gap <= before_ring,
            "the gap covers no more than what is lost"
        );
    }
}

/// How slow senders begin; later they send a byte now and then.
const SLOW_BEGINNINGS: [&str; 4] = [
    "",
    "GET /polling HTTP/1.1\r\nHost: localhost\r\nX-Endless: ",
    "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n",
    "<policy-file-",
];

/// Sends a byte unless an answer or the end has come; `false` if one has.
fn send_a_byte(client: &mut Client) -> bool {
    let mut answer = [0];
    match client.socket.peek(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => client.socket.write(b"x").is_ok(),
        _ => false,
    }
}

#[test]
fn slow_senders_starve_nobody() {
    const SLOW: usize = 1000;
    let _alone = alone();
    let limit = Duration::from_secs(1);
    let server = TestServer::with_limits(|limits| (limits.request, limits.idle) = (limit, limit));
    if server.server().shared.room.open_files < 3 * SLOW as u64 {
        return skip("slow senders need 3,000 open files (ulimit -n)");
    }
    let begin = |n: usize| {
        let client = server.ask(SLOW_BEGINNINGS[n % SLOW_BEGINNINGS.len()]);
        client.socket.set_nonblocking(true).unwrap();
        client
    };
    let mut silent: Vec<Client> = (0..SLOW / 2).map(|_| begin(0)).collect();
    let mut dripping: Vec<Client> = (0..SLOW / 2).map(begin).collect();
    let mut served = 0;
    wait_until("all slow senders to be disconnected", || {
        let there = server.connections() > 0;
        let (head, _) = server.get("/polling").read_answer();
        assert_eq!(head.status, 200, "another client is served meanwhile");
        served += usize::from(there);
        for client in &mut dripping {
            send_a_byte(client);
        }
        server.connections() == 0
    });
    assert!(served > 0);
    for client in silent.iter_mut().chain(&mut dripping) {
        client.socket.set_nonblocking(false).unwrap();
    }
}

#[test]
fn a_client_that_sends_only_blank_lines_is_disconnected_after_the_idle_limit() {
    let _alone = alone();
    let server = TestServer::with_limits(|limits| {
        limits.idle = Duration::from_secs(1);
        limits.request = HOUR;
    });
    let mut client = server.connect();
    server.accept_all();
    wait_until("the client to be disconnected", || {
        thread::sleep(SOON / 5); // a line at a time, each long before the limit
        let _ = client.socket.write(b"\r\n");
        server.connections() == 0
    });
}
