//! What the two polls that wait promise alike, byte by byte. Each test runs once for each row of `POLLS`.

mod support;

use std::thread;
use std::time::Duration;

use comet::hub::RING_EVENTS;
use serde_json::{Value, json};
use support::{Client, TestServer, get, ids};

/// A poll that waits, and the text around its JSON.
struct Poll {
    name: &'static str,
    /// The target, up to further parameters.
    target: &'static str,
    before: &'static str,
    after: &'static str,
}

const POLLS: [Poll; 2] = [
    Poll {
        name: "long_polling",
        target: "/long-polling?",
        before: "",
        after: "",
    },
    Poll {
        name: "jsonp_polling",
        target: "/jsonp-polling?callback=f&",
        before: "/**/f(",
        after: ");",
    },
];

/// Runs a test on both polls, each in a thread with the poll's name, so that a panic names the poll.
fn on_each_poll(test: fn(&'static Poll)) {
    let mut failed = Vec::new();
    for poll in &POLLS {
        let thread = thread::Builder::new().name(poll.name.to_string());
        let running = thread.spawn(move || test(poll)).expect("a thread");
        if running.join().is_err() {
            failed.push(poll.name);
        }
    }
    assert!(failed.is_empty(), "failed on {failed:?}: see above");
}

impl Poll {
    fn request(&self, query: &str) -> String {
        get(&format!("{}{query}", self.target))
    }

    /// The JSON of an answer.
    fn answer(&self, body: &str) -> Value {
        let inner = body.strip_prefix(self.before);
        let inner = inner.and_then(|rest| rest.strip_suffix(self.after));
        support::json(inner.unwrap_or_else(|| panic!("no answer: {body:?}")))
    }

    /// Reads an answer to its end; returns its JSON.
    fn read(&self, client: &mut Client) -> Value {
        self.answer(&client.read_chunked_answer().1)
    }

    /// Sends a request on this connection, and reads its answer.
    fn ask(&self, client: &mut Client, query: &str) -> Value {
        client.send(self.request(query));
        self.read(client)
    }
}

#[test]
fn a_backlog_is_answered_at_once() {
    on_each_poll(|poll| {
        let server = TestServer::start();
        let first = server.publish("chat", "one");
        let second = server.publish("chat", "two");
        let mut client = server.connect();
        let answer = poll.ask(&mut client, &format!("since={first}"));
        assert_eq!(ids(&answer), [second]);
        assert_eq!(ids(&poll.ask(&mut client, "since=-2")), [first, second]);
    });
}

#[test]
fn no_event_is_lost_between_two_polls() {
    on_each_poll(|poll| {
        let server = TestServer::start();
        let mut client = server.connect();
        let next = poll.ask(&mut client, "wait=0")["next"].clone();
        let missed = server.publish("chat", "between two polls");
        let answer = poll.ask(&mut client, &format!("since={next}"));
        assert_eq!(ids(&answer), [missed]);
    });
}

#[test]
fn a_backlog_comes_even_when_the_time_is_up_at_once() {
    on_each_poll(|poll| {
        let server = TestServer::start();
        let id = server.publish("chat", "already there");
        let mut client = server.connect();
        for _ in 0..200 {
            assert_eq!(ids(&poll.ask(&mut client, "wait=0&since=-1")), [id]);
        }
    });
}

#[test]
fn when_the_time_is_up_the_answer_has_no_events() {
    on_each_poll(|poll| {
        let server = TestServer::with_limits(|limits| limits.hold = Duration::from_millis(50));
        let last = server.publish("chat", "before");
        let (_, body) = server.ask(&poll.request("")).read_chunked_answer();
        let expected = format!(r#"{{"events":[],"next":{last},"gap":false}}"#);
        assert_eq!(body, [poll.before, &expected, poll.after].concat());
    });
}

#[test]
fn a_cursor_older_than_the_ring_gets_the_gap() {
    on_each_poll(|poll| {
        let server = TestServer::start();
        let lost = server.overflow_ring("chat");
        let answer = poll.ask(&mut server.connect(), &format!("since={}", lost - 1));
        assert_eq!(answer["gap"], true);
        let all: Vec<u64> = (lost + 1..=lost + RING_EVENTS as u64).collect();
        assert_eq!(ids(&answer), all, "then everything in the ring");
    });
}

#[test]
fn a_cursor_from_before_a_restart_gets_the_gap() {
    on_each_poll(|poll| {
        let server = TestServer::start();
        let mut client = server.connect();
        let answer = poll.ask(&mut client, "since=1");
        assert_eq!(answer["gap"], true);
        let answer = poll.ask(&mut client, &format!("wait=0&since={}", answer["next"]));
        assert_eq!(answer["gap"], false, "the gap comes only once");
    });
}

#[test]
fn after_a_held_answer_the_connection_takes_the_next_request() {
    on_each_poll(|poll| {
        let server = TestServer::start();
        let mut client = server.ask(&poll.request(""));
        for n in 0..3 {
            server.wait_held(poll.name, 1);
            let id = server.publish("chat", &n.to_string());
            assert_eq!(ids(&poll.read(&mut client)), [id]);
            server.wait_held(poll.name, 0);
            client.send(poll.request(&format!("since={id}")));
        }
    });
}

#[test]
fn a_request_sent_early_waits_its_turn() {
    on_each_poll(|poll| {
        let server = TestServer::start();
        let mut client = server.connect();
        for _ in 0..20 {
            client.send(poll.request(""));
            client.read_head();
            server.wait_held(poll.name, 1);
            client.send(get("/polling?topic=other"));
            server.get("/polling").read_answer(); // gives the server time to notice the early request
            let id = server.publish("chat", "now");
            assert_eq!(ids(&poll.answer(&client.read_chunk())), [id]);
            assert_eq!(client.read_chunk(), "", "the last chunk");
            let (head, body) = client.read_answer();
            assert_eq!(head.status, 200);
            assert_eq!(ids(&support::json(&body)), [0u64; 0]);
        }
    });
}

#[test]
fn a_client_that_hangs_up_frees_its_thread_even_after_an_early_request() {
    on_each_poll(|poll| {
        let server = TestServer::start();
        let [hung_up, mut early] = [(); 2].map(|()| server.ask(&poll.request("")));
        server.wait_held(poll.name, 2);
        early.send(get("/polling"));
        drop((hung_up, early));
        server.wait_held(poll.name, 0);
        support::wait_until("no connection left", || server.connections() == 0);
    });
}

#[test]
fn http_1_0_gets_no_chunks_and_the_answer_ends_with_the_connection() {
    on_each_poll(|poll| {
        let server = TestServer::start();
        let mut client = server.ask(&format!("GET {} HTTP/1.0\r\n\r\n", poll.target));
        let head = client.read_head();
        assert_eq!(head.header("Transfer-Encoding"), None);
        assert_eq!(head.header("Connection"), Some("close"));
        server.wait_held(poll.name, 1);
        let id = server.publish("chat", "plain");
        assert_eq!(ids(&poll.answer(&client.read_to_end())), [id]);
    });
}

#[test]
fn the_end_of_the_server_is_an_answer_without_events() {
    on_each_poll(|poll| {
        let mut server = TestServer::start();
        let mut client = server.ask(&poll.request(""));
        server.wait_held(poll.name, 1);
        let ending = thread::spawn(move || server.stop());
        assert_eq!(poll.read(&mut client)["events"], json!([]));
        assert_eq!(client.read_to_end(), "", "then the connection closes");
        drop(client);
        assert_eq!(ending.join().unwrap(), 0, "every connection ended in time");
    });
}

#[test]
fn a_wrong_topic_cursor_or_wait_is_refused() {
    on_each_poll(|poll| {
        let server = TestServer::start();
        for (query, error) in [
            ("topic=No", "topic must be"),
            ("since=x", "since must be"),
            ("wait=soon", "wait must be a number of seconds"),
        ] {
            server.assert_refused(&[&format!("{}{query}", poll.target)], error);
        }
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    on_each_poll(|poll| {
        let server = TestServer::start();
        let mut client = server.connect();
        client.send_split(poll.request("wait=0"));
        assert_eq!(poll.read(&mut client)["events"], json!([]));
    });
}
