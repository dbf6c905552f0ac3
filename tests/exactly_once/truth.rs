//! What was published, what a client received, and whether the two agree.

use std::collections::BTreeMap;
use std::time::Instant;

use comet::hub::RING_EVENTS;

/// An event as its publisher saw it.
pub struct Published {
    pub id: u64,
    pub number: usize,
    /// Before it was sent.
    pub began: Instant,
    /// When the server's answer had come.
    pub answered: Instant,
}

/// A message that a client received, and when it had sent its request.
pub struct Told {
    pub id: u64,
    /// The event's number, or `None` for a gap: events are missing up to and including this id.
    pub number: Option<usize>,
    pub asked: Instant,
    pub came: Instant,
}

/// Every published event, by its id.
pub struct Truth(BTreeMap<u64, Published>);

impl Truth {
    pub fn new(published: Vec<Published>) -> Truth {
        let count = published.len();
        let by_id = published.into_iter().map(|event| (event.id, event));
        let truth = Truth(by_id.collect());
        assert_eq!(truth.0.len(), count, "each event has an id of its own");
        truth
    }

    /// Checks that each event came once and in order, except those that a gap reports. Returns how many gaps were
    /// due to the ring, not to a restart.
    pub fn check(&self, name: &str, base: u64, told: &[Told]) -> usize {
        let (mut last, mut gaps) = (base, 0);
        for told in told {
            match told.number {
                None => {
                    assert!(
                        told.id > last,
                        "{name}: a gap, but nothing is missing after {last}"
                    );
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

    /// The event after a gap must be the oldest in the ring at some moment between request and answer. So the event
    /// that pushes it out came after the request, and the ring was full before the answer; or else the server was
    /// new, and this is its first event. Returns `true` in the first case.
    fn check_gap(&self, name: &str, told: &Told) -> bool {
        let (next, ring) = (told.id, RING_EVENTS as u64);
        assert!(
            self.0.contains_key(&(next + 1)),
            "{name}: nothing follows the gap"
        );
        if let Some(later) = self.0.get(&(next + ring + 1)) {
            assert!(
                later.answered >= told.asked,
                "{name}: the ring had lost more than {next}"
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
