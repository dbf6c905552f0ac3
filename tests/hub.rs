//! The hub's rules: order, backlog, gaps, full channels, and how many topics there are.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use comet::event::News;
use comet::hub::{
    Cursor, Hub, MAX_TOPICS, PORTION_BYTES, RING_BYTES, RING_EVENTS, SEAT_EVENTS, Seat,
};
use serde_json::json;

/// How long it may take until a sleeping thread is woken, before the test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn publish(hub: &Hub, topic: &str) -> u64 {
    hub.publish(topic, &json!({})).expect("room for the topic")
}

fn join(hub: &Hub, topic: &str, cursor: Cursor) -> Seat {
    hub.join(topic, cursor).expect("room for the topic")
}

fn ids(news: &News) -> Vec<u64> {
    news.events.iter().map(|event| event.id).collect()
}

/// Reads until the event with this id has come; the ids in the order told.
fn read_up_to(seat: &mut Seat, last: u64) -> Vec<u64> {
    let mut told = Vec::new();
    while told.last() != Some(&last) {
        let news = seat.news();
        assert!(!news.is_empty(), "there is more to come");
        assert_eq!(news.gap, None, "no gap while the ring reaches");
        told.extend(ids(&news));
    }
    told
}

#[test]
fn ids_grow_by_one_and_fit_into_a_javascript_number() {
    let hub = Hub::default();
    let first = publish(&hub, "chat");
    assert_eq!(publish(&hub, "chat"), first + 1);
    assert!(first < 1 << 53);
}

#[test]
fn ids_never_repeat_after_a_restart() {
    let before = Hub::default();
    let last = (0..100).map(|_| publish(&before, "chat")).last().unwrap();
    // A restart takes longer than publishing did: here the clock is waited for.
    while comet::event::unix_time().as_micros() as u64 <= last {
        thread::yield_now();
    }
    let first = publish(&Hub::default(), "chat");
    assert!(first > last);
}

#[test]
fn a_seat_has_what_was_and_what_comes() {
    let hub = Hub::default();
    let was = publish(&hub, "chat");
    let mut seat = join(&hub, "chat", Cursor::Last(1));
    let comes = publish(&hub, "chat");
    assert_eq!(ids(&seat.news()), [was], "the backlog first");
    assert_eq!(ids(&seat.news()), [comes]);
    assert!(seat.news().is_empty());
}

#[test]
fn now_means_only_what_comes() {
    let hub = Hub::default();
    publish(&hub, "chat");
    let mut seat = join(&hub, "chat", Cursor::Now);
    assert!(seat.news().is_empty());
    let comes = publish(&hub, "chat");
    assert_eq!(ids(&seat.news()), [comes]);
}

#[test]
fn each_cursor_begins_where_it_says() {
    let hub = Hub::default();
    let first = publish(&hub, "chat");
    publish(&hub, "chat");
    let last = publish(&hub, "chat");
    let read = |cursor| ids(&hub.read("chat", cursor).unwrap());
    assert_eq!(read(Cursor::After(first)), [first + 1, last]);
    assert_eq!(read(Cursor::After(last)), [0u64; 0]);
    assert_eq!(read(Cursor::Last(2)), [first + 1, last]);
    assert_eq!(read(Cursor::Last(99)), [first, first + 1, last]);
    assert_eq!(read(Cursor::Last(0)), [0u64; 0]);
    assert_eq!(read(Cursor::Now), [0u64; 0]);
}

#[test]
fn a_topic_hears_nothing_of_another() {
    let hub = Hub::default();
    let mut seat = join(&hub, "one", Cursor::Now);
    publish(&hub, "two");
    assert!(seat.news().is_empty());
}

#[test]
fn a_full_channel_costs_no_event() {
    let hub = Hub::default();
    let mut seat = join(&hub, "chat", Cursor::Now);
    let expected: Vec<u64> = (0..RING_EVENTS).map(|_| publish(&hub, "chat")).collect();
    assert!(expected.len() > SEAT_EVENTS);
    assert_eq!(
        read_up_to(&mut seat, expected[expected.len() - 1]),
        expected
    );
    assert!(seat.news().is_empty());
}

#[test]
fn whoever_falls_behind_the_ring_is_told_of_the_gap_and_gets_the_ring() {
    let hub = Hub::default();
    let mut seat = join(&hub, "chat", Cursor::Now);
    let published: Vec<u64> = (0..RING_EVENTS + 1)
        .map(|_| publish(&hub, "chat"))
        .collect();
    let mut told = Vec::new();
    let mut gap = seat.news();
    while gap.gap.is_none() {
        told.extend(ids(&gap));
        gap = seat.news();
    }
    assert_eq!(
        told, [0u64; 0],
        "nothing is told before the gap that lies after it"
    );
    assert_eq!(gap.gap, Some(published[0]), "events are missing up to here");
    assert_eq!(ids(&gap), published[1..]);
    assert_eq!(gap.next, *published.last().unwrap());
}

#[test]
fn a_cursor_out_of_reach_is_a_gap_on_either_side() {
    let hub = Hub::default();
    let first = publish(&hub, "chat");
    let before = hub.read("chat", Cursor::After(first - 1)).unwrap();
    assert_eq!(
        before.gap, None,
        "just before the first event nothing is missing"
    );
    for out_of_reach in [0, first - 2, first + 1, u64::MAX] {
        let news = hub.read("chat", Cursor::After(out_of_reach)).unwrap();
        assert_eq!(news.gap, Some(first - 1), "cursor {out_of_reach}");
        assert_eq!(ids(&news), [first]);
    }
}

const LARGE: usize = 64 << 10;

/// More than the ring takes, in events of this size; answers with the id of the last.
fn publish_large(hub: &Hub) -> u64 {
    (0..2 * RING_BYTES / LARGE).fold(0, |_, _| publish_large_one(hub))
}

fn publish_large_one(hub: &Hub) -> u64 {
    hub.publish("chat", &json!("x".repeat(LARGE))).unwrap()
}

fn bytes(news: &News) -> usize {
    news.events.iter().map(|event| event.json.len()).sum()
}

#[test]
fn large_events_push_old_ones_out_of_the_ring() {
    let hub = Hub::default();
    let last = publish_large(&hub);
    let gap = hub.read("chat", Cursor::After(0)).unwrap().gap.unwrap();
    let size = bytes(&hub.read("chat", Cursor::Last(1)).unwrap());
    let remembered = (last - gap) as usize * size;
    assert!((RING_BYTES - size..=RING_BYTES).contains(&remembered));
}

#[test]
fn the_ring_and_the_channel_are_read_in_portions_and_nothing_is_missing() {
    let hub = Hub::default();
    let mut listening = join(&hub, "chat", Cursor::Now); // its channel is full soon
    let last = publish_large(&hub);
    let mut late = join(&hub, "chat", Cursor::Last(RING_EVENTS));
    let mut cursor = Cursor::Last(RING_EVENTS);
    let mut poll = || {
        let news = hub.read("chat", cursor).unwrap();
        cursor = Cursor::After(news.next);
        news
    };
    let first = hub.read("chat", Cursor::After(0)).unwrap().gap.unwrap() + 1;
    let expected: Vec<u64> = (first..=last).collect();
    assert_eq!(read_portions(|| listening.news(), last), expected);
    assert_eq!(read_portions(|| late.news(), last), expected);
    assert_eq!(read_portions(&mut poll, last), expected);

    let id = hub.publish("chat", &json!("x".repeat(2 * PORTION_BYTES)));
    assert_eq!(ids(&late.news()), [id.unwrap()], "larger than a portion");
    let few = SEAT_EVENTS as u64 / 2;
    (0..few).for_each(|_| _ = publish_large_one(&hub));
    let waiting = read_portions(|| listening.news(), last + 1 + few);
    assert_eq!(waiting, Vec::from_iter(last + 1..=last + 1 + few));
}

/// Reads up to the event with this id, and makes sure that each portion is one.
fn read_portions(mut read: impl FnMut() -> News, last: u64) -> Vec<u64> {
    let mut told = Vec::new();
    while told.last() != Some(&last) {
        let news = read();
        assert!(!news.events.is_empty(), "there is more after {told:?}");
        assert!(bytes(&news) <= PORTION_BYTES + LARGE || news.events.len() == 1);
        told.extend(ids(&news));
    }
    told
}

#[test]
fn four_publishers_and_eight_readers_lose_nothing_and_repeat_nothing() {
    const EACH: usize = 2_000;
    let hub = Arc::new(Hub::default());
    let before = hub.read("chat", Cursor::Now).unwrap().next;
    let last = before + 4 * EACH as u64;
    let seats: Vec<Seat> = (0..8).map(|_| join(&hub, "chat", Cursor::Now)).collect();
    let readers: Vec<_> = seats
        .into_iter()
        .map(|mut seat| thread::spawn(move || read_with_gaps(&mut seat, before, last)))
        .collect();
    let publishers: Vec<_> = (0..4)
        .map(|_| {
            let hub = hub.clone();
            thread::spawn(move || {
                (0..EACH).for_each(|_| {
                    publish(&hub, "chat");
                })
            })
        })
        .collect();
    publishers
        .into_iter()
        .for_each(|publisher| publisher.join().unwrap());
    readers
        .into_iter()
        .for_each(|reader| reader.join().unwrap());
}

/// Every id in order, but for those that a gap names.
fn read_with_gaps(seat: &mut Seat, before: u64, last: u64) {
    let (mut seen, begun) = (before, Instant::now());
    while seen < last {
        assert!(begun.elapsed() < PATIENCE, "{seen} of {last}");
        let news = seat.news();
        if let Some(gap) = news.gap {
            assert!(gap > seen, "a gap is told only where something is missing");
            seen = gap;
        }
        for id in ids(&news) {
            assert_eq!(id, seen + 1);
            seen = id;
        }
        thread::yield_now();
    }
}

#[test]
fn a_sleeping_reader_is_woken_even_when_its_channel_was_full() {
    let hub = Arc::new(Hub::default());
    let mut seat = join(&hub, "chat", Cursor::Now);
    seat.news();
    let before = hub.read("chat", Cursor::Now).unwrap().next;
    let last = before + 20_000;
    let publisher = {
        let hub = hub.clone();
        thread::spawn(move || {
            (0..20_000).for_each(|_| {
                publish(&hub, "chat");
            })
        })
    };
    let mut seen = before;
    while seen < last {
        let news = seat.news();
        if news.is_empty() {
            // Asleep until the hub wakes it, as a connection's thread is.
            let asleep = Instant::now();
            thread::park_timeout(PATIENCE);
            assert!(asleep.elapsed() < PATIENCE, "woken: there is more to come");
        }
        seen = news.next;
    }
    publisher.join().unwrap();
}

#[test]
fn leaving_a_topic_frees_the_seat_and_a_silent_topic_makes_room_for_a_new_one() {
    let hub = Hub::default();
    let mut seats: Vec<Seat> = Vec::new();
    for n in 0..MAX_TOPICS {
        seats.push(join(&hub, &format!("topic-{n}"), Cursor::Now));
    }
    assert!(hub.join("one-too-many", Cursor::Now).is_err());
    assert!(hub.publish("one-too-many", &json!(1)).is_err());
    seats.remove(5);
    let mut new = join(&hub, "one-too-many", Cursor::Now);
    let id = publish(&hub, "one-too-many");
    assert_eq!(ids(&new.news()), [id]);
}

#[test]
fn a_topic_that_was_forgotten_tells_its_old_readers_of_the_gap() {
    let hub = Hub::default();
    let old = publish(&hub, "forgotten");
    let _seats: Vec<Seat> = (1..=MAX_TOPICS)
        .map(|n| join(&hub, &format!("topic-{n}"), Cursor::Now))
        .collect();
    drop(_seats);
    let news = hub.read("forgotten", Cursor::After(old)).unwrap();
    assert!(news.gap.is_some_and(|gap| gap > old));
}

#[test]
fn the_topic_that_has_been_silent_for_longest_is_forgotten_and_not_the_oldest() {
    let hub = Hub::default();
    let first = publish(&hub, "news");
    for n in 1..MAX_TOPICS {
        publish(&hub, &format!("topic-{n}"));
    }
    let second = publish(&hub, "news");
    publish(&hub, "one-too-many");
    let news = hub.read("news", Cursor::Last(2)).unwrap();
    assert_eq!(ids(&news), [first, second]);
    let silent = hub.read("topic-1", Cursor::Last(1)).unwrap();
    assert!(silent.is_empty(), "a new topic of the old name");
}

#[test]
fn chat_and_baseball_are_never_forgotten() {
    let hub = Hub::default();
    let said = publish(&hub, "chat");
    for n in 0..2 * MAX_TOPICS {
        publish(&hub, &format!("topic-{n}"));
    }
    assert_eq!(ids(&hub.read("chat", Cursor::Last(1)).unwrap()), [said]);
}
