//! The hub's rules: order, backlog, gaps, tokens, and the limit on topics.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use comet::event::News;
use comet::hub::{Hub, MAX_TOPICS, PORTION_BYTES, RING_BYTES, RING_EVENTS, Since, Subscription};
use serde_json::json;

/// How long a reader waits for events before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn publish(hub: &Hub, topic: &str) -> u64 {
    hub.publish(topic, &json!({})).expect("the hub has room")
}

fn subscribe(hub: &Hub, topic: &str, since: Since) -> Subscription {
    hub.subscribe(topic, since).expect("the hub has room")
}

fn ids(news: &News) -> Vec<u64> {
    news.events.iter().map(|event| event.id).collect()
}

/// Reads up to the event with this id; returns the ids in order.
fn read_up_to(subscription: &mut Subscription, last: u64) -> Vec<u64> {
    let mut told = Vec::new();
    while told.last() != Some(&last) {
        let news = subscription.news();
        assert!(!news.is_empty(), "more events are due");
        assert_eq!(news.gap, None, "the ring reaches the cursor");
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
    // Ids start from the clock, and a restart takes longer than this loop of publishing did: wait.
    while comet::event::unix_time().as_micros() as u64 <= last {
        thread::yield_now();
    }
    let first = publish(&Hub::default(), "chat");
    assert!(first > last);
}

#[test]
fn a_subscription_reads_the_backlog_and_then_what_comes() {
    let hub = Hub::default();
    let backlog = publish(&hub, "chat");
    let mut subscription = subscribe(&hub, "chat", Since::Last(1));
    let between = publish(&hub, "chat");
    assert_eq!(ids(&subscription.news()), [backlog, between]);
    let new = publish(&hub, "chat");
    assert_eq!(ids(&subscription.news()), [new]);
    assert!(subscription.news().is_empty());
}

#[test]
fn each_publish_leaves_a_token_for_every_subscriber() {
    let hub = Hub::default();
    // More than one batch of wakes.
    let subscribers: Vec<_> = (0..200)
        .map(|_| subscribe(&hub, "chat", Since::Now))
        .collect();
    for subscription in &subscribers {
        let first = subscription.token.try_recv();
        assert!(first.is_ok(), "a new subscription has a token");
        assert!(subscription.token.is_empty());
    }
    for round in 0..3 {
        publish(&hub, "chat");
        publish(&hub, "chat"); // coalesces with the one before
        for subscription in &subscribers {
            assert!(subscription.token.try_recv().is_ok(), "round {round}");
            assert!(subscription.token.is_empty(), "one token, round {round}");
        }
    }
}

#[test]
fn a_portion_that_is_not_the_last_leaves_a_token_for_the_next() {
    let hub = Hub::default();
    let mut subscription = subscribe(&hub, "chat", Since::Now);
    let last = publish_large(&hub);
    let mut seen = 0;
    while seen < last {
        assert!(
            subscription.token.try_recv().is_ok(),
            "seen {seen} of {last}"
        );
        seen = subscription.news().next;
    }
    assert!(subscription.token.is_empty(), "nothing is left to read");
}

#[test]
fn dropping_a_subscription_leaves_the_topic() {
    let hub = Hub::default();
    let first = subscribe(&hub, "chat", Since::Now);
    let second = subscribe(&hub, "chat", Since::Now);
    assert_eq!(hub.subscriptions(), 2);
    drop(first);
    assert_eq!(hub.subscriptions(), 1);
    drop(second);
    assert_eq!(hub.subscriptions(), 0);
}

#[test]
fn now_means_only_new_events() {
    let hub = Hub::default();
    publish(&hub, "chat");
    let mut subscription = subscribe(&hub, "chat", Since::Now);
    assert!(subscription.news().is_empty());
    let comes = publish(&hub, "chat");
    assert_eq!(ids(&subscription.news()), [comes]);
}

#[test]
fn each_cursor_begins_where_it_says() {
    let hub = Hub::default();
    let first = publish(&hub, "chat");
    publish(&hub, "chat");
    let last = publish(&hub, "chat");
    let read = |cursor| ids(&hub.read("chat", cursor).unwrap());
    assert_eq!(read(Since::After(first)), [first + 1, last]);
    assert_eq!(read(Since::After(last)), [0u64; 0]);
    assert_eq!(read(Since::Last(2)), [first + 1, last]);
    assert_eq!(read(Since::Last(99)), [first, first + 1, last]);
    assert_eq!(read(Since::Last(0)), [0u64; 0]);
    assert_eq!(read(Since::Now), [0u64; 0]);
}

#[test]
fn topics_are_separate() {
    let hub = Hub::default();
    let mut subscription = subscribe(&hub, "one", Since::Now);
    publish(&hub, "two");
    assert!(subscription.news().is_empty());
}

#[test]
fn a_full_channel_costs_no_event() {
    let hub = Hub::default();
    let mut subscription = subscribe(&hub, "chat", Since::Now);
    let expected: Vec<u64> = (0..RING_EVENTS).map(|_| publish(&hub, "chat")).collect();
    assert_eq!(
        read_up_to(&mut subscription, expected[expected.len() - 1]),
        expected
    );
    assert!(subscription.news().is_empty());
}

#[test]
fn a_subscriber_behind_the_ring_gets_the_gap_and_then_the_ring() {
    let hub = Hub::default();
    let mut subscription = subscribe(&hub, "chat", Since::Now);
    let published: Vec<u64> = (0..RING_EVENTS + 1)
        .map(|_| publish(&hub, "chat"))
        .collect();
    let mut told = Vec::new();
    let mut gap = subscription.news();
    while gap.gap.is_none() {
        told.extend(ids(&gap));
        gap = subscription.news();
    }
    assert_eq!(told, [0u64; 0], "the gap comes before any event");
    assert_eq!(gap.gap, Some(published[0]), "events are missing up to here");
    assert_eq!(ids(&gap), published[1..]);
    assert_eq!(gap.next, *published.last().unwrap());
}

#[test]
fn a_cursor_out_of_reach_is_a_gap_on_either_side() {
    let hub = Hub::default();
    let first = publish(&hub, "chat");
    let before = hub.read("chat", Since::After(first - 1)).unwrap();
    assert_eq!(before.gap, None, "no event is missing");
    for out_of_reach in [0, first - 2, first + 1, u64::MAX] {
        let news = hub.read("chat", Since::After(out_of_reach)).unwrap();
        assert_eq!(news.gap, Some(first - 1), "cursor {out_of_reach}");
        assert_eq!(ids(&news), [first]);
    }
}

const LARGE: usize = 64 << 10;

/// Publishes more large events than the ring keeps; returns the last id.
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
    let gap = hub.read("chat", Since::After(0)).unwrap().gap.unwrap();
    let size = bytes(&hub.read("chat", Since::Last(1)).unwrap());
    let remembered = (last - gap) as usize * size;
    assert!((RING_BYTES - size..=RING_BYTES).contains(&remembered));
}

#[test]
fn the_ring_is_read_in_portions_and_nothing_is_missing() {
    let hub = Hub::default();
    let mut listening = subscribe(&hub, "chat", Since::Now);
    let last = publish_large(&hub);
    let mut late = subscribe(&hub, "chat", Since::Last(RING_EVENTS));
    let mut cursor = Since::Last(RING_EVENTS);
    let mut poll = || {
        let news = hub.read("chat", cursor).unwrap();
        cursor = Since::After(news.next);
        news
    };
    let first = hub.read("chat", Since::After(0)).unwrap().gap.unwrap() + 1;
    let expected: Vec<u64> = (first..=last).collect();
    assert_eq!(read_portions(|| listening.news(), last), expected);
    assert_eq!(read_portions(|| late.news(), last), expected);
    assert_eq!(read_portions(&mut poll, last), expected);

    let id = hub.publish("chat", &json!("x".repeat(2 * PORTION_BYTES)));
    assert_eq!(ids(&late.news()), [id.unwrap()], "larger than a portion");
    (0..16).for_each(|_| _ = publish_large_one(&hub));
    let waiting = read_portions(|| listening.news(), last + 17);
    assert_eq!(waiting, Vec::from_iter(last + 1..=last + 17));
}

/// Reads up to the event with this id, and checks the size of each portion.
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
    let before = hub.read("chat", Since::Now).unwrap().next;
    let last = before + 4 * EACH as u64;
    let subscriptions: Vec<Subscription> = (0..8)
        .map(|_| subscribe(&hub, "chat", Since::Now))
        .collect();
    let readers: Vec<_> = subscriptions
        .into_iter()
        .map(|mut subscription| {
            thread::spawn(move || read_with_gaps(&mut subscription, before, last))
        })
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

/// Checks that the ids come in order, and that only a gap skips any.
fn read_with_gaps(subscription: &mut Subscription, before: u64, last: u64) {
    let (mut seen, begun) = (before, Instant::now());
    while seen < last {
        assert!(begun.elapsed() < PATIENCE, "{seen} of {last}");
        let news = subscription.news();
        if let Some(gap) = news.gap {
            assert!(gap > seen, "a gap skips at least one event");
            seen = gap;
        }
        for id in ids(&news) {
            assert_eq!(id, seen + 1);
            seen = id;
        }
        thread::yield_now();
    }
}

/// The reader sleeps on its token after each read. Over 20,000 events, one lost token would leave it asleep.
#[test]
fn a_reader_that_sleeps_on_its_token_gets_every_event() {
    let hub = Arc::new(Hub::default());
    let mut subscription = subscribe(&hub, "chat", Since::Now);
    let before = hub.read("chat", Since::Now).unwrap().next;
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
        let token = subscription.token.recv_timeout(PATIENCE);
        assert!(token.is_ok(), "no token after {} events", seen - before);
        seen = subscription.news().next;
    }
    publisher.join().unwrap();
}

/// A publisher that wakes its subscribers blocks neither other publishers nor new subscribers.
#[test]
fn publishers_and_subscribers_come_and_go_together() {
    let hub = Arc::new(Hub::default());
    let before = hub.read("chat", Since::Now).unwrap().next;
    let publishers: Vec<_> = (0..4).map(|_| publish_many(&hub, 500)).collect();
    for _ in 0..500 {
        let mut subscription = subscribe(&hub, "chat", Since::After(before));
        subscription.news();
    }
    for publisher in publishers {
        publisher.join().unwrap();
    }
    assert_eq!(hub.read("chat", Since::Now).unwrap().next, before + 2_000);
    assert_eq!(hub.subscriptions(), 0);
}

/// A publisher wakes those who were there when it began. If it ran after clients that keep coming, it might never end.
#[test]
fn a_subscriber_that_comes_while_others_wake_is_not_woken() {
    let hub = Arc::new(Hub::default());
    let early: Vec<_> = (0..20_000)
        .map(|_| subscribe(&hub, "chat", Since::Now))
        .collect();
    for _ in 0..10 {
        early.iter().for_each(|some| _ = some.token.try_recv());
        let publisher = publish_many(&hub, 1);
        while early[0].token.is_empty() {
            thread::yield_now();
        }
        let mut late = subscribe(&hub, "chat", Since::Now);
        let _ = late.token.try_recv(); // the first look
        assert!(late.news().is_empty());
        publisher.join().unwrap();
        assert!(late.token.is_empty(), "woken for nothing");
    }
}

fn publish_many(hub: &Arc<Hub>, count: usize) -> thread::JoinHandle<()> {
    let hub = hub.clone();
    thread::spawn(move || (0..count).for_each(|_| _ = publish(&hub, "chat")))
}

#[test]
fn a_topic_without_subscribers_makes_room_for_a_new_one() {
    let hub = Hub::default();
    let mut subscriptions: Vec<Subscription> = Vec::new();
    for n in 0..MAX_TOPICS {
        subscriptions.push(subscribe(&hub, &format!("topic-{n}"), Since::Now));
    }
    assert!(hub.subscribe("one-too-many", Since::Now).is_err());
    assert!(hub.publish("one-too-many", &json!(1)).is_err());
    subscriptions.remove(5);
    let mut new = subscribe(&hub, "one-too-many", Since::Now);
    let id = publish(&hub, "one-too-many");
    assert_eq!(ids(&new.news()), [id]);
}

#[test]
fn readers_of_a_forgotten_topic_get_a_gap() {
    let hub = Hub::default();
    let old = publish(&hub, "forgotten");
    let _subscriptions: Vec<Subscription> = (1..=MAX_TOPICS)
        .map(|n| subscribe(&hub, &format!("topic-{n}"), Since::Now))
        .collect();
    drop(_subscriptions);
    let news = hub.read("forgotten", Since::After(old)).unwrap();
    assert!(news.gap.is_some_and(|gap| gap > old));
}

#[test]
fn the_longest_silent_topic_is_forgotten_first() {
    let hub = Hub::default();
    let first = publish(&hub, "news");
    for n in 1..MAX_TOPICS {
        publish(&hub, &format!("topic-{n}"));
    }
    let second = publish(&hub, "news");
    publish(&hub, "one-too-many");
    let news = hub.read("news", Since::Last(2)).unwrap();
    assert_eq!(ids(&news), [first, second]);
    let silent = hub.read("topic-1", Since::Last(1)).unwrap();
    assert!(silent.is_empty(), "a new topic with the old name");
}

#[test]
fn chat_and_baseball_are_never_forgotten() {
    let hub = Hub::default();
    let said = publish(&hub, "chat");
    for n in 0..2 * MAX_TOPICS {
        publish(&hub, &format!("topic-{n}"));
    }
    assert_eq!(ids(&hub.read("chat", Since::Last(1)).unwrap()), [said]);
}
