//! What was published, what a client was told, and whether the one fits the other.

use std::collections::BTreeMap;
use std::time::Instant;

use comet::hub::RING_EVENTS;

/// An event, as its publisher knows it.
pub struct Published {
    pub id: u64,
    pub number: usize,
    /// Before it was sent.
    pub began: Instant,
    /// When the server's answer had come.
    pub answered: Instant,
}

/// What a client was told, on the question it asked then.
pub struct Told {
    pub id: u64,
    /// The event's number. None: it is a gap, events are missing up to this id.
    pub number: Option<usize>,
    pub asked: Instant,
    pub came: Instant,
}

/// Every event there was, by its id.
pub struct Truth(BTreeMap<u64, Published>);

impl Truth {
    pub fn new(published: Vec<Published>) -> Truth {
        let count = published.len();
        let by_id = published.into_iter().map(|event| (event.id, event));
        let truth = Truth(by_id.collect());
        assert_eq!(truth.0.len(), count, "each event has an id of its own");
        truth
    }

    /// Each event once and in order, but for those that a gap says are missing. Answers how many gaps
    /// there were because the ring had moved on.
    pub fn check(&self, name: &str, base: u64, told: &[Told]) -> usize {
        let (mut last, mut gaps) = (base, 0);
        for told in told {
            match told.number {
                None => {
                    assert!(told.id > last, "{name}: nothing is missing after {last}");
                    gaps += usize::from(self.check_gap(name, told));
                }
                Some(number) => {
                    assert_eq!(told.id, last + 1, "{name}: the next event");
                    let published = self.0.get(&told.id).expect("it was published");
                    assert_eq!(number, published.number, "{name}: event {}", told.id);
                }
            }
            last = told.id;
        }
        gaps
    }

    /// What comes next is the oldest event that the ring still had at some moment between question and
    /// answer: the one that pushes it out was not there before the question, and the ring had become
    /// full before the answer; or else the server was new, and this is its first.
    fn check_gap(&self, name: &str, told: &Told) -> bool {
        let (next, ring) = (told.id, RING_EVENTS as u64);
        assert!(
            self.0.contains_key(&(next + 1)),
            "{name}: nothing follows the gap"
        );
        if let Some(later) = self.0.get(&(next + ring + 1)) {
            assert!(
                later.answered >= told.asked,
                "{name}: {next} was forgotten before"
            );
        }
        let moved_on = self.0.contains_key(&next);
        if moved_on {
            let newest = self.0.get(&(next + ring)).expect("the ring was full");
            assert!(
                newest.began <= told.came,
                "{name}: the ring still had {next}"
            );
        }
        moved_on
    }
}
