//! `limit=BYTES`: a stream told in many answers, one after the other on one connection, while somebody
//! publishes. Each event comes once and in order, and no answer ends too early or too late.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use comet::hub::RING_EVENTS;
use support::{Client, PATIENCE, StreamReader, TestServer, get};

const STREAMS: [&str; 4] = [
    "xhr-streaming",
    "forever-frame",
    "multipart-streaming",
    "event-source",
];
const EVENTS: u64 = 3000;
const LIMIT: usize = 3000;

#[test]
fn a_stream_told_in_many_answers_tells_each_event_once_and_in_order() {
    let server = TestServer::with_limits(|limits| limits.write = 3 * PATIENCE);
    for path in STREAMS {
        let mut reader = Reader::new(&server, path);
        let first = reader.stream.follower.last;
        let seen = AtomicU64::new(first);
        thread::scope(|scope| {
            let _end = End(&seen);
            scope.spawn(|| publish(&server, path, first, &seen));
            while reader.stream.follower.last < first + EVENTS {
                reader.read_answer();
                seen.store(reader.stream.follower.last, Ordering::SeqCst);
            }
        });
        assert_eq!(reader.stream.follower.gaps, 0, "{path}");
        assert!(reader.answers > 1, "{path} has ended only once");
    }
}

/// However the reading ends, the publisher ends with it.
struct End<'a>(&'a AtomicU64);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(u64::MAX / 2, Ordering::SeqCst);
    }
}

/// Publishes as fast as the ring can be read, until the reader has seen all it wants.
fn publish(server: &TestServer, topic: &str, first: u64, seen: &AtomicU64) {
    let mut last = first;
    while seen.load(Ordering::SeqCst) < first + EVENTS {
        if last < seen.load(Ordering::SeqCst) + RING_EVENTS as u64 / 2 {
            last = server.publish(topic, "</script>홈런");
        } else {
            thread::yield_now();
        }
    }
}

/// A client that asks again on the same connection, from the last id on, whenever an answer has ended.
struct Reader {
    client: Client,
    path: &'static str,
    stream: StreamReader,
    answers: usize,
}

impl Reader {
    fn new(server: &TestServer, path: &'static str) -> Reader {
        let stream = StreamReader::after(server.publish(path, "the client has seen this"));
        Reader {
            client: server.connect(),
            path,
            stream,
            answers: 0,
        }
    }

    /// One answer, to its end: the chunk that reaches the limit is the last that tells something.
    fn read_answer(&mut self) {
        let (path, since) = (self.path, self.stream.follower.last);
        self.client.send(get(&format!(
            "/{path}?topic={path}&since={since}&limit={LIMIT}"
        )));
        assert_eq!(self.client.read_head().status, 200, "{path}");
        let mut length = 0;
        loop {
            let chunk = self.client.read_chunk();
            if chunk.is_empty() {
                break;
            }
            let closing = chunk.ends_with("\r\n--comet--\r\n");
            assert!(closing || length < LIMIT, "{path}: {chunk:?} is too much");
            length += chunk.len();
            self.stream.hear(chunk.as_bytes());
        }
        assert!(length >= LIMIT, "{path} ended after {length} bytes");
        self.answers += 1;
    }
}
