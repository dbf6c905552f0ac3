//! Clients that read slowly or not at all, and clients that send slowly or not at all: they cost what the
//! limits say, they are let go when the limits say, and nobody else waits for them.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use comet::hub::{Cursor, PORTION_BYTES, RING_EVENTS, SEAT_EVENTS};
use socket2::{Domain, Socket, Type};
use support::{Client, StreamReader, TestServer, frame, get, handshake, skip, wait_until};

const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(200);

/// One test at a time: they measure this process's memory, and fill its sockets.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This process's memory that is really there, in bytes.
fn resident_memory() -> u64 {
    let memory = procfs::process::Process::myself().and_then(|me| me.statm());
    memory.expect("/proc is there").resident * procfs::page_size()
}

/// A server with this limit on writes, and no other within an hour.
fn server_with_write_limit(write: Duration) -> TestServer {
    TestServer::with_limits(|limits| {
        limits.write = write;
        limits.idle = HOUR;
        limits.heartbeat = HOUR;
    })
}

/// A client whose kernel takes only a little that it has not read yet: two of the largest packets that
/// travel on loopback. (With less than that, TCP itself begins to wait for better times.)
fn narrow_client(server: &TestServer, request: impl AsRef<[u8]>) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(128 << 10).unwrap(); // before it connects: that is when the window is agreed on
    socket.connect(&server.address.into()).unwrap();
    let mut client = Client::from(std::net::TcpStream::from(socket));
    client.send(request);
    client
}

/// The techniques that stream, and what each is asked with.
fn streams() -> [(&'static str, String); 5] {
    [
        ("xhr_streaming", get("/xhr-streaming")),
        ("forever_frame", get("/forever-frame")),
        ("multipart_streaming", get("/multipart-streaming")),
        ("event_source", get("/event-source")),
        ("websocket", handshake("/websocket")),
    ]
}

/// A client of each stream that will not read.
fn stuck_clients(server: &TestServer) -> Vec<Client> {
    let stuck = |(name, request): (&str, String)| {
        let client = narrow_client(server, request);
        server.wait_held(name, 1);
        client
    };
    streams().into_iter().map(stuck).collect()
}

/// Reads a stream up to the event with this id, and says after each reading how far it got.
fn read_up_to(client: &mut Client, reader: &mut StreamReader, last: u64, got: &AtomicU64) {
    let mut bytes = vec![0; 64 << 10];
    while reader.follower.last < last {
        let count = client.socket.read(&mut bytes).expect("more, in time");
        assert!(count > 0, "the stream ended after {}", reader.follower.last);
        reader.hear(&bytes[..count]);
        got.store(reader.follower.last, Ordering::SeqCst);
    }
}

/// 200,000 events are some 16 MB, four times what a socket ever takes: those who don't read are stuck. The
/// publisher never runs ahead of the one who reads by more than half the ring, so that one has
/// to get every event, however many are stuck beside it. A second one reads as fast as it can, and
/// nobody waits for it: it gets every event, or is told of the gap.
#[test]
fn a_slow_reader_harms_nobody() {
    const EVENTS: u64 = 200_000;
    let _alone = alone();
    let server = server_with_write_limit(HOUR);
    let first = server.publish("chat", "first");
    let stuck = stuck_clients(&server);
    let mut clients = [server.get("/xhr-streaming"), server.open("/websocket")];
    wait_until("all held", || server.server().shared.meter.held() == 7);

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
                wait_until("the reader has read", near);
            }
        }
        let readers = threads.into_iter().map(|thread| thread.join().unwrap());
        readers.collect::<Vec<_>>()
    });
    assert_eq!(readers[0].follower.gaps, 0, "nothing was late");

    // A seat keeps its channel, what it read from the ring, and that once more as text; an event is
    // less than 500 bytes, both together.
    let seats = stuck.len() + clients.len();
    let bound = (seats + 1) * (RING_EVENTS + SEAT_EVENTS) * 500 * 2;
    let growth = resident_memory().saturating_sub(memory);
    assert!(growth < bound as u64, "{growth} bytes more, not {bound}");
    assert_eq!(server.server().shared.meter.held(), 7, "nobody was let go");
}

#[test]
fn a_slow_reader_is_let_go_after_the_write_limit() {
    let _alone = alone();
    let server = server_with_write_limit(SOON);
    let stuck = stuck_clients(&server);
    let text = "x".repeat(32 << 10);
    wait_until("all are let go", || {
        server.publish("chat", &text);
        server.connections() == 0
    });
    assert_eq!(server.server().shared.meter.held(), 0);
    drop(stuck); // until here they were open
}

#[test]
fn who_does_not_read_its_answers_is_let_go_after_the_write_limit() {
    const ANSWERS: usize = 100;
    let _alone = alone();
    let server = server_with_write_limit(SOON);
    publish_large(&server, RING_EVENTS); // each answer below is now a whole portion
    let answers = ["polling?", "long-polling?", "jsonp-polling?callback=f&"];
    let asked = answers.map(|path| {
        let request = get(&format!("/{path}since=-{RING_EVENTS}"));
        narrow_client(&server, request.repeat(ANSWERS))
    });
    server.accept_all();
    wait_until("all are let go", || server.connections() == 0);
    for mut client in asked {
        let mut answers = Vec::new();
        let _ = client.socket.read_to_end(&mut answers);
        assert!(
            answers.len() < ANSWERS * PORTION_BYTES / 2,
            "it was cut off"
        );
    }
}

/// Each asks for 3.5 MB. Without portions, each would cost that twice: as events, and as text.
#[test]
fn who_asks_for_the_whole_ring_and_does_not_read_costs_a_portion_of_it() {
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
    wait_until("all are let go", || {
        most = most.max(resident_memory());
        server.connections() == 0
    });
    let each = most.saturating_sub(before) as usize / CLIENTS;
    assert!(each < 8 * PORTION_BYTES, "{each} bytes a client");
    drop(clients); // until here they were open
}

#[test]
fn who_does_not_read_its_echoes_or_pongs_is_let_go_after_the_write_limit() {
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
    wait_until("all are let go", || {
        for (client, bytes, sent) in &mut talking {
            // As much as the socket takes; the next time, it goes on there.
            *sent += client.socket.write(&bytes[*sent..]).unwrap_or(0);
            *sent %= bytes.len();
        }
        server.connections() == 0
    });
}

/// Publishes events of 3.5 KB, of which the ring holds about as many as of small ones.
fn publish_large(server: &TestServer, count: usize) -> u64 {
    let text = "x".repeat(3500);
    let publish = |_, _| server.publish("chat", &text);
    (0..count).fold(0, publish)
}

/// How many of so many large events this technique has not sent yet.
fn late(server: &TestServer, name: &str, published: usize) -> usize {
    let counts = &server.server().shared.meter.counts;
    let count = counts.iter().find(|count| count.name == name).unwrap();
    published.saturating_sub(count.bytes_out.load(Ordering::Relaxed) as usize / 3500)
}

/// Reads a little: at most this many bytes.
fn read_a_little(client: &mut Client, reader: &mut StreamReader, most: usize) {
    let mut bytes = vec![0; most];
    let count = client.socket.read(&mut bytes).expect("more, in time");
    assert!(count > 0, "the stream ended after {}", reader.follower.last);
    reader.hear(&bytes[..count]);
}

#[test]
fn one_that_is_merely_slow_catches_up_from_the_ring() {
    let _alone = alone();
    for (name, request) in streams() {
        let server = server_with_write_limit(HOUR);
        let first = server.publish("chat", "first");
        let mut client = narrow_client(&server, request);
        server.wait_held(name, 1);
        let (mut last, mut published) = (first, 0);
        while late(&server, name, published) < 5 * SEAT_EVENTS {
            last = publish_large(&server, 10); // until the socket is full, and the channel has been
            published += 10;
        }
        let mut reader = StreamReader::after(first);
        while reader.follower.last < last {
            read_a_little(&mut client, &mut reader, 5000);
        }
        assert_eq!(last, first + published as u64);
        assert_eq!(reader.follower.gaps, 0, "{name}: the ring had them all");
    }
}

#[test]
fn one_that_is_slower_than_the_ring_is_told_of_each_gap() {
    let _alone = alone();
    let server = server_with_write_limit(HOUR);
    let first = server.publish("chat", "first");
    let mut clients = stuck_clients(&server);
    let mut readers: Vec<_> = clients.iter().map(|_| StreamReader::after(first)).collect();
    let mut last = first;
    for _ in 0..200 {
        last = publish_large(&server, 20); // 70 KB, 14 MB in all: more than socket and ring hold
        for (client, reader) in clients.iter_mut().zip(&mut readers) {
            read_a_little(client, reader, 5000);
        }
    }
    let remembered = server.server().shared.hub.read("chat", Cursor::After(1));
    let before_ring = remembered.unwrap().gap.unwrap();
    for (client, reader) in clients.iter_mut().zip(&mut readers) {
        while reader.follower.last < last {
            read_a_little(client, reader, 64 << 10);
        }
        assert!(reader.follower.gaps > 0, "it was told");
        assert!(reader.last_gap <= before_ring, "no more is missing");
    }
}

/// What slow senders begin with; then they send a byte now and then.
const SLOW_BEGINNINGS: [&str; 4] = [
    "",
    "GET /polling HTTP/1.1\r\nHost: localhost\r\nX-Endless: ",
    "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n",
    "<policy-file-",
];

/// Sends a byte if nothing has been said to that; otherwise reads what was said. `false`: it is over.
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
    if server.server().shared.capacity.open_files < 3 * SLOW as u64 {
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
    wait_until("all slow senders are gone", || {
        let there = server.connections() > 0;
        let (head, _) = server.get("/polling").read_answer();
        assert_eq!(head.status, 200, "a real client is served meanwhile");
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
fn who_sends_nothing_but_empty_lines_is_let_go_when_the_idle_limit_is_over() {
    let _alone = alone();
    let server = TestServer::with_limits(|limits| {
        limits.idle = Duration::from_secs(1);
        limits.request = HOUR;
    });
    let mut client = server.connect();
    server.accept_all();
    wait_until("it is let go", || {
        thread::sleep(SOON / 5); // each line comes by itself, long before the limit
        let _ = client.socket.write(b"\r\n");
        server.connections() == 0
    });
}
