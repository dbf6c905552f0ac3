//! A client that hangs up frees its thread, and so does one that vanishes without FIN or RST.
//!
//! Covered: an end that the client's kernel reports (FIN, RST, half-close); a client whose kernel has forgotten the
//! connection and answers the next packet with RST (`TCP_REPAIR`, needs root); and a client that never acknowledges
//! anything again (a socket filter that drops every packet, which needs no privilege).
//! Not covered: a network that breaks and heals in between. TCP handles that.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

use comet::door::reader::MAX_HEAD;
use nix::libc;
use socket2::SockRef;
use support::{Client, TestServer, get, handshake, skip, wait_until};

const HOUR: Duration = Duration::from_secs(3600);

/// Everything that holds a connection: its name and its request.
fn held_techniques() -> [(&'static str, String); 8] {
    [
        ("long_polling", get("/long-polling")),
        ("xhr_streaming", get("/xhr-streaming")),
        ("forever_frame", get("/forever-frame")),
        ("multipart_streaming", get("/multipart-streaming")),
        ("jsonp_polling", get("/jsonp-polling?callback=f")),
        ("event_source", get("/event-source")),
        ("websocket", handshake("/websocket")),
        ("echo", handshake("/echo")),
    ]
}

/// A server whose limits and heartbeat are an hour, so that only the doorbell can find a client gone.
fn patient_server() -> TestServer {
    TestServer::with_limits(|limits| {
        limits.request = HOUR;
        limits.idle = HOUR;
        limits.write = HOUR;
        limits.hold = HOUR;
        limits.heartbeat = HOUR;
    })
}

/// A client held by each technique.
fn hold_all(server: &TestServer) -> Vec<Client> {
    let hold = |(name, request): (&str, String)| {
        let client = server.ask(&request);
        server.wait_held(name, 1);
        client
    };
    held_techniques().into_iter().map(hold).collect()
}

fn wait_until_nobody_is_held(server: &TestServer) {
    server.accept_all();
    for (name, _) in held_techniques() {
        server.wait_held(name, 0);
    }
    wait_until("no connection left", || server.connections() == 0);
}

/// Ends the connection with RST instead of FIN.
fn reset(client: Client) {
    let at_once = Some(Duration::ZERO);
    SockRef::from(&client.socket).set_linger(at_once).unwrap();
}

/// Makes the client's kernel forget the connection, without FIN or RST. Needs root (CAP_NET_ADMIN); `false`
/// without it.
fn forget(client: Client) -> bool {
    const TCP_REPAIR: libc::c_int = 19;
    set_option(&client.socket, libc::IPPROTO_TCP, TCP_REPAIR, &1)
}

/// Drops every packet to the client before TCP sees it, as if the cable were cut, so that the client acknowledges
/// nothing. The filter is one instruction: keep 0 bytes.
fn fall_silent(client: &Client) {
    let mut drop_all = libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: 0,
    };
    let filter = libc::sock_fprog {
        len: 1,
        filter: &mut drop_all,
    };
    let level = libc::SOL_SOCKET;
    assert!(set_option(
        &client.socket,
        level,
        libc::SO_ATTACH_FILTER,
        &filter
    ));
}

fn set_option<T>(socket: &TcpStream, level: libc::c_int, option: libc::c_int, value: &T) -> bool {
    let size = size_of::<T>() as libc::socklen_t;
    let value = (value as *const T).cast();
    // SAFETY: the pointer and the size are those of `value`, which outlives the call.
    unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value, size) == 0 }
}

#[test]
fn a_client_that_hangs_up_frees_its_thread() {
    let server = patient_server();
    for client in hold_all(&server) {
        drop(client); // FIN, or RST if something is unread
    }
    wait_until_nobody_is_held(&server);
}

#[test]
fn a_client_that_has_read_everything_and_hangs_up_frees_its_thread() {
    let server = patient_server();
    for mut client in hold_all(&server) {
        client.read_head();
        client.socket.set_nonblocking(true).unwrap();
        while matches!(client.socket.read(&mut [0; 4096]), Ok(1..)) {}
        drop(client); // FIN
    }
    wait_until_nobody_is_held(&server);
}

#[test]
fn a_client_that_resets_the_connection_frees_its_thread() {
    let server = patient_server();
    hold_all(&server).into_iter().for_each(reset);
    wait_until_nobody_is_held(&server);
}

#[test]
fn a_client_that_closes_its_sending_half_frees_its_thread_and_reads_the_end() {
    let server = patient_server();
    let mut clients = hold_all(&server);
    clients.iter_mut().for_each(Client::half_close);
    wait_until_nobody_is_held(&server);
    for mut client in clients {
        assert!(client.read_to_end().starts_with("HTTP/1.1 "));
    }
}

#[test]
fn a_client_that_sent_more_than_is_kept_frees_its_thread_when_it_hangs_up() {
    let server = patient_server();
    for mut client in hold_all(&server) {
        let early = get("/polling").repeat(MAX_HEAD / 40); // some 20 KB
        assert!(early.len() > MAX_HEAD);
        let _ = client.socket.write_all(early.as_bytes()); // a WebSocket closes on this, perhaps midway
        drop(client);
    }
    wait_until_nobody_is_held(&server);
}

#[test]
fn a_client_that_hangs_up_between_requests_or_in_the_middle_of_one_frees_its_thread() {
    let server = patient_server();
    for request in ["", "GET /pol", "POST /publish HTTP/1.1\r\nContent-Le"] {
        let ends: [fn(Client); 3] = [drop, reset, |mut client| client.half_close()];
        for end in ends {
            let mut between = server.get("/polling");
            between.read_answer();
            between.send(request);
            end(between);
            end(server.ask(request));
        }
    }
    wait_until_nobody_is_held(&server);
}

#[test]
fn a_client_that_hangs_up_while_its_thread_is_busy_writing_frees_it() {
    let server = patient_server();
    let clients = hold_all(&server);
    server.burst("chat"); // more than the sockets hold, so that the streams are in the middle of a write
    drop(clients);
    wait_until_nobody_is_held(&server);
}

/// A server on which a write finds a client that vanished: the next heartbeat of a stream, or a poll's answer when
/// its hold is over. The heartbeat and three times the write limit must be enough: the idle limit is an hour.
fn watchful_server() -> TestServer {
    TestServer::with_limits(|limits| {
        limits.idle = HOUR;
        limits.write = Duration::from_millis(200);
        limits.hold = Duration::from_millis(100);
        limits.heartbeat = Duration::from_millis(100);
    })
}

#[test]
fn a_client_whose_kernel_forgot_the_connection_is_found_by_the_next_heartbeat() {
    let server = watchful_server();
    for (_, request) in held_techniques() {
        let mut client = server.ask(&request);
        client.read_head();
        if !forget(client) {
            return skip("TCP_REPAIR needs root");
        }
    }
    wait_until_nobody_is_held(&server);
}

#[test]
fn a_client_that_falls_silent_is_found_by_its_missing_acknowledgements() {
    let server = watchful_server();
    let mut clients = Vec::new();
    for (_, request) in held_techniques() {
        let mut client = server.ask(&request);
        client.read_head();
        fall_silent(&client);
        clients.push(client);
    }
    wait_until_nobody_is_held(&server);
    drop(clients); // open until here: the server got neither FIN nor RST
}
